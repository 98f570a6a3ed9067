"""Writes test/golden/tiny-rope.json: the tiny Llama under rope scaling, as transformers computes it.

Run it in a virtual environment outside the repository (see requirements.txt), after make_tiny_llama.py:
    python scripts/goldens/make_tiny_rope_goldens.py            # writes the file
    python scripts/goldens/make_tiny_rope_goldens.py --check    # exit 1 if a fresh run differs from it

Each model is hf/ with `ropeScaling` as rope_scaling in its config.json; `files` lists the GGUF files of the same numbers.
"""

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path

import golden_file
import make_tiny_goldens as tiny_goldens
import model_goldens
import oracle
import tiny_weights

NAME = "tiny-rope.json"
GENERATED_COUNT = 24
PROMPTS = ["greeting", "two-pages"]
MODELS = {
    "linear": {"ropeScaling": {"factor": 4.0, "rope_type": "linear"}, "files": []},
    "llama3": {"ropeScaling": tiny_weights.LLAMA3_ROPE, "files": ["tiny-llama-rope3.gguf"]},
}


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--check", action="store_true", help="compare with the committed file, write nothing")
    check = arguments.parse_args().check
    tokenizer = oracle.load_tokenizer(tiny_goldens.FIXTURE / "hf")
    ids = {name: tiny_goldens.encode(tokenizer, tiny_goldens.PROMPTS[name]) for name in PROMPTS}
    plain = run_prompts(ids, None)
    runs = {name: run_prompts(ids, model["ropeScaling"]) for name, model in MODELS.items()}
    for name, run in runs.items():
        for prompt in PROMPTS:
            assert run[prompt].generated_ids != plain[prompt].generated_ids, f"{name} {prompt} shows no rope scaling"
    return compare(runs) if check else write(runs)


def run_prompts(ids: dict[str, list[int]], rope_scaling: dict | None) -> dict[str, oracle.Run]:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "hf"
        shutil.copytree(tiny_goldens.FIXTURE / "hf", folder)
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | {"rope_scaling": rope_scaling}))
        model = oracle.load_model(folder)
        return {name: oracle.run_greedy(model, prompt_ids, GENERATED_COUNT) for name, prompt_ids in ids.items()}


def write(runs: dict) -> int:
    golden = {"madeWith": golden_file.made_with(), "models": []}
    for model_name, model in MODELS.items():
        prompts = model_goldens.prompt_rows(model_name, runs[model_name], tiny_goldens.PROMPTS)
        golden["models"].append({"name": model_name, **model, "prompts": prompts})
    golden_file.write_golden(NAME, golden)
    return 0


def compare(runs: dict) -> int:
    return model_goldens.compare_models(golden_file.read_golden(NAME)["models"], runs)


if __name__ == "__main__":
    sys.exit(main())
