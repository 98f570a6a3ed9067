"""Writes test/golden/embeddings.json: hidden states of transformers, pooled and brought to unit length.

Run it in a virtual environment outside the repository (see requirements.txt), after make_tiny_llama.py and
make_tiny_qwen.py:
    python scripts/goldens/make_embedding_goldens.py            # writes the file
    python scripts/goldens/make_embedding_goldens.py --check    # exit 1 if a fresh run differs from it

last_hidden_state is behind the final norm. "last" takes the last position's, "mean" the mean over all positions.
"""

import argparse
from pathlib import Path

import golden_file
import oracle
import torch

FIXTURES = golden_file.REPOSITORY / "test" / "fixtures"
NAME = "embeddings.json"
MODELS = ["tiny-llama/hf", "tiny-qwen/qwen2-hf", "tiny-qwen/qwen3-hf"]
# Token ids that all of them have; 37 tokens fill two pages and begin a third.
PROMPTS = {"one": [7], "five": [7, 11, 200, 3, 42], "three-pages": [(i * 31 + 5) % 211 for i in range(37)]}
# Enough to hold the model to; its vectors are long.
DEFAULT_MODEL_PROMPTS = ["three-pages"]
# Values are rounded to 6 decimals; float32 sums differ between machines.
CHECK_TOLERANCE = 1e-5


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--check", action="store_true", help="compare with the committed file, write nothing")
    check = arguments.parse_args().check
    models = [{"file": file, "prompts": embed_all(FIXTURES / file, list(PROMPTS))} for file in MODELS]
    default = golden_file.require_model(golden_file.default_model_path())
    models.append({"file": default.name, "prompts": embed_all(default, DEFAULT_MODEL_PROMPTS)})
    if check:
        return compare(golden_file.read_golden(NAME)["models"], models)
    golden_file.write_golden(NAME, {"madeWith": golden_file.made_with(), "models": models})
    return 0


@torch.no_grad()
def embed_all(path: Path, names: list[str]) -> list[dict]:
    model = oracle.load_model(path)
    prompts = []
    for name in names:
        ids = PROMPTS[name]
        states = model.model(torch.tensor([ids]), use_cache=False).last_hidden_state[0].double()
        prompts.append({"name": name, "ids": ids, "last": unit(states[-1]), "mean": unit(states.mean(0))})
    return prompts


def unit(vector: torch.Tensor) -> list[float]:
    return [round(value, 6) for value in (vector / vector.norm()).tolist()]


def compare(committed: list[dict], fresh: list[dict]) -> int:
    largest = 0.0
    for one, other in zip(committed, fresh, strict=True):
        for prompt, again in zip(one["prompts"], other["prompts"], strict=True):
            if (one["file"], prompt["ids"]) != (other["file"], again["ids"]):
                raise SystemExit("models or prompts differ from the committed golden")
            for pooling in ("last", "mean"):
                difference = torch.tensor(prompt[pooling]) - torch.tensor(again[pooling])
                largest = max(largest, float(difference.abs().max()))
    print(f"{NAME}: largest difference {largest:.2e}")
    return 0 if largest <= CHECK_TOLERANCE else 1


if __name__ == "__main__":
    raise SystemExit(main())
