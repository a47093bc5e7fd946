"""What LangChain wrote is read as it is, and what cannot be kept is told."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest
from xlingual_adapters.stores.langchain_faiss import LangchainFaissSettings, LangchainFaissStore
from xlingual_adapters.stores.langchain_faiss.collection import LangchainFaissCollection

from tests.unit.stores.langchain_faiss.pickles import called, document, pickled, write_folder
from xlingual_qdrant.documents import Document
from xlingual_qdrant.errors import (
    CollectionDamaged,
    CollectionMissing,
    CollectionReadOnly,
    FileUnavailable,
    NotSupported,
    UnreadableFile,
)
from xlingual_qdrant.filters import F
from xlingual_qdrant.memory import MemoryStore
from xlingual_qdrant.schema import CollectionSchema
from xlingual_qdrant.transfer import move

DATA = Path(__file__).parent / "data"
RELEASES = ["langchain-0.0.150", "langchain-0.1.20", "langchain-1"]
AXES = np.eye(4, dtype=np.float32)


def store_of(folder: Path, **settings: Any) -> LangchainFaissStore:
    return LangchainFaissStore(LangchainFaissSettings(path=folder, **settings))


def opened(folder: Path, **settings: Any) -> LangchainFaissCollection:
    return store_of(folder, **settings).open("index")


def documents_of(collection: LangchainFaissCollection) -> list[Document]:
    return [document for batch in collection.scan() for document in batch.documents]


@pytest.mark.parametrize("release", RELEASES)
def test_folders_of_all_generations_are_read(release: str) -> None:
    collection = opened(DATA / release)
    found = {found.text: found for found in documents_of(collection)}
    assert collection.count_by_language() == {"de": 1, "fr": 1, "en": 1, "und": 1}
    assert found["Wo ist mein Paket?"].metadata == {
        "language": "de",
        "source": "a.pdf",
        "page": 1,
        "bbox": [0.5, 1.5],
    }
    assert found["Mon colis n'est pas arrivé."].metadata["score"] is None
    assert found["My parcel is lost."].metadata == {
        "language": "en",
        "created": "2024-02-29T23:59:58.123456+02:00",
        "day": "2024-02-29",
        "price": 19.9,
        "tags": ["a", "b"],
        "key": "12345678-1234-5678-1234-567812345678",
        "path": "/data/b.txt",
        "count": 7,
        "weight": 0.5,
        "raw": "AP8=",
    }
    assert found["包裹在哪里？"].metadata["language"] == "Chinese"
    [hits] = collection.search(AXES[1:2], 4)
    assert [hit.text for hit in hits[:1]] == ["Mon colis n'est pas arrivé."]
    assert [hit.score for hit in hits] == [1, 0, 0, 0]


@pytest.mark.parametrize("release", RELEASES)
def test_what_was_changed_is_told(release: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        facts = opened(DATA / release).describe()
    assert facts["changed"] == {
        "bytes": 1,
        "datetime.date": 1,
        "datetime.datetime": 1,
        "decimal.Decimal": 1,
        "not finite numbers": 1,
        "pathlib.PurePosixPath": 1,
        "sets": 1,
        "uuid.UUID": 1,
    }
    assert facts["unknown_languages"] == {"Chinese": 1}
    assert (facts["left_out"], facts["lengths"], facts["vectors"]) == ({}, [2, 2], "exact")
    assert "JSON cannot hold" in caplog.text
    assert "'Chinese'" in caplog.text


@pytest.mark.parametrize("release", RELEASES)
def test_a_folder_moves_into_another_store(release: str) -> None:
    target = MemoryStore()
    report = move(store_of(DATA / release), target, "index", to="tickets")
    assert (report.read, report.written) == (4, 4)
    assert report.comparison.same


def test_a_scan_is_ordered_and_resumes_and_filters_apply(tmp_path: Path) -> None:
    texts = {
        name: document(f"text {name}", {"lang": "de", "n": at}) for at, name in enumerate("dacb")
    }
    collection = opened(write_folder(tmp_path, texts))
    batches = list(collection.scan(with_vectors=True, batch=3))
    assert [[found.id for found in batch.documents] for batch in batches] == [list("abc"), ["d"]]
    assert batches[1].vectors is not None
    assert batches[1].vectors.tolist() == [[1, 0, 0, 0]]
    assert [d.id for batch in collection.scan(after="b") for d in batch.documents] == ["c", "d"]
    assert collection.count(F("n") >= 2) == 2
    [hits] = collection.search(AXES[:1], 4, where=F("n") >= 2)
    assert {hit.id for hit in hits} == {"b", "c"}
    assert collection.fetch(["x", "a"])[1] is not None
    assert collection.fetch_vectors(["x"]) == [None]
    assert collection.content_hashes(["x"]) == [None]


def test_what_cannot_be_taken_over_is_left_out_and_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    texts = {
        "good": document("a text"),
        "blank": document(" "),
        "half": document("half \ud800 a pair"),
        "zero": document("no direction"),
        "nan": document("not a number"),
        "lost": document("beyond the vectors"),
        "orphan": document("never added"),
        "odd": "not a document",
    }
    vectors = np.eye(8, 4, dtype=np.float32)
    vectors[3], vectors[4], vectors[5:] = 0, np.nan, 1
    places = {0: "good", 1: "blank", 2: "half", 3: "zero", 4: "nan", 5: "odd", 6: "gone", 9: "lost"}
    with caplog.at_level(logging.WARNING):
        collection = opened(write_folder(tmp_path, texts, vectors, places=places))
    assert [found.id for found in documents_of(collection)] == ["good"]
    assert collection.describe()["left_out"] == {
        "empty": 1,
        "surrogate": 1,
        "there is no document": 2,
        "there is no vector": 2,
        "type": 1,
        "vector is zero or not finite": 2,
    }
    for name in texts.keys() - {"good"}:
        assert name in caplog.text


def test_vectors_of_different_lengths_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    texts = {"a": document("one"), "b": document("two")}
    with caplog.at_level(logging.WARNING):
        collection = opened(write_folder(tmp_path, texts, AXES[:2] * [[1], [3]]))
    assert collection.describe()["lengths"] == [1, 3]
    assert "another order" in caplog.text
    batch = next(collection.scan(with_vectors=True))
    assert batch.vectors is not None
    assert np.linalg.norm(batch.vectors, axis=1).tolist() == [1, 1]


INDEXES = {
    "Flat": ("exact", 0),
    "HNSW8": ("exact", 0),
    "IVF2,Flat": ("exact", 0),
    "IDMap,Flat": ("exact", 0),
    "SQ8": ("approximate", 0.02),
    "PQ2x4": ("approximate", 0.9),
}


@pytest.mark.parametrize("kind", INDEXES)
def test_every_kind_of_index_gives_its_vectors_back(kind: str, tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    texts = {f"{number:02}": document(f"text {number}") for number in range(40)}
    index = faiss.index_factory(4, kind, faiss.METRIC_INNER_PRODUCT)
    index.train(vectors)
    positions = np.arange(40)
    if kind.startswith("IDMap"):
        positions = positions * 2**40
        index.add_with_ids(vectors, positions)
    else:
        index.add(vectors)
    places = {int(at): name for at, name in zip(positions, texts, strict=True)}
    collection = opened(write_folder(tmp_path, texts, places=places, index=index))
    how, tolerance = INDEXES[kind]
    assert collection.describe()["vectors"] == how
    [batch] = collection.scan(with_vectors=True)
    assert batch.vectors is not None
    assert np.abs(batch.vectors - vectors).max() <= max(tolerance, 1e-6)


def test_the_language_field_can_be_named(tmp_path: Path) -> None:
    metadata = {"lang": "fr", "iso": "pt_br", "language": "python"}
    folder = write_folder(tmp_path, {"a": document("x", metadata), "b": document("y", {"iso": 7})})
    assert opened(folder).count_by_language() == {"fr": 1, "und": 1}
    collection = opened(folder, lang_field="iso")
    assert collection.count_by_language() == {"pt-BR": 1, "und": 1}
    assert collection.describe()["unknown_languages"] == {"7": 1}
    assert collection.fetch(["a"])[0] == Document("x", "a", "pt-BR", metadata)


VALUES: dict[str, tuple[object, object]] = {
    "a large integer": (2**80, str(2**80)),
    "an integer without end": (1 << 100_000, hex(1 << 100_000)),
    "infinity": (float("inf"), "inf"),
    "keys that are no text": ({1: "a", None: "b", False: "c", 2.5: "d"},
                              {"1": "a", "null": "b", "false": "c", "2.5": "d"}),
    "a set": (called("builtins", "set", ["b", "a", 1]), ["a", "b", 1]),
    "an ordered dictionary": (called("collections", "OrderedDict"), {}),
    "half a surrogate pair": ("x\udc80", "x\ufffd"),
    "a naive datetime": (
        called("datetime", "datetime", b"\x07\xe8\x02\x1d\x17\x3b\x3a\x00\x00\x00"),
        "2024-02-29T23:59:58",
    ),
    "a time": (called("datetime", "time", b"\x01\x02\x03\x00\x00\x07"), "01:02:03.000007"),
    "a time span": (called("datetime", "timedelta", 1, 2, 500_000), 86402.5),
    "a decimal of many digits": (
        called("decimal", "Decimal", "0.1234567890123456789"), "0.1234567890123456789",
    ),
    "a whole decimal": (called("decimal", "Decimal", "5"), 5),
    "a decimal that is no number": (called("decimal", "Decimal", "NaN"), None),
    "a path of Windows": (called("pathlib", "WindowsPath", "c:\\", "a"), "c:\\a"),
    "a date of pandas": (
        called("pandas._libs.tslibs.timestamps", "_unpickle_timestamp", 1_709_251_198_000_000_000,
               None, None, 10),
        "2024-02-29T23:59:58",
    ),
    "no date of pandas": (called("pandas._libs.tslibs.nattype", "_nat_unpickle", None), None),
}  # fmt: skip


@pytest.mark.parametrize("name", VALUES)
def test_values_of_python_become_values_of_json(name: str, tmp_path: Path) -> None:
    given, wanted = VALUES[name]
    collection = opened(write_folder(tmp_path, {"a": document("text", {"value": given})}))
    [found] = collection.fetch(["a"])
    assert found is not None
    assert found.metadata == {"value": wanted}
    assert collection.describe()["changed"] or name == "an ordered dictionary"


BAD_VALUES: dict[str, object] = {
    "a date that is none": called("datetime", "date", b"\x07\xe8\x0d\x01"),
    "a date of text": called("datetime", "date", "2024"),
    "a number of NumPy that is none": called("numpy.core.multiarray", "scalar", "f8", b""),
    "a time zone alone": called("datetime", "timezone", 1),
    "a document inside": document("inner"),
    "two keys alike": {1: "a", "1": "b"},
    "a set of two arguments": called("builtins", "set", ["a"], ["b"]),
    "a set of no elements": called("builtins", "set", 1),
    "a dictionary filled by its call": called("collections", "OrderedDict", [("a", 1)]),
}


@pytest.mark.parametrize("name", BAD_VALUES)
def test_a_document_with_a_value_that_cannot_be_read_is_left_out(name: str, tmp_path: Path) -> None:
    texts = {"bad": document("text", {"value": BAD_VALUES[name]}), "good": document("text")}
    collection = opened(write_folder(tmp_path, texts))
    assert [found.id for found in documents_of(collection)] == ["good"]
    assert sum(dict(collection.describe()["left_out"]).values()) == 1  # type: ignore[arg-type]


def test_nothing_of_a_folder_can_be_changed(tmp_path: Path) -> None:
    store = store_of(write_folder(tmp_path, {"a": document("text")}))
    collection = store.open("index")
    schema = CollectionSchema(name="index", dimension=1)
    calls = [
        lambda: collection.write([Document("x", "x")], AXES[:1, :1]),
        lambda: collection.delete(["a"]),
        lambda: collection.delete_where(F("n") == 1),
        lambda: collection.write_state("k", b"v"),
        lambda: store.drop("index"),
        lambda: store.begin_replacement(schema),
        lambda: store.finish_replacement("index"),
        lambda: store.discard_replacement("index"),
    ]
    for call in calls:
        with pytest.raises(CollectionReadOnly, match="xlingual move"):
            call()
    with pytest.raises(NotSupported, match="kind 'faiss'"):
        store.create(schema)
    assert collection.states() == []
    assert collection.read_state("k") is None
    assert collection.damaged_ids() == []
    collection.compact()
    collection.flush()
    collection.close()
    collection.close()
    assert store.open("index").count() == 1


def test_a_folder_that_is_not_there_or_called_otherwise_is_named(tmp_path: Path) -> None:
    assert store_of(tmp_path).list() == []
    with pytest.raises(FileUnavailable, match=r"FAISS\.save_local"):
        opened(tmp_path)
    folder = write_folder(tmp_path / "kept", {"a": document("text")})
    for suffix in ("faiss", "pkl"):
        (folder / f"index.{suffix}").rename(folder / f"my notes.{suffix}")
    with pytest.raises(FileUnavailable, match="index_name may be: my notes"):
        opened(folder)
    named = store_of(folder, index_name="my notes")
    assert named.list() == ["my_notes"]
    assert named.open("my_notes").count() == 1
    with pytest.raises(CollectionMissing, match="my_notes"):
        named.open("index")


def test_an_index_of_others_or_a_damaged_one_is_refused(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, {"a": document("text")})
    whole = (folder / "index.faiss").read_bytes()
    for content in (b"", b"not an index", whole[:-2]):
        (folder / "index.faiss").write_bytes(content)
        with pytest.raises(CollectionDamaged, match=r"index\.faiss"):
            opened(folder)
    (folder / "index.faiss").write_bytes(whole)
    for content in (pickled({}), pickled(()), pickled(("a", {})), b"", whole):
        (folder / "index.pkl").write_bytes(content)
        with pytest.raises(UnreadableFile, match=r"index\.pkl"):
            opened(folder)
