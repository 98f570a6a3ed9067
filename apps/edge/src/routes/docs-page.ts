// GET /docs: the OpenAPI document as a page for people. Written once on the server, without scripts, fonts or anything
// from elsewhere, so that it can be read under the strictest policy and without a network.
import { escapeHtml } from "../http/escape-html.ts";
import { openApiDocument } from "./openapi.ts";
import type { Route } from "./route.ts";

type Document = ReturnType<typeof openApiDocument>;
type Operation = NonNullable<NonNullable<NonNullable<Document["paths"]>[string]>["get"]>;

const METHODS = ["get", "post", "put", "patch", "delete"] as const;
const HEADERS = {
  "content-type": "text/html; charset=utf-8",
  "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'",
};

const STYLE = `
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a;background:#fff}
h2{margin-top:2.5rem;border-bottom:1px solid #ddd}
details{border:1px solid #ddd;border-radius:6px;margin:.5rem 0;padding:.4rem .8rem}
summary{cursor:pointer}summary b{display:inline-block;width:4.5rem}
pre{background:#f5f5f5;padding:.8rem;overflow:auto;font-size:13px}
table{border-collapse:collapse}td,th{border:1px solid #ddd;padding:.2rem .6rem;text-align:left}
@media(prefers-color-scheme:dark){body{background:#151515;color:#e6e6e6}pre{background:#222}
details,h2,td,th{border-color:#444}a{color:#8ab4f8}}`;

/** @param routes every route that the document tells of */
export function docsRoute(routes: () => readonly Route[]): Route {
  let page: string | undefined;
  return {
    method: "GET",
    path: "/docs",
    access: "public",
    docs: { summary: "This API as a page", tag: "Service", contentType: "text/html" },
    handler: () => {
      page ??= pageOf(openApiDocument(routes()));
      return new Response(page, { headers: HEADERS });
    },
  };
}

function pageOf(document: Document): string {
  const operations = Object.entries(document.paths ?? {}).flatMap(([path, item]) =>
    METHODS.flatMap((method) => {
      const operation = item?.[method];
      return operation ? [{ path, method, operation }] : [];
    }),
  );
  const tags = [...new Set(operations.map(({ operation }) => operation.tags?.[0] ?? ""))];
  const sections = tags.map((tag) => {
    const own = operations.filter(({ operation }) => operation.tags?.[0] === tag);
    return `<h2>${escapeHtml(tag)}</h2>${own.map(operationHtml).join("")}`;
  });
  const { title, description = "" } = document.info;
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>${escapeHtml(title)} API</title>
<meta name="viewport" content="width=device-width,initial-scale=1"><style>${STYLE}</style></head><body>
<h1>${escapeHtml(title)} API</h1><p>${escapeHtml(description)}</p>
<p>The same for machines: <a href="/openapi.json">/openapi.json</a>, OpenAPI ${escapeHtml(document.openapi)}.</p>
${sections.join("\n")}</body></html>`;
}

function operationHtml(shown: {
  readonly path: string;
  readonly method: string;
  readonly operation: Operation;
}): string {
  const { path, method, operation } = shown;
  const { summary = "", description = "", parameters = [], requestBody, security } = operation;
  const credential = security?.[0] === undefined ? "none" : Object.keys(security[0]).join(", ");
  const body = requestBody && "content" in requestBody ? requestBody.content : {};
  const schema = body["application/json"]?.schema;
  return `<details><summary><b>${method.toUpperCase()}</b> <code>${escapeHtml(path)}</code> — ${escapeHtml(summary)}</summary>
<p>Credential: ${escapeHtml(credential)}. ${escapeHtml(description)}</p>${parametersHtml(parameters)}
${schema === undefined ? "" : `<p>Body:</p><pre>${escapeHtml(JSON.stringify(schema, null, 2))}</pre>`}</details>`;
}

function parametersHtml(parameters: NonNullable<Operation["parameters"]>): string {
  const rows = parameters.flatMap((parameter) =>
    "name" in parameter
      ? [
          `<tr><td><code>${escapeHtml(parameter.name)}</code></td><td>${parameter.in}</td>` +
            `<td><code>${escapeHtml(JSON.stringify(parameter.schema))}</code></td></tr>`,
        ]
      : [],
  );
  if (rows.length === 0) return "";
  return `<table><tr><th>name</th><th>in</th><th>schema</th></tr>${rows.join("")}</table>`;
}
