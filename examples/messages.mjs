// Anthropic's package against Fairlane: `KEY=fl1_... node examples/messages.mjs` beside `npm run dev`.
import Anthropic from "@anthropic-ai/sdk";

const client = new Anthropic({
  baseURL: process.env.FAIRLANE_URL ?? "http://127.0.0.1:8787",
  apiKey: process.env.KEY,
});
const model = "smollm2-135m-instruct";
const messages = [{ role: "user", content: "What is the capital of France?" }];

console.log(await client.messages.countTokens({ model, messages }));

const stream = client.messages.stream({ model, max_tokens: 100, messages });
stream.on("text", (text) => process.stdout.write(text));
const { usage } = await stream.finalMessage();
console.log("\n", usage);
