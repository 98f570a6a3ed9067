"""The peer of the CPU benches: llama.cpp through llama-cpp-python's low-level batch API.

Obeys the lines that native/bench/engine_bench.cc obeys, each answered by one line of JSON:
  prefill TOKENS | decode SEQUENCES PROMPT_TOKENS NEW_TOKENS
and, for adapters, lines of native/bench/lora_bench.cc:
  adapters MODULES RANK | decode SEQUENCES PROMPT_TOKENS NEW_TOKENS base|one|distinct
Usage: llama_peer.py MODEL THREADS SEQUENCES TOKENS_PER_SEQUENCE, or
       llama_peer.py --quantize SOURCE TARGET   (writes TARGET in Q4_0)
"""

import ctypes
import json
import os
import sys
import tempfile
import time

import gguf
import llama_cpp
import numpy

STEP_TOKENS = 512
# Letters of modules, their names in GGUF files, and whether inputs and outputs are hidden size, attention width, KV width
# or the width of the feed-forward part.
MODULES = {
    "q": ("attn_q", "hidden", "attention"),
    "k": ("attn_k", "hidden", "kv"),
    "v": ("attn_v", "hidden", "kv"),
    "o": ("attn_output", "attention", "hidden"),
    "g": ("ffn_gate", "hidden", "ffn"),
    "u": ("ffn_up", "hidden", "ffn"),
    "d": ("ffn_down", "ffn", "hidden"),
}
# Kept for the life of the process: the library keeps only a pointer.
SILENT = llama_cpp.llama_log_callback(lambda level, text, user_data: None)


def token_at(slot, position, vocab):
    """The same choice of tokens as the native bench."""
    mixed = ((position + 1) * 2654435761 ^ (slot + 1) * 40503) & 0xFFFFFFFF
    return mixed % vocab


class Peer:
    def __init__(self, path, threads, sequences, tokens):
        self.path = path
        self.adapters = []
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

    def load_adapters(self, modules, rank):
        """An adapter for each sequence, each a copy of its own of the same random values."""
        with tempfile.NamedTemporaryFile(suffix=".gguf") as file:
            write_adapter(file.name, self.path, modules, rank)
            size = os.path.getsize(file.name)
            count = llama_cpp.llama_n_seq_max(self.context)
            self.adapters = [
                llama_cpp.llama_adapter_lora_init(self.model, file.name.encode()) for _ in range(count)
            ]
        if not all(self.adapters):
            raise RuntimeError("llama.cpp refused the adapter")
        return {"seconds": 1, "cpu_seconds": 0, "tokens": size}

    def use_adapter(self, index):
        """The adapter of all rows from now on; none below 0."""
        chosen = [self.adapters[index]] if index >= 0 else []
        pointers = (llama_cpp.llama_adapter_lora_p_ctypes * 1)(*chosen)
        scales = (ctypes.c_float * 1)(1.0)
        status = llama_cpp.llama_set_adapters_lora(self.context, pointers, len(chosen), scales)
        if status != 0:
            raise RuntimeError(f"llama_set_adapters_lora answered {status}")

    def run_adapters(self, sequences, prompt_tokens, new_tokens, pattern):
        """A context has one set of adapters at a time, so rows of distinct ones take a decode each."""
        if pattern != "distinct":
            self.use_adapter(-1 if pattern == "base" else 0)
            return self.run_decode(sequences, prompt_tokens, new_tokens)
        self.use_adapter(-1)
        llama_cpp.llama_memory_clear(self.memory, True)
        self.prompt_tokens = None
        last = []
        for sequence in range(sequences):
            self.use_adapter(sequence)
            last.append(self.compute_prompt(sequence, prompt_tokens))

        def generate():
            for step in range(new_tokens):
                for sequence in range(sequences):
                    self.use_adapter(sequence)
                    self.batch.n_tokens = 0
                    self.add(last[sequence], prompt_tokens + step, sequence, True)
                    self.decode()
                    last[sequence] = self.greedy(0)

        timing = self.timed(generate, sequences * new_tokens)
        self.use_adapter(-1)
        return timing

    def obey(self, words):
        if words[0] == "adapters" and len(words) == 3:
            return self.load_adapters(words[1], int(words[2]))
        if words[0] == "decode" and len(words) == 5:
            return self.run_adapters(*(int(word) for word in words[1:4]), words[4])
        numbers = [int(word) for word in words[1:]]
        if words[0] == "prefill" and len(numbers) == 1:
            return self.run_prefill(*numbers)
        if words[0] == "decode" and len(numbers) == 3:
            return self.run_decode(*numbers)
        return {"error": "not a command"}


def write_adapter(target, model_path, modules, rank):
    """A random adapter in llama.cpp's form for the model."""
    fields = gguf.GGUFReader(model_path).fields
    number = lambda name: int(fields[f"llama.{name}"].contents())  # noqa: E731
    heads, hidden = number("attention.head_count"), number("embedding_length")
    kv = number("attention.head_count_kv") * (hidden // heads)
    widths = {"hidden": hidden, "attention": hidden, "kv": kv, "ffn": number("feed_forward_length")}
    random = numpy.random.default_rng(1)
    writer = gguf.GGUFWriter(target, "llama")
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", float(rank))
    for layer in range(number("block_count")):
        for letter in modules:
            name, inputs, outputs = MODULES[letter]
            shapes = {"a": (rank, widths[inputs]), "b": (widths[outputs], rank)}
            for part, shape in shapes.items():
                values = random.uniform(-0.01, 0.01, shape).astype(numpy.float16)
                writer.add_tensor(f"blk.{layer}.{name}.weight.lora_{part}", values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


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
