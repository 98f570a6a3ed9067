"""Writes test/golden/tiny-qwen.json: what transformers computes with the tiny Qwen fixtures.

Run it in a virtual environment outside the repository (see requirements.txt), after make_tiny_qwen.py:
    python scripts/goldens/make_tiny_qwen_goldens.py            # writes the file
    python scripts/goldens/make_tiny_qwen_goldens.py --check    # exit 1 if a fresh run differs from it

Logits come from the Hugging Face folders, in float32; the GGUF files hold the same numbers, which is
asserted here. Token ids come from the folders' tokenizer.json.
"""

import argparse
import sys

import golden_file
import make_tiny_goldens as tiny_goldens
import model_goldens
import oracle

FIXTURE = golden_file.REPOSITORY / "test" / "fixtures" / "tiny-qwen"
NAME = "tiny-qwen.json"
GENERATED_COUNT = 24
FILES = {"qwen2": ["qwen2-hf", "tiny-qwen2-f16.gguf"], "qwen3": ["qwen3-hf", "tiny-qwen3-f16.gguf"]}
PROMPTS = ["greeting", "unicode", "two-pages"]
# What the split and the normalisation decide: digits, line ends, contractions, composed characters.
STRINGS = [*tiny_goldens.STRINGS, "It's 2024\n\n  x", "a\n \n b  ", "e\u0301 A\u030a \u1100\u1161"]


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--check", action="store_true", help="compare with the committed file, write nothing")
    check = arguments.parse_args().check
    tokenizer = oracle.load_tokenizer(FIXTURE / FILES["qwen2"][0])
    tokens = [{"text": text, "ids": tiny_goldens.encode(tokenizer, text)} for text in STRINGS]
    golden = {"madeWith": golden_file.made_with(), "tokens": tokens, "chats": tiny_goldens.make_chats(tokenizer)}
    runs = {name: run_prompts(tokenizer, files) for name, files in FILES.items()}
    return compare(golden, runs) if check else write(golden, runs)


def run_prompts(tokenizer, files: list[str]) -> dict[str, oracle.Run]:
    ids = {name: tiny_goldens.encode(tokenizer, tiny_goldens.PROMPTS[name]) for name in PROMPTS}
    both = []
    for file in files:
        # transformers reads no head size from GGUF files of Qwen3.
        model = oracle.load_model(FIXTURE / file, config_from=FIXTURE / files[0])
        both.append({name: oracle.run_greedy(model, ids[name], GENERATED_COUNT) for name in PROMPTS})
    for name in PROMPTS:
        assert both[0][name].logits.equal(both[1][name].logits), f"{files[1]} differs from {files[0]}: {name}"
    return both[0]


def write(golden: dict, runs: dict) -> int:
    golden["models"] = []
    for model_name, files in FILES.items():
        prompts = model_goldens.prompt_rows(model_name, runs[model_name], tiny_goldens.PROMPTS)
        golden["models"].append({"name": model_name, "files": files, "prompts": prompts})
    golden_file.write_golden(NAME, golden)
    return 0


def compare(golden: dict, runs: dict) -> int:
    committed = golden_file.read_golden(NAME)
    if (committed["tokens"], committed["chats"]) != (golden["tokens"], golden["chats"]):
        raise SystemExit("token ids or chat texts differ from the committed golden")
    return model_goldens.compare_models(committed["models"], runs)


if __name__ == "__main__":
    sys.exit(main())
