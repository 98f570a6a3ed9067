"""Writes the tiny Qwen fixtures: test/fixtures/tiny-qwen/.

Run it in a virtual environment outside the repository (see requirements.txt; torch is not needed):
    python scripts/goldens/make_tiny_qwen.py            # writes the files, byte for byte the same each time
    python scripts/goldens/make_tiny_qwen.py --check    # exit 1 if a committed file differs

For each architecture the same numbers twice: qwenN-hf/ (BF16) and tiny-qwenN-f16.gguf (linear tensors F16, vectors F32).
Qwen2 has biases on q, k and v and an untied output; Qwen3 norms each head and has heads wider than hidden / heads.
Neither has permuted rows in GGUF. The tokenizer is the tiny Llama's vocabulary under Qwen2's split and NFC.
"""

import argparse
import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType as Ggml
from gguf import GGUFWriter, quants
from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers

import make_tiny_llama as llama
import tiny_weights as tiny

FFN = 96
ROPE_BASE = 1000000.0
RMS_EPS = 1e-6
WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)
BIAS_SPREAD = 0.5
GGUF_VECTORS = {
    "self_attn.q_proj.bias": "attn_q.bias",
    "self_attn.k_proj.bias": "attn_k.bias",
    "self_attn.v_proj.bias": "attn_v.bias",
    "self_attn.q_norm.weight": "attn_q_norm.weight",
    "self_attn.k_norm.weight": "attn_k_norm.weight",
}


@dataclass(frozen=True)
class Shape:
    architecture: str
    hf_class: str
    head_dim: int
    tied: bool
    seed_offset: int  # where the weights' stream of random numbers starts


SHAPES = [
    Shape("qwen2", "Qwen2ForCausalLM", 16, False, 1_000_000),
    Shape("qwen3", "Qwen3ForCausalLM", 32, True, 2_000_000),
]


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--check", action="store_true", help="compare with the committed files, write nothing")
    check = arguments.parse_args().check
    files: dict[str, bytes] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for shape in SHAPES:
            files |= make_files(Path(scratch), shape)
    return llama.write_or_compare(files, check)


def make_files(scratch: Path, shape: Shape) -> dict[str, bytes]:
    """Path under test/fixtures -> bytes."""
    tokenizer = make_tokenizer()
    weights = make_weights(shape)
    hf = f"tiny-qwen/{shape.architecture}-hf/"
    gguf_name = f"tiny-{shape.architecture}-f16.gguf"
    return {
        hf + "config.json": llama.json_bytes(hf_config(shape)),
        hf + "tokenizer.json": llama.json_bytes(json.loads(tokenizer.to_str())),
        hf + "tokenizer_config.json": llama.json_bytes(llama.hf_tokenizer_config()),
        hf + "model.safetensors": llama.safetensors_bytes(weights),
        "tiny-qwen/" + gguf_name: gguf_bytes(scratch / gguf_name, tokenizer, weights, shape),
    }


def make_tokenizer() -> Tokenizer:
    tokenizer = llama.train_tokenizer()
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORDS), behavior="isolated", invert=False),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    return tokenizer


def tensor_shapes(shape: Shape) -> dict[str, tuple[int, ...]]:
    q_rows, kv_rows = tiny.HEADS * shape.head_dim, tiny.KV_HEADS * shape.head_dim
    shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (tiny.VOCAB, tiny.HIDDEN)}
    for layer in range(tiny.LAYERS):
        prefix = f"model.layers.{layer}."
        shapes |= {
            prefix + "input_layernorm.weight": (tiny.HIDDEN,),
            prefix + "self_attn.q_proj.weight": (q_rows, tiny.HIDDEN),
            prefix + "self_attn.k_proj.weight": (kv_rows, tiny.HIDDEN),
            prefix + "self_attn.v_proj.weight": (kv_rows, tiny.HIDDEN),
            prefix + "self_attn.o_proj.weight": (tiny.HIDDEN, q_rows),
            prefix + "post_attention_layernorm.weight": (tiny.HIDDEN,),
            prefix + "mlp.gate_proj.weight": (FFN, tiny.HIDDEN),
            prefix + "mlp.up_proj.weight": (FFN, tiny.HIDDEN),
            prefix + "mlp.down_proj.weight": (tiny.HIDDEN, FFN),
        }
        if shape.architecture == "qwen2":
            shapes |= {
                prefix + "self_attn.q_proj.bias": (q_rows,),
                prefix + "self_attn.k_proj.bias": (kv_rows,),
                prefix + "self_attn.v_proj.bias": (kv_rows,),
            }
        else:
            shapes |= {
                prefix + "self_attn.q_norm.weight": (shape.head_dim,),
                prefix + "self_attn.k_norm.weight": (shape.head_dim,),
            }
    shapes["model.norm.weight"] = (tiny.HIDDEN,)
    if not shape.tied:
        shapes["lm_head.weight"] = (tiny.VOCAB, tiny.HIDDEN)
    return shapes


