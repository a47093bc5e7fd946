"""The store contract: a collection is replaced as a whole, behind its name."""

# ruff: noqa: D102 - the name of a test is its promise

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from xlingual_qdrant.documents import Document
from xlingual_qdrant.errors import CollectionMissing, ReplacementMissing, StoreUnavailable
from xlingual_qdrant.filters import F
from xlingual_qdrant.ports import Store, StoredCollection
from xlingual_qdrant.schema import CollectionSchema
from xlingual_qdrant.testing.store_fixtures import DIMENSION, SCHEMA, StoreFixtures, put

OTHER = CollectionSchema(name="contract", dimension=DIMENSION + 1)


class ReplacingContract(StoreFixtures):
    """Readers see the old collection or the new one, never a half."""

    @pytest.fixture
    def old(self, store: Store) -> Iterator[StoredCollection]:
        """Return a collection with one document, in a store that can replace it."""
        if not store.capabilities.aliases:
            pytest.skip("this store cannot replace a collection behind its name")
        collection = store.create(SCHEMA)
        put(collection, Document("old", id="a"))
        yield collection
        collection.close()

    def test_a_replacement_is_unseen_until_it_is_finished(
        self, store: Store, old: StoredCollection
    ) -> None:
        new = store.begin_replacement(SCHEMA)
        assert new.schema == SCHEMA
        assert new.count() == 0
        put(new, Document("new", id="a"), Document("new", id="b"))
        new.write_state("k", b"new")
        assert store.list() == ["contract"]
        assert (old.count(), old.read_state("k")) == (1, None)
        opened = store.open("contract")
        assert [doc.text for doc in opened.fetch(["a", "b"]) if doc] == ["old"]
        opened.close()
        new.close()
        store.finish_replacement("contract")
        assert store.list() == ["contract"]
        opened = store.open("contract")
        assert [doc.text for doc in opened.fetch(["a", "b"]) if doc] == ["new", "new"]
        assert opened.read_state("k") == b"new"
        put(opened, Document("newer", id="a"))
        assert opened.count() == 2
        opened.close()

    def test_who_has_the_old_one_open_goes_on_reading_it_until_compaction(
        self, store: Store, old: StoredCollection
    ) -> None:
        new = store.begin_replacement(OTHER)
        new.close()
        store.finish_replacement("contract")
        assert [doc.text for doc in old.fetch(["a"]) if doc] == ["old"]
        assert old.schema == SCHEMA
        opened = store.open("contract")
        assert opened.schema == OTHER
        opened.compact()
        assert opened.count() == 0
        opened.close()
        if store.capabilities.persistent:
            old.close()
            reopened = store.open("contract")
            assert reopened.schema == OTHER
            reopened.close()

    def test_who_has_the_old_one_open_cannot_write_it(
        self, store: Store, old: StoredCollection
    ) -> None:
        put(old, Document("old", id="b"))
        old.write_state("k", b"old")
        new = store.begin_replacement(SCHEMA)
        put(new, Document("new", id="a"))
        store.finish_replacement("contract")
        changes: list[Callable[[], object]] = [
            lambda: put(old, Document("lost", id="a"), Document("lost", id="c")),
            lambda: old.delete(["b"]),
            lambda: old.delete_where(F("id") == "b"),
            lambda: old.write_state("k", b"lost"),
        ]
        for change in changes:
            with pytest.raises(StoreUnavailable, match="open it again"):
                change()
        assert [doc.text for doc in old.fetch(["a", "b", "c"]) if doc] == ["old", "old"]
        assert (old.count(), old.read_state("k")) == (2, b"old")
        put(new, Document("new", id="b"))
        assert (new.count(), new.read_state("k")) == (2, None)
        new.close()

    def test_who_has_a_dropped_one_open_meets_no_other_of_its_name(
        self, store: Store, old: StoredCollection
    ) -> None:
        store.drop("contract")
        again = store.create(SCHEMA)
        put(again, Document("again", id="b"))
        for change in (
            lambda: put(old, Document("lost", id="c")),
            lambda: old.delete(["b"]),
            lambda: old.delete_where(F("id") == "b"),
        ):
            with pytest.raises(StoreUnavailable, match="open it again"):
                change()
        if store.capabilities.persistent:
            with pytest.raises(StoreUnavailable, match="open it again"):
                old.count()
        assert [doc.text for doc in again.fetch(["a", "b", "c"]) if doc] == ["again"]
        again.close()

    def test_what_was_compacted_away_cannot_be_read(
        self, store: Store, old: StoredCollection
    ) -> None:
        if not store.capabilities.persistent:
            pytest.skip("what is held in memory goes with the last who holds it")
        store.begin_replacement(OTHER).close()
        store.finish_replacement("contract")
        opened = store.open("contract")
        opened.compact()
        opened.close()
        with pytest.raises(StoreUnavailable, match="open"):
            old.fetch(["a"])

    def test_a_replacement_that_was_begun_goes_on(
        self, store: Store, old: StoredCollection
    ) -> None:
        for count in range(3):
            begun = store.begin_replacement(SCHEMA)
            assert begun.count() == count
            put(begun, Document("new", id=str(count)))
            begun.close()
        other = store.begin_replacement(OTHER)
        assert (other.schema, other.count()) == (OTHER, 0)
        other.close()
        store.discard_replacement("contract")
        store.discard_replacement("contract")
        with pytest.raises(ReplacementMissing):
            store.finish_replacement("contract")
        begun = store.begin_replacement(SCHEMA)
        assert begun.count() == 0
        begun.close()
        assert old.count() == 1

    def test_it_can_be_replaced_again_and_again(self, store: Store, old: StoredCollection) -> None:
        for number in range(3):
            new = store.begin_replacement(SCHEMA)
            assert new.count() == 0
            put(new, *(Document("a", id=str(i)) for i in range(number)))
            new.close()
            store.finish_replacement("contract")
            opened = store.open("contract")
            assert opened.count() == number
            if number % 2:
                opened.compact()
            opened.close()

    def test_dropping_leaves_nothing_behind(self, store: Store, old: StoredCollection) -> None:
        old.close()
        store.begin_replacement(SCHEMA).close()
        store.finish_replacement("contract")
        begun = store.begin_replacement(OTHER)
        put_other = begun.schema.dimension
        begun.close()
        assert put_other == DIMENSION + 1
        store.drop("contract")
        assert store.list() == []
        with pytest.raises(CollectionMissing):
            store.open("contract")
        again = store.create(SCHEMA)
        assert again.count() == 0
        again.close()
        with pytest.raises(ReplacementMissing):
            store.finish_replacement("contract")

    def test_there_has_to_be_something_to_replace(self, store: Store) -> None:
        if not store.capabilities.aliases:
            pytest.skip("this store cannot replace a collection behind its name")
        for ask in (
            lambda: store.begin_replacement(SCHEMA),
            lambda: store.finish_replacement("contract"),
            lambda: store.discard_replacement("contract"),
        ):
            with pytest.raises(CollectionMissing):
                ask()
        assert store.list() == []

    def test_a_replacement_goes_on_after_reopening(self, tmp_path: Path) -> None:
        place = tmp_path / "replaced"
        store = self.open_store(place)
        if not (store.capabilities.persistent and store.capabilities.aliases):
            pytest.skip("nothing is kept, or nothing can be replaced")
        store.create(SCHEMA).close()
        begun = store.begin_replacement(OTHER.model_copy(update={"dimension": DIMENSION}))
        put(begun, Document("new", id="a"))
        begun.close()
        store.close()
        store = self.open_store(place)
        begun = store.begin_replacement(OTHER.model_copy(update={"dimension": DIMENSION}))
        assert begun.count() == 1
        begun.close()
        store.finish_replacement("contract")
        store.close()
        store = self.open_store(place)
        opened = store.open("contract")
        assert opened.count() == 1
        opened.close()
        store.drop("contract")
        store.close()
