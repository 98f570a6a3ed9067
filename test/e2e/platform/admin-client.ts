// Owns the administration's HTTP calls that end-to-end tests make, as an operator's script would make them.

export interface TenantLimits {
  readonly requests_per_minute?: number;
  readonly tokens_per_minute?: number;
  readonly parallel_requests?: number;
}

export class AdminClient {
  readonly #base: string;
  readonly #token: string;

  constructor(edgeUrl: string, token: string) {
    this.#base = `${edgeUrl}/v1/fairlane/admin/tenants`;
    this.#token = token;
  }

  async createTenant(name: string, limits: TenantLimits): Promise<{ readonly tenantId: string }> {
    const body = await this.#call("POST", "", { name, ...limits });
    return { tenantId: String(body["id"]) };
  }

  /** @param terms fields of the new key; absent: those of any key */
  async createKey(
    tenantId: string,
    terms: object = {},
  ): Promise<{ readonly keyId: string; readonly apiKey: string }> {
    const body = await this.#call("POST", `/${tenantId}/keys`, terms);
    return { keyId: String(body["id"]), apiKey: String(body["key"]) };
  }

  async revokeKey(tenantId: string, keyId: string): Promise<void> {
    await this.#call("DELETE", `/${tenantId}/keys/${keyId}`);
  }

  async changeTenant(tenantId: string, change: object): Promise<void> {
    await this.#call("PATCH", `/${tenantId}`, change);
  }

  async usage(tenantId: string): Promise<Record<string, unknown>> {
    return this.#call("GET", `/${tenantId}/usage`);
  }

  /** A step with a tenant's invoices: the path behind the tenant's, and the body. */
  async invoiceStep(
    tenantId: string,
    step: string,
    body: object,
  ): Promise<Record<string, unknown>> {
    return this.#call("POST", `/${tenantId}${step}`, body);
  }

  /** A call that is about no tenant: `route` as in `/jobs`. */
  async operate(method: string, route: string, body?: object): Promise<Record<string, unknown>> {
    return this.#call(method, `/..${route}`, body);
  }

  async #call(method: string, route: string, body?: object): Promise<Record<string, unknown>> {
    const response = await fetch(`${this.#base}${route}`, {
      method,
      headers: { authorization: `Bearer ${this.#token}`, "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const answer = (await response.json()) as Record<string, unknown>;
    if (!response.ok)
      throw new Error(`${method} ${route}: ${response.status} ${JSON.stringify(answer)}`);
    return answer;
  }
}
