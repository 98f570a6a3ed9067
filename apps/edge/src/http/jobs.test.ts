// The operator's routes to the hub's scheduled jobs, over the real hub script.
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { asAdmin, codeOf } from "../../test/live-edge.ts";

describe("scheduled jobs", () => {
  it("are listed, and run at once by name", async () => {
    const ran = await asAdmin("POST", "/jobs/retained-sweep/run");
    expect(ran.status).toBe(200);
    const job = await ran.json<{ last_run: object }>();
    expect(job).toMatchObject({
      object: "fairlane.job",
      name: "retained-sweep",
      every_ms: 3_600_000,
      running_since_ms: null,
      last_run: { outcome: "succeeded", is_complete: true, figures: { deletedCount: 0 } },
    });
    const list = await (await asAdmin("GET", "/jobs")).json<{ data: object[] }>();
    expect(list.data).toContainEqual(job);
  });

  it("that are not there, or run already, are refused", async () => {
    const unknown = await asAdmin("POST", "/jobs/nothing/run");
    expect([unknown.status, await codeOf(unknown)]).toEqual([404, "not_found"]);
    await env.CONTROL_DB.prepare("UPDATE job_runs SET running_since_ms = ?").bind(Date.now()).run();
    const busy = await asAdmin("POST", "/jobs/retained-sweep/run");
    expect([busy.status, await codeOf(busy)]).toEqual([409, "job_running"]);
  });
});
