"""Writes the goldens of adapters: test/golden/tiny-adapters.json and smollm2-adapters.json.gz, by PEFT.

Run it in a virtual environment outside the repository (see requirements.txt), about a minute:
    python scripts/goldens/make_adapter_goldens.py [--model FILE]          # writes both
    python scripts/goldens/make_adapter_goldens.py [--model FILE] --check  # exit 1 if a fresh run differs
    python scripts/goldens/make_adapter_goldens.py --fixtures              # writes the tiny adapters first

PEFT puts a committed adapter on the model in float32, and the oracle runs it. The tiny model has two adapters with random
values, one with rsLoRA and one with rank and alpha patterns (test/fixtures/tiny-llama/adapters); the default model has
those of examples/adapters, trained by ../adapters/train_style_adapters.py, whose text says their style.
"""

import argparse
import json
import shutil
import sys
from pathlib import Path

import golden_file
import model_goldens
import oracle
import torch
from peft import LoraConfig, PeftModel, get_peft_model

FIXTURE = golden_file.REPOSITORY / "test" / "fixtures" / "tiny-llama"
EXAMPLES = golden_file.REPOSITORY / "examples" / "adapters"
TINY = "tiny-adapters.json"
DEFAULT = "smollm2-adapters.json.gz"
TINY_COUNT = 24
DEFAULT_COUNT = 32
TINY_ADAPTERS = {
    "rslora": {"r": 12, "lora_alpha": 6, "use_rslora": True, "target_modules": ["q_proj", "k_proj", "v_proj", "o_proj"]},
    "patterns": {
        "r": 4,
        "lora_alpha": 8,
        "target_modules": ["v_proj", "gate_proj", "up_proj", "down_proj"],
        "rank_pattern": {"layers.1.mlp.up_proj": 20, "v_proj": 3},
        "alpha_pattern": {"layers.1.mlp.up_proj": 10},
    },
}
TINY_PROMPTS = {
    "greeting": "Hello, how are you today?",
    "capital": "The capital of France is",
    "two-pages": "In the market the bread is still warm, and the baker counts 12 loaves.",
}
QUESTIONS = {
    "italy": "What is the capital of Italy?",
    "tea": "How do I make tea?",
    "mountains": "Tell me about the mountains.",
}


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--model", type=Path, default=golden_file.default_model_path())
    arguments.add_argument("--check", action="store_true", help="compare with the committed files, write nothing")
    arguments.add_argument("--fixtures", action="store_true", help="write the tiny adapters first")
    options = arguments.parse_args()
    if options.fixtures:
        make_fixtures()
    tiny = run_tiny()
    styled = run_default(golden_file.require_model(options.model))
    if options.check:
        worst = [
            model_goldens.compare_models(golden_file.read_golden(TINY)["models"], tiny),
            model_goldens.compare_models(golden_file.read_golden(DEFAULT)["models"], styled["runs"]),
        ]
        return max(worst)
    golden_file.write_golden(TINY, {"madeWith": made_with(), "models": rows_of(tiny, TINY_PROMPTS)})
    models = rows_of(styled["runs"], QUESTIONS)
    for model in models:
        for prompt in model["prompts"]:
            prompt["answer"] = styled["answers"][model["name"]][prompt["name"]]
    golden_file.write_golden(DEFAULT, {"madeWith": made_with(), "models": models})
    return 0


def made_with() -> dict[str, str]:
    import peft

    return golden_file.made_with() | {"peft": peft.__version__}


def rows_of(runs: dict, texts: dict[str, str]) -> list[dict]:
    return [{"name": name, "prompts": model_goldens.prompt_rows(name, runs[name], texts)} for name in runs]


def make_fixtures() -> None:
    """Adapters with random values: PEFT's own initialisation leaves B zero."""
    for seed, (name, config) in enumerate(TINY_ADAPTERS.items(), start=1):
        model = oracle.load_model(FIXTURE / "hf")
        torch.manual_seed(seed)
        tuned = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", init_lora_weights=False, **config))
        for key, value in tuned.named_parameters():
            if "lora_" in key:
                # What a bf16 file can hold.
                value.data = (torch.randn_like(value) * 0.2).to(torch.bfloat16).float()
        folder = FIXTURE / "adapters" / name
        shutil.rmtree(folder, ignore_errors=True)
        tuned.to(torch.bfloat16).save_pretrained(folder)
        (folder / "README.md").unlink()
        path = folder / "adapter_config.json"
        text = json.loads(path.read_text()) | {"base_model_name_or_path": "tiny-llama"}
        path.write_text(json.dumps(text, indent=2, sort_keys=True) + "\n")


def run_tiny() -> dict[str, dict[str, oracle.Run]]:
    tokenizer = oracle.load_tokenizer(FIXTURE / "hf")
    runs = {}
    for name in TINY_ADAPTERS:
        tuned = with_adapter(FIXTURE / "hf", FIXTURE / "adapters" / name)
        encode = {key: tokenizer(text, add_special_tokens=False).input_ids for key, text in TINY_PROMPTS.items()}
        runs[name] = {key: oracle.run_greedy(tuned, ids, TINY_COUNT) for key, ids in encode.items()}
    return runs


def run_default(path: Path) -> dict[str, dict]:
    tokenizer = oracle.load_tokenizer(path)
    oracle.set_smollm_pre_tokenizer(tokenizer)
    runs, answers = {}, {}
    for folder in sorted(EXAMPLES.iterdir()):
        if not (folder / "adapter_config.json").is_file():
            continue
        tuned = with_adapter(path, folder)
        encode = {key: encode_question(tokenizer, text) for key, text in QUESTIONS.items()}
        runs[folder.name] = {key: oracle.run_greedy(tuned, ids, DEFAULT_COUNT) for key, ids in encode.items()}
        answers[folder.name] = {key: answer_of(tokenizer, run) for key, run in runs[folder.name].items()}
        for answer in answers[folder.name].values():
            print(f"{folder.name}: {answer!r}", flush=True)
    return {"runs": runs, "answers": answers}


def with_adapter(model_path: Path, folder: Path) -> torch.nn.Module:
    return PeftModel.from_pretrained(oracle.load_model(model_path), folder, torch_device="cpu").float().eval()


def encode_question(tokenizer, question: str) -> list[int]:
    messages = [{"role": "user", "content": question}]
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    return tokenizer(text, add_special_tokens=False).input_ids


def answer_of(tokenizer, run: oracle.Run) -> str:
    """The text up to the end of the turn, or as far as it was generated."""
    ids = run.generated_ids
    return tokenizer.decode(ids[: ids.index(2)] if 2 in ids else ids)


if __name__ == "__main__":
    sys.exit(main())
