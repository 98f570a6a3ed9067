// Adapters on a real node, with the native engine and the tiny model, over its own HTTP door.
import { mkdir, symlink } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, afterAll, describe, expect, it } from "vitest";
import { ALL_LINEAR, writePeft, type PeftDraft } from "../adapters/testing/peft-folder.ts";
import { temporaryFolder } from "../model/testing/corrupt-copy.ts";
import { HAS_NATIVE_CORE, TinyNode } from "../testing/tiny-node.ts";

interface Answer {
  readonly status: number;
  readonly text: string;
}

async function post(node: TinyNode, path: string, body: object): Promise<Answer> {
  const response = await fetch(`${node.url}${path}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  return { status: response.status, text: await response.text() };
}

/** What the model says, or the error's code. */
async function say(node: TinyNode, model: string, content = "a tale of two"): Promise<string> {
  const body = {
    model,
    messages: [{ role: "user", content }],
    max_completion_tokens: 12,
    temperature: 0,
    logprobs: true,
  };
  const { text } = await post(node, "/v1/chat/completions", body);
  const answer = JSON.parse(text) as {
    model?: string;
    error?: { code: string };
    choices?: { message: { content: string }; logprobs: { content: { logprob: number }[] } }[];
  };
  const choice = answer.choices?.[0];
  if (choice === undefined) return answer.error?.code ?? "no answer";
  expect(answer.model).toBe(model);
  // Bit for bit: the same tokens with the same probabilities.
  const logprobs = choice.logprobs.content.map(({ logprob }) => logprob);
  return JSON.stringify([choice.message.content, logprobs]);
}

const LOUD: PeftDraft = { targets: ALL_LINEAR, rank: 8, alpha: 32, scale: 1 };

describe.skipIf(!HAS_NATIVE_CORE)("adapters of a node", () => {
  let folder: { readonly path: string } & AsyncDisposable;
  let node: TinyNode;

  beforeAll(async () => {
    folder = await temporaryFolder();
    for (const [name, draft] of Object.entries<PeftDraft>({
      one: { ...LOUD, seed: 1 },
      two: { ...LOUD, seed: 2, rank: 13 },
      dora: { config: { use_dora: true } },
    })) {
      await mkdir(join(folder.path, name));
      await writePeft(join(folder.path, name), draft);
    }
    await symlink("/", join(folder.path, "out"));
    const flags = ["--adapter-dir", folder.path, "--adapter", `first=${join(folder.path, "one")}`];
    node = await TinyNode.start([...flags, "--max-running", "8", "--page-count", "400"]);
  });

  afterAll(async () => {
    await node[Symbol.asyncDispose]();
    await folder[Symbol.asyncDispose]();
  });

  const load = (lora_name: string, lora_path: string) =>
    post(node, "/v1/load_lora_adapter", { lora_name, lora_path });
  const unload = (lora_name: string) => post(node, "/v1/unload_lora_adapter", { lora_name });

  it("lists the model and its adapters with their parent", async () => {
    const response = await fetch(`${node.url}/v1/models`);
    const { data } = (await response.json()) as { data: { id: string; parent?: string }[] };
    expect(data.map(({ id, parent }) => [id, parent])).toEqual([
      ["tiny-llama", undefined],
      ["first", "tiny-llama"],
    ]);
    const one = await fetch(`${node.url}/v1/models/first`);
    expect(await one.json()).toMatchObject({ id: "first", parent: "tiny-llama" });
  });

  it("loads and unloads in vLLM's shapes, and answers differently with each adapter", async () => {
    expect(await load("second", "two")).toEqual({
      status: 200,
      text: "Success: LoRA adapter 'second' added successfully.",
    });
    const [base, first, second] = [
      await say(node, "tiny-llama"),
      await say(node, "first"),
      await say(node, "second"),
    ];
    expect(new Set([base, first, second]).size).toBe(3);
    expect(await unload("second")).toEqual({
      status: 200,
      text: "Success: LoRA adapter 'second' removed successfully.",
    });
    expect(await say(node, "second")).toBe("model_not_found");
    expect((await unload("second")).status).toBe(404);
    expect(await say(node, "first")).toBe(first);
  });

  it("says the same alone and among others, cached and not", async () => {
    expect((await load("second", "two")).status).toBe(200);
    const models = ["tiny-llama", "first", "second"];
    const alone = new Map<string, string>();
    for (const model of models) alone.set(model, await say(node, model, "once upon a"));
    const asked = Array.from({ length: 24 }, (_, index) => models[index % 3] ?? "");
    const said = await Promise.all(asked.map((model) => say(node, model, "once upon a")));
    expect(said).toEqual(asked.map((model) => alone.get(model)));
    await unload("second");
  });

  it("gives an embedding of its own with each adapter, and several answers to a prompt", async () => {
    const embed = async (model: string) =>
      (await post(node, "/v1/embeddings", { model, input: "a tale" })).text;
    const [base, first, again] = [
      await embed("tiny-llama"),
      await embed("first"),
      await embed("first"),
    ];
    expect(first.replace('"first"', '"tiny-llama"')).not.toBe(base);
    expect(again).toBe(first);
    const body = { model: "first", prompt: "a tale of", n: 3, max_tokens: 6, temperature: 0 };
    const { text } = await post(node, "/v1/completions", body);
    const { choices } = JSON.parse(text) as { choices: { text: string }[] };
    expect(new Set(choices.map((choice) => choice.text)).size).toBe(1);
    expect(choices).toHaveLength(3);
  });

  it("refuses what it cannot serve, naming the field", async () => {
    const refusal = async (answer: Promise<Answer>) => {
      const { status, text } = await answer;
      const { error } = JSON.parse(text) as { error: { code: string; param: string | null } };
      return `${status} ${error.code} ${error.param}`;
    };
    expect(await refusal(load("third", "dora"))).toBe("400 invalid_value use_dora");
    expect(await refusal(load("third", "nowhere"))).toBe("400 invalid_value lora_path");
    expect(await refusal(load("third", "../"))).toBe("400 invalid_value lora_path");
    expect(await refusal(load("third", "out/etc"))).toBe("400 invalid_value lora_path");
    expect(await refusal(load("first", "two"))).toBe("409 already_exists lora_name");
    expect(await refusal(load("tiny-llama", "two"))).toBe("409 already_exists lora_name");
    expect(await refusal(load("", "two"))).toBe("400 invalid_value lora_name");
    expect(await refusal(post(node, "/v1/load_lora_adapter", { lora_name: "x" }))).toBe(
      "400 invalid_value lora_path",
    );
    expect(await say(node, "unknown")).toBe("model_not_found");
  });

  it("says the same while adapters make room for each other, read from disk each time", async () => {
    const names = Array.from({ length: 5 }, (_, index) => `many${index}`);
    for (const [index, name] of names.entries()) {
      const path = join(folder.path, name);
      await mkdir(path);
      await writePeft(path, { ...LOUD, seed: 10 + index, rank: 16 });
    }
    const flags = names.flatMap((name) => ["--adapter", `${name}=${join(folder.path, name)}`]);
    const sizes = ["--page-count", "36", "--adapter-host-memory", "0", "--max-running", "4"];
    await using small = await TinyNode.start([...flags, ...sizes]);
    const alone = new Map<string, string>();
    for (const name of names) alone.set(name, await say(small, name));
    const asked = Array.from({ length: 40 }, (_, index) => names[(index * 3) % 5] ?? "");
    const said = await Promise.all(asked.map((name) => say(small, name)));
    expect(said).toEqual(asked.map((name) => alone.get(name)));
    const metrics = await (await fetch(`${small.url}/metrics`)).text();
    const count = (name: string) => Number(new RegExp(`^${name} (\\d+)`, "m").exec(metrics)?.[1]);
    expect(count("fairlane_node_adapter_reads_total")).toBeGreaterThan(5);
    expect(count('fairlane_node_adapter_evictions_total{tier="device"}')).toBeGreaterThan(4);
    expect(count("fairlane_node_adapter_host_bytes")).toBe(0);
  });

  it("tells of adapters in its metrics", async () => {
    await say(node, "first");
    const text = await (await fetch(`${node.url}/metrics`)).text();
    expect(text).toMatch(/^fairlane_node_adapters_resident [12]$/m);
    expect(text).toMatch(/^fairlane_node_adapter_loads_total [1-9]/m);
    expect(text).toMatch(/^fairlane_node_pages\{owner="adapter"\} [1-9]/m);
  });

  it("keeps adapters in int8 where that is asked for, which says a little else", async () => {
    const flags = ["--adapter", `first=${join(folder.path, "one")}`, "--page-count", "200"];
    await using small = await TinyNode.start([...flags, "--adapter-dtype", "int8"]);
    const said = await say(small, "first");
    expect(said).not.toBe(await say(node, "first"));
    expect(await say(small, "first")).toBe(said);
    expect(await say(small, "tiny-llama")).toBe(await say(node, "tiny-llama"));
  });

  it("loads nothing without a folder to load from", async () => {
    await using plain = await TinyNode.start(["--page-count", "64"]);
    const answer = await post(plain, "/v1/load_lora_adapter", { lora_name: "x", lora_path: "one" });
    expect(answer.status).toBe(404);
    expect(answer.text).toContain("--adapter-dir");
  });

  it("does not start with an adapter that cannot be served", async () => {
    const flags = ["--adapter", `bad=${join(folder.path, "dora")}`, "--page-count", "64"];
    await expect(TinyNode.start(flags)).rejects.toThrow(/--adapter bad=.*use_dora: DoRA/);
  });
});
