"""Writes test/golden/tiny-llama.json: what transformers computes with the tiny fixture.

Run it in a virtual environment outside the repository (see requirements.txt), after make_tiny_llama.py:
    python scripts/goldens/make_tiny_goldens.py            # writes the file
    python scripts/goldens/make_tiny_goldens.py --check    # exit 1 if a fresh run differs from it

Token ids come from hf/tokenizer.json. Logits come from hf/ and from the GGUF files as transformers de-quantises them,
in float32. tiny-llama-f16.gguf holds the same numbers as hf/, which is asserted here: both share one golden.
"""

import argparse
import sys

import golden_file
import model_goldens
import oracle

FIXTURE = golden_file.REPOSITORY / "test" / "fixtures" / "tiny-llama"
NAME = "tiny-llama.json"
GENERATED_COUNT = 32
MODELS = {"hf": "hf", "q4": "tiny-llama.gguf", "mixed": "tiny-llama-mixed.gguf"}
SAME_AS_HF = "tiny-llama-f16.gguf"
# The mixed file is about tensor types and the untied output: half of the prompts keep the golden small.
MIXED_PROMPTS = ["greeting", "unicode", "two-pages"]
PROMPTS = {
    "one-token": "q",
    "greeting": "Hello, how are you today?",
    "capital": "The capital of France is",
    "code": "def count_tokens(text):\n    tokens = []\n",
    "unicode": "Привет, café 你好",
    "two-pages": "In the market the bread is still warm, and the baker counts 12 loaves.",
}
MESSAGES = {
    "chat": [{"role": "user", "content": "Tell me about the sea."}],
    "chat-system": [
        {"role": "system", "content": "You are a helpful assistant."},
        {"role": "user", "content": "What is a token?"},
        {"role": "assistant", "content": "A piece of text."},
        {"role": "user", "content": "Thank you. 🌊"},
    ],
}
STRINGS = [
    "",
    " ",
    "a  b\t\tc\r\nd\n\n\ne",
    "1234567890 3.14",
    # Every Unicode number is split off, so the spaces before it stay together.
    "a  5 b    \u00bd c  \u00b2 d  \u0663",
    "<|im_start|>user\nhi<|im_end|>",
    "I'm sure we'll say it isn't.",
    "e\u0301 \u00e9 \ud55c\uae00 \U0001f469\u200d\U0001f680 \u0627\u0644\u0628\u062d\u0631",
    "\u0000\u0001\u007f\u00a0\u200b",
]


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--check", action="store_true", help="compare with the committed file, write nothing")
    check = arguments.parse_args().check
    tokenizer = oracle.load_tokenizer(FIXTURE / "hf")
    golden = {"madeWith": golden_file.made_with(), "tokens": make_tokens(tokenizer), "chats": make_chats(tokenizer)}
    runs = {name: run_prompts(tokenizer, file) for name, file in MODELS.items()}
    for name, run in run_prompts(tokenizer, SAME_AS_HF).items():
        assert run.logits.equal(runs["hf"][name].logits), f"{SAME_AS_HF} differs from hf/: {name}"
    return compare(golden, runs) if check else write(golden, runs)


def encode(tokenizer, text: str) -> list[int]:
    return tokenizer(text, add_special_tokens=False).input_ids


def make_tokens(tokenizer) -> list[dict]:
    return [{"text": text, "ids": encode(tokenizer, text)} for text in STRINGS]


def make_chats(tokenizer) -> list[dict]:
    chats = []
    for name, messages in MESSAGES.items():
        text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        chats.append({"name": name, "messages": messages, "text": text, "ids": encode(tokenizer, text)})
    return chats


def run_prompts(tokenizer, file: str) -> dict[str, oracle.Run]:
    model = oracle.load_model(FIXTURE / file)
    names = MIXED_PROMPTS if file == MODELS["mixed"] else list(PROMPTS)
    ids = {name: encode(tokenizer, PROMPTS[name]) for name in names}
    return {name: oracle.run_greedy(model, ids[name], GENERATED_COUNT) for name in names}


def write(golden: dict, runs: dict) -> int:
    golden["models"] = []
    for model_name, file in MODELS.items():
        prompts = model_goldens.prompt_rows(model_name, runs[model_name], PROMPTS)
        files = [file, SAME_AS_HF] if model_name == "hf" else [file]
        golden["models"].append({"name": model_name, "files": files, "prompts": prompts})
    golden_file.write_golden(NAME, golden)
    return 0


def compare(golden: dict, runs: dict) -> int:
    committed = golden_file.read_golden(NAME)
    if (committed["tokens"], committed["chats"]) != (golden["tokens"], golden["chats"]):
        raise SystemExit("token ids or chat texts differ from the committed golden")
    return model_goldens.compare_models(committed["models"], runs)


if __name__ == "__main__":
    sys.exit(main())
