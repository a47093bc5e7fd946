"""A model of some hundred pieces, made in a moment."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from sentencepiece import SentencePieceTrainer
from xlingual_adapters.embedders.static.format import write_model

PIECES = 120
WORDS = ["river", "stone", "window", "Apfel", "Straße", "maison", "قلب", "вода", "水", "空"]


@pytest.fixture(scope="session")
def vocabulary() -> bytes:
    rng = np.random.default_rng(0)
    model = io.BytesIO()
    SentencePieceTrainer.train(
        sentence_iterator=(" ".join(rng.choice(WORDS, 6)) for _ in range(300)),
        model_writer=model,
        vocab_size=PIECES,
        hard_vocab_limit=False,
        normalization_rule_name="nmt_nfkc_cf",
        unk_id=0,
        bos_id=-1,
        eos_id=-1,
        pad_id=-1,
        minloglevel=2,
    )
    return model.getvalue()


@pytest.fixture
def model_folder(tmp_path: Path, vocabulary: bytes) -> Path:
    """A folder of the format, of 16 dimensions and 20 tokens a text."""
    from sentencepiece import SentencePieceProcessor

    pieces = SentencePieceProcessor(model_proto=vocabulary).get_piece_size()
    rows = np.random.default_rng(1).normal(size=(pieces, 16)).astype(np.float32)
    folder = tmp_path / "model"
    write_model(folder, name="tiny", rows=rows, vocabulary=vocabulary, max_tokens=20, training={})
    return folder
