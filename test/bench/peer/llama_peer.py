"""The peer of the CPU benches: llama.cpp through llama-cpp-python's low-level batch API.

Obeys the lines that native/bench/engine_bench.cc obeys, each answered by one line of JSON:
  prefill TOKENS | decode SEQUENCES PROMPT_TOKENS NEW_TOKENS
Usage: llama_peer.py MODEL THREADS SEQUENCES TOKENS_PER_SEQUENCE, or
       llama_peer.py --quantize SOURCE TARGET   (writes TARGET in Q4_0)
"""

import ctypes
import json
import os
import sys
import time

import llama_cpp
import numpy

STEP_TOKENS = 512
# Kept for the life of the process: the library keeps only a pointer.
SILENT = llama_cpp.llama_log_callback(lambda level, text, user_data: None)


def token_at(slot, position, vocab):
    """The same choice of tokens as the native bench."""
    mixed = ((position + 1) * 2654435761 ^ (slot + 1) * 40503) & 0xFFFFFFFF
    return mixed % vocab


class Peer:
    def __init__(self, path, threads, sequences, tokens):
        self.model = llama_cpp.llama_model_load_from_file(
            path.encode(), llama_cpp.llama_model_default_params()
        )
        if not self.model:
            raise SystemExit(f"llama_peer: cannot open {path}")
        params = llama_cpp.llama_context_default_params()
        params.n_ctx = sequences * (tokens + 32)
        params.n_batch = params.n_ubatch = STEP_TOKENS
        params.n_seq_max = sequences
        params.n_threads = params.n_threads_batch = threads
        self.context = llama_cpp.llama_init_from_model(self.model, params)
        if not self.context:
            raise SystemExit("llama_peer: cannot make a context")
        self.memory = llama_cpp.llama_get_memory(self.context)
        self.vocab = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(self.model))
        self.batch = llama_cpp.llama_batch_init(STEP_TOKENS, 0, 1)
        self.prompt_tokens = None
        self.sequences = 0

    def add(self, token, position, sequence, samples):
        batch, i = self.batch, self.batch.n_tokens
        batch.token[i] = token
        batch.pos[i] = position
        batch.n_seq_id[i] = 1
        batch.seq_id[i][0] = sequence
        batch.logits[i] = samples
        batch.n_tokens = i + 1

    def decode(self):
        status = llama_cpp.llama_decode(self.context, self.batch)
        if status != 0:
            raise RuntimeError(f"llama_decode answered {status}")
        llama_cpp.llama_synchronize(self.context)

    def greedy(self, index):
        logits = llama_cpp.llama_get_logits_ith(self.context, index)
        return int(numpy.argmax(numpy.ctypeslib.as_array(logits, shape=(self.vocab,))))

    def compute_prompt(self, sequence, count):
        for begin in range(0, count, STEP_TOKENS):
            self.batch.n_tokens = 0
            for position in range(begin, min(count, begin + STEP_TOKENS)):
                token = token_at(sequence, position, self.vocab)
                self.add(token, position, sequence, position == count - 1)
            self.decode()
        return self.greedy(self.batch.n_tokens - 1)

    def timed(self, work, tokens):
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        return {
            "seconds": time.perf_counter() - wall,
            "cpu_seconds": time.process_time() - cpu,
            "tokens": tokens,
        }

    def run_prefill(self, tokens):
        llama_cpp.llama_memory_clear(self.memory, True)
        self.prompt_tokens = None
        return self.timed(lambda: self.compute_prompt(0, tokens), tokens)

    def run_decode(self, sequences, prompt_tokens, new_tokens):
        """Prompts stay between runs of the same load: only what was generated is dropped."""
        if (self.prompt_tokens, self.sequences) != (prompt_tokens, sequences):
            llama_cpp.llama_memory_clear(self.memory, True)
            self.first = [self.compute_prompt(s, prompt_tokens) for s in range(sequences)]
            self.prompt_tokens, self.sequences = prompt_tokens, sequences
        for sequence in range(sequences):
            llama_cpp.llama_memory_seq_rm(self.memory, sequence, prompt_tokens, -1)
        last = list(self.first)

        def generate():
            for step in range(new_tokens):
                self.batch.n_tokens = 0
                for sequence in range(sequences):
                    self.add(last[sequence], prompt_tokens + step, sequence, True)
                self.decode()
                for sequence in range(sequences):
                    last[sequence] = self.greedy(sequence)

        return self.timed(generate, sequences * new_tokens)

    def obey(self, words):
        numbers = [int(word) for word in words[1:]]
        if words[0] == "prefill" and len(numbers) == 1:
            return self.run_prefill(*numbers)
        if words[0] == "decode" and len(numbers) == 3:
            return self.run_decode(*numbers)
        return {"error": "not a command"}


def quantize(source, target):
    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype = llama_cpp.LLAMA_FTYPE_MOSTLY_Q4_0
    params.allow_requantize = True
    part = target + ".part"
    status = llama_cpp.llama_model_quantize(source.encode(), part.encode(), ctypes.byref(params))
    if status != 0:
        raise SystemExit(f"llama_peer: cannot quantise {source}")
    os.replace(part, target)


def main():
    llama_cpp.llama_log_set(SILENT, ctypes.c_void_p(0))
    llama_cpp.llama_backend_init()
    if len(sys.argv) == 4 and sys.argv[1] == "--quantize":
        quantize(sys.argv[2], sys.argv[3])
        return
    if len(sys.argv) != 5:
        raise SystemExit(__doc__)
    start = time.perf_counter()
    peer = Peer(sys.argv[1], *(int(word) for word in sys.argv[2:]))
    opened = time.perf_counter() - start
    print(json.dumps({"version": llama_cpp.__version__, "open_seconds": opened}), flush=True)
    for line in sys.stdin:
        print(json.dumps(peer.obey(line.split())), flush=True)


main()
