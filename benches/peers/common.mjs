// What the peers that run in Node have in common.
import { availableParallelism } from "node:os";
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

export const OPERATIONS = ["read", "create", "update", "delete"];
export const workers = availableParallelism();

export const readModel = (path) => JSON.parse(readFileSync(path, "utf8"));

/// The first question is allowed because the row is the user's own, the second is refused.
export const chosen = (model) => ({ allowed: model.questions[0], refused: model.questions[1] });

export const ask = (method, path, headers, body) => ({
  method,
  path,
  callers: [Object.entries(body ? { "Content-Type": "application/json", ...headers } : headers)],
  body: body ? JSON.stringify(body) : "",
});

/// For the benchmarks to read once the server answers.
export const say = (folder, said) => writeFileSync(join(folder, "said.json"), JSON.stringify(said));

/// The version that was installed.
export function version(name) {
  const require = createRequire(import.meta.url);
  const [path] = require.resolve.paths(name).map((folder) => join(folder, name, "package.json"));
  return JSON.parse(readFileSync(path, "utf8")).version;
}

/// The benchmarks hold the other end of standard input: when they end, so does this.
export function endWithHarness(last = () => {}) {
  const end = () => {
    last();
    process.exit(0);
  };
  process.stdin.on("end", end).on("close", end).resume();
  process.on("SIGTERM", end);
}
