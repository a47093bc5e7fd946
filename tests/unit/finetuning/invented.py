"""Two invented languages, a small model that knows neither, and pairs to learn from."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from sentencepiece import SentencePieceProcessor, SentencePieceTrainer
from xlingual_adapters.embedders.static.format import write_model

from xlingual_qdrant.finetuning import TextPair

WORDS = [a + b for a in ("ka", "mo", "ti", "ru", "se", "pa") for b in ("lin", "dor", "vek", "sam")]


def invented_pairs(count: int = 240) -> list[TextPair]:
    """Return sentences and their translations: each word is written backwards."""
    rng = np.random.default_rng(0)
    sentences = [" ".join(rng.choice(WORDS, 5)) for _ in range(count)]
    return [TextPair(s, " ".join(w[::-1] for w in s.split()), "xa", "xb") for s in sentences]


def small_model(folder: Path) -> Path:
    """Write a model folder of random rows: it can learn, and knows nothing."""
    pairs = invented_pairs()
    vocabulary = io.BytesIO()
    SentencePieceTrainer.train(
        sentence_iterator=iter([text for pair in pairs for text in (pair.left, pair.right)]),
        model_writer=vocabulary,
        vocab_size=90,
        hard_vocab_limit=False,
        normalization_rule_name="nmt_nfkc_cf",
        unk_id=0,
        bos_id=-1,
        eos_id=-1,
        pad_id=-1,
        minloglevel=2,
    )
    pieces = SentencePieceProcessor(model_proto=vocabulary.getvalue()).get_piece_size()
    rows = np.random.default_rng(1).normal(size=(pieces, 24)).astype(np.float32)
    write_model(
        folder,
        name="small",
        rows=rows,
        vocabulary=vocabulary.getvalue(),
        max_tokens=64,
        training={},
    )
    return folder


def write_pairs(file: Path, pairs: Iterable[TextPair]) -> Path:
    """Write pairs as JSON Lines."""
    rows = ({"left": pair.left, "right": pair.right} for pair in pairs)
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file
