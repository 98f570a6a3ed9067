"""Writes test/golden/tiny-k-quants.json: what transformers computes with the k-quant fixture.

Run it in a virtual environment outside the repository (see requirements.txt), after make_tiny_k_quants.py:
    python scripts/goldens/make_tiny_k_quants_goldens.py            # writes the file
    python scripts/goldens/make_tiny_k_quants_goldens.py --check    # exit 1 if a fresh run differs from it

Logits come from the GGUF file as transformers de-quantises it, in float32. Token ids are the tiny Llama's, whose
vocabulary the file has.
"""

import argparse
import sys

import golden_file
import make_tiny_goldens as tiny_goldens
import model_goldens
import oracle

FIXTURE = golden_file.REPOSITORY / "test" / "fixtures" / "tiny-k-quants"
FILE = "tiny-k-quants.gguf"
NAME = "tiny-k-quants.json"
MODEL = "k-quants"
GENERATED_COUNT = 24
PROMPTS = ["greeting", "unicode", "two-pages"]


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--check", action="store_true", help="compare with the committed file, write nothing")
    check = arguments.parse_args().check
    tokenizer = oracle.load_tokenizer(tiny_goldens.FIXTURE / "hf")
    model = oracle.load_model(FIXTURE / FILE)
    ids = {name: tiny_goldens.encode(tokenizer, tiny_goldens.PROMPTS[name]) for name in PROMPTS}
    runs = {name: oracle.run_greedy(model, ids[name], GENERATED_COUNT) for name in PROMPTS}
    if check:
        return model_goldens.compare_models(golden_file.read_golden(NAME)["models"], {MODEL: runs})
    prompts = model_goldens.prompt_rows(MODEL, runs, tiny_goldens.PROMPTS)
    models = [{"name": MODEL, "files": [FILE], "prompts": prompts}]
    golden_file.write_golden(NAME, {"madeWith": golden_file.made_with(), "models": models})
    return 0


if __name__ == "__main__":
    sys.exit(main())
