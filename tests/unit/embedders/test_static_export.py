"""The folder for sentence-transformers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from xlingual_adapters.embedders.static import BUNDLED, StaticEmbedder
from xlingual_adapters.embedders.static.export import export, main

from xlingual_qdrant.errors import InvalidInput

SENTENCES = [
    "The ferry leaves at seven.",
    "Wo ist der nächste Bahnhof?",
    "今日は雨が降っています。",
    "أين مفتاح الباب؟",
    "Сегодня я купил хлеб.",
    "यह किताब बहुत अच्छी है।",
    "நீங்கள் எங்கே போகிறீர்கள்?",
    "พรุ่งนี้ฉันจะไปตลาด",
    "İSTANBUL'da  2,024   ﬁnal ½ Straße\u3000ＡＢＣ",
    "ผู้หญิงคนนั้นคือใคร",
    "我喜欢编程。請把枕頭和毯子拿給我。",
    "Đi đâu đấy? Họ chẳng chú ý.",
    "🙂 ok 👍🏽 – “quoted” …",
]


def texts() -> list[str]:
    """Return some hundred texts, long and short, one of them longer than the model reads."""
    pairs = [f"{a} {b}" for a in SENTENCES for b in SENTENCES]
    halves = [text[: len(text) // 2 + i] for text in SENTENCES for i in range(5)]
    return [*SENTENCES, *pairs, *halves, " ".join(SENTENCES * 20)]


def test_sentence_transformers_gives_the_same_vectors(tmp_path: Path) -> None:
    pytest.importorskip(
        "sentence_transformers", reason="compares with sentence-transformers (extra 'train')"
    )
    from sentence_transformers import SentenceTransformer

    export(tmp_path / "model")
    theirs = SentenceTransformer(str(tmp_path / "model"), device="cpu").encode(texts())
    ours = StaticEmbedder.open().embed_documents(texts())
    cosines = (np.asarray(theirs) * ours).sum(axis=1)
    assert (cosines >= 0.999).mean() >= 0.99
    assert np.allclose(np.linalg.norm(theirs, axis=1), 1, atol=1e-5)


def test_the_export_reads_any_model_folder(tmp_path: Path, model_folder: Path) -> None:
    target = tmp_path / "target"
    result = CliRunner().invoke(main, [str(target), "--model", str(model_folder)])
    assert result.exit_code == 0, result.output
    tokenizer = json.loads((target / "tokenizer.json").read_text("utf-8"))
    config = StaticEmbedder.open(model_folder).config
    assert len(tokenizer["model"]["vocab"]) == config.pieces
    assert tokenizer["truncation"]["max_length"] == config.max_tokens
    modules = json.loads((target / "modules.json").read_text("utf-8"))
    assert [module["idx"] for module in modules] == [0, 1]


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(InvalidInput, match="there already"):
        export(tmp_path, BUNDLED)
    result = CliRunner().invoke(main, [str(tmp_path)])
    assert result.exit_code == 1
    assert "there already" in result.output
