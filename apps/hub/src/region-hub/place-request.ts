// E4, route: puts a live request on a node, or leaves it waiting for one for a bounded time. Used for the first
// try and for every failover before a node accepted.
import { assert } from "@fairlane/base";
import { prefixDigests, prefixText, protocolLimits, type ErrorValue } from "@fairlane/protocol";
import { ACCEPT_WAIT_MS, ATTEMPTS_MAX, RETRY_AFTER_MS } from "../limits.ts";
import { chooseNode } from "./choose-node.ts";
import { submitText, type LiveRequest } from "./live-request.ts";
import { CHARS_PER_TOKEN, isHopeless, type PromptFacts } from "./node-cost.ts";
import type { NodeDirectory } from "./node-directory.ts";

const NO_NODE: ErrorValue = {
  code: "no_capacity",
  message: "No node of the region can take the request at the moment.",
  param: null,
  retryAfterMs: RETRY_AFTER_MS,
};

const OVERLOADED: ErrorValue = {
  code: "overloaded",
  message: "The region's queues are longer than the request has time for.",
  param: null,
  retryAfterMs: RETRY_AFTER_MS,
};

/**
 * Submits an unplaced request, or leaves it waiting until its time to find a node is over.
 * @returns the error that ends it when it can neither be submitted nor wait
 */
export function placeRequest(
  live: LiveRequest,
  directory: NodeDirectory,
  nowMs: number,
): ErrorValue | undefined {
  assert(live.work !== undefined, `request ${live.id} was accepted already`);
  assert(live.placement.state === "unplaced", `request ${live.id} is at a node already`);
  const canWait = nowMs < live.placement.untilMs;
  const { request } = live.work;
  const submissions = live.attempt - (request.attemptsBefore ?? 0);
  const { model } = request.body;
  const endpoint = "endpoint" in request ? request.endpoint : undefined;
  const prompt = promptFacts(live.work, directory.count);
  const wanted = {
    model,
    endpoint,
    refusedBy: live.refusedBy,
    prompt,
    explores: directory.explores,
  };
  const choice = chooseNode(directory.nodes, wanted);
  switch (choice.kind) {
    case "node":
      if (submissions >= ATTEMPTS_MAX) return NO_NODE;
      if (isHopeless(choice.node, prompt, live.deadlineMs - nowMs)) return OVERLOADED;
      live.attempt += 1;
      live.unheardAt = undefined;
      live.placement = {
        state: "submitted",
        link: choice.node.link,
        untilMs: nowMs + ACCEPT_WAIT_MS,
      };
      directory.placed(choice.node, prompt);
      choice.node.link.submit(submitText(request, live.attempt), choice.node.loadRequests);
      return undefined;
    case "unknown_model":
      // A model that a lost node served is known; its node may come back.
      if (submissions === 0) return unknownModel(model);
      return canWait ? undefined : NO_NODE;
    case "no_capacity":
      return canWait ? undefined : NO_NODE;
    case "all_refused":
      return NO_NODE;
  }
}

/** What routing goes by; digests only where there is a choice of nodes. */
function promptFacts(
  { request, bodyChars }: NonNullable<LiveRequest["work"]>,
  nodeCount: number,
): PromptFacts {
  const { adapter, tenantSalt: salt, body } = request;
  const scope = { salt, adapterDigest: adapter?.digest ?? null };
  const hasChoice = nodeCount > 1 && bodyChars >= protocolLimits.PREFIX_CHUNK_CHARS;
  return {
    promptTokens: Math.ceil(bodyChars / CHARS_PER_TOKEN),
    digests: hasChoice ? prefixDigests(scope, prefixText(body)) : [],
    adapter,
  };
}

function unknownModel(model: string | undefined): ErrorValue {
  const message = `The model '${model ?? ""}' does not exist or is not served in this region.`;
  return { code: "model_not_found", message, param: "model" };
}