def make_weights(shape: Shape) -> dict[str, np.ndarray]:
    """All tensors as float32 arrays whose values are exact in bfloat16 and float16."""
    weights: dict[str, np.ndarray] = {}
    drawn = shape.seed_offset
    for name, dims in tensor_shapes(shape).items():
        count = int(np.prod(dims))
        unit = tiny.uniform(drawn, count)
        drawn += count
        if name.endswith("norm.weight"):
            values = 1.0 + 0.25 * unit
        elif name.endswith(".bias"):
            values = unit * (BIAS_SPREAD * np.sqrt(3.0))
        else:
            values = unit * (tiny.SPREAD[name.split(".")[-2]] * np.sqrt(3.0))
        weights[name] = tiny.round_to_bf16(values.astype(np.float32)).reshape(dims)
        assert np.array_equal(weights[name].astype(np.float16).astype(np.float32), weights[name]), name
    return weights


def hf_config(shape: Shape) -> dict[str, object]:
    """config.json as published Qwen models have it."""
    config = llama.hf_config() | {
        "architectures": [shape.hf_class],
        "intermediate_size": FFN,
        "max_window_layers": tiny.LAYERS,
        "model_type": shape.architecture,
        "rms_norm_eps": RMS_EPS,
        "rope_theta": ROPE_BASE,
        "sliding_window": tiny.CONTEXT_TOKENS,
        "tie_word_embeddings": shape.tied,
        "use_sliding_window": False,
    }
    for key in ["mlp_bias", "rope_scaling"]:
        del config[key]
    if shape.architecture == "qwen2":
        del config["attention_bias"], config["head_dim"]
        return config
    return config | {"head_dim": shape.head_dim}


def gguf_bytes(path: Path, tokenizer: Tokenizer, weights: dict[str, np.ndarray], shape: Shape) -> bytes:
    writer = GGUFWriter(path, shape.architecture)
    writer.add_name(f"Tiny {shape.architecture}")
    writer.add_context_length(tiny.CONTEXT_TOKENS)
    writer.add_embedding_length(tiny.HIDDEN)
    writer.add_block_count(tiny.LAYERS)
    writer.add_feed_forward_length(FFN)
    writer.add_head_count(tiny.HEADS)
    writer.add_head_count_kv(tiny.KV_HEADS)
    if shape.architecture == "qwen3":
        writer.add_key_length(shape.head_dim)
        writer.add_value_length(shape.head_dim)
    writer.add_rope_freq_base(ROPE_BASE)
    writer.add_layer_norm_rms_eps(RMS_EPS)
    writer.add_file_type(llama.FILE_TYPE_F16)
    writer.add_quantization_version(2)
    llama.add_tokenizer(writer, tokenizer, "qwen2")
    for name, values in weights.items():
        type_ = Ggml.F32 if values.ndim == 1 else Ggml.F16
        writer.add_tensor(to_gguf_name(name), quants.quantize(values, type_), raw_dtype=type_)
    return llama.close_and_read(writer, path)


def to_gguf_name(name: str) -> str:
    parts = name.split(".", 3)
    if len(parts) == 4 and parts[3] in GGUF_VECTORS:
        return f"blk.{parts[2]}.{GGUF_VECTORS[parts[3]]}"
    return llama.to_gguf_name(name)


if __name__ == "__main__":
    sys.exit(main())
