// The tokens that verify_check.py made, verified as docs/clients.md shows it for TypeScript.
import { errors } from "jose";

import { accessTokens, KeysUnavailable } from "./verify.js";

const { BASE, ISSUER, TOKENS } = process.env as Record<string, string>;
const made = JSON.parse(TOKENS!) as {
  base: string;
  good: string;
  forged: Record<string, string>;
  unavailable: Record<string, string>;
  access: string;
  alice: string;
};

const user = await accessTokens(BASE!, ISSUER!)(made.access);
if (user !== made.alice) throw new Error(`the token of ${made.alice} is one of ${user}`);

/** What a token is refused with. */
const refusal = (verified: (token: string) => Promise<string>, token: string): Promise<unknown> =>
  verified(token).then(
    () => "it was taken",
    (error: unknown) => error,
  );

const verified = accessTokens(made.base, ISSUER!);
if ((await verified(made.good)) !== "somebody") throw new Error("the forged ones are refused for what they are named for");
for (const [what, token] of Object.entries(made.forged)) {
  const told = await refusal(verified, token);
  if (!(told instanceof errors.JOSEError)) throw new Error(`${what}: ${told}`);
}
for (const [what, base] of Object.entries(made.unavailable)) {
  const told = await refusal(accessTokens(base, ISSUER!), made.good);
  if (!(told instanceof KeysUnavailable)) throw new Error(`${what}: ${told}`);
}
