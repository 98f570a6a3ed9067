"""Writes test/golden/tiny-mistral.json: what transformers and sentencepiece compute with the tiny Mistral fixtures.

Run it in a virtual environment outside the repository (see requirements.txt), after make_tiny_mistral.py:
    python scripts/goldens/make_tiny_mistral_goldens.py            # writes the file
    python scripts/goldens/make_tiny_mistral_goldens.py --check    # exit 1 if a fresh run differs from it

Prompts are longer than the window. Logits come from the Hugging Face folder in float32 (transformers opens no GGUF file
of Mistral; make_tiny_mistral.py writes the same numbers into both); the Qwen2 runs are those of tiny-qwen/qwen2-hf with the window of qwen2-window/config.json. Token ids are
sentencepiece's; that tokenizer.json gives the same where no control token is spelled is asserted here.
"""

import argparse
import sys

import golden_file
import make_tiny_goldens as tiny_goldens
import model_goldens
import oracle
import tiny_sentencepiece as spm

FIXTURES = golden_file.REPOSITORY / "test" / "fixtures"
MISTRAL = FIXTURES / "tiny-mistral"
NAME = "tiny-mistral.json"
GENERATED_COUNT = 40
PROMPTS = {
    "short": "The keeper of the lighthouse",
    "two-windows": tiny_goldens.PROMPTS["two-pages"],
    "text": "The baker counts the loaves, the scheduler counts the tokens, and the traveller counts the stations along "
    "the river. Counting is easy when nothing is lost; when something is lost, somebody has to explain where it went.",
}
STRINGS = [
    *tiny_goldens.STRINGS,
    "",
    " ",
    "  two  spaces  ",
    "\n\ttabs\nand lines\n",
    "1234567 3.14",
    "\u4f60\u597d \u00e9\u00e8 e\u0301 \U0001f600\U0001f1e6",
    "\u2581 is the space\u2581itself",
    "caf\u00e9 <0x41> [INST] hi [/INST]",
]
# What only tokenizer.json's users see: control tokens in the text.
MARKED = ["<s>[INST] hi [/INST] yes</s> [INST] no", "a</s>b", " <s> x", "</s>"]
CHATS = [
    [{"role": "user", "content": "What is the capital of France?"}],
    [
        {"role": "user", "content": "What is a token?"},
        {"role": "assistant", "content": "A piece of text."},
        {"role": "user", "content": " Thanks! \u4f60\u597d"},
    ],
]


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--check", action="store_true", help="compare with the committed file, write nothing")
    check = arguments.parse_args().check
    processor = spm.load((MISTRAL / "hf" / "tokenizer.model").read_bytes())
    tokenizer = oracle.load_tokenizer(MISTRAL / "hf")
    golden = {"madeWith": golden_file.made_with(), **tokens_and_chats(processor, tokenizer)}
    model = oracle.load_model(MISTRAL / "hf")
    for chat in golden["chats"]:
        chat["answer"] = answer_of(processor, oracle.run_greedy(model, chat["ids"], GENERATED_COUNT))
    runs = {"mistral": run_mistral(processor, model), "qwen2-window": run_qwen2()}
    return compare(golden, runs) if check else write(golden, runs)


def tokens_and_chats(processor, tokenizer) -> dict[str, object]:
    tokens = []
    for text in STRINGS:
        ids = processor.encode(text)
        fast = tokenizer(text, add_special_tokens=False)["input_ids"]
        assert fast == ids, (text, ids, fast)
        assert tokenizer(text)["input_ids"] == [processor.bos_id(), *ids]
        tokens.append({"text": text, "ids": ids, "decoded": processor.decode(ids)})
    marked = []
    metaspace = spm.tokenizer_json((MISTRAL / "hf" / "tokenizer.model").read_bytes(), metaspace=True)
    for text in [*MARKED, *STRINGS]:
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        marked.append({"text": text, "ids": ids, "metaspaceIds": metaspace.encode(text, add_special_tokens=False).ids})
    chats = []
    for messages in CHATS:
        text = tokenizer.apply_chat_template(messages, tokenize=False)
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        chats.append({"messages": messages, "text": text, "ids": ids})
    return {"tokens": tokens, "marked": marked, "chats": chats}


def answer_of(processor, run: oracle.Run) -> str:
    """The text up to the end token."""
    answer_rows = oracle.summarise(run)["topLogits"][len(run.prompt_ids) - 1 :]
    margin = min(row[0] - row[1] for row in answer_rows)
    assert margin >= oracle.MARGIN_MIN, f"a chat has a near tie: {margin}; choose another"
    end = [*run.generated_ids, processor.eos_id()].index(processor.eos_id())
    return processor.decode(run.generated_ids[:end])


def run_mistral(processor, model) -> dict[str, oracle.Run]:
    ids = {name: [processor.bos_id(), *processor.encode(text)] for name, text in PROMPTS.items()}
    return {name: oracle.run_greedy(model, ids[name], GENERATED_COUNT) for name in PROMPTS}


def run_qwen2() -> dict[str, oracle.Run]:
    folder = FIXTURES / "tiny-qwen" / "qwen2-hf"
    tokenizer = oracle.load_tokenizer(folder)
    model = oracle.load_model(folder, config_from=MISTRAL / "qwen2-window")
    return {
        name: oracle.run_greedy(model, tiny_goldens.encode(tokenizer, text), GENERATED_COUNT)
        for name, text in PROMPTS.items()
    }


FILES = {"mistral": ["hf", "tiny-mistral-f16.gguf"], "qwen2-window": ["qwen2-window"]}


def write(golden: dict, runs: dict) -> int:
    golden["models"] = []
    for model_name, files in FILES.items():
        prompts = model_goldens.prompt_rows(model_name, runs[model_name], PROMPTS)
        golden["models"].append({"name": model_name, "files": files, "prompts": prompts})
    golden_file.write_golden(NAME, golden)
    return 0


def compare(golden: dict, runs: dict) -> int:
    committed = golden_file.read_golden(NAME)
    for part in ["tokens", "marked", "chats"]:
        if committed[part] != golden[part]:
            raise SystemExit(f"{part} differ from the committed golden")
    return model_goldens.compare_models(committed["models"], runs)


if __name__ == "__main__":
    sys.exit(main())
