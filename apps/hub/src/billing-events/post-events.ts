// Owns the HTTP calls of the export of usage: batches of CloudEvents, and values of Stripe's meters. An endpoint that
// cannot be reached or answers nonsense rejects; an entry that it refuses for good is named, and holds up no other.
import type { NumberedRow } from "@fairlane/db";
import { meterEvents, usageEvent, type MeterEvent, type Meters } from "@fairlane/ledger";
import { BILLING_ANSWER_CHARS_MAX, WEBHOOK_TIMEOUT_MS } from "../limits.ts";
import { reasonOf } from "../log.ts";
import { signedHeaders } from "../tenant-account/send-webhook.ts";

/** Where and how; the secret is in the clear. */
export interface BillingTarget {
  readonly kind: "cloudevents" | "openmeter" | "stripe";
  readonly url: string;
  readonly secret: string;
  readonly eventType: string;
  readonly meters: Meters;
  readonly skipsUnmapped: boolean;
  /** By tenant. */
  readonly customers: ReadonlyMap<string, string>;
  readonly nowMs: number;
}

/** An entry that was refused for good. */
export interface Refusal {
  readonly row: NumberedRow;
  readonly reason: string;
}

interface Answer {
  readonly status: number;
  /** Its beginning. */
  readonly text: string;
}

/** What says that it is the entry and not the endpoint, the key or the moment. */
const REFUSING_STATUSES: readonly number[] = [400, 413, 422];

/** Delivers rows; resolves with those that were refused once all others are taken. */
export async function postEvents(
  target: BillingTarget,
  rows: readonly NumberedRow[],
): Promise<readonly Refusal[]> {
  return target.kind === "stripe" ? postMeters(target, rows) : postBatch(target, rows);
}

/** Halves a batch that is refused until the entries stand alone that it is refused for. */
async function postBatch(
  target: BillingTarget,
  rows: readonly NumberedRow[],
): Promise<readonly Refusal[]> {
  const [row] = rows;
  if (!row) return [];
  const answer = await postCloudEvents(target, rows);
  if (isOk(answer)) return [];
  if (!REFUSING_STATUSES.includes(answer.status)) throw failureOf(answer);
  if (rows.length === 1) return [{ row, reason: `answered ${answer.status}` }];
  const half = Math.ceil(rows.length / 2);
  const first = await postBatch(target, rows.slice(0, half));
  return [...first, ...(await postBatch(target, rows.slice(half)))];
}

async function postCloudEvents(
  target: BillingTarget,
  rows: readonly NumberedRow[],
): Promise<Answer> {
  const { kind, secret, eventType: type, customers, nowMs } = target;
  const events = rows.map((row) =>
    usageEvent(row, { type, subject: customers.get(row.tenantId) ?? row.tenantId }),
  );
  const body = JSON.stringify(events);
  // Of the same batch the same; receivers go by the ids of the events.
  const id = `rows_${rows[0]?.position}_${rows.at(-1)?.position}`;
  const credentials =
    kind === "openmeter"
      ? { authorization: `Bearer ${secret}` }
      : await signedHeaders(signingKey(secret), { id, body, atMs: nowMs });
  const contentType = "application/cloudevents-batch+json; charset=utf-8";
  return post(target.url, { "content-type": contentType, ...credentials }, body);
}

export const NO_CUSTOMER = "the tenant has no customer id";
// Stripe remembers identifiers for a day or longer, and refuses what it has already.
const ALREADY_THERE = /already exists with identifier/i;

async function postMeters(
  target: BillingTarget,
  rows: readonly NumberedRow[],
): Promise<readonly Refusal[]> {
  const refused: Refusal[] = [];
  for (const row of rows) {
    const customer = target.customers.get(row.tenantId);
    if (customer === undefined) {
      if (!target.skipsUnmapped) refused.push({ row, reason: NO_CUSTOMER });
      continue;
    }
    // Entries one after another and their meters at once: Stripe takes one call of a customer and meter at a time.
    const answers = await Promise.all(
      meterEvents(row, target.meters).map((event) => postMeter(target, customer, event)),
    );
    const bad = answers.find((answer) => !isOk(answer) && !ALREADY_THERE.test(answer.text));
    if (!bad) continue;
    if (!REFUSING_STATUSES.includes(bad.status)) throw failureOf(bad);
    refused.push({ row, reason: `answered ${bad.status}` });
  }
  return refused;
}

function postMeter(target: BillingTarget, customer: string, event: MeterEvent): Promise<Answer> {
  const form = new URLSearchParams({
    event_name: event.eventName,
    identifier: event.identifier,
    timestamp: String(event.timestampSeconds),
    "payload[stripe_customer_id]": customer,
    "payload[value]": String(event.value),
  });
  const headers = {
    "content-type": "application/x-www-form-urlencoded",
    authorization: `Bearer ${target.secret}`,
  };
  return post(target.url, headers, form.toString());
}

/** Redirects are not followed: they could lead anywhere, with the secret. */
async function post(url: string, headers: Record<string, string>, body: string): Promise<Answer> {
  try {
    const signal = AbortSignal.timeout(WEBHOOK_TIMEOUT_MS);
    const response = await fetch(url, {
      method: "POST",
      redirect: "manual",
      signal,
      headers,
      body,
    });
    if (response.ok) {
      await response.body?.cancel();
      return { status: response.status, text: "" };
    }
    return { status: response.status, text: await beginningOf(response) };
  } catch (error) {
    throw new Error(`the endpoint did not answer: ${reasonOf(error)}`, { cause: error });
  }
}

async function beginningOf(response: Response): Promise<string> {
  if (!response.body) return "";
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (text.length < BILLING_ANSWER_CHARS_MAX) {
    const { done, value } = await reader.read();
    if (done) return text;
    text += value;
  }
  await reader.cancel();
  return text;
}

function isOk({ status }: Answer): boolean {
  return status >= 200 && status < 300;
}

function failureOf({ status }: Answer): Error {
  return new Error(`the endpoint answered ${status}`);
}

/** The bytes of a secret in Standard Webhooks' form, `whsec_` and base64. */
function signingKey(secret: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(secret.replace(/^whsec_/, "")), (char) => char.charCodeAt(0));
}
