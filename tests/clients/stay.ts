import createClient, { type Client } from "openapi-fetch";
import type { components, paths } from "./bailiwick.js";

export type Pair = Pick<components["schemas"]["TokenAnswer"], "accessToken" | "refreshToken">;

/** The session is over: sign in anew. */
export class SignedOut extends Error {}

/** A client that stays signed in. `keep` puts each new pair where the next start of the application finds it. */
export function signedIn(baseUrl: string, pair: Pair, keep: (pair: Pair) => void): Client<paths> {
  const open = createClient<paths>({ baseUrl });
  let renewing: Promise<void> | undefined;
  async function renew(): Promise<void> {
    const { data, error } = await open.POST("/api/auth/refresh", { body: { refreshToken: pair.refreshToken } });
    if (error?.code === "session_revoked") throw new SignedOut(error.detail);
    if (!data) throw new Error(`${error?.code}: ${error?.detail}`); // to be tried again, as any request
    keep((pair = data));
  }
  function send(request: Request): Promise<Response> {
    request.headers.set("Authorization", `Bearer ${pair.accessToken}`);
    return fetch(request);
  }
  return createClient<paths>({
    baseUrl,
    fetch: async (request) => {
      const [used, again] = [pair, request.clone()];
      const answer = await send(request);
      if (answer.status !== 401 || (await answer.clone().json()).code !== "unauthenticated") return answer;
      // A token is good once: whoever comes meanwhile waits for the same pair.
      if (pair === used) await (renewing ??= renew().finally(() => (renewing = undefined)));
      return send(again);
    },
  });
}
