"""What must not be in the code, wherever it is."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted(
    file
    for folder in ("xlingual_qdrant", "adapters", "training", "benchmarks", "examples", "tests")
    for file in (ROOT / folder).rglob("*.py")
)
FORBIDDEN_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}


def offences(source: str) -> list[str]:
    """Return the names of everything in the source that would run code from data."""
    found: list[str] = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                found += [n.name for n in names if n.name.split(".")[0] in FORBIDDEN_MODULES]
            case ast.ImportFrom(module="pickle", names=[ast.alias(name="UnpicklingError")]):
                pass  # the error of others, to be put into words
            case ast.ImportFrom(module=str(module)) if module.split(".")[0] in FORBIDDEN_MODULES:
                found.append(module)
            case ast.Call(func=ast.Name(id="eval" | "exec" as name)):
                found.append(name)
            case ast.Call(func=ast.Attribute(value=ast.Name(id="torch"), attr="load")):
                keywords = {k.arg: ast.unparse(k.value) for k in node.keywords}
                if keywords.get("weights_only") != "True":
                    found.append("torch.load")
            case ast.Call(func=ast.Attribute(value=ast.Name(id="np"), attr="load")):
                if any(k.arg == "allow_pickle" for k in node.keywords):
                    found.append("np.load(allow_pickle)")
            case _:
                pass
    return found


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: str(file.relative_to(ROOT)))
def test_no_code_in_data(file: Path) -> None:
    assert offences(file.read_text(encoding="utf-8")) == []


def test_the_ban_bites() -> None:
    source = "import pickle\nfrom joblib import load\neval('1')\ntorch.load(f)\n"
    assert len(offences(source + "np.load(f, allow_pickle=True)")) == 5
    assert offences("torch.load(f, weights_only=True)\nnp.load(f)") == []


def test_importing_the_library_loads_no_vendor() -> None:
    code = "import sys; from xlingual_qdrant import *; print(*sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    vendors = {
        "faiss",
        "qdrant_client",
        "qdrant_edge",
        "torch",
        "pyarrow",
        "sentencepiece",
        "rich",
        "click",
    }
    assert not vendors & set(out.stdout.split())


def test_the_public_names_are_these() -> None:
    import xlingual_qdrant

    assert xlingual_qdrant.__all__ == sorted(xlingual_qdrant.__all__)
    assert {"Collection", "Document", "F", "Hit", "load_embedder", "load_store"} <= set(
        xlingual_qdrant.__all__
    )
    assert all(hasattr(xlingual_qdrant, name) for name in xlingual_qdrant.__all__)


LONGEST = 450
LONGER = {
    "xlingual_qdrant/collection.py": "all that an application calls, each with its promise",
    "xlingual_qdrant/async_collection.py": "the same calls again, with the same promises",
}


def test_a_module_is_a_room_that_one_can_see_whole() -> None:
    lines = {
        file.relative_to(ROOT).as_posix(): len(file.read_text(encoding="utf-8").splitlines())
        for folder in ("xlingual_qdrant", "adapters")
        for file in (ROOT / folder).rglob("*.py")
    }
    assert {name for name, count in lines.items() if count > LONGEST} <= set(LONGER)
    assert set(LONGER) <= set(lines)
