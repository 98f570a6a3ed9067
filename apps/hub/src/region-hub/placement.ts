// Owns where a request is: waiting for a node, submitted to one, or being answered by one, which may be lost for a while.
import type { HelloFrame } from "@fairlane/protocol";
import type { NodeLink } from "./node-link.ts";

export type Placement =
  /** No node could take it yet. */
  | { readonly state: "unplaced"; readonly untilMs: number }
  /** A node has it and has not said whether it accepts. */
  | { readonly state: "submitted"; readonly link: NodeLink; readonly untilMs: number }
  /** A node accepted; tokens arrive. */
  | {
      readonly state: "answering";
      /** Another one once the node is back after a lost link. */
      link: NodeLink;
      /** Set while the link is lost: until then its node may come back. */
      lostUntilMs: number | undefined;
      readonly promptTokens: number;
      /** Output tokens received so far, of all answers. */
      outputTokens: number;
      /** The same of each answer, by choice. */
      readonly choiceTokens: number[];
      /** Of several choices those that are complete. */
      readonly endedChoices: Set<number>;
    };

/** The boot of a node that was lost before its word on a submission was heard. */
export interface UnheardAt {
  readonly nodeId: string;
  readonly epoch: number;
}

type Answering = Extract<Placement, { readonly state: "answering" }>;

/** The placement of a request that a node has just accepted, or sends from its beginning. */
export function answeringAt(
  link: NodeLink,
  answer: { readonly promptTokens: number; readonly choiceCount: number },
): Answering {
  return {
    state: "answering",
    link,
    lostUntilMs: undefined,
    promptTokens: answer.promptTokens,
    outputTokens: 0,
    choiceTokens: Array.from({ length: answer.choiceCount }, () => 0),
    endedChoices: new Set(),
  };
}

/** Lets an answer go on at its node's new link; returns the tokens that it has. */
export function resumeAt(placement: Answering, link: NodeLink): number {
  placement.link = link;
  placement.lostUntilMs = undefined;
  return placement.outputTokens;
}

/** True when this boot of the node may have the request without the hub having heard so. */
export function isUnheardBy(unheardAt: UnheardAt | undefined, hello: HelloFrame): boolean {
  return unheardAt?.nodeId === hello.node_id && unheardAt.epoch === hello.epoch;
}
