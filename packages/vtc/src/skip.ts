// Owns the search for a request that may join although its client is not the one with the lowest counter: whatever is not
// ready is passed over, as long as the next counter is within the slack. Invariant: the heaps are as before.
import type { Client, ClientGroup } from "./hierarchy.ts";
import { SKIPPED_CLIENTS_MAX } from "./limits.ts";
import type { Ticket } from "./ticket.ts";

/** The first request of a group, in the order of turns, that may join; undefined when none within the slack may. */
export function firstWithin<T>(
  group: ClientGroup<T>,
  slackUnits: number,
  mayJoin: (ticket: Ticket<T>) => boolean,
): Ticket<T> | undefined {
  const passed: Client<T>[] = [];
  const limit = (group.queued.min()?.counter.key ?? 0) + slackUnits;
  let found: Ticket<T> | undefined;
  while (found === undefined && passed.length <= SKIPPED_CLIENTS_MAX) {
    const client = group.queued.min();
    if (client === undefined || client.counter.key > limit) break;
    const { group: below, waiting } = client;
    if (below !== null && below.queued.count > 0) found = firstWithin(below, slackUnits, mayJoin);
    else if (waiting.head !== undefined && mayJoin(waiting.head)) found = waiting.head;
    group.queued.remove(client);
    passed.push(client);
  }
  for (const client of passed) group.queued.insert(client);
  return found;
}
