// Owns the command that makes a model available and prints its path: what `npm run dev` and `npm test` run
// before anything needs the model. Progress and notices go to the error output.
//   node gpu-node/src/model/fetch-main.ts [default | PATH | org/name[:file]]
import { cacheFolder } from "./cache-folder.ts";
import { FetchError, fetchProblem } from "./fetch-error.ts";
import { fetchModel } from "./fetch-model.ts";
import { progressBar } from "./progress-bar.ts";

const stop = new AbortController();
for (const name of ["SIGINT", "SIGTERM"] as const) {
  process.once(name, () => stop.abort(new FetchError("stopped")));
}

try {
  const path = await fetchModel(process.argv[2] ?? "default", {
    cacheFolder: cacheFolder(process.env),
    env: process.env,
    onProgress: progressBar(process.stderr, { nowMs: () => performance.now() }),
    onNotice: (text) => process.stderr.write(`${text}\n`),
    signal: stop.signal,
  });
  process.stdout.write(`${path}\n`);
} catch (thrown) {
  // A FetchError is a whole sentence already.
  const text = thrown instanceof FetchError ? thrown.message : fetchProblem(thrown);
  process.stderr.write(`${text}\n`);
  process.exitCode = 1;
}
