"""A collection that is replaced as a whole, under those that have it open."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from xlingual_adapters.stores.faiss import FaissSettings, FaissStore, compaction
from xlingual_adapters.stores.faiss.vectors import VectorFile

from xlingual_qdrant.documents import Document
from xlingual_qdrant.errors import CollectionLocked, ReplacementMissing, StoreUnavailable
from xlingual_qdrant.folders import CollectionFolders
from xlingual_qdrant.schema import CollectionSchema

Make = Callable[..., Any]
OTHER = CollectionSchema(name="c", dimension=48, fields={"year": "integer"})


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FaissStore]:
    """Another opening of the place of "c"."""
    store = FaissStore(FaissSettings(path=tmp_path, index="exact"))
    yield store
    store.close()


@pytest.fixture
def old(opened: Make, documents: Make, vectors: Make) -> Any:
    """The collection "c", opened by a reader, with eight documents."""
    writer = opened()
    writer.write(documents(8), vectors(8))
    writer.write_state("k", b"old")
    writer.close()
    return opened()


def replace(store: FaissStore, vectors: Make, *, compact: bool = False) -> None:
    """Let one document of another dimension take the place of the eight."""
    new = store.begin_replacement(OTHER)
    new.write([Document("new", "new", "en")], vectors(1, dimension=48))
    store.finish_replacement("c")
    if compact:
        new.compact()
    new.close()


def test_who_reads_goes_on_until_compaction_and_is_told_then_to_open_again(
    old: Any, opened: Make, store: FaissStore, vectors: Make
) -> None:
    reads = (
        lambda: [document and document.text for document in old.fetch(["00001"])],
        lambda: [hit.id for hit in old.search(vectors(1), 1)[0]],
        lambda: [batch.documents[0].id for batch in old.scan(with_vectors=True)],
        lambda: old.fetch_vectors(["00002"])[0].tolist(),
        lambda: old.content_hashes(["00003"]),
        lambda: (old.count(), old.count_by_language()),
        lambda: (old.states(), old.read_state("k")),
        old.damaged_ids,
    )
    before = [read() for read in reads]
    replace(store, vectors)
    again = opened()  # not by its name any more
    assert (again.schema, again.count()) == (OTHER, 1)
    assert [read() for read in reads] == before
    again.compact()
    for read in (*reads, old.describe):
        with pytest.raises(StoreUnavailable, match="was replaced since it was opened; open it ag"):
            read()
    old.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        old.count()
    assert again.search(vectors(1, dimension=48), 3)[0][0].id == "new"


def test_who_wrote_does_not_write_into_what_was_replaced(
    old: Any, opened: Make, store: FaissStore, documents: Make, vectors: Make
) -> None:
    replace(store, vectors)
    kept = sorted(path.stat().st_size for path in Path(old.generation).rglob("*"))
    for write in (
        lambda: old.write(documents(1), vectors(1)),
        lambda: old.delete(["00001"]),
        lambda: old.delete_where(None),
        lambda: old.write_state("k", b"lost"),
        old.compact,
    ):
        with pytest.raises(StoreUnavailable, match="was replaced since it was opened; open it ag"):
            write()
    old.flush()
    assert sorted(path.stat().st_size for path in Path(old.generation).rglob("*")) == kept
    # The lock was not kept by any of these.
    opened().write([Document("more", "more")], vectors(1, dimension=48))


def test_a_scan_that_loses_its_collection_is_told_so(
    old: Any, store: FaissStore, vectors: Make
) -> None:
    batches = old.scan(batch=3)
    assert len(next(batches).documents) == 3
    replace(store, vectors)
    assert len(next(batches).documents) == 3
    store.open("c").compact()
    with pytest.raises(StoreUnavailable, match="open it again"):
        next(batches)


@pytest.mark.parametrize("dropped", [False, True])
def test_what_goes_in_the_midst_of_a_search_is_no_damage(
    old: Any, store: FaissStore, vectors: Make, monkeypatch: pytest.MonkeyPatch, dropped: bool
) -> None:
    map_file = VectorFile._map

    def goes(self: VectorFile, count: int) -> Any:
        monkeypatch.setattr(VectorFile, "_map", map_file)
        if dropped:
            store.drop("c")
        else:
            replace(store, vectors, compact=True)
        return map_file(self, count)

    monkeypatch.setattr(VectorFile, "_map", goes)
    with pytest.raises(StoreUnavailable, match="open it again"):
        old.search(vectors(1), 3)


def test_who_opens_while_it_is_replaced_and_compacted_gets_the_new_one(
    old: Any, store: FaissStore, vectors: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    current = CollectionFolders.current

    def then_replaced(self: CollectionFolders, name: str) -> Path:
        found = current(self, name)
        monkeypatch.setattr(CollectionFolders, "current", current)
        replace(store, vectors, compact=True)
        return found

    monkeypatch.setattr(CollectionFolders, "current", then_replaced)
    assert store.open("c").schema == OTHER


def test_from_its_beginning_to_its_end_the_replacement_is_the_only_writer(
    old: Any, opened: Make, store: FaissStore, documents: Make, vectors: Make
) -> None:
    assert old.delete(["00000"]) == 1
    with pytest.raises(CollectionLocked):
        store.begin_replacement(OTHER)  # another opening is the writer
    assert not (Path(old.generation).parent / "2").exists()
    old.close()

    mine = store.open("c")
    mine.write_state("k", b"mine")
    new = store.begin_replacement(OTHER)  # of the same store: it hands the lock over
    for other in (mine, opened()):
        with pytest.raises(CollectionLocked, match="this one, through another opening"):
            other.write_state("k", b"lost")
        assert other.count() == 7
    new.write(documents(2), vectors(2, dimension=48))
    store.finish_replacement("c")
    with pytest.raises(StoreUnavailable, match="replaced"):
        mine.write_state("k", b"lost")
    opened().write_state("k", b"new")
    with pytest.raises(CollectionLocked):
        new.write(documents(1), vectors(1, dimension=48))
    assert (new.count(), new.read_state("k")) == (2, b"new")


def test_a_replacement_hands_its_lock_over_when_it_is_finished(
    old: Any, store: FaissStore, documents: Make, vectors: Make
) -> None:
    new = store.begin_replacement(OTHER)
    new.write(documents(2), vectors(2, dimension=48))
    other = FaissStore(FaissSettings(path=Path(store.location)))
    for change in (
        lambda: other.begin_replacement(OTHER),
        lambda: other.finish_replacement("c"),
        lambda: other.discard_replacement("c"),
        lambda: other.drop("c"),
    ):
        with pytest.raises(CollectionLocked):
            change()
    store.finish_replacement("c")
    with pytest.raises(ReplacementMissing):
        store.finish_replacement("c")
    assert new.write(documents(3), vectors(3, dimension=48)).added == 1
    assert other.open("c").count() == 3
    other.close()


def test_a_discarded_replacement_is_neither_read_nor_written(
    old: Any, store: FaissStore, documents: Make, vectors: Make
) -> None:
    new = store.begin_replacement(OTHER)
    new.write(documents(2), vectors(2, dimension=48))
    store.discard_replacement("c")
    for use in (new.count, lambda: new.write(documents(1), vectors(1, dimension=48)), new.compact):
        with pytest.raises(StoreUnavailable, match=r"was discarded .*; begin it again"):
            use()
    again = store.begin_replacement(OTHER)
    assert again.generation == new.generation
    assert again.count() == 0
    with pytest.raises(StoreUnavailable, match="begin it again"):
        new.count()


def test_a_replacement_of_which_nothing_can_be_read_is_begun_anew(
    old: Any, store: FaissStore
) -> None:
    new = store.begin_replacement(OTHER)
    new.close()
    (new.generation / "collection.sqlite").write_bytes(b"no database" * 1000)
    again = store.begin_replacement(OTHER)
    assert again.count() == 0
    assert again.generation != new.generation


def test_room_is_given_back_by_compaction_alone(
    old: Any,
    store: FaissStore,
    documents: Make,
    vectors: Make,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = Path(old.generation).parent
    replace(store, vectors)
    new = store.open("c")
    monkeypatch.setattr(compaction, "MANY_DEAD", 10)
    for version in range(4):  # a language is compacted by the way
        new.write(documents(20, version=version), vectors(20, dimension=48))
    assert {path.name for path in folder.iterdir()} == {"1", "2", "current", "write.lock"}
    assert old.count() == 8
    before = new.describe()
    assert before["path"] == str(folder)
    new.compact()
    assert {path.name for path in folder.iterdir()} == {"2", "current", "write.lock"}
    assert new.describe()["bytes"] < before["bytes"]


def test_a_copied_folder_is_another_collection_with_its_replacement(
    old: Any, store: FaissStore, documents: Make, vectors: Make, tmp_path: Path
) -> None:
    new = store.begin_replacement(OTHER)
    new.write(documents(2), vectors(2, dimension=48))
    new.close()
    shutil.copytree(tmp_path / "c", tmp_path / "copy")
    named = OTHER.model_copy(update={"name": "copy"})
    begun = store.begin_replacement(named)
    assert (begun.schema, begun.count()) == (named, 2)
    store.finish_replacement("copy")
    assert store.open("copy").count() == 2
    assert store.open("c").count() == 8
