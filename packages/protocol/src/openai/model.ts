// Owns the shape of GET /v1/models.

export interface ModelCard {
  readonly id: string;
  /** Seconds since 1970. */
  readonly createdSeconds: number;
  readonly contextTokens: number;
  readonly outputTokensDefault: number;
  /** Of an adapter: the base model's id. */
  readonly parent?: string;
  /** Of an adapter: its tenant. */
  readonly owner?: string;
}

/** OpenAI's list, with the two facts that a client needs to size its requests. */
export function modelList(cards: readonly ModelCard[]) {
  return { object: "list", data: cards.map(modelBody) } as const;
}

/** One model object. */
export function modelBody(card: ModelCard) {
  return {
    id: card.id,
    object: "model",
    created: card.createdSeconds,
    owned_by: card.owner ?? "fairlane",
    context_length: card.contextTokens,
    default_max_output_tokens: card.outputTokensDefault,
    ...(card.parent !== undefined && { parent: card.parent }),
  } as const;
}
