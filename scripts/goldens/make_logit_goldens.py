"""Writes test/golden/smollm2-logits.json.gz: logits and greedy tokens of the default model.

Run it in a virtual environment outside the repository (see requirements.txt); about two minutes on one core:
    python scripts/goldens/make_logit_goldens.py [--model FILE]              # writes the file
    python scripts/goldens/make_logit_goldens.py [--model FILE] --check 3    # exit 1 if 3 of the prompts differ
    python scripts/goldens/make_logit_goldens.py [--model FILE] --check 3 --full-logits FOLDER

transformers loads the GGUF file, de-quantises it to float32 and runs it on the CPU. For each prompt the golden holds
64 greedy tokens (end-of-sequence does not stop it) and, at every position of the prompt and of the generated tokens
but the last, the 32 largest logits with their ids, the log-sum-exp and the RMS over the whole vocabulary.
--full-logits also writes all logits of the sampled prompts, too large to commit, for a comparison with an engine on
the same machine: FOLDER/<name>.f32 (little-endian float32, [positions, vocab] row-major) and FOLDER/index.json.
"""

import argparse
import json
import sys
from pathlib import Path

import golden_file
import logit_prompts
import oracle

NAME = "smollm2-logits.json.gz"
GENERATED_COUNT = 64


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--model", type=Path, default=golden_file.default_model_path())
    arguments.add_argument("--check", type=int, metavar="SAMPLE", help="compare SAMPLE prompts, write no golden")
    arguments.add_argument("--full-logits", type=Path, metavar="FOLDER", help="with --check: write all logits there")
    options = arguments.parse_args()
    if options.full_logits and options.check is None:
        arguments.error("--full-logits needs --check")
    path = golden_file.require_model(options.model)
    source = {"file": path.name, "sha256": golden_file.sha256_of(path)}
    tokenizer = oracle.load_tokenizer(path)
    oracle.set_smollm_pre_tokenizer(tokenizer)
    prompts = make_prompts(tokenizer)
    model = oracle.load_model(path)
    if options.check is not None:
        return compare(source, prompts, model, options)
    golden = {"madeWith": golden_file.made_with(), "model": source, "prompts": []}
    near_ties = []
    for prompt in prompts:
        run = oracle.run_greedy(model, prompt.pop("ids"), GENERATED_COUNT)
        summary = oracle.summarise(run)
        margin = oracle.smallest_margin(summary)
        if margin < oracle.MARGIN_MIN:
            near_ties.append(prompt["name"])
        print(f"{prompt['name']:16} {len(run.prompt_ids):4} tokens, smallest margin {margin:.4f}: ", end="")
        print(repr(tokenizer.decode(run.generated_ids[:16])), flush=True)
        golden["prompts"].append({**prompt, **summary})
    if near_ties:
        raise SystemExit(f"near ties, choose other prompts: {', '.join(near_ties)}")
    golden_file.write_golden(NAME, golden)
    return 0


def make_prompts(tokenizer) -> list[dict]:
    """Name, messages where it is a chat, text and token ids of every prompt."""
    prompts = []
    for name, messages in logit_prompts.CHATS.items():
        text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        prompts.append({"name": name, "messages": messages, "text": text})
    prompts += [{"name": name, "text": text} for name, text in logit_prompts.TEXTS.items()]
    for prompt in prompts:
        prompt["ids"] = tokenizer(prompt["text"], add_special_tokens=False).input_ids
    return prompts


def compare(source: dict, prompts: list[dict], model, options) -> int:
    committed = golden_file.read_golden(NAME)
    if committed["model"] != source:
        raise SystemExit(f"the goldens are of another model: {committed['model']}")
    if [prompt["name"] for prompt in committed["prompts"]] != [prompt["name"] for prompt in prompts]:
        raise SystemExit("the prompts are not those of the committed golden")
    largest, index = 0.0, []
    for row, prompt in golden_file.sample_of(list(zip(committed["prompts"], prompts)), options.check):
        run = oracle.run_greedy(model, prompt["ids"], GENERATED_COUNT)
        difference = oracle.largest_difference(row["name"], row, run)
        print(f"{row['name']:16} largest difference {difference:.6f}", flush=True)
        largest = max(largest, difference)
        if options.full_logits:
            index.append(write_full_logits(options.full_logits, row["name"], run))
    if options.full_logits:
        (options.full_logits / "index.json").write_text(json.dumps({"model": source, "prompts": index}, indent=1))
    print(f"largest difference to the committed golden: {largest:.6f} (allowed {oracle.CHECK_TOLERANCE})")
    return 0 if largest <= oracle.CHECK_TOLERANCE else 1


def write_full_logits(folder: Path, name: str, run: oracle.Run) -> dict[str, object]:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.f32").write_bytes(run.logits.numpy().astype("<f4").tobytes())
    positions, vocab = run.logits.shape
    ids = {"promptIds": run.prompt_ids, "generatedIds": run.generated_ids}
    return {"name": name, "positions": positions, "vocab": vocab, **ids}


if __name__ == "__main__":
    sys.exit(main())
