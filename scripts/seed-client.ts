// Owns the calls to the edge's administration that make a tenant and a key, shared by dev and by the seed command.
import { keyScopes } from "@fairlane/protocol";
import { z } from "zod";

const tenantAnswer = z.object({ id: z.string() });
const keyAnswer = z.object({ id: z.string(), key: z.string() });
const errorAnswer = z.object({ error: z.object({ message: z.string(), code: z.string() }) });

export interface SeedOptions {
  readonly edgeUrl: string;
  readonly adminToken: string;
  /** Name of the tenant. */
  readonly name: string;
}

export interface Seeded {
  readonly tenantId: string;
  readonly keyId: string;
  /** The key's text: shown once, stored nowhere. */
  readonly apiKey: string;
}

async function post(options: SeedOptions, route: string, body: object): Promise<unknown> {
  const response = await fetch(`${options.edgeUrl}/v1/fairlane/admin${route}`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${options.adminToken}`,
      "content-type": "application/json",
    },
    body: JSON.stringify(body),
  });
  const answer: unknown = await response.json();
  if (response.ok) return answer;
  const error = errorAnswer.safeParse(answer);
  const why = error.success ? `${error.data.error.code}: ${error.data.error.message}` : "no reason";
  throw new Error(`the edge refused ${route} with ${response.status} (${why})`);
}

/** Makes a tenant and a key that may do all that a key can, through the edge's administration; throws with the edge's reason. */
export async function makeTenantAndKey(options: SeedOptions): Promise<Seeded> {
  const tenant = tenantAnswer.parse(await post(options, "/tenants", { name: options.name }));
  const keyRoute = `/tenants/${tenant.id}/keys`;
  // It is the only one: whoever tries the platform out finds every route open.
  const body = { name: `${options.name} key`, scopes: keyScopes() };
  const key = keyAnswer.parse(await post(options, keyRoute, body));
  return { tenantId: tenant.id, keyId: key.id, apiKey: key.key };
}
