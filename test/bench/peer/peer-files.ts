// Owns where the peer of the CPU benches lies: folders that git ignores, filled by `npm run bench:setup`.
import path from "node:path";

/** Everything that setup makes. */
export const BENCH_FOLDER = path.resolve(import.meta.dirname, "../../../.cache/bench");
/** The Python that has the peer. */
export const BENCH_PYTHON = path.join(BENCH_FOLDER, "venv/bin/python");
/** The peer's side of the benches. */
export const PEER_SCRIPT = path.join(import.meta.dirname, "llama_peer.py");
/** The default model in the peer's best format. */
export const PEER_MODEL_BEST = path.join(BENCH_FOLDER, "default-model.Q4_0.gguf");
