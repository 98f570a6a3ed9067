// Owns `npm run seed`: makes a tenant with a key on a running edge. The admin token comes from
// FAIRLANE_ADMIN_TOKEN, else from what `npm run dev` keeps for this machine. The key goes to standard output,
// once and alone, so that a script can take it; everything else goes to standard error.
import { readFile } from "node:fs/promises";
import path from "node:path";
import { parseArgs } from "node:util";
import { z } from "zod";
import { makeTenantAndKey } from "./seed-client.ts";

const ROOT = path.resolve(import.meta.dirname, "..");
const HELP = `npm run seed -- [flags]
  --name NAME         name of the new tenant (default "tenant")
  --edge-url URL      edge to make it on (default http://127.0.0.1:8787)
  --state-dir FOLDER  where \`npm run dev\` keeps the admin token (default .fairlane)
The environment variable FAIRLANE_ADMIN_TOKEN wins over the kept token.
`;

const secretsFile = z.object({ adminToken: z.string().min(1) });

async function adminToken(stateDir: string): Promise<string> {
  const given = process.env["FAIRLANE_ADMIN_TOKEN"];
  if (given !== undefined && given !== "") return given;
  const text = await readFile(path.join(stateDir, "secrets.json"), "utf8").catch(() => undefined);
  if (text === undefined) {
    throw new Error(
      "there is no admin token: start `npm run dev` once or set FAIRLANE_ADMIN_TOKEN.",
    );
  }
  return secretsFile.parse(JSON.parse(text)).adminToken;
}

/** True for the error that fetch throws when nobody listens. */
function isUnreachable(error: unknown): boolean {
  return error instanceof TypeError && error.message === "fetch failed";
}

async function seed(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      help: { type: "boolean" },
      name: { type: "string", default: "tenant" },
      "edge-url": { type: "string", default: "http://127.0.0.1:8787" },
      "state-dir": { type: "string", default: path.join(ROOT, ".fairlane") },
    },
  });
  if (values.help === true) {
    process.stdout.write(HELP);
    return;
  }
  const edgeUrl = values["edge-url"].replace(/\/$/, "");
  const token = await adminToken(values["state-dir"]);
  const seeded = await makeTenantAndKey({ edgeUrl, adminToken: token, name: values.name }).catch(
    (error: unknown) => {
      if (!isUnreachable(error)) throw error;
      throw new Error(`no edge answers at ${edgeUrl}: start it with \`npm run dev\`.`);
    },
  );
  process.stderr.write(`tenant ${seeded.tenantId}, key ${seeded.keyId}; its text is shown once:\n`);
  process.stdout.write(`${seeded.apiKey}\n`);
}

try {
  await seed(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`fairlane: ${error instanceof Error ? error.message : "unknown error"}\n`);
  process.exitCode = 1;
}
