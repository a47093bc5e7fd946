"""The errors that people meet with sentence-transformers and FAISS: provoked, then ended.

Each test first does what tutorials show, and sees it fail, or go wrong without a word; then it
does the same with this library.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from xlingual_adapters.embedders.static.export import export

from tests.models import tiny_model
from xlingual_qdrant import Collection, load_embedder
from xlingual_qdrant.errors import InvalidDocument, InvalidInput, ScriptUnknown, TextSuspect
from xlingual_qdrant.hygiene import mended
from xlingual_qdrant.ingest import Rejection, ingest

TEXTS = [f"Satz Nummer {i} von einem Zug" for i in range(100)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture
def notes() -> Iterator[Collection]:
    with Collection.open("notes", store="memory") as opened:
        yield opened


def with_memory_for(model: SentenceTransformer, texts: int) -> list[int]:
    """Let the model fail as a full device does above so many texts; return the batches it takes."""
    taken: list[int] = []
    forward = model[0].forward

    def limited(features: dict[str, Any], **kwargs: Any) -> Any:
        if (count := len(features["input_ids"])) > texts:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        taken.append(count)
        return forward(features, **kwargs)

    model[0].forward = limited
    return taken


def test_out_of_memory(folder: Path) -> None:
    plain = SentenceTransformer(str(folder), device="cpu")
    expected = plain.encode(TEXTS, normalize_embeddings=True)
    with_memory_for(plain, 8)
    with pytest.raises(torch.OutOfMemoryError):
        plain.encode(TEXTS, batch_size=32)

    embedder: Any = load_embedder({"kind": "sentence-transformers", "model": str(folder)})
    taken = with_memory_for(embedder.model, 8)
    with pytest.warns(UserWarning, match="memory"):
        vectors = embedder.embed_documents(TEXTS)
    np.testing.assert_allclose(vectors, expected, atol=1e-5)
    assert max(taken) == 8
    taken.clear()
    embedder.embed_documents(TEXTS)  # the size that worked is remembered: not a word more
    assert set(taken) <= {4, 8}


def test_nothing_or_none_where_texts_are_expected(notes: Collection, tmp_path: Path) -> None:
    plain = SentenceTransformer(str(tiny_model(tmp_path / "model")), device="cpu")
    with pytest.raises(ValueError, match="NoneType"):
        plain.encode(["a text", None])

    assert notes.add([]).read == 0
    with pytest.raises(InvalidDocument, match="document 1: the text is null"):
        notes.add(["a text", {"text": None}])
    rows = ["a text", None, "  ", "another"]
    file = tmp_path / "texts.jsonl"
    file.write_text("".join(json.dumps({"text": row}) + "\n" for row in rows), encoding="utf-8")
    rejections: list[Rejection] = []
    report = ingest(notes, file, on_reject=rejections.append)
    assert (report.added, report.rejected) == (2, 2)
    assert [(each.line, each.reason) for each in rejections] == [(2, "empty"), (3, "empty")]


def test_scores_after_updates_with_vectors_of_another_length() -> None:
    near, far = np.eye(2, 4, dtype=np.float32)
    index = faiss.IndexFlatIP(4)
    index.add(near[None])
    index.add((7 * (far + 0.3 * near))[None])  # a batch that somebody forgot to normalise
    scores, rows = index.search(near[None], 2)
    assert rows[0].tolist() == [1, 0]  # the wrong one first
    assert scores[0, 0] > 1  # with a cosine that there is not

    with Collection.open("vectors", store="memory", schema={"dimension": 4}) as vectors:
        vectors.add({"id": "near", "text": "near"}, vectors=[near])
        vectors.add({"id": "far", "text": "far"}, vectors=[7 * (far + 0.3 * near)])
        hits = vectors.search(near)
        assert [hit.id for hit in hits] == ["near", "far"]
        assert hits[0].score == pytest.approx(1)
        vectors.add({"id": "near", "text": "near, updated"}, vectors=[5 * far])
        assert [hit.id for hit in vectors.search(near)] == ["far", "near"]
        assert len(vectors) == 2


def test_slow_encoding_on_a_cpu(folder: Path, tmp_path: Path) -> None:
    # The usual advice: another backend. It needs a package that does not fit transformers 5 ...
    with pytest.raises(Exception, match="requires installing Optimum"):
        SentenceTransformer(str(folder), backend="onnx")

    plain = SentenceTransformer(str(folder), device="cpu")
    expected = plain.encode(TEXTS, normalize_embeddings=True)
    model = {"kind": "sentence-transformers", "model": str(folder), "exported": str(tmp_path)}
    for backend in ("onnx", "openvino"):
        embedder: Any = load_embedder({**model, "backend": backend})
        np.testing.assert_allclose(embedder.embed_documents(TEXTS), expected, atol=1e-3)
    # ... and is not always the faster: what is faster here is measured, and said with the reason.
    chosen: Any = load_embedder({**model, "backend": "auto", "precision": "auto"})
    vectors = chosen.embed_documents(TEXTS)
    assert (vectors * expected).sum(axis=1).min() >= 0.999
    assert "torch fp32" in chosen.runtime


def test_a_tokenizer_that_does_not_know_the_script(folder: Path, tmp_path: Path) -> None:
    tokenizer = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    latin = {k: v for k, v in tokenizer["model"]["vocab"].items() if k.isascii()}
    known = {piece: i for i, piece in enumerate(latin)}
    model = tiny_model(tmp_path / "latin")
    tokenizer["model"]["vocab"] = known
    (model / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    plain = SentenceTransformer(str(model), device="cpu")
    one, other = plain.encode(["今日は雨が降っています。", "猫がマットの上に座っている。"])
    np.testing.assert_allclose(one, other, atol=1e-6)  # two sentences, one vector, no complaint

    settings = {
        "store": "memory",
        "embedder": "latin",
        "embedders": {"latin": {"kind": "sentence-transformers", "model": str(model)}},
    }
    with pytest.warns(ScriptUnknown, match=r"cannot tell .* in ar, hi: .*multilingual model"):
        Collection.open("notes", settings=settings).close()
    with Collection.open("notes", store="memory") as notes:  # the bundled model knows them
        notes.add(["今日は雨が降っています。", "猫がマットの上に座っている。"])
        assert notes.search("the cat sits on the mat", k=1)[0].text.startswith("猫")


def test_bytes_and_escaped_sequences_instead_of_text(notes: Collection, folder: Path) -> None:
    plain = SentenceTransformer(str(folder), device="cpu")
    sound, escaped = plain.encode(["駅はどこですか", r"\u99c5\u306f\u3069\u3053\u3067\u3059\u304b"])
    cosine = sound @ escaped / np.linalg.norm(sound) / np.linalg.norm(escaped)
    assert cosine < 0.9  # another vector for what was meant to be the same, and no complaint

    with pytest.raises(InvalidDocument, match=r"the text is bytes .*decode\('utf-8'\)"):
        notes.add(["駅はどこですか".encode()])
    with pytest.warns(TextSuspect, match="2 escaped"):
        report = notes.add([r"\u99c5\u306f\u3069\u3053", r"b'\xe9\xa7\x85'", "駅はどこ"])
    assert report.suspect == {"escaped": 2}
    assert mended(r"\u99c5\u306f\u3069\u3053") == "駅はどこ"
    assert mended(r"b'\xe9\xa7\x85'") == "駅"


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ("one text", "a single str, whose letters would be embedded"),
        (["fine", None], "text 1 is of type NoneType; give a str"),
        ([b"bytes"], "text 0 is of type bytes; give a str"),
    ],
)
def test_what_is_no_list_of_texts(tmp_path: Path, texts: Any, message: str) -> None:
    export(tmp_path / "table")
    for given in (
        {"kind": "static"},
        {"kind": "static", "path": str(tmp_path / "table")},
        {"kind": "callable", "name": "one", "function": "numpy:ones_like", "dimension": 2},
        {"kind": "openai", "model": "x", "url": "http://127.0.0.1:9"},
    ):
        embedder = load_embedder(given)
        with pytest.raises(InvalidInput, match=message):
            embedder.embed_documents(texts)
        with pytest.raises(InvalidInput, match=message):
            embedder.embed_queries(texts)
