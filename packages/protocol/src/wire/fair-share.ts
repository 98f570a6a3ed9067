// Owns what nodes and the hub tell each other about service for fairness: a node its cumulative cells, inside a
// heartbeat; the hub what the rest of the fleet gave. Everything is cumulative, so a lost or repeated frame does no
// harm. It is no accounting: nothing is billed from it.
import { z } from "zod";
import { NAME_CHARS_MAX, SERVICE_CELLS_MAX, SERVICE_TENANTS_MAX } from "../limits.ts";

const id = z.string().min(1).max(NAME_CHARS_MAX);
const count = z.int().nonnegative();

export const cellReport = z.object({
  /** The boot that the link's hello names, or a later one that the node began by itself. */
  epoch: z.int().positive(),
  /** Of tenants that changed; of all of them, over several heartbeats, once a link has begun. */
  cells: z
    .array(
      z.object({
        tenant_id: id,
        /** The tenant's weight for later charges. */
        weight: z.int().positive(),
        /** The tenant has requests at this node, waiting or running. */
        live: z.boolean(),
        /** Prompt tokens computed since the epoch began. */
        input_tokens: count,
        cached_tokens: count,
        output_tokens: count,
        /** What these cost in service units, each charge divided by the weight of its time. */
        service_units: count,
        /** Milliseconds from receipt to first scheduling, summed over `requests`. */
        queue_ms: count,
        requests: count,
      }),
    )
    .max(SERVICE_CELLS_MAX),
});

export const serviceFrame = z.object({
  type: z.literal("service"),
  /** All tenants, in one or several frames after a link has begun; otherwise those that changed. */
  full: z.boolean(),
  /** The smallest counter of the fleet's active tenants. */
  floor_units: count,
  tenants: z
    .array(
      z.object({
        tenant_id: id,
        /** Service by everyone but this node since its boot: cumulative. */
        foreign_units: count,
        /** The tenant's counter over the fleet: service and lifts. */
        counter_units: count,
      }),
    )
    .max(SERVICE_TENANTS_MAX),
});

export type CellReport = z.infer<typeof cellReport>;
export type ServiceFrame = z.infer<typeof serviceFrame>;
