import { createRemoteJWKSet, jwtVerify } from "jose";

/** Verifies access tokens of Bailiwick, with the keys that it publishes. `issuer` is its `BAILIWICK_ISSUER`. */
export function accessTokens(base: string, issuer: string): (token: string) => Promise<string> {
  // Fetched when a token names a key that is not there yet, and anew after ten minutes.
  const keys = createRemoteJWKSet(new URL("/.well-known/jwks.json", base), { timeoutDuration: 2000 });
  const requirements = { issuer, audience: "bailiwick", typ: "at+jwt", algorithms: ["EdDSA"], requiredClaims: ["exp", "sub"] };
  /** The id of the user whom the token names; throws where it is to be answered with 401. */
  return async (token) => {
    const { payload } = await jwtVerify(token, keys, requirements);
    return payload.sub!;
  };
}
