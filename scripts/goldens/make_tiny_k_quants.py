"""Writes the k-quant fixture: test/fixtures/tiny-k-quants/, a Llama whose rows are blocks of 256 values.

Run it in a virtual environment outside the repository (see requirements.txt; torch is not needed):
    python scripts/goldens/make_tiny_k_quants.py            # writes the file, byte for byte the same each time
    python scripts/goldens/make_tiny_k_quants.py --check    # exit 1 if the committed file differs

    tiny-k-quants.gguf    one layer, tied; Q4_K, Q5_K and Q6_K side by side, as files of that kind mix them

Blocks are drawn, not quantised: nothing here decides how numbers become blocks, only gguf how blocks become numbers.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType as Ggml
from gguf import GGUFWriter

import make_tiny_llama as llama
import tiny_weights as tiny

FOLDER, NAME = "tiny-k-quants/", "tiny-k-quants.gguf"
BLOCK = 256
HIDDEN = FFN = 256
HEADS, KV_HEADS, HEAD_DIM = 4, 2, 64
# Where the weights' stream of random numbers starts.
SEED_OFFSET = 5_000_000
FILE_TYPE_Q4_K_M = 15
# Rows, type and standard deviation of each matrix; all have 256 columns.
MATRICES = {
    "token_embd": (tiny.VOCAB, Ggml.Q6_K, 0.2),
    "blk.0.attn_q": (HEADS * HEAD_DIM, Ggml.Q4_K, 0.08),
    "blk.0.attn_k": (KV_HEADS * HEAD_DIM, Ggml.Q5_K, 0.08),
    "blk.0.attn_v": (KV_HEADS * HEAD_DIM, Ggml.Q6_K, 0.2),
    "blk.0.attn_output": (HIDDEN, Ggml.Q4_K, 0.25),
    "blk.0.ffn_gate": (FFN, Ggml.Q5_K, 0.1),
    "blk.0.ffn_up": (FFN, Ggml.Q4_K, 0.1),
    "blk.0.ffn_down": (HIDDEN, Ggml.Q6_K, 0.2),
}
NORMS = ["blk.0.attn_norm", "blk.0.ffn_norm", "output_norm"]
# The middle and the standard deviation of a uniform q in 0 .. 2^bits - 1.
LEVELS = {Ggml.Q4_K: (7.5, 4.61), Ggml.Q5_K: (15.5, 9.23), Ggml.Q6_K: (31.5, 18.47)}
MEAN_SCALE = 48  # of the 6-bit scales drawn below; Q6_K's are drawn as large


class Draws:
    """A stream of seeded numbers, integer arithmetic only."""

    def __init__(self) -> None:
        self._drawn = SEED_OFFSET

    def uniform(self, count: int) -> np.ndarray:
        self._drawn += count
        return tiny.uniform(self._drawn - count, count)

    def integers(self, low: int, high: int, shape: tuple[int, ...]) -> np.ndarray:
        """low .. high - 1."""
        unit = self.uniform(int(np.prod(shape))).reshape(shape)
        return (low + np.floor((unit + 1.0) / 2.0 * (high - low))).astype(np.int64)


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--check", action="store_true", help="compare with the committed file, write nothing")
    check = arguments.parse_args().check
    with tempfile.TemporaryDirectory() as scratch:
        files = {FOLDER + NAME: gguf_bytes(Path(scratch) / NAME)}
    return llama.write_or_compare(files, check)


def draw_blocks(draws: Draws, rows: int, kind: Ggml, spread: float) -> np.ndarray:
    """[rows, bytes of a block]: random levels and scales, the block's own scale such that values spread as asked."""
    middle, deviation = LEVELS[kind]
    d = halves(spread / (deviation * MEAN_SCALE) * (1.0 + 0.25 * draws.uniform(rows)))
    if kind == Ggml.Q6_K:
        low_and_high = draws.integers(0, 256, (rows, 192))
        scales = draws.integers(32, 65, (rows, 16)) * (1 - 2 * draws.integers(0, 2, (rows, 16)))
        return np.concatenate([low_and_high.astype(np.uint8), scales.astype(np.int8).view(np.uint8), d], axis=1)
    scales = draws.integers(33, 64, (rows, 8))
    minima = np.clip(scales + draws.integers(-6, 7, (rows, 8)), 0, 63)
    minimum_unit = halves(d.copy().view(np.float16)[:, 0].astype(np.float64) * middle)
    quants = draws.integers(0, 256, (rows, 128 if kind == Ggml.Q4_K else 160))
    return np.concatenate([d, minimum_unit, pack_six_bits(scales, minima), quants.astype(np.uint8)], axis=1)


def halves(values: np.ndarray) -> np.ndarray:
    return values.astype(np.float16).reshape(-1, 1).view(np.uint8)


def pack_six_bits(scales: np.ndarray, minima: np.ndarray) -> np.ndarray:
    """Eight scales and eight minima of six bits in 12 bytes: the first four whole, the others' upper two bits above them."""
    first = scales[:, :4] | (scales[:, 4:] >> 4) << 6
    second = minima[:, :4] | (minima[:, 4:] >> 4) << 6
    third = (scales[:, 4:] & 15) | (minima[:, 4:] & 15) << 4
    return np.concatenate([first, second, third], axis=1).astype(np.uint8)


def interleave_rotary_rows(blocks: np.ndarray) -> np.ndarray:
    """Rows (i, i + headDim/2) of each head become neighbours, as llama.cpp's converter stores q and k."""
    pairs = blocks.reshape(blocks.shape[0] // HEAD_DIM, 2, HEAD_DIM // 2, blocks.shape[1])
    return np.ascontiguousarray(pairs.swapaxes(1, 2).reshape(blocks.shape))


def gguf_bytes(path: Path) -> bytes:
    writer = GGUFWriter(path, "llama")
    writer.add_name("Tiny k-quants")
    writer.add_context_length(tiny.CONTEXT_TOKENS)
    writer.add_embedding_length(HIDDEN)
    writer.add_block_count(1)
    writer.add_feed_forward_length(FFN)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_rope_dimension_count(HEAD_DIM)
    writer.add_rope_freq_base(tiny.ROPE_BASE)
    writer.add_layer_norm_rms_eps(tiny.RMS_EPS)
    writer.add_vocab_size(tiny.VOCAB)
    writer.add_file_type(FILE_TYPE_Q4_K_M)
    writer.add_quantization_version(2)
    llama.add_tokenizer(writer, llama.train_tokenizer())
    draws = Draws()
    for name, (rows, kind, spread) in MATRICES.items():
        blocks = draw_blocks(draws, rows, kind, spread)
        if name.endswith(("attn_q", "attn_k")):
            blocks = interleave_rotary_rows(blocks)
        writer.add_tensor(name + ".weight", blocks, raw_dtype=kind)
    for name in NORMS:
        writer.add_tensor(name + ".weight", (1.0 + 0.25 * draws.uniform(HIDDEN)).astype(np.float32))
    return llama.close_and_read(writer, path)


if __name__ == "__main__":
    sys.exit(main())
