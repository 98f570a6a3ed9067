// Owns opening the tables that a settlement writes.
import { Watermarks } from "../watermarks.ts";
import { ConfigStore } from "./account-config.ts";
import { AttemptMemory } from "./attempts.ts";
import { CreditStore } from "./credit-store.ts";
import { Outbox } from "./outbox.ts";
import type { Books } from "./settle.ts";
import { SpendStore } from "./spend.ts";
import { WebhookOutbox } from "./webhook-outbox.ts";

/** Makes what is missing and reads what is kept. */
export function openBooks(storage: DurableObjectStorage): Books {
  return {
    storage,
    configs: new ConfigStore(storage),
    watermarks: new Watermarks(storage.sql),
    attempts: new AttemptMemory(storage.sql),
    spend: new SpendStore(storage.sql),
    credits: new CreditStore(storage.sql),
    outbox: new Outbox(storage.sql),
    webhooks: new WebhookOutbox(storage.sql),
  };
}
