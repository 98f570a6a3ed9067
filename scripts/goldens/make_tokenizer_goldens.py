"""Writes test/golden/smollm2-tokens.json: token ids of many strings, and chat-template renderings with their ids.

Run it in a virtual environment outside the repository (see requirements.txt):
    python scripts/goldens/make_tokenizer_goldens.py [--model FILE]              # writes the file
    python scripts/goldens/make_tokenizer_goldens.py [--model FILE] --check 50   # exit 1 if a sample of 50 differs

The golden is transformers' tokenizer built from the GGUF metadata of the default model (vocabulary, merges, special
tokens, chat template), with the pre-tokenizer put right: transformers does not know `tokenizer.ggml.pre = smollm` and
would split by the byte-level regex alone. "smollm" means digits one by one (Unicode category N), then that regex, and
that is what is set here. What the difference touches is asserted and printed: digits of other scripts, and runs of
whitespace before any digit ("x  5": the run stays whole instead of lending its last space to the digit). A lone ASCII
digit is a token of its own either way, since no merge of this vocabulary has an ASCII digit in it.
Strings are encoded without adding special tokens; special tokens written in the text are recognised.
`decoded` stands where decoding the ids does not give the text back: bytes that no token covers are dropped.
"""

import argparse
import re
import sys
from pathlib import Path

import golden_file
import oracle
import tokenizer_cases

NAME = "smollm2-tokens.json"


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--model", type=Path, default=golden_file.default_model_path())
    arguments.add_argument("--check", type=int, metavar="SAMPLE", help="compare SAMPLE strings and chats, write nothing")
    options = arguments.parse_args()
    model = golden_file.require_model(options.model)
    tokenizer = oracle.load_tokenizer(model)
    require_plain_digits(tokenizer)
    before = {text: encode(tokenizer, text) for _, text in tokenizer_cases.make_cases()}
    oracle.set_smollm_pre_tokenizer(tokenizer)
    golden = {
        "madeWith": golden_file.made_with(),
        "model": {"file": model.name, "sha256": golden_file.sha256_of(model)},
        "tokens": [make_row(tokenizer, group, text) for group, text in tokenizer_cases.make_cases()],
        "chats": [make_chat(tokenizer, name) for name in tokenizer_cases.CHATS],
    }
    report_pre_tokenizer(golden["tokens"], before)
    if options.check is not None:
        return compare(golden, options.check)
    golden_file.write_golden(NAME, golden)
    return 0


def encode(tokenizer, text: str) -> list[int]:
    return tokenizer(text, add_special_tokens=False).input_ids


def make_row(tokenizer, group: str, text: str) -> dict[str, object]:
    ids = encode(tokenizer, text)
    row: dict[str, object] = {"group": group, "text": text, "ids": ids}
    decoded = tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)
    return row if decoded == text else row | {"decoded": decoded}


def make_chat(tokenizer, name: str) -> dict[str, object]:
    messages = tokenizer_cases.CHATS[name]
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    return {"name": name, "messages": messages, "text": text, "ids": encode(tokenizer, text)}


def require_plain_digits(tokenizer) -> None:
    """No token but the ten digits themselves holds an ASCII digit, so ASCII digits are split either way."""
    special = set(tokenizer.all_special_tokens)
    holding = [token for token in tokenizer.get_vocab() if set(token) & set("0123456789") and token not in special]
    assert sorted(holding) == list("0123456789"), f"tokens with digits inside: {holding[:20]}"


def report_pre_tokenizer(rows: list[dict], before: dict[str, list[int]]) -> None:
    """Says which strings the right pre-tokenizer changes, and asserts that it is for one of the two known reasons."""
    changed = [row["text"] for row in rows if before[row["text"]] != row["ids"]]
    for text in changed:
        other_digit = any(char.isnumeric() and not char.isascii() for char in text)
        assert other_digit or re.search(r"\s\s[0-9]", text), f"unexpected change: {text!r}"
    print(f"{len(rows)} strings; the smollm pre-tokenizer changes {len(changed)} of them")


def compare(golden: dict, sample: int) -> int:
    committed = golden_file.read_golden(NAME)
    if committed["model"] != golden["model"]:
        raise SystemExit(f"the goldens are of another model: {committed['model']}")
    differing = 0
    for column in ("tokens", "chats"):
        if len(committed[column]) != len(golden[column]):
            raise SystemExit(f"{column}: {len(committed[column])} committed, {len(golden[column])} made")
        for index in golden_file.sample_of(list(range(len(golden[column]))), sample):
            if committed[column][index] != golden[column][index]:
                differing += 1
                print(f"differs: {committed[column][index]} is now {golden[column][index]}", file=sys.stderr)
    print(f"{differing} of the sample differ from the committed golden")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
