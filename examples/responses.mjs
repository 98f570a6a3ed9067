// A conversation that the server keeps: `KEY=fl1_... node examples/responses.mjs` beside `npm run dev`.
import OpenAI from "openai";

const client = new OpenAI({
  baseURL: `${process.env.FAIRLANE_URL ?? "http://127.0.0.1:8787"}/v1`,
  apiKey: process.env.KEY,
});

const first = await client.responses.create({
  input: "What is the capital of France?",
  temperature: 0,
});
console.log(first.output_text);

const stream = client.responses.stream({
  input: "And of Germany?",
  previous_response_id: first.id,
  temperature: 0,
});
for await (const event of stream) {
  if (event.type === "response.output_text.delta") process.stdout.write(event.delta);
}
console.log();
