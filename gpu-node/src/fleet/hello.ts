// Owns what a node says of itself when a link begins.
import { WIRE_VERSION, type HelloFrame } from "@fairlane/protocol";
import type { EngineInfo } from "../engine/engine.ts";
import type { ServedModel } from "../request/prepare-request.ts";

/** The hello of this boot; the same on every link. */
export function helloFrame(node: {
  readonly nodeId: string;
  readonly epoch: number;
  readonly region: string;
  readonly model: ServedModel;
  readonly info: Pick<EngineInfo, "numericsClass">;
}): HelloFrame {
  const { nodeId, epoch, region, model, info } = node;
  return {
    type: "hello",
    wire: WIRE_VERSION,
    node_id: nodeId,
    epoch,
    region,
    numerics_class: info.numericsClass,
    resumes: true,
    models: [
      {
        id: model.id,
        digest: model.digest,
        created_seconds: model.createdSeconds,
        context_tokens: model.contextTokens,
        default_max_output_tokens: model.outputTokensDefault,
        endpoints: ["completions", "count_tokens", "embeddings"],
      },
    ],
  };
}
