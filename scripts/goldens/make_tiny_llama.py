"""Writes the tiny Llama fixture: test/fixtures/tiny-llama/ and test/fixtures/bad-models/.

Run it in a virtual environment outside the repository (see requirements.txt; torch is not needed):
    python scripts/goldens/make_tiny_llama.py            # writes the files, byte for byte the same each time
    python scripts/goldens/make_tiny_llama.py --check    # exit 1 if a committed file differs

One set of seeded weights (tiny_weights.py) in these forms:
    hf/                     config.json, model.safetensors (BF16), tokenizer.json, tokenizer_config.json; tied
    tiny-llama.gguf         tied; linear Q4_1, token_embd Q8_0, norms F32: the types of the default model
    tiny-llama-f16.gguf     tied; all linear tensors and token_embd F16: the very numbers of hf/
    tiny-llama-rope3.gguf   tiny-llama-f16.gguf with `rope_freqs.weight`: Llama 3's rope scaling
    tiny-llama-mixed.gguf   untied `output.weight`; F16, BF16, Q4_0, Q5_0, Q5_1, Q8_0 side by side
GGUF files hold q and k rows permuted for interleaved rotary pairs, as llama.cpp's converter writes them.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType as Ggml
from gguf import GGUFWriter, quants
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

import tiny_weights as tiny
from tiny_text import TINY_TEXT

FIXTURES = Path(__file__).resolve().parents[2] / "test" / "fixtures"
SPECIAL_TOKENS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
BOS_ID, EOS_ID, UNKNOWN_ID = 1, 2, 0
CHAT_TEMPLATE = (
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' "
    "+ '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)

GGUF_NAMES = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
Q4_TYPES = {"token_embd": Ggml.Q8_0}
F16_TYPES = {"token_embd": Ggml.F16}
MIXED_TYPES = {
    "token_embd": Ggml.F16,
    "output": Ggml.Q8_0,
    "blk.0.attn_q": Ggml.Q5_0,
    "blk.0.attn_k": Ggml.Q5_1,
    "blk.0.attn_v": Ggml.F16,
    "blk.0.attn_output": Ggml.Q4_0,
    "blk.0.ffn_gate": Ggml.Q8_0,
    "blk.0.ffn_up": Ggml.BF16,
    "blk.0.ffn_down": Ggml.Q5_1,
    "blk.1.attn_q": Ggml.Q8_0,
    "blk.1.attn_k": Ggml.BF16,
    "blk.1.attn_v": Ggml.Q4_1,
    "blk.1.attn_output": Ggml.Q5_1,
    "blk.1.ffn_gate": Ggml.Q4_0,
    "blk.1.ffn_up": Ggml.Q5_0,
    "blk.1.ffn_down": Ggml.F16,
}
# general.file_type, llama.cpp's ids of the main type of a file.
FILE_TYPE_F16, FILE_TYPE_Q4_1, FILE_TYPE_Q4_0 = 1, 3, 2


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--check", action="store_true", help="compare with the committed files, write nothing")
    check = arguments.parse_args().check
    with tempfile.TemporaryDirectory() as scratch:
        files = make_files(Path(scratch))
    return write_or_compare(files, check)


def write_or_compare(files: dict[str, bytes], check: bool) -> int:
    """Writes files under test/fixtures or compares them with what lies there. The exit status."""
    differing = []
    for name, data in files.items():
        path = FIXTURES / name
        if check and (not path.is_file() or path.read_bytes() != data):
            differing.append(name)
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        print(f"{len(data):>8}  {name}")
    for name in differing:
        print(f"differs from the committed file: {name}", file=sys.stderr)
    return 1 if differing else 0


def make_files(scratch: Path) -> dict[str, bytes]:
    """Path under test/fixtures -> bytes, for every file of the fixture."""
    tokenizer = train_tokenizer()
    tied, untied = tiny.make_weights(tied=True), tiny.make_weights(tied=False)
    hf, gguf_folder = "tiny-llama/hf/", "tiny-llama/"
    gguf_forms = {
        "tiny-llama.gguf": (tied, Q4_TYPES, Ggml.Q4_1, FILE_TYPE_Q4_1),
        "tiny-llama-f16.gguf": (tied, F16_TYPES, Ggml.F16, FILE_TYPE_F16),
        "tiny-llama-rope3.gguf": (tied | {tiny.ROPE_DIVISORS: tiny.rope_divisors()}, F16_TYPES, Ggml.F16, FILE_TYPE_F16),
        "tiny-llama-mixed.gguf": (untied, MIXED_TYPES, Ggml.Q4_0, FILE_TYPE_Q4_0),
    }
    files = {
        hf + "config.json": json_bytes(hf_config()),
        hf + "tokenizer.json": json_bytes(json.loads(tokenizer.to_str())),
        hf + "tokenizer_config.json": json_bytes(hf_tokenizer_config()),
        hf + "model.safetensors": safetensors_bytes(tied),
    }
    for name, form in gguf_forms.items():
        files[gguf_folder + name] = gguf_bytes(scratch / name, tokenizer, form)
    files["bad-models/bert-header.gguf"] = bert_header_bytes(scratch / "bert-header.gguf")
    return files


def train_tokenizer() -> Tokenizer:
    """Byte-level BPE of 512 tokens: 3 special tokens, 256 bytes, then merges learned from TINY_TEXT.

    Digits are split one by one before the byte-level regex, which is what GGUF calls the pre-tokenizer "smollm".
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=tiny.VOCAB,
        min_frequency=2,
        special_tokens=[AddedToken(token, normalized=False, special=True) for token in SPECIAL_TOKENS],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator([TINY_TEXT], trainer)
    assert tokenizer.get_vocab_size() == tiny.VOCAB, tokenizer.get_vocab_size()
    return tokenizer


