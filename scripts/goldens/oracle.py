"""The oracle: a model of the Llama family run by PyTorch and transformers on the CPU, in float32.

Owns loading (GGUF files are de-quantised by transformers; everything offline and single-threaded), logits at every
position, greedy generation and their summary, and the comparison of two summaries. Invariant: a generated token is
the argmax both of the step that made it (with a KV cache) and of one pass over the whole sequence; anything else is
refused, so no golden rests on a tie.
"""

import os
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TQDM_DISABLE", "1")

import torch  # noqa: E402 -- the environment above must be set before the Hugging Face libraries are imported
from tokenizers import pre_tokenizers  # noqa: E402
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer  # noqa: E402
from transformers.utils import logging  # noqa: E402

TOP_COUNT = 32
# Goldens hold logits rounded to 4 decimals; between machines float32 sums differ by about 1e-4.
CHECK_TOLERANCE = 2e-3
# A smaller gap between first and second could flip between correct implementations: choose another prompt.
MARGIN_MIN = 2e-3


@dataclass
class Run:
    """One prompt: its token ids, the greedy continuation and the logits at every position of both."""

    prompt_ids: list[int]
    generated_ids: list[int]
    logits: torch.Tensor  # [prompt + generated - 1, vocab] float32; row i predicts token i + 1


def load_model(path: Path, config_from: Path | None = None) -> torch.nn.Module:
    """A model from a GGUF file or a Hugging Face folder, weights and arithmetic in float32.

    `config_from` names a folder whose config.json stands in for GGUF metadata that transformers does not read.
    """
    logging.disable_progress_bar()
    torch.manual_seed(0)
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(1)
    source = {"dtype": torch.float32, "attn_implementation": "eager"} | source_of(path)
    if config_from is not None:
        source["config"] = AutoConfig.from_pretrained(config_from)
    return AutoModelForCausalLM.from_pretrained(**source).eval()


def load_tokenizer(path: Path):
    """transformers' tokenizer of a GGUF file or a Hugging Face folder."""
    return AutoTokenizer.from_pretrained(**source_of(path))


def set_smollm_pre_tokenizer(tokenizer) -> None:
    """What llama.cpp calls the pre-tokenizer "smollm": digits one by one, then the byte-level regex."""
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )


def source_of(path: Path) -> dict[str, object]:
    if path.suffix == ".gguf":
        return {"pretrained_model_name_or_path": path.parent, "gguf_file": path.name}
    return {"pretrained_model_name_or_path": path}


@torch.no_grad()
def run_greedy(model: torch.nn.Module, prompt_ids: list[int], count: int) -> Run:
    """`count` greedy tokens (end-of-sequence does not stop it) and the logits of every position."""
    output = model(torch.tensor([prompt_ids]), use_cache=True)
    generated_ids = [int(output.logits[0, -1].argmax())]
    while len(generated_ids) < count:
        last = torch.tensor([generated_ids[-1:]])
        output = model(last, past_key_values=output.past_key_values, use_cache=True)
        generated_ids.append(int(output.logits[0, -1].argmax()))
    logits = model(torch.tensor([prompt_ids + generated_ids[:-1]]), use_cache=False).logits[0]
    again = logits[len(prompt_ids) - 1 :].argmax(-1).tolist()
    if again != generated_ids:
        raise SystemExit("greedy tokens differ with and without the KV cache: choose another prompt")
    return Run(prompt_ids, generated_ids, logits)


def summarise(run: Run) -> dict[str, object]:
    """What a golden keeps of a run. Floats are rounded to 4 decimals, about 6 significant digits."""
    exact = run.logits.double()
    top = torch.topk(run.logits, TOP_COUNT, dim=-1)
    return {
        "promptIds": run.prompt_ids,
        "generatedIds": run.generated_ids,
        "logSumExp": rounded(torch.logsumexp(exact, -1)),
        "rms": rounded(exact.pow(2).mean(-1).sqrt()),
        "topIds": top.indices.tolist(),
        "topLogits": [rounded(row) for row in top.values],
    }


def smallest_margin(summary: dict) -> float:
    """The smallest gap between first and second over all positions; below MARGIN_MIN the prompt has a near tie."""
    return min(row[0] - row[1] for row in summary["topLogits"])


def largest_difference(name: str, committed: dict, run: Run) -> float:
    """Compares a fresh run with a committed summary; exits on different tokens, returns the largest difference."""
    for column in ("promptIds", "generatedIds"):
        fresh = run.prompt_ids if column == "promptIds" else run.generated_ids
        if committed[column] != fresh:
            raise SystemExit(f"{name}: {column} differ from the committed golden")
    top_ids = torch.tensor(committed["topIds"])
    fresh = summarise(run)
    differences = [
        (torch.tensor(committed["topLogits"]) - run.logits.gather(-1, top_ids)).abs().max(),
        (torch.tensor(committed["logSumExp"]) - torch.tensor(fresh["logSumExp"])).abs().max(),
        (torch.tensor(committed["rms"]) - torch.tensor(fresh["rms"])).abs().max(),
        # The largest logit that the committed list lacks must not pass the list's last one.
        (torch.tensor(fresh["topLogits"])[:, -1] - torch.tensor(committed["topLogits"])[:, -1]).abs().max(),
    ]
    return max(float(difference) for difference in differences)


def rounded(values: torch.Tensor) -> list[float]:
    return [round(value, 4) for value in values.tolist()]
