// `better-auth.mjs MODEL FOLDER ADDRESS`: better-auth with its organization plugin on PostgreSQL, a
// worker for each core. Its roles know tables and operations, but no rows.
import cluster from "node:cluster";
import { createServer } from "node:http";
import { betterAuth } from "better-auth";
import { getMigrations } from "better-auth/db/migration";
import { toNodeHandler } from "better-auth/node";
import { organization } from "better-auth/plugins";
import { createAccessControl } from "better-auth/plugins/access";
import { defaultStatements, ownerAc } from "better-auth/plugins/organization/access";
import pg from "pg";
import {
  OPERATIONS, ask, chosen, endWithHarness, readModel, say, version, workers,
} from "./common.mjs";

const [modelPath, folder, address] = process.argv.slice(2);
const model = readModel(modelPath);
const MEMBERS = 80;

const everything = Object.fromEntries(model.tables.map((table) => [table, OPERATIONS]));
const ac = createAccessControl({ ...defaultStatements, ...everything });
const roles = Object.fromEntries(
  Object.entries(model.roles).map(([role, tables]) => {
    const allowed = (table) => OPERATIONS.filter((operation) => tables[table][operation] !== "n");
    const statements = model.tables.map((table) => [table, allowed(table)]);
    return [role, ac.newRole(Object.fromEntries(statements))];
  }),
);

const owner = ac.newRole({ ...ownerAc.statements, ...everything });

const options = {
  // Where, as whom: in the environment, by PGHOST and so on.
  database: new pg.Pool(),
  baseURL: `http://${address}`,
  secret: "not-secret-of-a-throw-away-database-0000",
  emailAndPassword: { enabled: true },
  rateLimit: { enabled: false },
  telemetry: { enabled: false },
  plugins: [organization({ ac, roles: { owner, ...roles } })],
};
const auth = betterAuth(options);

async function prepare() {
  await (await getMigrations(options)).runMigrations();
  const sign = async (name) => {
    const body = { name, email: `${name}@load.example`, password: "quiet-Harbour-58" };
    const { headers, response } = await auth.api.signUpEmail({ body, returnHeaders: true });
    const cookie = headers.getSetCookie().map((line) => line.split(";")[0]).join("; ");
    return { id: response.user.id, cookie };
  };
  const founder = await sign("founder");
  const made = await auth.api.createOrganization({
    body: { name: "Load", slug: "load" },
    headers: new Headers({ cookie: founder.cookie }),
  });
  const join = (userId, role) =>
    auth.api.addMember({ body: { userId, organizationId: made.id, role } });
  const user = await sign("user");
  await join(user.id, model.held);
  // Nobody signs in as these, so that they need no password.
  const { internalAdapter } = await auth.$context;
  for (let number = 2; number < MEMBERS; number += 1) {
    const name = `member-${number}`;
    const member = await internalAdapter.createUser({ name, email: `${name}@load.example` });
    await join(member.id, Object.keys(model.roles)[1]);
  }
  return { user, organizationId: made.id };
}

function tell({ user, organizationId }) {
  // A browser says where the page came from; without it, a request with a cookie is refused.
  const headers = { Cookie: user.cookie, Origin: `http://${address}` };
  const question = ({ table, operation }) =>
    ask("POST", "/api/auth/organization/has-permission", headers, {
      organizationId,
      permissions: { [table]: [operation] },
    });
  const list = `/api/auth/organization/list-members?organizationId=${organizationId}&limit=50`;
  const { allowed, refused } = chosen(model);
  say(folder, {
    version: version("better-auth"),
    check: { ask: question(allowed), status: 200, contains: '"success":true' },
    refused: { ask: question(refused), status: 200, contains: '"success":false' },
    list: { ask: ask("GET", list, headers), status: 200, contains: `"total":${MEMBERS}` },
  });
}

if (cluster.isPrimary) {
  endWithHarness();
  tell(await prepare());
  await options.database.end();
  for (let worker = 0; worker < workers; worker += 1) cluster.fork();
} else {
  const [host, port] = address.split(":");
  createServer(toNodeHandler(auth)).listen(Number(port), host);
  process.on("disconnect", () => process.exit(0));
}
