import { describe, expect, it } from "vitest";
import { ChatTemplate } from "../tokenize/chat-template.ts";
import { modelFormats } from "./model-formats.ts";

const AUTO = { toolCallFormat: "auto", reasoningFormat: "auto" } as const;

function formats(text: string, flags: Partial<Parameters<typeof modelFormats>[1]> = {}) {
  const source = { file: "t", text, bosToken: undefined, eosToken: undefined };
  return modelFormats(new ChatTemplate(source, { nowMs: () => 0 }), { ...AUTO, ...flags });
}

describe("modelFormats", () => {
  it("reads the tool format off the template, Hermes' where it says nothing", () => {
    expect(formats("x").tools).toBe("hermes");
    expect(formats('{{ "<tool_call>" }}').tools).toBe("hermes");
    expect(formats('{{ "[TOOL_CALLS]" }}').tools).toBe("mistral");
    expect(formats('{{ "<|python_tag|>" }}').tools).toBe("llama3");
    expect(formats('Respond with {"name": function name, "parameters": ...}').tools).toBe("llama3");
    expect(formats('{{ "[TOOL_CALLS]" }}', { toolCallFormat: "llama3" }).tools).toBe("llama3");
  });

  it("reads off whether the model reasons, and whether the prompt opens it", () => {
    expect(formats("x").reasoning).toBeNull();
    expect(formats("{% if false %}<think>{% endif %}x").reasoning).toBe("marked");
    expect(formats("x{% if add_generation_prompt %}<think>\n{% endif %}").reasoning).toBe("open");
    expect(formats("x<think>", { reasoningFormat: "none" }).reasoning).toBeNull();
    expect(formats("x", { reasoningFormat: "think" }).reasoning).toBe("marked");
  });
});
