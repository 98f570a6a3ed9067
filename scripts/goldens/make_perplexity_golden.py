"""Writes test/golden/perplexity.json: the default model's perplexity on the committed public-domain text.

Run it in a virtual environment outside the repository (see requirements.txt); seconds:
    python scripts/goldens/make_perplexity_golden.py [--model FILE]            # writes the file
    python scripts/goldens/make_perplexity_golden.py [--model FILE] --check    # exit 1 if a fresh run differs

The weights are de-quantised to float32. The text is one context without special tokens; every token but the first is
predicted from all before it, and the perplexity is exp of their mean negative log-likelihood.
"""

import argparse
from pathlib import Path

import golden_file
import oracle
import torch

NAME = "perplexity.json"
TEXT = golden_file.REPOSITORY / "test" / "fixtures" / "public-domain" / "passages.txt"
# Of the perplexity itself; it is rounded to 6 decimals, and float32 sums differ between machines.
CHECK_TOLERANCE = 1e-3


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--model", type=Path, default=golden_file.default_model_path())
    arguments.add_argument("--check", action="store_true", help="compare with the committed file, write nothing")
    options = arguments.parse_args()
    path = golden_file.require_model(options.model)
    tokenizer = oracle.load_tokenizer(path)
    oracle.set_smollm_pre_tokenizer(tokenizer)
    ids = tokenizer(TEXT.read_text(encoding="utf-8"), add_special_tokens=False).input_ids
    perplexity = perplexity_of(oracle.load_model(path), ids)
    print(f"{len(ids)} tokens, perplexity {perplexity:.6f}")
    source = {"file": path.name, "sha256": golden_file.sha256_of(path)}
    fresh = {"model": source, "textSha256": golden_file.sha256_of(TEXT), "ids": ids}
    if not options.check:
        golden = {"madeWith": golden_file.made_with(), **fresh, "perplexity": round(perplexity, 6)}
        golden_file.write_golden(NAME, golden)
        return 0
    committed = golden_file.read_golden(NAME)
    if any(committed[key] != value for key, value in fresh.items()):
        raise SystemExit("model, text or token ids differ from the committed golden")
    return 0 if abs(committed["perplexity"] - perplexity) <= CHECK_TOLERANCE else 1


@torch.no_grad()
def perplexity_of(model: torch.nn.Module, ids: list[int]) -> float:
    logits = model(torch.tensor([ids]), use_cache=False).logits[0, :-1].double()
    losses = torch.nn.functional.cross_entropy(logits, torch.tensor(ids[1:]))
    return float(losses.exp())


if __name__ == "__main__":
    raise SystemExit(main())
