import createClient from "openapi-fetch";
import type { components, paths } from "./bailiwick.js";

function told<T>({ data, error }: { data?: T; error?: components["schemas"]["Problem"] }): T {
  if (data === undefined) throw new Error(`${error?.code}: ${error?.detail} (request ${error?.requestId})`);
  return data;
}
const api = createClient<paths>({ baseUrl: process.env.BASE ?? "http://127.0.0.1:8080" });
const { accessToken } = told(await api.POST("/api/auth/login", { body: { username: "bob", password: "bailiwick-demo" } }));
api.use({ onRequest: ({ request }) => request.headers.set("Authorization", `Bearer ${accessToken}`) });
const header = { "X-Mandate-Id": told(await api.GET("/api/auth/me")).mandates[0]!.id };

const checks = [{ table: "playbooks", operation: "create" as const }];
console.log(told(await api.POST("/api/access/check", { params: { header }, body: { checks } })).results[0]?.allowed);

const once = { header: { ...header, "Idempotency-Key": crypto.randomUUID() } }; // the same one if it has to be sent again
const { id, version } = told(await api.POST("/api/playbooks", { params: once, body: { name: "rota", title: "On call" } }));
const seen = { path: { playbook: id }, header: { ...header, "If-Match": `"${version}"` } }; // 412 if it has another by now
told(await api.PATCH("/api/playbooks/{playbook}", { params: seen, body: { title: "On call today" } }));

for (let page, cursor: string | null = ""; cursor !== null; cursor = page.nextCursor) {
  page = told(await api.GET("/api/playbooks", { params: { header, query: { limit: 1, ...(cursor && { cursor }) } } }));
  for (const { name, title } of page.items) console.log(name, title);
}
