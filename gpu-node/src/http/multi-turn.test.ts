// A chat of several turns on a real node with the default model: what the node said is found in its prefix cache when
// it comes back as text. Skipped loudly where the native core or the model is missing.
import { join } from "node:path";
import { requireDefaultModel } from "@fairlane/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cacheFolder } from "../model/cache-folder.ts";
import { DEFAULT_MODEL } from "../model/default-model.ts";
import { HAS_NATIVE_CORE, TinyNode } from "../testing/tiny-node.ts";

const model = requireDefaultModel(
  {
    path: join(cacheFolder(process.env), "models", DEFAULT_MODEL.fileName),
    fileBytes: DEFAULT_MODEL.fileBytes,
  },
  "the chat of several turns",
);

interface Message {
  readonly role: "user" | "assistant";
  readonly content: string;
}

interface Answer {
  readonly choices: readonly { readonly message: Message }[];
  readonly usage: {
    readonly prompt_tokens: number;
    readonly completion_tokens: number;
    readonly prompt_tokens_details: { readonly cached_tokens: number };
  };
}

describe.skipIf(!HAS_NATIVE_CORE || model === undefined)("the next turn of a chat", () => {
  let node: TinyNode;

  beforeAll(async () => {
    node = await TinyNode.start(["--max-running", "4", "--page-count", "256"], model);
  }, 60_000);
  afterAll(() => node[Symbol.asyncDispose]());

  async function ask(messages: readonly Message[], more: object = {}): Promise<Answer> {
    const body = { messages, temperature: 0, max_completion_tokens: 40, ...more };
    const response = await fetch(`${node.url}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    return (await response.json()) as Answer;
  }

  it("takes the earlier answer's full blocks from the cache, and says what it says without", async () => {
    const turns: Message[] = [{ role: "user", content: "Write three sentences about the sea." }];
    const first = await ask(turns);
    expect(first.usage.prompt_tokens_details.cached_tokens).toBe(0);
    const said = first.choices[0]?.message ?? { role: "assistant", content: "" };
    turns.push(said, { role: "user", content: "And one about the sky." });

    const cold = await ask(turns, { cache_prompt: false });
    const second = await ask(turns);
    // The last sampled token was never computed, so what lies in the pages is one token less.
    const computedTokens = first.usage.prompt_tokens + first.usage.completion_tokens - 1;
    expect(first.usage.completion_tokens).toBe(40);
    expect(second.usage.prompt_tokens_details.cached_tokens).toBe(
      16 * Math.floor(computedTokens / 16),
    );
    expect(second.choices).toEqual(cold.choices);
  });

  it("keeps nothing of an answer to a request that opted out", async () => {
    const turns: Message[] = [
      { role: "user", content: "Name the planets and say how large they are." },
    ];
    const first = await ask(turns, { cache_prompt: false });
    const said = first.choices[0]?.message ?? { role: "assistant", content: "" };
    const second = await ask([...turns, said, { role: "user", content: "Thanks." }]);
    // The system prompt that the template adds is the other test's as well.
    expect(second.usage.prompt_tokens_details.cached_tokens).toBeLessThan(
      first.usage.prompt_tokens,
    );
  });
});
