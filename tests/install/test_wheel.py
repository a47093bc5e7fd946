"""The wheel, in an empty environment: what a stranger gets from `pip install`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODEL_MB = 25


def run(*command: str | Path, cwd: Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    # Nothing of this checkout or of the developer's settings may help the installed package.
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("XLINGUAL_", "PYTHON"))}
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=environ,
        input=stdin,
        capture_output=True,
        encoding="utf-8",
        check=True,
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "-q", "wheel", "--no-deps", "--no-build-isolation"]
    run(*pip, "-w", folder, ROOT, cwd=folder)
    [built] = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def bin(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True)
    pip = folder / "bin" / "pip"
    options = ["-q", "--no-compile", "-c", ROOT / "constraints.txt"]
    run(pip, "install", *options, wheel, cwd=folder)
    return folder / "bin"


def test_the_wheel_holds_the_model_the_demo_and_the_types(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        sizes = {item.filename: item.file_size for item in archive.infolist()}
    assert {
        "xlingual_qdrant/py.typed",
        "xlingual_adapters/py.typed",
        "xlingual_qdrant/demo/corpus.jsonl",
        "xlingual_adapters/embedders/static/bundled/README.md",
    } <= set(sizes)
    assert not [name for name in sizes if name.startswith(("tests/", "training/", "benchmarks/"))]
    model = sum(size for name, size in sizes.items() if "/bundled/" in name)
    assert model <= MODEL_MB * 2**20


def test_the_base_install_has_no_torch(bin: Path, tmp_path: Path) -> None:
    listed = json.loads(run(bin / "pip", "list", "--format=json", cwd=tmp_path).stdout)
    names = {package["name"].lower() for package in listed}
    assert {"numpy", "faiss-cpu", "qdrant-client", "xlingual-qdrant"} <= names
    heavy = {"torch", "transformers", "sentence-transformers", "tokenizers", "huggingface-hub"}
    heavy |= {"onnxruntime", "openvino", "fastembed", "datasets", "accelerate", "ftfy"}
    assert not names & (heavy | {"scipy", "scikit-learn", "pyarrow", "pandas"})


def test_a_stranger_ingests_and_searches(bin: Path, tmp_path: Path) -> None:
    rows = [
        {"text": "Mon colis n'est pas arrivé", "lang": "fr"},
        {"text": "Das Wetter ist heute schön", "lang": "de"},
    ]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    run(bin / "xlingual", "ingest", "-", "--format", "jsonl", cwd=tmp_path, stdin=lines)
    found = run(bin / "xlingual", "search", "where is my parcel", "--json", cwd=tmp_path).stdout
    assert json.loads(found.splitlines()[0])["lang"] == "fr"
    info = json.loads(run(bin / "xlingual", "info", "--json", cwd=tmp_path).stdout)
    assert info["count"] == 2


def test_the_demo_runs(bin: Path, tmp_path: Path) -> None:
    assert "Where is my parcel?" in run(bin / "xlingual", "demo", cwd=tmp_path).stdout
