"""Re-embedding: readers see the old vectors or the new ones, never a half."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from hashlib import blake2b

import numpy as np
import pytest
from numpy.typing import NDArray

from xlingual_qdrant import Collection, load_embedder
from xlingual_qdrant.documents import Document
from xlingual_qdrant.errors import (
    CollectionMissing,
    EmbedderMismatch,
    NotSupported,
    TransferIncomplete,
    UsageError,
)
from xlingual_qdrant.memory import MemoryStore
from xlingual_qdrant.ports import Capabilities, Store, Vectors
from xlingual_qdrant.schema import PROBES, EmbedderFingerprint, round_probes
from xlingual_qdrant.transfer import reembed

from .conftest import KINDS

TEXTS = [f"Der Zug Nummer {number} ist spät." for number in range(60)]


class Hashed:
    """An embedder of another dimension, which knows nothing but equality."""

    dimension, max_tokens = 12, None

    def __init__(self) -> None:
        self.asked: list[str] = []

    @property
    def fingerprint(self) -> EmbedderFingerprint:
        probes = round_probes(self._embed(PROBES))
        return EmbedderFingerprint(kind="hashed", model="h", dimension=12, probes=probes)

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        self.asked += texts
        return self._embed(texts)

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        return self._embed(texts)

    def truncated(self, texts: Sequence[str]) -> NDArray[np.bool_]:
        return np.array([len(text) > 500 for text in texts], dtype=np.bool_)

    def _embed(self, texts: Sequence[str]) -> Vectors:
        digests = [blake2b(text.encode(), digest_size=12).digest() for text in texts]
        rows = np.array([list(digest) for digest in digests], dtype=np.float32) - 127.5
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def trains(store: Store) -> None:
    """Make a collection with the bundled embedder."""
    embedder = load_embedder("bundled")
    with Collection.open("trains", store=store, embedder=embedder) as collection:
        collection.add([{"text": text, "id": str(i), "lang": "de"} for i, text in enumerate(TEXTS)])
        collection.stored.write_state("statistics", b"of the old vectors")


@pytest.mark.parametrize("kind", KINDS)
def test_the_new_vectors_take_the_place_of_the_old_ones(
    open_store: Callable[[str], Store], kind: str
) -> None:
    store, embedder = open_store(kind), Hashed()
    trains(store)
    with closing(store.open("trains")) as old:
        report = reembed(store, "trains", embedder, batch_size=16)
        assert (report.count, report.embedded, report.truncated) == (60, 60, 0)
        assert report.before is not None
        assert report.before.startswith("static:")
        assert report.after == "hashed:h (12 dimensions)"
        assert old.count() == 60
        assert old.schema.dimension == 256
    with pytest.raises(EmbedderMismatch, match="xlingual reembed"):
        Collection.open("trains", store=store, embedder=load_embedder("bundled"))
    with Collection.open("trains", store=store, embedder=embedder) as new:
        assert new.search(TEXTS[7], k=1)[0].score == pytest.approx(1, abs=1e-6)
        assert new.search(TEXTS[7], k=1)[0].id == "7"
        assert new.languages() == {"de": 60}
        assert new.stored.states() == []
        new.add([{"text": "Noch ein Zug.", "id": "60", "lang": "de"}])
        new.compact()
        assert len(new) == 61
    assert store.list() == ["trains"]


@pytest.mark.parametrize("kind", KINDS)
def test_an_interrupted_one_goes_on_and_has_what_changed_meanwhile(
    open_store: Callable[[str], Store], kind: str
) -> None:
    store, embedder = open_store(kind), Hashed()
    trains(store)

    def interrupted(what: str, done: int, total: int) -> None:
        if done >= 30:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        reembed(store, "trains", embedder, batch_size=10, on_progress=interrupted)
    done = len(embedder.asked)
    assert done == 30
    with Collection.open("trains", store=store, embedder=load_embedder("bundled")) as old:
        there = [hit.id for hit in old.search("Zug", k=60)]
        assert len(there) == 60
        old.add([{"text": "Ein neuer Text.", "id": id, "lang": "de"} for id in there[:2]])
        old.delete(there[2:5])
    report = reembed(store, "trains", embedder, batch_size=10)
    assert report.count == 57
    assert report.embedded <= 32
    with Collection.open("trains", store=store, embedder=embedder) as new:
        assert len(new) == 57
        assert [doc.text for doc in new.get_many(there[:2]) if doc] == ["Ein neuer Text."] * 2
        assert new.get_many(there[2:5]) == [None] * 3


def test_what_is_written_meanwhile_is_carried_over() -> None:
    store, embedder = MemoryStore(), Hashed()
    trains(store)
    old = store.open("trains")
    late = [Document("Ganz spät.", "late", "de")]
    calls: list[str] = []

    def written(what: str, done: int, total: int) -> None:
        calls.append(what)
        if len(calls) == 6:
            old.write(late, load_embedder("bundled").embed_documents(["Ganz spät."]))
            old.delete(["0"])

    reembed(store, "trains", embedder, batch_size=10, on_progress=written)
    new = store.open("trains")
    assert new.fetch(["late"]) == late
    assert (new.fetch(["0"]), new.count()) == ([None], 60)
    assert calls[-1] == "embedding"


def test_what_is_written_while_indexes_are_built_is_carried_over() -> None:
    store, embedder = MemoryStore(), Hashed()
    trains(store)
    old = store.open("trains")
    late = [Document("Ganz spät.", "late", "de")]

    def written(what: str, done: int, total: int) -> None:
        if what == "building indexes":
            old.write(late, load_embedder("bundled").embed_documents(["Ganz spät."]))

    report = reembed(store, "trains", embedder, on_progress=written)
    assert (report.count, report.embedded) == (61, 61)
    assert store.open("trains").fetch(["late"]) == late


def test_a_collection_of_this_embedder_is_left_as_it_is() -> None:
    store, embedder = MemoryStore(), Hashed()
    trains(store)
    reembed(store, "trains", embedder)
    there = store.open("trains")
    report = reembed(store, "trains", embedder)
    assert (report.count, report.embedded) == (60, 0)
    assert store.open("trains") is there


@pytest.mark.parametrize("size", [0, -1])
def test_a_batch_holds_something(size: int) -> None:
    store = MemoryStore()
    trains(store)
    with pytest.raises(UsageError, match="batch_size"):
        reembed(store, "trains", Hashed(), batch_size=size)
    assert store.open("trains").count() == 60


def test_a_writer_that_never_stops_is_told_and_nothing_is_switched() -> None:
    store, embedder = MemoryStore(), Hashed()
    trains(store)
    old = store.open("trains")

    def written(what: str, done: int, total: int) -> None:
        document = Document(f"Text {len(embedder.asked)}", f"new {len(embedder.asked)}", "de")
        old.write([document], load_embedder("bundled").embed_documents([document.text]))

    with pytest.raises(TransferIncomplete, match="others write faster"):
        reembed(store, "trains", embedder, on_progress=written)
    assert store.open("trains") is old


def test_a_store_that_cannot_replace_says_what_else_to_do() -> None:
    class Plain(MemoryStore):
        @property
        def capabilities(self) -> Capabilities:
            return Capabilities(False, False, False, aliases=False)

    store = Plain()
    trains(store)
    with pytest.raises(NotSupported, match="move it to a store that can"):
        reembed(store, "trains", Hashed())


def test_a_missing_collection_is_told() -> None:
    with pytest.raises(CollectionMissing):
        reembed(MemoryStore(), "trains", Hashed())
