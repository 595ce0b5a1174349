// The README's tour by the TypeScript client: the same calls in the same order. (`.ci/check-clients` compares what was sent.)

import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { setTimeout } from "node:timers/promises";
import createClient, { type Client } from "openapi-fetch";
import type { components, paths } from "./bailiwick.js";

type Schemas = components["schemas"];
type Answer<T> = { data?: T; error?: Schemas["Problem"]; response: Response };

const baseUrl = process.env.BASE;
assert(baseUrl, "BASE says where the service is");
const folder = process.env.MAIL_DIR;
assert(folder, "MAIL_DIR says where its mail goes");

/** The body of an answer of this status. */
function told<T>(status: number, answer: Answer<T>): T {
  assert.equal(answer.response.status, status, JSON.stringify(answer.error));
  assert(answer.data !== undefined);
  return answer.data;
}

/** The problem document of a refusal. */
function refused(status: number, code: Schemas["Problem"]["code"], answer: Answer<unknown>): Schemas["Problem"] {
  assert.equal(answer.response.status, status);
  assert.equal(answer.error?.code, code);
  assert.equal(answer.error.requestId, answer.response.headers.get("X-Request-Id"));
  return answer.error;
}

/** The one item of a list that is meant. */
function only<T>(items: T[], meant: (item: T) => boolean): T {
  const [found, ...others] = items.filter(meant);
  assert(found !== undefined && others.length === 0, JSON.stringify(items));
  return found;
}

/** Of the newest mail, as soon as there is one. */
async function mailedToken(): Promise<string> {
  const mails = (await readdir(folder!).catch(() => [])).filter((name) => name.endsWith(".eml")).sort();
  const newest = mails.at(-1);
  if (newest === undefined) {
    await setTimeout(100);
    return mailedToken();
  }
  const [token] = /^bwm_\S+/m.exec(await readFile(`${folder}/${newest}`, "utf8")) ?? [];
  assert(token !== undefined);
  return token;
}

async function signIn(username: string, password = "bailiwick-demo"): Promise<Client<paths>> {
  const body = { username, password };
  const token = told(200, await createClient<paths>({ baseUrl: baseUrl! }).POST("/api/auth/login", { body }));
  assert.equal(token.tokenType, "Bearer");
  return createClient<paths>({ baseUrl: baseUrl!, headers: { Authorization: `Bearer ${token.accessToken}` } });
}

// An application draws a user's navigation.
const alice = await signIn("alice");
const navigation = told(200, await alice.GET("/api/features/my", { params: { query: { lang: "en" } } }));
const shown = navigation.mandates[0]?.features[0]?.instances[0];
assert.equal(shown?.userRole, "playbooks-admin");
assert.equal(shown.permissions.tables.playbooks?.read, "a");

// Most other calls name a mandate.
const acme = only(told(200, await alice.GET("/api/auth/me")).mandates, ({ name }) => name === "Acme");
const header = { "X-Mandate-Id": acme.id };
const path = { mandateId: acme.id };
const members = told(200, await alice.GET("/api/mandates/{mandateId}/users", { params: { header, path } }));
assert.deepEqual([members.items.length, members.nextCursor], [3, null]);
const called = { params: { header, path, query: { q: "bob" } } };
const bobId = only(told(200, await alice.GET("/api/mandates/{mandateId}/users", called)).items, () => true).userId;

// A group.
const finance = { params: { header, path }, body: { name: "Finance" } };
const group = told(201, await alice.POST("/api/mandates/{mandateId}/groups", finance));
const grouped = await alice.PUT("/api/mandates/{mandateId}/groups/{groupId}/members", {
  params: { header, path: { ...path, groupId: group.id } },
  body: { userIds: [bobId] },
});
const financiers = told(200, grouped);
assert("items" in financiers);
assert.deepEqual(financiers.items.map(({ username }) => username), ["bob"]);

// A role.
const recruiter = { params: { header, path }, body: { label: "recruiter" } };
const role = told(201, await alice.POST("/api/mandates/{mandateId}/roles", recruiter));
const put = await alice.PUT("/api/roles/{roleId}/permissions", {
  params: { header, path: { roleId: role.id } },
  body: {
    tables: {
      members: { view: true, read: "a", create: "a", update: "n", delete: "n" },
      roles: { view: true, read: "a", create: "n", update: "n", delete: "n" },
    },
  },
});
const permissions = told(200, put);
assert("tables" in permissions && permissions.tables.members?.create === "a");
const assigned = "/api/mandates/{mandateId}/users/{userId}/roles/{roleId}";
const assignment = { header, path: { ...path, userId: bobId, roleId: role.id } };
const preview = told(200, await alice.PUT(assigned, { params: { ...assignment, query: { dryRun: true } } }));
assert("totals" in preview && preview.totals.gained === 3 && preview.adminsLeft === 1);
const member = told(200, await alice.PUT(assigned, { params: assignment }));
assert("roleIds" in member && member.roleIds.includes(role.id));

