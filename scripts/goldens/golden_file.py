"""Reads and writes the golden files under test/golden/.

Owns the text form (one line per prompt or row, so that diffs are readable; `.gz` where the name says so), the record
of versions and the place of the default model. It knows nothing of models. Invariant: the same value gives the same
text, so a golden made twice on one machine is the same file.
"""

import gzip
import hashlib
import importlib.metadata
import json
import os
import platform
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
GOLDENS = REPOSITORY / "test" / "golden"
DEFAULT_MODEL_NAME = "SmolLM2-135M-Instruct.Q4_1.gguf"
LINE_LENGTH = 140
PACKAGES = ["torch", "transformers", "tokenizers", "gguf", "numpy", "safetensors", "accelerate"]


def default_model_path() -> Path:
    """Where `npm run dev` keeps the default model."""
    cache = os.environ.get("FAIRLANE_CACHE_DIR")
    if not cache:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fairlane"
    return Path(cache) / "models" / DEFAULT_MODEL_NAME


def require_model(path: Path) -> Path:
    if not path.is_file():
        raise SystemExit(f"no model file at {path}: run `npm run dev` once, or pass --model FILE")
    return path


def made_with() -> dict[str, str]:
    """Versions of everything that shapes the numbers, without local build tags such as +cu132."""
    versions = {name: importlib.metadata.version(name).split("+")[0] for name in PACKAGES}
    return {"python": platform.python_version(), "machine": platform.machine()} | versions


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_golden(name: str, value: object) -> None:
    path = GOLDENS / name
    path.parent.mkdir(parents=True, exist_ok=True)
    data = (to_text(value) + "\n").encode()
    if path.suffix == ".gz":
        # mtime 0: the same content gives the same bytes.
        data = gzip.compress(data, 9, mtime=0)
    path.write_bytes(data)
    print(f"wrote {path.relative_to(REPOSITORY)}: {len(data)} bytes")


def read_golden(name: str) -> dict:
    path = GOLDENS / name
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return json.loads(data)


def to_text(value: object, depth: int = 0) -> str:
    """JSON on one line where it is short or a list of scalars, else one line per item."""
    line = json.dumps(value, separators=(",", ":"))
    inner = list(value.values()) if isinstance(value, dict) else value
    nested = isinstance(inner, list) and any(isinstance(item, (dict, list)) for item in inner)
    if not nested or len(line) <= LINE_LENGTH:
        return line
    pad, end = "\n" + " " * (depth + 1), "\n" + " " * depth
    if isinstance(value, dict):
        items = [f"{json.dumps(key)}:{to_text(item, depth + 1)}" for key, item in value.items()]
        return "{" + pad + ("," + pad).join(items) + end + "}"
    return "[" + pad + ("," + pad).join(to_text(item, depth + 1) for item in value) + end + "]"


def sample_of(names: list, count: int) -> list:
    """`count` items spread evenly over the list, the first and the last included where count >= 2."""
    if count >= len(names):
        return names
    step = (len(names) - 1) / max(count - 1, 1)
    return [names[round(index * step)] for index in range(count)]
