"""A flipped byte is found, named, and healed by writing again; it never changes an answer."""

from __future__ import annotations

import logging
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from xlingual_adapters.stores.faiss import FaissSettings, FaissStore

from xlingual_qdrant.errors import (
    CollectionDamaged,
    CollectionMissing,
    FormatTooNew,
    StoreUnavailable,
)
from xlingual_qdrant.filters import F

Make = Callable[..., Any]


def flip(path: Path, offset: int) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        [byte] = file.read(1)
        file.seek(offset)
        file.write(bytes([byte ^ 1]))


def vector_file(folder: Path, lang: str) -> Path:
    [path] = (folder / "vectors").glob(f"{lang}.*")
    return path


@pytest.fixture
def filled(opened: Make, documents: Make, vectors: Make) -> None:
    collection = opened()
    for start in range(0, 4000, 1000):
        collection.write(documents(1000, first=start), vectors(1000, seed=start))
    collection.close()


def test_a_flipped_byte_in_a_vector_file_is_found_and_the_documents_are_named(
    filled: None, opened: Make, vectors: Make, folder: Path
) -> None:
    flip(vector_file(folder, "de"), 300 * 32 * 4 + 2)
    collection = opened()
    with pytest.raises(CollectionDamaged, match="embed them again") as caught:
        collection.search(vectors(1), 10)
    ids = caught.value.ids
    assert f"{300 * 4:05}" in ids
    assert 0 < len(ids) <= 256
    assert collection.damaged_ids() == sorted(ids)


def test_other_documents_of_a_damaged_collection_are_served(
    filled: None, opened: Make, vectors: Make, folder: Path
) -> None:
    flip(vector_file(folder, "de"), 2)
    collection = opened()
    ids = collection.damaged_ids()
    for where in (F("lang") == "fr", F("lang") != "de", ~F("id").is_in(ids), F("id") == "03996"):
        [hits] = collection.search(vectors(1), 10, where=where)
        assert len(hits) == min(10, collection.count(where))
    assert None not in collection.fetch(ids)
    assert collection.count() == 4000
    assert sum(len(batch.documents) for batch in collection.scan()) == 4000
    assert collection.fetch_vectors(["00001"])[0] is not None
    assert collection.delete(["03996"]) == 1
    for read in (
        lambda: collection.fetch_vectors(ids[:1]),
        lambda: list(collection.scan(with_vectors=True)),
        collection.compact,
    ):
        with pytest.raises(CollectionDamaged):
            read()


def test_writing_damaged_documents_again_heals_the_collection(
    filled: None, opened: Make, vectors: Make, folder: Path
) -> None:
    # The last block is damaged: what is written must not be appended to it.
    path = vector_file(folder, "de")
    flip(path, path.stat().st_size - 1)
    collection = opened()
    ids = collection.damaged_ids()
    assert ids[-1] == "03996"
    collection.write(collection.fetch(ids), vectors(len(ids), seed=9))
    assert collection.damaged_ids() == []
    [hits] = collection.search(vectors(1, seed=9), 1)
    assert hits[0].id == ids[0]
    collection.compact()
    collection.close()
    collection = opened()
    assert collection.damaged_ids() == []
    assert collection.count() == 4000
    assert len(collection.search(vectors(1), 5000)[0]) == 4000


@pytest.mark.parametrize("missing", ["all", "half", "one byte"])
def test_a_lost_or_cut_vector_file_is_damage_too(
    filled: None, opened: Make, vectors: Make, folder: Path, missing: str
) -> None:
    path = vector_file(folder, "en")
    content = path.read_bytes()
    path.unlink()
    if missing != "all":
        path.write_bytes(content[: -1 if missing == "one byte" else len(content) // 2])
    collection = opened()
    with pytest.raises(CollectionDamaged) as caught:
        collection.search(vectors(1), 1)
    ids = list(caught.value.ids)
    assert ids[-1] == "03997"
    assert (len(ids) == 1000) == (missing == "all")
    assert len(collection.search(vectors(1), 5, where=F("lang") == "de")[0]) == 5
    collection.write(collection.fetch(ids), vectors(len(ids), seed=9))
    assert collection.damaged_ids() == []
    assert len(collection.search(vectors(1), 5000)[0]) == 4000


def test_damage_that_happens_while_the_collection_is_open_is_found_when_asked(
    filled: None, opened: Make, vectors: Make, folder: Path
) -> None:
    collection = opened()
    collection.search(vectors(1), 1)
    flip(vector_file(folder, "fr"), 5)
    assert collection.damaged_ids()[0] == "00002"


@pytest.mark.parametrize("kind", ["hnsw", "ivf"])
def test_a_damaged_index_is_made_again_with_a_warning_and_search_is_exact_meanwhile(
    opened: Make,
    documents: Make,
    vectors: Make,
    folder: Path,
    kind: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    writer = opened(kind)
    writer.write(documents(10_000), vectors(10_000))
    writer.flush()
    writer.close()
    [path] = (folder / "indexes").glob("fr.*")
    flip(path, path.stat().st_size // 2)

    collection = opened(kind)
    with caplog.at_level(logging.WARNING):
        found = collection.search(vectors(20, seed=5), 10, where=F("lang") == "fr")
    assert "does not match its checksum" in caplog.text
    assert str(path) in caplog.text
    assert found == collection.search(vectors(20, seed=5), 10, where=F("lang") == "fr", exact=True)
    assert "damaged" in collection.describe()["indexes"]["fr"]
    collection.compact()
    assert set(collection.describe()["indexes"].values()) == {kind}
    caplog.clear()
    again = opened(kind)
    again.search(vectors(1), 10)
    assert caplog.text == ""


def test_a_newer_format_is_refused(filled: None, opened: Make, folder: Path) -> None:
    connection = sqlite3.connect(folder / "collection.sqlite")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(FormatTooNew, match=r"version 99.*pip install"):
        opened()


def test_a_database_that_is_none_is_damage(filled: None, opened: Make, folder: Path) -> None:
    (folder / "collection.sqlite").write_bytes(b"not a database at all" * 1000)
    with pytest.raises(CollectionDamaged, match="not a database"):
        opened()


def test_another_program_s_database_is_no_collection(opened: Make, folder: Path) -> None:
    opened().close()
    (folder / "collection.sqlite").unlink()
    connection = sqlite3.connect(folder / "collection.sqlite")
    connection.execute("CREATE TABLE clock (tick)")
    connection.close()
    with pytest.raises(CollectionDamaged, match="not a collection of this library"):
        opened()


def test_a_damaged_database_page_is_damage(filled: None, opened: Make, folder: Path) -> None:
    path = folder / "collection.sqlite"
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (size - 4096))
    with pytest.raises(CollectionDamaged):
        opened().fetch(["00001"])


def test_a_folder_that_vanishes_is_an_error_of_this_library(
    filled: None, opened: Make, folder: Path
) -> None:
    collection = opened()
    collection.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        collection.count()
    store = FaissStore(FaissSettings(path=folder.parents[1]))
    (folder / "collection.sqlite").unlink()
    with pytest.raises(CollectionDamaged, match=r"it has no collection\.sqlite"):
        store.open("c")
    shutil.rmtree(folder)
    with pytest.raises(CollectionDamaged, match=r"the folder '1', which .* is missing"):
        store.open("c")
    shutil.rmtree(folder.parent)
    with pytest.raises(CollectionMissing):
        store.open("c")
