// Uploads a LoRA adapter in PEFT's form and asks it something. Usage:
//   KEY=fl1_... node examples/upload-adapter.mjs FOLDER NAME BASE-MODEL
// The key needs the scopes adapters:manage and inference.
import { openAsBlob } from "node:fs";
import { readFile } from "node:fs/promises";
import path from "node:path";
import OpenAI from "openai";

const [folder, name, baseModel] = process.argv.slice(2);
const { FAIRLANE_URL: url = "http://127.0.0.1:8787", KEY: apiKey } = process.env;
if (!folder || !name || !baseModel || !apiKey) {
  throw new Error("Usage: KEY=... node examples/upload-adapter.mjs FOLDER NAME BASE-MODEL");
}

/** Calls the API; `body` is a Blob for bytes, else an object. */
async function call(method, route, body) {
  const response = await fetch(`${url}/v1/fairlane/adapters${route}`, {
    method,
    headers: { authorization: `Bearer ${apiKey}` },
    body: body instanceof Blob ? body : JSON.stringify(body),
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(`${method} ${route}: ${answer.error.message}`);
  return answer;
}

const config = JSON.parse(await readFile(path.join(folder, "adapter_config.json"), "utf8"));
const weights = await openAsBlob(path.join(folder, "adapter_model.safetensors"));
const { id } = await call("POST", "", { name, base_model: baseModel });
const announced = await call("POST", `/${id}/versions`, { config, bytes: weights.size });

const version = `/${id}/versions/${announced.version}`;
const { part_bytes: partBytes, part_count: partCount } = announced.upload;
if (partBytes === null) {
  await call("PUT", `${version}/content`, weights);
} else {
  // Too large for one body: the server said in how many parts it wants it.
  for (let part = 1; part <= partCount; part++) {
    const from = (part - 1) * partBytes;
    await call("PUT", `${version}/parts/${part}`, weights.slice(from, from + partBytes));
  }
  await call("POST", `${version}/complete`);
}

const openai = new OpenAI({ apiKey, baseURL: `${url}/v1` });
const completion = await openai.chat.completions.create({
  model: announced.model,
  messages: [{ role: "user", content: "What can you do for me?" }],
});
process.stdout.write(`${announced.model}: ${completion.choices[0].message.content}\n`);
