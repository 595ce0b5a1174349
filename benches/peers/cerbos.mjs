// `cerbos.mjs MODEL FOLDER ADDRESS`: Cerbos' policy decision point, with a resource policy for each
// table. It is told roles and owner with each question.
import { spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { OPERATIONS, ask, chosen, endWithHarness, readModel, say, version } from "./common.mjs";

const [modelPath, folder, address] = process.argv.slice(2);
const model = readModel(modelPath);

const PACKAGE = `@cerbos/cerbos-${process.platform}-${process.arch}`;
const OWN = { match: { expr: "request.resource.attr.owner == request.principal.id" } };

function policy(table) {
  const rules = Object.entries(model.roles).flatMap(([role, tables]) =>
    ["a", "m"].flatMap((level) => {
      const actions = OPERATIONS.filter((operation) => tables[table][operation] === level);
      if (actions.length === 0) return [];
      const rule = { actions, effect: "EFFECT_ALLOW", roles: [role] };
      return [level === "m" ? { ...rule, condition: OWN } : rule];
    }),
  );
  const resourcePolicy = { version: "default", resource: table, rules };
  return { apiVersion: "api.cerbos.dev/v1", resourcePolicy };
}

const policies = join(folder, "policies");
mkdirSync(policies);
for (const table of model.tables) {
  writeFileSync(join(policies, `${table}.json`), JSON.stringify(policy(table)));
}
const config = join(folder, "cerbos.json");
writeFileSync(
  config,
  JSON.stringify({
    server: { httpListenAddr: address, grpcListenAddr: `unix:${join(folder, "grpc")}` },
    storage: { driver: "disk", disk: { directory: policies, watchForChanges: false } },
    telemetry: { disabled: true },
  }),
);

const question = ({ table, operation, owner }) =>
  ask("POST", "/api/check/resources", {}, {
    principal: { id: model.user, roles: model.held, attr: {} },
    resources: [{ actions: [operation], resource: { kind: table, id: "1", attr: { owner } } }],
  });
const { allowed, refused } = chosen(model);
say(folder, {
  version: version(PACKAGE),
  check: { ask: question(allowed), status: 200, contains: "EFFECT_ALLOW" },
  refused: { ask: question(refused), status: 200, contains: "EFFECT_DENY" },
  list: null,
});

const binary = createRequire(import.meta.url).resolve(PACKAGE);
const server = spawn(binary, ["server", `--config=${config}`, "--log-level=warn"], {
  stdio: ["ignore", "inherit", "inherit"],
});
server.on("exit", (code) => process.exit(code ?? 1));
endWithHarness(() => server.kill("SIGKILL"));
