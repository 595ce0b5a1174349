// The tokens that verify_check.py made, verified as docs/clients.md shows it for TypeScript.
import { accessTokens } from "./verify.js";

const { BASE, ISSUER, TOKENS } = process.env as Record<string, string>;
const made = JSON.parse(TOKENS!) as { base: string; good: string; forged: Record<string, string>; access: string; alice: string };

const user = await accessTokens(BASE!, ISSUER!)(made.access);
if (user !== made.alice) throw new Error(`the token of ${made.alice} is one of ${user}`);

const verified = accessTokens(made.base, ISSUER!);
if ((await verified(made.good)) !== "somebody") throw new Error("the forged ones are refused for what they are named for");
for (const [what, token] of Object.entries(made.forged)) {
  const taken = await verified(token).then(
    () => true,
    () => false,
  );
  if (taken) throw new Error(`it was taken: ${what}`);
}
