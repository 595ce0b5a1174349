// What docs/clients.md shows for staying signed in, with the real service.

import assert from "node:assert/strict";
import createClient from "openapi-fetch";
import type { paths } from "./bailiwick.js";
import { SignedOut, signedIn, type Pair } from "./stay.js";

const baseUrl = process.env.BASE;
assert(baseUrl, "BASE says where the service is");
const body = { username: "bob", password: "bailiwick-demo" };
const { data: pair } = await createClient<paths>({ baseUrl }).POST("/api/auth/login", { body });
assert(pair);

const kept: Pair[] = [];
// As one that has expired meanwhile.
const expired = { ...pair, accessToken: `${pair.accessToken}x` };
const api = signedIn(baseUrl, expired, (pair) => kept.push(pair));
const answers = await Promise.all([1, 2, 3].map(() => api.GET("/api/auth/me")));
assert.deepEqual(answers.map(({ data }) => data?.username), ["bob", "bob", "bob"]);
assert.equal(kept.length, 1);
assert.notEqual(kept[0]?.refreshToken, pair.refreshToken);

// What is refused for another reason is refused.
const wrong = await api.PUT("/api/auth/password", { body: { current: "wrong", password: "drifting-Lantern-71-quay" } });
assert.equal(wrong.error?.code, "invalid_credentials");

assert.equal((await api.POST("/api/auth/logout")).response.status, 204);
await assert.rejects(async () => api.GET("/api/auth/me"), SignedOut);
assert.equal(kept.length, 1);
