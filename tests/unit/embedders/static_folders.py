"""Model folders of Model2Vec and StaticEmbedding, made in a moment."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from xlingual_qdrant.schema import PROBES

DIMENSION = 32
SENTENCES = (
    *PROBES,
    "the parcel did not arrive, and nobody answers",
    "Der Zug fährt heute leider nicht, Straße gesperrt.",
    "駅はどこですか。電車は七時に出ます。",
)


def wordpiece() -> Tokenizer:
    """Return a tokenizer that knows the words of some sentences, and their letters.

    Its vocabulary is written down, not trained: training orders equals by chance.
    """
    words = sorted({word for text in SENTENCES for word in re.findall(r"\w+|\W", text.lower())})
    letters = sorted({letter for word in words for letter in word})
    pieces = ["[PAD]", "[UNK]", *letters, *(f"##{letter}" for letter in letters), *words]
    vocabulary = {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return tokenizer


def table_of(rows: int, dimension: int = DIMENSION) -> NDArray[np.float32]:
    return np.random.default_rng(0).normal(size=(rows, dimension)).astype(np.float32)


def write_model2vec(
    folder: Path,
    *,
    rows: NDArray[Any] | None = None,
    config: dict[str, Any] | None = None,
    card: str | None = "---\nlibrary_name: model2vec\nmodel_name: tiny-potion\n---\n# tiny\n",
    **more: NDArray[Any],
) -> Path:
    """Write a folder as Model2Vec does. more: `weights`, `mapping`."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = wordpiece()
    table = table_of(tokenizer.get_vocab_size()) if rows is None else rows
    (folder / "model.safetensors").write_bytes(save({"embeddings": table, **more}))
    (folder / "tokenizer.json").write_text(tokenizer.to_str(), "utf-8")
    (folder / "config.json").write_text(json.dumps({"normalize": True, **(config or {})}), "utf-8")
    if card is not None:
        (folder / "README.md").write_text(card, "utf-8")
    return folder


def write_static_embedding(
    folder: Path,
    *,
    inner: str = "0_StaticEmbedding",
    max_length: int | None = None,
    prompts: dict[str, str] | None = None,
) -> Path:
    """Write a folder as sentence-transformers does for a StaticEmbedding alone."""
    (folder / inner).mkdir(parents=True, exist_ok=True)
    tokenizer = wordpiece()
    if max_length is not None:
        tokenizer.enable_truncation(max_length)
    rows = table_of(tokenizer.get_vocab_size())
    (folder / inner / "model.safetensors").write_bytes(save({"embedding.weight": rows}))
    (folder / inner / "tokenizer.json").write_text(tokenizer.to_str(), "utf-8")
    kind = "sentence_transformers.models.StaticEmbedding"
    modules = [{"idx": 0, "name": "0", "path": inner, "type": kind}]
    (folder / "modules.json").write_text(json.dumps(modules), "utf-8")
    config = {"prompts": prompts or {"query": "", "document": ""}, "similarity_fn_name": "cosine"}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(config), "utf-8")
    return folder
