"""The tiny model's shape and weights.

Owns the numbers of the fixture: shapes, the seeded generator and the scale of every tensor. It does not write
files. Invariant: every value is exact in bfloat16 and in float16, so the HF folder and the F16 GGUF hold the same
numbers; the generator is integer arithmetic only, so the bytes are the same on every machine.
"""

import numpy as np

HIDDEN = 64
LAYERS = 2
HEADS = 4
KV_HEADS = 2
HEAD_DIM = 16
FFN = 160
VOCAB = 512
CONTEXT_TOKENS = 512
ROPE_BASE = 10000.0
RMS_EPS = 1e-5
SEED = 20
# GGUF's name of the divisors of rotary frequencies.
ROPE_DIVISORS = "rope_freqs.weight"
# config.json's rope_scaling, with a context that makes the fixture's frequencies fall into all three ranges.
LLAMA3_ROPE = {
    "factor": 8.0,
    "high_freq_factor": 4.0,
    "low_freq_factor": 1.0,
    "original_max_position_embeddings": 64,
    "rope_type": "llama3",
}

# Standard deviation of each kind of tensor. The layers' outputs are larger than the embedding and attention
# scores have a spread of about 2, so the next token depends on the whole prompt and not only on the last token.
SPREAD = {
    "embed_tokens": 0.4,
    "lm_head": 0.4,
    "q_proj": 0.18,
    "k_proj": 0.18,
    "v_proj": 0.2,
    "o_proj": 0.25,
    "gate_proj": 0.2,
    "up_proj": 0.2,
    "down_proj": 0.15,
}


def tensor_shapes(tied: bool) -> dict[str, tuple[int, ...]]:
    """Names and shapes ([out, in]) under transformers' names; the order fixes the generator's stream."""
    shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (VOCAB, HIDDEN)}
    for layer in range(LAYERS):
        prefix = f"model.layers.{layer}."
        shapes |= {
            prefix + "input_layernorm.weight": (HIDDEN,),
            prefix + "self_attn.q_proj.weight": (HEADS * HEAD_DIM, HIDDEN),
            prefix + "self_attn.k_proj.weight": (KV_HEADS * HEAD_DIM, HIDDEN),
            prefix + "self_attn.v_proj.weight": (KV_HEADS * HEAD_DIM, HIDDEN),
            prefix + "self_attn.o_proj.weight": (HIDDEN, HEADS * HEAD_DIM),
            prefix + "post_attention_layernorm.weight": (HIDDEN,),
            prefix + "mlp.gate_proj.weight": (FFN, HIDDEN),
            prefix + "mlp.up_proj.weight": (FFN, HIDDEN),
            prefix + "mlp.down_proj.weight": (HIDDEN, FFN),
        }
    shapes["model.norm.weight"] = (HIDDEN,)
    if not tied:
        shapes["lm_head.weight"] = (VOCAB, HIDDEN)
    return shapes


def make_weights(tied: bool) -> dict[str, np.ndarray]:
    """All tensors as float32 arrays whose values are exact in bfloat16 and float16."""
    weights: dict[str, np.ndarray] = {}
    drawn = 0
    for name, shape in tensor_shapes(tied).items():
        count = int(np.prod(shape))
        unit = uniform(drawn, count)  # [-1, 1)
        drawn += count
        if name.endswith("norm.weight"):
            values = 1.0 + 0.25 * unit
        else:
            # sqrt(3): a uniform distribution on [-a, a) has the standard deviation a / sqrt(3).
            values = unit * (SPREAD[name.split(".")[-2]] * np.sqrt(3.0))
        weights[name] = round_to_bf16(values.astype(np.float32)).reshape(shape)
        assert np.array_equal(weights[name].astype(np.float16).astype(np.float32), weights[name]), name
    return weights


def rope_divisors() -> np.ndarray:
    """What each rotary frequency is divided by, as llama.cpp's converter stores Llama 3's rope scaling."""
    turns = LLAMA3_ROPE["original_max_position_embeddings"] / (2 * np.pi)
    turns = turns * ROPE_BASE ** (-np.arange(0, HEAD_DIM, 2) / HEAD_DIM)
    low, high = LLAMA3_ROPE["low_freq_factor"], LLAMA3_ROPE["high_freq_factor"]
    share = np.clip((turns - low) / (high - low), 0.0, 1.0)
    return (1.0 / ((1.0 - share) / LLAMA3_ROPE["factor"] + share)).astype(np.float32)


def uniform(start: int, count: int) -> np.ndarray:
    """`count` numbers in [-1, 1) from position `start` of a SplitMix64 stream seeded with SEED."""
    golden = np.uint64(0x9E3779B97F4A7C15)
    state = np.arange(start + 1, start + count + 1, dtype=np.uint64) * golden + np.uint64(SEED)
    mixed = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed = mixed ^ (mixed >> np.uint64(31))
    # 16 bits: the smallest weight stays large enough to be exact in float16.
    return (mixed >> np.uint64(48)).astype(np.float64) / 2.0**15 - 1.0


def round_to_bf16(values: np.ndarray) -> np.ndarray:
    """Nearest bfloat16 (ties to even) of finite float32 values, as float32."""
    bits = values.view(np.uint32)
    rounded = (bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))) & np.uint32(0xFFFF0000)
    return rounded.view(np.float32)