// Nobody gives what they do not have.
let bob = await signIn("bob");
const labelled = async (label: string) => {
  const roles = told(200, await bob.GET("/api/mandates/{mandateId}/roles", { params: { header, path } }));
  return only(roles.items, (role) => role.label === label).id;
};
const [admin, user] = [await labelled("admin"), await labelled("user")];
const carol = (roleId: string) => ({ params: { header, path }, body: { username: "carol", roleIds: [roleId] } });
refused(403, "grant_exceeds_own_access", await bob.POST("/api/mandates/{mandateId}/users", carol(admin)));
const added = told(201, await bob.POST("/api/mandates/{mandateId}/users", carol(user)));
assert("email" in added && added.email === null);

// Somebody without an account is invited.
const email = "frieda@acme.example";
const frieda = { params: { header, path }, body: { email, roleIds: [user] } };
told(201, await bob.POST("/api/mandates/{mandateId}/invitations", frieda));
const register = { username: "frieda", password: "slow-Ferry-44-cobalt" };
const nobody = createClient<paths>({ baseUrl });
const joined = await nobody.POST("/api/invitations/accept", { body: { token: await mailedToken(), register } });
assert.equal(told(201, joined).mandateId, acme.id);
const over = { params: { header, path, query: { status: "accepted" as const } } };
const invited = told(200, await bob.GET("/api/mandates/{mandateId}/invitations", over));
assert.deepEqual(invited.items.map((invitation) => invitation.email), [email]);

// A feature is opened.
const made = await alice.POST("/api/features/instances", {
  params: { header },
  body: { featureCode: "trustee", label: "Accounting 2027", grantCreatorRole: "trustee-admin" },
});
const instance = { header, path: { instanceId: told(201, made).id } };
assert.equal(made.response.headers.get("Location"), `/api/features/instances/${instance.path.instanceId}`);
const instanceRoles = told(200, await alice.GET("/api/features/instances/{instanceId}/roles", { params: instance }));
const viewer = only(instanceRoles.items, ({ label }) => label === "trustee-viewer");
assert.deepEqual([viewer.scope, viewer.featureCode, viewer.protected], ["instance", "trustee", false]);
const admission = { params: instance, body: { userId: bobId, roleIds: [viewer.id] } };
const admitted = told(201, await alice.POST("/api/features/instances/{instanceId}/users", admission));
assert("username" in admitted && admitted.username === "bob");

// Copies may be changed, and brought back.
const patched = await alice.PATCH("/api/roles/{roleId}/permissions", {
  params: { header, path: { roleId: viewer.id } },
  body: { views: { reports: true } },
});
const changed = told(200, patched);
assert("views" in changed && changed.views.reports === true);
const dry = { params: { ...instance, query: { addOnly: false, dryRun: true } } };
const sync = told(200, await alice.POST("/api/features/instances/{instanceId}/sync-roles", dry));
assert.deepEqual([sync.updated, sync.changes[0]?.permissions[0]?.view], [1, "reports"]);

// Everything was recorded.
const last = { params: { header, path, query: { limit: 3 } } };
const events = told(200, await alice.GET("/api/mandates/{mandateId}/audit", last));
assert.deepEqual([events.items.length, events.items[0]?.action], [3, "role_permissions_changed"]);
assert.equal(events.items[0]?.actorName, "alice");
assert(events.nextCursor);

// Asking again is cheap.
const etag = (await alice.GET("/api/features/my")).response.headers.get("ETag");
assert(etag);
const again = await alice.GET("/api/features/my", { params: { header: { "If-None-Match": etag } } });
assert.deepEqual([again.response.status, again.data], [304, undefined]);

// One stays signed in.
const open = createClient<paths>({ baseUrl });
const credentials = { username: "bob", password: "bailiwick-demo" };
const { refreshToken } = told(200, await open.POST("/api/auth/login", { body: credentials }));
const renewed = told(200, await open.POST("/api/auth/refresh", { body: { refreshToken } }));
const headers = { Authorization: `Bearer ${renewed.accessToken}` };
const sessions = told(200, await open.GET("/api/auth/sessions", { headers, params: { query: { limit: 1 } } }));
assert.equal(sessions.items[0]?.current, true);

