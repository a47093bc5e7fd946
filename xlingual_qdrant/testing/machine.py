"""A state machine that drives a store and the judge side by side.

    TestMyStoreBesideTheJudge = store_machine(MyStore).TestCase

Hypothesis chooses the steps: documents are written, updated and deleted, the collection
is compacted and reopened, and all the while every answer is compared.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)
from numpy.typing import NDArray

from xlingual_qdrant.documents import Document
from xlingual_qdrant.filters import Filter
from xlingual_qdrant.memory import MemoryCollection
from xlingual_qdrant.ports import Store, StoredCollection
from xlingual_qdrant.schema import CollectionSchema
from xlingual_qdrant.testing import strategies
from xlingual_qdrant.testing.agreement import (
    assert_agrees,
    assert_same_documents,
    assert_same_vectors,
)

_SCHEMA = CollectionSchema(name="machine", dimension=4)
_WHERE = st.none() | strategies.filters


def store_machine(open_store: Callable[[Path], Store]) -> type[RuleBasedStateMachine]:
    """Return the machine for a store; its attribute `TestCase` is what pytest collects.

    open_store: opens the store at a folder; the same folder means the same store.
    """

    class Machine(StoreMachine):
        def open_store(self, place: Path) -> Store:
            return open_store(place)

    # Each example opens a store; few long ones find more than many short ones.
    Machine.TestCase.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)
    return Machine


class StoreMachine(RuleBasedStateMachine):
    """Override `open_store`."""

    written = Bundle[str]("written")
    store: Store
    collection: StoredCollection

    def open_store(self, place: Path) -> Store:
        """Return the store under test at this place."""
        raise NotImplementedError("override open_store")

    @initialize()
    def create(self) -> None:
        """Begin with an empty collection on both sides."""
        self.place = Path(tempfile.mkdtemp(prefix="xlingual-machine-"))
        self.store = self.open_store(self.place)
        self.collection = self.store.create(_SCHEMA)
        self.judge = MemoryCollection(_SCHEMA)

    @rule(target=written, documents=strategies.corpora, data=st.data())
    def write(self, documents: list[Document], data: st.DataObject) -> MultipleResults[str]:
        """Write new documents, or some that are there already."""
        vectors = data.draw(strategies.vectors(len(documents), _SCHEMA.dimension))
        receipt = self.judge.write(documents, vectors)
        assert self.collection.write(documents, vectors) == receipt
        return multiple(*(document.id for document in documents))

    @rule(ids=st.lists(written, max_size=5), document=strategies.documents(), data=st.data())
    def update(self, ids: list[str], document: Document, data: st.DataObject) -> None:
        """Replace documents that were written, whether or not they are still there."""
        documents = [
            Document(document.text, id, document.lang, document.metadata) for id in set(ids)
        ]
        vectors = data.draw(strategies.vectors(len(documents), _SCHEMA.dimension))
        receipt = self.judge.write(documents, vectors)
        assert self.collection.write(documents, vectors) == receipt

    @rule(ids=st.lists(written | strategies.ids, max_size=5))
    def delete(self, ids: list[str]) -> None:
        """Delete by id."""
        assert self.collection.delete(ids) == self.judge.delete(ids)

    @rule(where=strategies.filters)
    def delete_where(self, where: Filter) -> None:
        """Delete by filter."""
        assert self.collection.delete_where(where) == self.judge.delete_where(where)

    @rule()
    def compact(self) -> None:
        """Compact the store; the judge needs none."""
        self.collection.compact()

    @precondition(lambda self: self.store.capabilities.persistent)
    @rule()
    def reopen(self) -> None:
        """Close everything and open it again."""
        self.collection.close()
        self.store.close()
        self.store = self.open_store(self.place)
        self.collection = self.store.open(_SCHEMA.name)
        assert self.collection.schema == _SCHEMA

    @rule(where=_WHERE, k=st.integers(1, 15), data=st.data())
    def search(self, where: Filter | None, k: int, data: st.DataObject) -> None:
        """Search with a filter; what an index may miss is left to larger collections."""
        queries = data.draw(strategies.vectors(2, _SCHEMA.dimension))
        assert_agrees(self.collection, self.judge, queries, k, where)

    @rule(where=_WHERE)
    def count(self, where: Filter | None) -> None:
        """Count, as a whole and by language."""
        assert self.collection.count(where) == self.judge.count(where)
        by_language = self.judge.count_by_language(where)
        assert self.collection.count_by_language(where) == by_language

    @rule(where=_WHERE, batch=st.integers(1, 5), data=st.data())
    def scan(self, where: Filter | None, batch: int, data: st.DataObject) -> None:
        """Scan in small batches: what the judge has, in an order of the store's own."""
        documents, vectors = _scanned(self.collection, where, batch)
        order = [document.id for document in documents]
        assert sorted(order) == sorted(doc.id for doc in _scanned(self.judge, where, batch)[0])
        assert_same_documents(documents, self.judge.fetch(order))
        assert_same_vectors(vectors, self.judge.fetch_vectors(order))
        if order:
            position = data.draw(st.integers(0, len(order) - 1))
            rest, _ = _scanned(self.collection, where, batch, after=order[position])
            assert [document.id for document in rest] == order[position + 1 :]

    @rule(ids=st.lists(written | strategies.ids, max_size=5))
    def fetch(self, ids: list[str]) -> None:
        """Fetch documents, vectors and hashes by id."""
        assert_same_documents(self.collection.fetch(ids), self.judge.fetch(ids))
        assert_same_vectors(self.collection.fetch_vectors(ids), self.judge.fetch_vectors(ids))
        assert self.collection.content_hashes(ids) == self.judge.content_hashes(ids)

    @invariant()
    def has_as_many_documents(self) -> None:
        """Compare the number of documents after every step."""
        assert self.collection.count() == self.judge.count()

    def teardown(self) -> None:
        """Close the store and remove its folder."""
        if hasattr(self, "collection"):
            self.collection.close()
            self.store.close()
            shutil.rmtree(self.place, ignore_errors=True)


def _scanned(
    collection: StoredCollection, where: Filter | None, batch: int, after: str | None = None
) -> tuple[list[Document], list[NDArray[np.float32]]]:
    """Return what a scan yields, in one piece."""
    parts = list(collection.scan(where, with_vectors=True, batch=batch, after=after))
    vectors = [row for part in parts if part.vectors is not None for row in part.vectors]
    return [document for part in parts for document in part.documents], vectors
