"""What goldens of models have in common: rows of their prompts, and how a fresh run compares with committed ones.

Which models, prompts and files there are is the make_*_goldens.py scripts'. Invariant: no row is a near tie.
"""

import oracle


def prompt_rows(model_name: str, runs: dict[str, oracle.Run], texts: dict[str, str]) -> list[dict[str, object]]:
    """A row for each prompt's run, with its text; fails where float rounding could choose another token."""
    rows = []
    for name, run in runs.items():
        summary = oracle.summarise(run)
        margin = oracle.smallest_margin(summary)
        assert margin >= oracle.MARGIN_MIN, f"{model_name} {name} has a near tie: {margin}; choose another prompt"
        distinct = len(set(run.generated_ids))
        print(f"{model_name:12} {name:12} tokens {len(run.prompt_ids):3} margin {margin:.4f} distinct {distinct}")
        rows.append({"name": name, "text": texts[name], **summary})
    return rows


def compare_models(committed: list[dict], runs: dict[str, dict[str, oracle.Run]]) -> int:
    """Compares fresh runs with the committed models' rows. Returns the exit code: 1 when a number differs by too much."""
    largest = 0.0
    for model in committed:
        for prompt in model["prompts"]:
            run = runs[model["name"]][prompt["name"]]
            largest = max(largest, oracle.largest_difference(f"{model['name']} {prompt['name']}", prompt, run))
    print(f"largest difference to the committed golden: {largest:.6f} (allowed {oracle.CHECK_TOLERANCE})")
    return 0 if largest <= oracle.CHECK_TOLERANCE else 1
