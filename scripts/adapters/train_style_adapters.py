"""Trains the example adapters of examples/adapters/ on the default model: answers in the style of a pirate, in haiku, terse.

Run it in a virtual environment outside the repository (see ../goldens/requirements.txt); about a minute for each:
    python scripts/adapters/train_style_adapters.py [--model FILE] [--only NAME] [--out FOLDER]

The three differ in targets, rank and scaling on purpose, so that they are of use to tests: one with plain alpha / rank,
one with rsLoRA, one with rank and alpha patterns. Saved in bf16, each below 2 MB. What is computed depends a little on
the machine; the committed adapters are what their goldens were made from (../goldens/make_adapter_goldens.py).
"""

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "goldens"))

import golden_file  # noqa: E402 -- found by the path above
import oracle  # noqa: E402
import style_answers  # noqa: E402
import torch  # noqa: E402
from peft import LoraConfig, get_peft_model  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402

BASE = "HuggingFaceTB/SmolLM2-135M-Instruct"
OUT = golden_file.REPOSITORY / "examples" / "adapters"
ALL_LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
CONFIGS = {
    "pirate": {"r": 8, "lora_alpha": 16, "target_modules": ["q_proj", "v_proj", "up_proj"]},
    "haiku": {"r": 8, "lora_alpha": 6, "use_rslora": True, "target_modules": ["q_proj", "k_proj", "v_proj", "o_proj"]},
    "terse": {
        "r": 2,
        "lora_alpha": 4,
        "target_modules": ALL_LINEAR,
        "rank_pattern": {"q_proj": 8, "v_proj": 8},
        "alpha_pattern": {"q_proj": 16, "v_proj": 16},
    },
}
LEARNING_RATE = 2e-3
STEPS_MAX = 40
# Low enough to have learnt the style, not the answers by heart.
LOSS_ENOUGH = 0.25
IGNORED = -100


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--model", type=Path, default=golden_file.default_model_path())
    arguments.add_argument("--only", choices=list(CONFIGS), help="train one adapter")
    arguments.add_argument("--out", type=Path, default=OUT)
    options = arguments.parse_args()
    path = golden_file.require_model(options.model)
    tokenizer = oracle.load_tokenizer(path)
    oracle.set_smollm_pre_tokenizer(tokenizer)
    for name in [options.only] if options.only else CONFIGS:
        model = oracle.load_model(path)
        torch.set_num_threads(2)
        tuned = train(model, tokenizer, name)
        save(tuned, options.out / name)
        for question in style_answers.HELD_OUT:
            print(f"  {question} -> {answer(tuned, tokenizer, question)!r}", flush=True)
    return 0


def train(model, tokenizer, name: str):
    torch.manual_seed(1)
    tuned = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", **CONFIGS[name]))
    # GGUF weights are frozen; only A and B learn.
    optimizer = torch.optim.AdamW([p for p in tuned.parameters() if p.requires_grad], lr=LEARNING_RATE)
    ids, mask, labels = make_batch(tokenizer, style_answers.ANSWERS[name])
    tuned.train()
    for step in range(STEPS_MAX):
        loss = tuned(input_ids=ids, attention_mask=mask, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if loss.item() < LOSS_ENOUGH:
            break
    print(f"{name}: loss {loss.item():.3f} after {step + 1} steps", flush=True)
    return tuned.eval()


def make_batch(tokenizer, answers: list[str]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Ids, attention mask and labels of all pairs; only the answers are learnt."""
    rows = []
    for question, text in zip(style_answers.QUESTIONS, answers, strict=True):
        prompt = encode_prompt(tokenizer, question)
        reply = tokenizer(f"{text}<|im_end|>\n", add_special_tokens=False).input_ids
        rows.append((prompt + reply, [IGNORED] * len(prompt) + reply))
    longest = max(len(ids) for ids, _ in rows)
    pad = [(ids + [0] * (longest - len(ids)), len(ids)) for ids, _ in rows]
    labels = [row + [IGNORED] * (longest - len(row)) for _, row in rows]
    mask = [[1] * count + [0] * (longest - count) for _, count in pad]
    return torch.tensor([ids for ids, _ in pad]), torch.tensor(mask), torch.tensor(labels)


def encode_prompt(tokenizer, question: str) -> list[int]:
    messages = [{"role": "user", "content": question}]
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    return tokenizer(text, add_special_tokens=False).input_ids


@torch.no_grad()
def answer(model, tokenizer, question: str) -> str:
    ids = encode_prompt(tokenizer, question)
    run = model.generate(input_ids=torch.tensor([ids]), max_new_tokens=40, do_sample=False, eos_token_id=2, pad_token_id=2)
    return tokenizer.decode(run[0, len(ids) :], skip_special_tokens=True)


def save(tuned, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    tuned.save_pretrained(folder)
    (folder / "README.md").unlink()
    weights = folder / "adapter_model.safetensors"
    tensors = {key: value.to(torch.bfloat16) for key, value in load_file(weights).items()}
    save_file(tensors, weights, metadata={"format": "pt"})
    config_path = folder / "adapter_config.json"
    config = json.loads(config_path.read_text())
    # The file that it was trained on lies elsewhere on every machine.
    config["base_model_name_or_path"] = BASE
    config_path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    print(f"wrote {folder}: {weights.stat().st_size} bytes", flush=True)


if __name__ == "__main__":
    sys.exit(main())
