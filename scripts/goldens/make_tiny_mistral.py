"""Writes the tiny Mistral fixture: test/fixtures/tiny-mistral/, and a Qwen2 configuration with windowed layers.

Run it in a virtual environment outside the repository (see requirements.txt; torch is not needed):
    python scripts/goldens/make_tiny_mistral.py            # writes the files, byte for byte the same each time
    python scripts/goldens/make_tiny_mistral.py --check    # exit 1 if a committed file differs

    hf/                      the tiny Llama's shape with weights of its own (BF16), a window of WINDOW tokens, SentencePiece
                             vocabulary as tokenizer.model and tokenizer.json (the space prepended by a normalizer)
    hf-metaspace/            tokenizer.json alone: the space prepended by a pre-tokenizer, as newer files have it
    tiny-mistral-f16.gguf    the same numbers; the vocabulary as tokenizer.ggml.model "llama", the window in metadata
    qwen2-window/            config.json alone: tiny-qwen/qwen2-hf with the window in its second layer
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType as Ggml
from gguf import GGUFWriter, quants

import make_tiny_llama as llama
import make_tiny_qwen as qwen
import tiny_sentencepiece as spm
import tiny_weights as tiny

WINDOW = 24
# Where the weights' stream of random numbers starts.
SEED_OFFSET = 3_000_000


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--check", action="store_true", help="compare with the committed files, write nothing")
    check = arguments.parse_args().check
    with tempfile.TemporaryDirectory() as scratch:
        files = make_files(Path(scratch))
    return llama.write_or_compare(files, check)


def make_files(scratch: Path) -> dict[str, bytes]:
    """Path under test/fixtures -> bytes."""
    model = spm.train()
    weights = make_weights()
    folder, gguf_name = "tiny-mistral/", "tiny-mistral-f16.gguf"
    tokenizers = {form: spm.tokenizer_json(model, form == "hf-metaspace/") for form in ("hf/", "hf-metaspace/")}
    return {
        folder + "hf/config.json": llama.json_bytes(hf_config()),
        folder + "hf/tokenizer.model": model,
        folder + "hf/tokenizer_config.json": llama.json_bytes(hf_tokenizer_config()),
        folder + "hf/model.safetensors": llama.safetensors_bytes(weights),
        folder + gguf_name: gguf_bytes(scratch / gguf_name, model, weights),
        folder + "qwen2-window/config.json": llama.json_bytes(qwen2_window_config()),
    } | {
        folder + form + "tokenizer.json": llama.json_bytes(json.loads(tokenizer.to_str()))
        for form, tokenizer in tokenizers.items()
    }


def make_weights() -> dict[str, np.ndarray]:
    """All tensors as float32 arrays whose values are exact in bfloat16 and float16; untied, as Mistral is."""
    weights: dict[str, np.ndarray] = {}
    drawn = SEED_OFFSET
    for name, dims in tiny.tensor_shapes(tied=False).items():
        count = int(np.prod(dims))
        unit = tiny.uniform(drawn, count)
        drawn += count
        is_norm = name.endswith("norm.weight")
        values = 1.0 + 0.25 * unit if is_norm else unit * (tiny.SPREAD[name.split(".")[-2]] * np.sqrt(3.0))
        weights[name] = tiny.round_to_bf16(values.astype(np.float32)).reshape(dims)
        assert np.array_equal(weights[name].astype(np.float16).astype(np.float32), weights[name]), name
    return weights


def hf_config() -> dict[str, object]:
    """config.json as published Mistral models have it."""
    config = llama.hf_config() | {
        "architectures": ["MistralForCausalLM"],
        "model_type": "mistral",
        "sliding_window": WINDOW,
        "tie_word_embeddings": False,
    }
    for key in ["attention_bias", "mlp_bias", "rope_scaling"]:
        del config[key]
    return config


def hf_tokenizer_config() -> dict[str, object]:
    return {
        "add_bos_token": True,
        "add_eos_token": False,
        "bos_token": spm.BOS,
        "chat_template": spm.CHAT_TEMPLATE,
        "clean_up_tokenization_spaces": False,
        "eos_token": spm.EOS,
        "model_max_length": tiny.CONTEXT_TOKENS,
        "tokenizer_class": "PreTrainedTokenizerFast",
        "unk_token": spm.UNKNOWN,
    }


def qwen2_window_config() -> dict[str, object]:
    config = qwen.hf_config(qwen.SHAPES[0])
    return config | {"max_window_layers": 1, "sliding_window": WINDOW, "use_sliding_window": True}


def gguf_bytes(path: Path, model: bytes, weights: dict[str, np.ndarray]) -> bytes:
    writer = GGUFWriter(path, "llama")
    writer.add_name("Tiny Mistral")
    writer.add_context_length(tiny.CONTEXT_TOKENS)
    writer.add_embedding_length(tiny.HIDDEN)
    writer.add_block_count(tiny.LAYERS)
    writer.add_feed_forward_length(tiny.FFN)
    writer.add_head_count(tiny.HEADS)
    writer.add_head_count_kv(tiny.KV_HEADS)
    writer.add_rope_dimension_count(tiny.HEAD_DIM)
    writer.add_rope_freq_base(tiny.ROPE_BASE)
    writer.add_layer_norm_rms_eps(tiny.RMS_EPS)
    writer.add_sliding_window(WINDOW)
    writer.add_vocab_size(tiny.VOCAB)
    writer.add_file_type(llama.FILE_TYPE_F16)
    spm.add_to_gguf(writer, model)
    for name, values in weights.items():
        gguf_name = llama.to_gguf_name(name)
        type_ = Ggml.F32 if values.ndim == 1 else Ggml.F16
        if gguf_name.endswith(("attn_q.weight", "attn_k.weight")):
            values = llama.interleave_rotary_rows(values)
        writer.add_tensor(gguf_name, quants.quantize(values, type_), raw_dtype=type_)
    return llama.close_and_read(writer, path)


if __name__ == "__main__":
    sys.exit(main())