// Features hold work.
bob = await signIn("bob");
const written = { name: "incident response", title: "When the pager rings" };
const playbook = told(201, await bob.POST("/api/playbooks", { params: { header }, body: written })).id;
const versions = "/api/playbooks/{playbook}/versions";
const content = { content: "1. Say that you are on it." };
assert.equal(told(201, await bob.POST(versions, { params: { header, path: { playbook } }, body: content })).number, 1);
const first = { header, path: { playbook, number: 1 } };
const edited = await bob.PUT(`${versions}/{number}`, { params: first, body: { content: "1. Panic." } });
assert.equal(told(200, edited).revision, 2);
assert.equal(told(200, await bob.PUT(`${versions}/{number}/rollback`, { params: first })).content, content.content);
const named = { header, path: { playbook: "incident response", number: 1 } };
const revisions = told(200, await bob.GET(`${versions}/{number}/revisions`, { params: named }));
assert.deepEqual(revisions.items.map(({ rolledBackFrom }) => rolledBackFrom !== null), [true, false, false]);
const it = { params: { header, path: { playbook } } };
const deletion = told(200, await bob.DELETE("/api/playbooks/{playbook}", it));
assert(Date.parse(deletion.purgeAt) > Date.parse(deletion.deletedAt));
assert.equal(refused(410, "gone", await bob.GET("/api/playbooks/{playbook}", it)).purgeAt, deletion.purgeAt);
assert.equal(told(200, await bob.POST("/api/playbooks/{playbook}/restore", it)).latestVersion, 1);

// May I, and why not?
const asked = await bob.POST("/api/access/check", {
  params: { header },
  body: {
    checks: [
      { table: "playbooks", operation: "delete", ownerId: bobId },
      { table: "members", operation: "update" },
    ],
  },
});
assert.deepEqual(told(200, asked).results, [{ allowed: true, level: "m" }, { allowed: false, level: "n" }]);
const aliceId = told(200, await alice.GET("/api/auth/me")).id;
const question = { table: "playbooks", operation: "delete" as const, ownerId: aliceId };
const explanation = told(200, await bob.POST("/api/access/explain", { params: { header }, body: question }));
assert.deepEqual([explanation.allowed, explanation.because[0]?.role], [false, "playbooks-editor"]);
assert(explanation.wouldNeed);

// A SysAdmin makes a mandate.
const sysadmin = await signIn("sysadmin");
const account = { username: "erin", password: "quiet-Harbour-58-lantern", mustChangePassword: false };
const erinId = told(201, await sysadmin.POST("/api/users", { body: account })).id;
const initech = await sysadmin.POST("/api/mandates", { body: { name: "Initech", adminUserId: erinId } });
assert.equal(told(201, initech).hasAdmin, true);
assert.deepEqual(told(200, await sysadmin.GET("/api/features/my")).mandates, []);
const erin = await signIn(account.username, account.password);
const me = told(200, await erin.GET("/api/auth/me"));
assert.deepEqual([me.username, me.mandates[0]?.roles], ["erin", ["admin"]]);

// An application of its own registers its feature.
const helpdesk = {
  code: "helpdesk",
  label: { en: "Help desk" },
  icon: "mdi-lifebuoy",
  tables: ["tickets", "answers"],
  views: ["inbox", "statistics"],
};
assert.equal(told(201, await sysadmin.POST("/api/features", { body: helpdesk })).builtIn, false);
const agent = { featureCode: "helpdesk", roleLabel: "helpdesk-agent" };
const template = told(201, await sysadmin.POST("/api/features/templates/roles", { body: agent }));
assert.equal(template.scope, "feature-template");
const tables: Schemas["ReplacePermissions"]["tables"] = {
  tickets: { view: true, read: "a", create: "m", update: "g", delete: "n" },
  answers: { view: true, read: "a", create: "m", update: "m", delete: "m" },
};
const agents = await sysadmin.PUT("/api/roles/{roleId}/permissions", {
  params: { path: { roleId: template.id } },
  body: { views: { inbox: true }, tables },
});
const permitted = told(200, agents);
assert("tables" in permitted);
assert.deepEqual([permitted.tables, permitted.views], [tables, { inbox: true }]);
