"""What holds of the embedder `fastembed` where the package is not installed."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from typing import Any

import pytest
from xlingual_adapters.embedders.fastembed.prompts import prompts_of
from xlingual_adapters.embedders.fastembed.settings import Prompts

from xlingual_qdrant import load_embedder
from xlingual_qdrant.errors import MissingExtra, SettingsError


@pytest.mark.skipif(find_spec("fastembed") is not None, reason="fastembed is installed here")
def test_a_missing_package_is_named_with_its_cure() -> None:
    embedder = load_embedder({"kind": "fastembed", "model": "intfloat/multilingual-e5-large"})
    with pytest.raises(MissingExtra, match=r"'fastembed'.*xlingual-qdrant\[fastembed\]"):
        embedder.embed_documents(["text"])


def test_the_plugin_is_found_without_the_package() -> None:
    code = "import sys, xlingual_adapters.embedders.fastembed as f; print(f.plugin.summary); " + (
        "print(*{'fastembed', 'onnxruntime', 'tokenizers', 'torch'} & set(sys.modules))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.splitlines()[1:] == [""]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "model"),
        ({"model": "x", "pooling": "mean"}, "give its path, too"),
        ({"model": "x", "path": "y", "pooling": "max"}, "pooling"),
        ({"model": "x", "providers": ["CPUExecutionProvider"], "cuda": True}, "not both"),
        ({"model": "x", "batchsize": 3}, "Did you mean 'batch_size'"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        load_embedder({"kind": "fastembed", **settings})


@pytest.mark.parametrize(
    ("model", "query", "document"),
    [
        ("intfloat/multilingual-e5-large", "query: ", "passage: "),
        ("nomic-ai/nomic-embed-text-v1.5-Q", "search_query: ", "search_document: "),
        ("sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2", None, None),
        ("BAAI/bge-m3", None, None),
    ],
)
def test_families_have_their_prompts(model: str, query: str | None, document: str | None) -> None:
    found = prompts_of(model, Prompts())
    assert (found.get("query"), found.get("document")) == (query, document)


def test_what_the_settings_say_of_prompts_counts_first() -> None:
    given = Prompts(query="", document="text: ")
    assert prompts_of("intfloat/multilingual-e5-large", given) == {"document": "text: "}
