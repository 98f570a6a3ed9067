// The operator's settings of the export of usage. What is delivered is for the hub's tests.
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { asAdmin, codeOf, newTenant } from "../../test/live-edge.ts";

const SECRET = `whsec_${btoa("0123456789abcdef0123456789abcdef")}`;
const SETTINGS = { kind: "cloudevents", url: "https://billing.example/events", secret: SECRET };
const PATH = "/billing-export";

describe("the settings of the export", () => {
  it("are kept sealed, shown without their secret, changed, and removed", async () => {
    expect((await asAdmin("GET", PATH)).status).toBe(404);
    const put = await asAdmin("PUT", PATH, SETTINGS);
    expect(put.status).toBe(200);
    const shown = await put.text();
    expect(shown).not.toContain("whsec");
    expect(JSON.parse(shown)).toMatchObject({
      object: "fairlane.billing_export",
      kind: "cloudevents",
      url: "https://billing.example/events",
      event_type: "fairlane.usage",
      state: "delivering",
      cursor: 0,
      lag_entries: 0,
      failure_count: 0,
      retry_at_ms: null,
      last_error: null,
      rejected_entries: 0,
      rejections: [],
    });
    const sealed = await env.CONTROL_DB.prepare("SELECT sealed_secret FROM billing_export").first(
      "sealed_secret",
    );
    expect(sealed).toMatch(/^[0-9a-f]{100,}$/);
    const meters = { output_tokens: "llm_output" };
    const stripe = { kind: "stripe", secret: "sk_test_0123456789", meters };
    expect(await (await asAdmin("PUT", PATH, stripe)).json()).toMatchObject({
      kind: "stripe",
      url: "https://api.stripe.com/v1/billing/meter_events",
      meters,
    });
    expect((await asAdmin("POST", `${PATH}/retry`)).status).toBe(200);
    expect((await asAdmin("DELETE", PATH)).status).toBe(200);
    expect((await asAdmin("DELETE", PATH)).status).toBe(404);
  });

  it.each([
    ["url", { ...SETTINGS, url: "http://billing.example/" }],
    ["url", { ...SETTINGS, url: "http://127.0.0.1:80@billing.example/" }],
    ["url", { ...SETTINGS, url: "https://key@billing.example/" }],
    ["url", { ...SETTINGS, url: "file:///etc/passwd" }],
    ["secret", { ...SETTINGS, secret: "a plain password" }],
    ["kind", { ...SETTINGS, kind: "carrier-pigeon" }],
    ["meters", { kind: "stripe", secret: "sk_test_0123456789", meters: { smiles: "a" } }],
  ])("are refused with a wrong %s", async (field, body) => {
    const response = await asAdmin("PUT", PATH, body);
    expect(response.status).toBe(400);
    const { error } = await response.json<{ error: { param: string } }>();
    expect(error.param).toContain(field);
  });
});

describe("a tenant's name at the billing system", () => {
  it("is given and taken away", async () => {
    const { tenantId } = await newTenant();
    const path = `/tenants/${tenantId}/billing-customer`;
    expect((await asAdmin("PUT", path, { customer_id: "cus_1" })).status).toBe(200);
    expect(await (await asAdmin("GET", path)).json()).toEqual({
      object: "fairlane.billing_customer",
      tenant_id: tenantId,
      customer_id: "cus_1",
    });
    await asAdmin("PUT", path, { customer_id: null });
    expect(await (await asAdmin("GET", path)).json()).toMatchObject({ customer_id: null });
    const nobody = await asAdmin("GET", "/tenants/ten_x/billing-customer");
    expect(await codeOf(nobody)).toBe("not_found");
  });
});