def hf_config() -> dict[str, object]:
    """config.json as published Llama models have it."""
    return {
        "architectures": ["LlamaForCausalLM"],
        "attention_bias": False,
        "attention_dropout": 0.0,
        "bos_token_id": BOS_ID,
        "dtype": "bfloat16",
        "eos_token_id": EOS_ID,
        "head_dim": tiny.HEAD_DIM,
        "hidden_act": "silu",
        "hidden_size": tiny.HIDDEN,
        "intermediate_size": tiny.FFN,
        "max_position_embeddings": tiny.CONTEXT_TOKENS,
        "mlp_bias": False,
        "model_type": "llama",
        "num_attention_heads": tiny.HEADS,
        "num_hidden_layers": tiny.LAYERS,
        "num_key_value_heads": tiny.KV_HEADS,
        "rms_norm_eps": tiny.RMS_EPS,
        "rope_scaling": None,
        "rope_theta": tiny.ROPE_BASE,
        "tie_word_embeddings": True,
        "use_cache": True,
        "vocab_size": tiny.VOCAB,
    }


def hf_tokenizer_config() -> dict[str, object]:
    return {
        "add_bos_token": False,
        "add_prefix_space": False,
        "bos_token": SPECIAL_TOKENS[BOS_ID],
        "chat_template": CHAT_TEMPLATE,
        "clean_up_tokenization_spaces": False,
        "eos_token": SPECIAL_TOKENS[EOS_ID],
        "model_max_length": tiny.CONTEXT_TOKENS,
        "pad_token": SPECIAL_TOKENS[EOS_ID],
        "tokenizer_class": "PreTrainedTokenizerFast",
        "unk_token": SPECIAL_TOKENS[UNKNOWN_ID],
    }


def safetensors_bytes(weights: dict[str, np.ndarray]) -> bytes:
    """8 bytes header length, JSON header padded with spaces to 8 bytes, then the tensors one after another."""
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    data = b""
    for name in sorted(weights):
        values = weights[name]
        # bfloat16 is the upper half of the float32 bits.
        tensor = (values.view(np.uint32) >> np.uint32(16)).astype("<u2").tobytes()
        offsets = [len(data), len(data) + len(tensor)]
        header[name] = {"dtype": "BF16", "shape": list(values.shape), "data_offsets": offsets}
        data += tensor
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + data


