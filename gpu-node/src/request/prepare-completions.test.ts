// With the letter model, whose tokens are character codes and whose end token is 0; its context has 64 tokens.
import type { CompletionRequest } from "@fairlane/protocol";
import { describe, expect, it } from "vitest";
import { LETTER_MODEL } from "../stream/testing/letter-model.ts";
import { prepareCompletions } from "./prepare-completions.ts";

const terms = {
  requestId: "r",
  tenantId: "ten_a",
  tenantSalt: "salt",
  weight: 1,
  tier: "interactive",
  receivedAtMs: 1,
  deadlineMs: 2,
} as const;
const random = { fill: (bytes: Uint8Array<ArrayBuffer>) => bytes };

async function prepared(body: CompletionRequest, model = LETTER_MODEL) {
  const result = await prepareCompletions({ body, terms }, { model, random });
  if (!result.ok) throw new Error(`${result.error.code} ${result.error.param}`);
  return result.value;
}

describe("prepareCompletions", () => {
  it("makes one request of each prompt, their answers as forks with ids of their own", async () => {
    const requests = await prepared({ prompt: [[97], [98, 99]], n: 2, seed: 1, logprobs: 3 });
    expect(requests).toMatchObject([
      { requestId: "r", promptTokens: new Int32Array([97]), forks: [{ requestId: "r#1" }] },
      {
        requestId: "r#p1",
        promptTokens: new Int32Array([98, 99]),
        forks: [{ requestId: "r#p1#1" }],
      },
    ]);
    expect(requests[1]?.sampling).toEqual(requests[0]?.sampling);
    expect(requests[0]).toMatchObject({ tenantSalt: "salt", sampling: { topLogprobs: 3 } });
  });

  it("gives sixteen tokens by default, fewer where the context ends, and what is asked for", async () => {
    const room = async (body: CompletionRequest) => (await prepared(body))[0]?.maxOutputTokens;
    expect(await room({ prompt: "a" })).toBe(16);
    expect(await room({ prompt: "a".repeat(60) })).toBe(4);
    expect(await room({ prompt: "a", max_tokens: 63 })).toBe(63);
    await expect(prepared({ prompt: ["a", "b"], max_tokens: 64 })).rejects.toThrow(
      "context_length_exceeded prompt.0",
    );
  });

  it("drops the end token that a tokenizer puts behind a text, and none of a client's tokens", async () => {
    const model = {
      ...LETTER_MODEL,
      encodeText: () => Promise.resolve(new Int32Array([97, 0])),
    };
    const ofText = await prepared({ prompt: "a" }, model);
    expect(ofText[0]?.promptTokens).toEqual(new Int32Array([97]));
    const ofTokens = await prepared({ prompt: [97, 0] }, model);
    expect(ofTokens[0]?.promptTokens).toEqual(new Int32Array([97, 0]));
  });
});
