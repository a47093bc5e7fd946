"""Moving: everything arrives, on every store, whatever happens on the way."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from xlingual_adapters.stores.faiss import FaissSettings, FaissStore

from xlingual_qdrant import load_detector, load_embedder
from xlingual_qdrant.documents import Document
from xlingual_qdrant.errors import (
    CollectionMissing,
    EmbedderMismatch,
    InvalidDocument,
    SchemaMismatch,
    TransferIncomplete,
    UsageError,
)
from xlingual_qdrant.memory import MemoryStore
from xlingual_qdrant.ports import Store
from xlingual_qdrant.schema import CollectionSchema
from xlingual_qdrant.testing.agreement import assert_same_documents, assert_same_vectors
from xlingual_qdrant.testing.corpus import FILTERS, random_vectors
from xlingual_qdrant.transfer import move, moving, verify

from .conftest import DIMENSION, KINDS, SCHEMA, filled

PAIRS = [(one, other) for one in KINDS for other in KINDS if one != other]


@pytest.mark.parametrize(("source_kind", "target_kind"), PAIRS)
def test_everything_arrives_and_answers_the_same(
    open_store: Callable[[str], Store], source_kind: str, target_kind: str
) -> None:
    source, target = open_store(source_kind), open_store(target_kind)
    documents = filled(source)
    report = move(source, target, "support", batch_size=64)
    assert (report.read, report.written, report.resumed) == (len(documents), len(documents), False)
    assert report.comparison.same
    assert report.comparison.source.checksum == report.comparison.target.checksum
    ids = [document.id for document in documents]
    with closing(source.open("support")) as one, closing(target.open("support")) as other:
        assert other.schema == one.schema == SCHEMA
        assert_same_documents(other.fetch(ids), documents)
        assert_same_vectors(other.fetch_vectors(ids), one.fetch_vectors(ids))
        assert other.states() == ["calibration"]
        assert other.read_state("calibration") == bytes(range(256))
        queries = random_vectors(5, DIMENSION, seed=7)
        for where in list(FILTERS.values())[::8]:
            expected = one.search(queries, 10, where=where, exact=True)
            found = other.search(queries, 10, where=where, exact=True)
            for hits, wanted in zip(found, expected, strict=True):
                assert [hit.score for hit in hits] == pytest.approx(
                    [hit.score for hit in wanted], abs=1e-5
                )
        assert other.count_by_language() == one.count_by_language()


@pytest.mark.parametrize("kind", KINDS)
def test_a_second_move_writes_only_what_has_changed(
    open_store: Callable[[str], Store], kind: str
) -> None:
    source, target = MemoryStore(), open_store(kind)
    documents = filled(source)
    move(source, target, "support")
    assert move(source, target, "support").written == 0
    with closing(source.open("support")) as collection:
        retagged = Document(documents[2].text, documents[2].id, "tr", documents[2].metadata)
        changed = [Document("changed", documents[0].id), Document("new", "new"), retagged]
        collection.write(changed, random_vectors(3, DIMENSION, seed=5))
        collection.write([documents[1]], random_vectors(1, DIMENSION, seed=6))
        collection.write_state("calibration", None)
    report = move(source, target, "support")
    assert report.written == 4
    assert report.comparison.complete
    assert report.comparison.states == ["calibration"]


@pytest.mark.parametrize("kind", KINDS)
def test_an_interrupted_move_goes_on_where_it_was(
    open_store: Callable[[str], Store], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = open_store("faiss"), open_store(kind)
    documents = filled(source)
    monkeypatch.setattr(moving, "_REMEMBER_EVERY_S", 0.0)

    def interrupted(what: str, done: int, total: int) -> None:
        assert (what, total) == ("moving", len(documents))
        if done >= 100:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        move(source, target, "support", batch_size=30, on_progress=interrupted)
    with closing(target.open("support")) as collection:
        assert 100 <= collection.count() < len(documents)
    report = move(source, target, "support", batch_size=30)
    assert report.resumed
    assert 0 < report.written <= len(documents) - 100
    assert report.comparison.same
    assert not move(source, target, "support").resumed


def test_what_changes_between_two_runs_is_carried_over_all_the_same(
    open_store: Callable[[str], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = open_store("faiss"), MemoryStore()
    documents = filled(source)
    monkeypatch.setattr(moving, "_REMEMBER_EVERY_S", 0.0)

    def interrupted(what: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        move(source, target, "support", batch_size=30, on_progress=interrupted)
    with closing(source.open("support")) as collection:
        first = next(collection.scan(batch=1)).documents[0]
        collection.write([Document("changed", first.id)], random_vectors(1, DIMENSION, seed=8))
    report = move(source, target, "support", batch_size=30)
    assert report.resumed
    assert report.written == len(documents) - 30 + 1
    assert report.comparison.same


def test_what_another_move_has_left_is_not_taken_for_its_own(
    open_store: Callable[[str], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, target = open_store("faiss"), open_store("faiss"), MemoryStore()
    filled(first)
    documents = filled(second)
    monkeypatch.setattr(moving, "_REMEMBER_EVERY_S", 0.0)

    def interrupted(what: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        move(first, target, "support", batch_size=30, on_progress=interrupted)
    report = move(second, target, "support")
    assert not report.resumed
    assert (report.read, report.comparison.same) == (len(documents), True)


def test_a_source_that_is_written_meanwhile_is_told_and_the_next_move_has_it(
    open_store: Callable[[str], Store],
) -> None:
    source, target = MemoryStore(), open_store("faiss")
    filled(source)

    def written(what: str, done: int, total: int) -> None:
        if what == "building indexes":
            with closing(source.open("support")) as collection:
                late = [Document("late", "late"), Document("later", "d")]
                collection.write(late, random_vectors(2, DIMENSION))

    with pytest.raises(TransferIncomplete, match="1 document is missing: 'late'") as met:
        move(source, target, "support", on_progress=written)
    assert "1 document has another text" in str(met.value)
    assert move(source, target, "support").written == 2


def test_what_else_the_target_holds_is_left_alone(open_store: Callable[[str], Store]) -> None:
    source, target = MemoryStore(), open_store("faiss")
    documents = filled(source)
    with closing(target.create(SCHEMA)) as collection:
        collection.write([Document("mine", "mine")], random_vectors(1, DIMENSION))
    report = move(source, target, "support")
    assert report.written == len(documents)
    assert (report.comparison.extra, report.comparison.examples) == (1, {"extra": ["mine"]})
    assert report.comparison.complete
    assert not report.comparison.same


def test_a_copy_may_have_another_name_also_in_the_same_store() -> None:
    store = MemoryStore()
    filled(store)
    move(store, store, "support", to="copy")
    assert store.list() == ["copy", "support"]
    assert store.open("copy").schema.name == "copy"
    with pytest.raises(UsageError, match="the same collection, 'support'"):
        move(store, store, "support")


def test_another_spelling_of_the_place_is_the_same_place(tmp_path: Path) -> None:
    filled(store := FaissStore(FaissSettings(path=tmp_path / "data")))
    (tmp_path / "link").symlink_to(tmp_path / "data")
    link = FaissStore(FaissSettings(path=tmp_path / "link"))
    for refused in (move, verify):
        with pytest.raises(UsageError, match="the same collection, 'support'"):
            refused(store, link, "support")
    assert move(store, link, "support", to="copy").comparison.same


@pytest.mark.parametrize("size", [0, -1, "5"])
def test_a_batch_holds_something(size: int) -> None:
    with pytest.raises(UsageError, match="batch_size"):
        move(MemoryStore(), MemoryStore(), "support", batch_size=size)


def test_a_missing_source_makes_no_target() -> None:
    target = MemoryStore()
    with pytest.raises(CollectionMissing):
        move(MemoryStore(), target, "support")
    assert target.list() == []


def test_a_target_of_another_dimension_or_embedder_is_refused() -> None:
    source, target = MemoryStore(), MemoryStore()
    filled(source)
    target.create(CollectionSchema(name="support", dimension=9))
    for refused in (move, verify):
        with pytest.raises(SchemaMismatch, match="9 dimensions, the source has 8"):
            refused(source, target, "support")
    known = MemoryStore()
    fingerprint = load_embedder("bundled").fingerprint
    known.create(CollectionSchema(name="a", dimension=fingerprint.dimension, embedder=fingerprint))
    unknown = MemoryStore()
    unknown.create(CollectionSchema(name="a", dimension=fingerprint.dimension))
    with pytest.raises(SchemaMismatch, match="the target does not know its embedder"):
        move(known, unknown, "a")
    with pytest.raises(SchemaMismatch, match="the source does not know its embedder"):
        move(unknown, known, "a")


def test_the_embedder_of_unlabelled_vectors_is_checked_and_kept() -> None:
    embedder = load_embedder("bundled")
    texts = [
        "The ferry to the island is late today.",
        "Die Fähre hat Verspätung.",
        "今日は雨です。",
    ]
    source, target = MemoryStore(), MemoryStore()
    collection = source.create(CollectionSchema(name="a", dimension=embedder.dimension))
    collection.write([Document(text) for text in texts], embedder.embed_documents(texts))
    move(source, target, "a", embedder=embedder, detector=load_detector())
    moved = target.open("a")
    assert moved.schema.embedder == embedder.fingerprint
    assert moved.count_by_language() == {"en": 1, "de": 1, "ja": 1}
    assert move(source, target, "a", embedder=embedder, detector=load_detector()).written == 0
    assert verify(source, target, "a", detector=load_detector()).same
    assert verify(source, target, "a").changed == 3
    collection.write([Document(texts[0])], random_vectors(1, embedder.dimension))
    with pytest.raises(EmbedderMismatch, match="have cosines"):
        move(source, MemoryStore(), "a", embedder=embedder)


def test_documents_have_to_fit_the_fields_of_the_target() -> None:
    source, target = MemoryStore(), MemoryStore()
    collection = source.create(CollectionSchema(name="a", dimension=2))
    collection.write([Document("x", "id-7", metadata={"year": "old"})], random_vectors(1, 2))
    target.create(CollectionSchema(name="a", dimension=2, fields={"year": "integer"}))
    with pytest.raises(InvalidDocument, match="'id-7': field 'year' is declared integer"):
        move(source, target, "a")


@pytest.mark.parametrize("kind", KINDS)
def test_verification_finds_every_kind_of_difference(
    open_store: Callable[[str], Store], kind: str
) -> None:
    source, target = MemoryStore(), open_store(kind)
    documents = filled(source)
    move(source, target, "support")
    assert verify(source, target, "support").same
    with closing(target.open("support")) as collection:
        collection.delete([documents[0].id])
        collection.write([Document("other", documents[1].id)], random_vectors(1, DIMENSION, seed=3))
        collection.write([documents[2]], random_vectors(1, DIMENSION, seed=4))
        collection.write([Document("more", "more")], random_vectors(1, DIMENSION))
        collection.write_state("calibration", b"other")
    found = verify(source, target, "support")
    assert not found.same
    assert not found.complete
    counts = (found.missing, found.changed, found.revectored, found.extra)
    assert counts == (1, 1, 2, 1)
    assert found.states == ["calibration"]
    assert found.examples["missing"] == [documents[0].id]
    assert found.examples["extra"] == ["more"]
    assert set(found.examples["revectored"]) == {documents[1].id, documents[2].id}
    assert found.target.count == len(documents)
    assert found.source.checksum != found.target.checksum
    assert len(found.differences()) == 5


def test_a_checksum_knows_a_language_from_a_detected_one() -> None:
    stores = [MemoryStore(), MemoryStore()]
    for store, source in zip(stores, ("declared", "detected"), strict=True):
        document = Document("oui", "a", "fr", {}, "declared", None)
        if source == "detected":
            document = Document("oui", "a", "fr", {}, "detected", 0.9)
        store.create(SCHEMA).write([document], random_vectors(1, DIMENSION))
    assert verify(*stores, "support").changed == 1
