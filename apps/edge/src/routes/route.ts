// Owns what a route of the edge is: one entry of a list from which the app is mounted, the answers to other methods
// are made, the OpenAPI document is written and the authorisation matrix is tested. No route exists outside the list.
import type { Scope } from "@fairlane/protocol";
import type { z } from "zod";
import type { EdgeContext } from "../edge-context.ts";

/**
 * Who may call a route: anybody, the operator with the admin token, any living key or session (`caller`), or a key or a
 * session with a scope. A handler asks for it itself; the test of the authorisation matrix holds it to this entry.
 */
export type Access = "public" | "admin" | "caller" | { readonly scope: Scope };

/** What the OpenAPI document tells of a route besides its method, path and access. */
export interface RouteDocs {
  /** One line without a full stop. */
  readonly summary: string;
  readonly tag: string;
  /** Schema of the JSON body. */
  readonly body?: z.ZodType;
  /** Schema of the query; every parameter is a string there. */
  readonly query?: z.ZodObject;
  /** The status of success, 200 if absent. */
  readonly status?: number;
  /** Schema of the JSON answer; without one only its content type is told. */
  readonly answer?: z.ZodType;
  /** Of an answer that is no JSON. */
  readonly contentType?: string;
  /** True when `stream: true` answers with server-sent events. */
  readonly streams?: boolean;
}

export interface Route {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** In Hono's form: `/v1/models/:model{.+}`. */
  readonly path: string;
  readonly access: Access;
  readonly docs: RouteDocs;
  readonly handler: (context: EdgeContext) => Response | Promise<Response>;
}