def gguf_bytes(path: Path, tokenizer: Tokenizer, form: tuple) -> bytes:
    """One GGUF file; `form` = weights, types by tensor name, type of the other linear tensors, file type."""
    weights, types, linear_type, file_type = form
    writer = GGUFWriter(path, "llama")
    writer.add_name("Tiny Llama")
    writer.add_context_length(tiny.CONTEXT_TOKENS)
    writer.add_embedding_length(tiny.HIDDEN)
    writer.add_block_count(tiny.LAYERS)
    writer.add_feed_forward_length(tiny.FFN)
    writer.add_head_count(tiny.HEADS)
    writer.add_head_count_kv(tiny.KV_HEADS)
    writer.add_rope_dimension_count(tiny.HEAD_DIM)
    writer.add_rope_freq_base(tiny.ROPE_BASE)
    writer.add_layer_norm_rms_eps(tiny.RMS_EPS)
    writer.add_vocab_size(tiny.VOCAB)
    writer.add_file_type(file_type)
    writer.add_quantization_version(2)
    add_tokenizer(writer, tokenizer)
    for name, values in weights.items():
        gguf_name = to_gguf_name(name)
        type_ = Ggml.F32 if values.ndim == 1 else types.get(gguf_name.removesuffix(".weight"), linear_type)
        if gguf_name.endswith(("attn_q.weight", "attn_k.weight")):
            values = interleave_rotary_rows(values)
        writer.add_tensor(gguf_name, quants.quantize(values, type_), raw_dtype=type_)
    return close_and_read(writer, path)


def to_gguf_name(name: str) -> str:
    if name == tiny.ROPE_DIVISORS:
        return name
    stem = name.removesuffix(".weight")
    if not stem.startswith("model.layers."):
        return GGUF_NAMES[stem] + ".weight"
    layer, rest = stem.removeprefix("model.layers.").split(".", 1)
    return f"blk.{layer}.{GGUF_NAMES[rest]}.weight"


def interleave_rotary_rows(values: np.ndarray) -> np.ndarray:
    """Rows (i, i + headDim/2) of each head become neighbours, as llama.cpp's converter stores q and k."""
    rows, columns = values.shape
    pairs = values.reshape(rows // tiny.HEAD_DIM, 2, tiny.HEAD_DIM // 2, columns)
    return np.ascontiguousarray(pairs.swapaxes(1, 2).reshape(rows, columns))


def add_tokenizer(writer: GGUFWriter, tokenizer: Tokenizer, pre: str = "smollm") -> None:
    model = json.loads(tokenizer.to_str())["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].__getitem__)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    # 3 = control, 1 = normal.
    writer.add_token_types([3 if token in SPECIAL_TOKENS else 1 for token in tokens])
    writer.add_token_merges([" ".join(pair) for pair in model["merges"]])
    writer.add_bos_token_id(BOS_ID)
    writer.add_eos_token_id(EOS_ID)
    writer.add_unk_token_id(UNKNOWN_ID)
    writer.add_pad_token_id(EOS_ID)
    writer.add_add_bos_token(False)
    writer.add_add_space_prefix(False)
    writer.add_chat_template(CHAT_TEMPLATE)


def bert_header_bytes(path: Path) -> bytes:
    """A well-formed GGUF of an architecture this project does not serve: metadata only, no tensors."""
    writer = GGUFWriter(path, "bert")
    writer.add_name("Not a language model")
    writer.add_context_length(512)
    writer.add_embedding_length(tiny.HIDDEN)
    writer.add_block_count(tiny.LAYERS)
    return close_and_read(writer, path)


def close_and_read(writer: GGUFWriter, path: Path) -> bytes:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path.read_bytes()


def json_bytes(value: object) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()


if __name__ == "__main__":
    sys.exit(main())
