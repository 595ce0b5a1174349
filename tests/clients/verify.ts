import { createRemoteJWKSet, errors, jwtVerify, type JWTVerifyGetKey } from "jose";

/** The keys cannot be fetched, which says nothing of a token: to be answered with 503. */
export class KeysUnavailable extends Error {}

/** Verifies access tokens of Bailiwick, with the keys that it publishes. `issuer` is its `BAILIWICK_ISSUER`. */
export function accessTokens(base: string, issuer: string): (token: string) => Promise<string> {
  // Fetched when a token names a key that is not there yet, and anew after ten minutes.
  const published = createRemoteJWKSet(new URL("/.well-known/jwks.json", base), { timeoutDuration: 2000 });
  const keys: JWTVerifyGetKey = async (header, token) => {
    try {
      return await published(header, token);
    } catch (error) {
      // Of what goes wrong here only these are the token's fault.
      if (error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys) throw error;
      throw new KeysUnavailable("the keys cannot be fetched", { cause: error });
    }
  };
  const requirements = { issuer, audience: "bailiwick", typ: "at+jwt", algorithms: ["EdDSA", "ES256"], requiredClaims: ["exp", "sub"] };
  /** The id of the user whom the token names. Answer `errors.JOSEError` with 401, `KeysUnavailable` with 503. */
  return async (token) => {
    const { payload } = await jwtVerify(token, keys, requirements);
    return payload.sub!;
  };
}
