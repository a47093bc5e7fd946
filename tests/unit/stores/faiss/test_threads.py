"""Several threads: nobody's files are taken away, and one of several creators wins."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from xlingual_adapters.stores.faiss import FaissSettings, FaissStore, compaction, indexes, writing
from xlingual_adapters.stores.faiss.connections import Connections

from xlingual_qdrant.documents import Document
from xlingual_qdrant.errors import CollectionExists
from xlingual_qdrant.schema import CollectionSchema

Make = Callable[..., Any]
PATIENCE = 30
"""Seconds that a test waits for what has to come."""


class Gate:
    """Stands in for a function: says that it was reached, and goes on when it is let."""

    def __init__(self, function: Callable[[Any], None]) -> None:
        self._function = function
        self.reached, self.open = threading.Event(), threading.Event()

    def __call__(self, argument: Any) -> None:
        self.reached.set()
        assert self.open.wait(PATIENCE)
        self._function(argument)


def test_the_files_of_a_write_that_is_not_committed_yet_are_left_alone(
    opened: Make, vectors: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Connections, "vacuum", lambda _: None)
    collection = opened()
    collection.write([Document("a", "a", "en")], vectors(1))
    gate = Gate(writing._sync)
    monkeypatch.setattr(writing, "_sync", gate)
    with ThreadPoolExecutor(2) as pool:
        write = pool.submit(collection.write, [Document("b", "b", "de")], vectors(1))
        assert gate.reached.wait(PATIENCE)
        cleaning = threading.Thread(target=collection.compact)
        cleaning.start()
        cleaning.join(0.2)  # it deletes at once, or waits for the write
        gate.open.set()
        write.result()
        cleaning.join()
    assert len(collection.search(vectors(1), 9)[0]) == 2
    collection.close()
    assert opened().damaged_ids() == []


def test_an_index_that_is_not_registered_yet_is_left_alone(
    opened: Make, vectors: Make, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compaction, "MANY_DEAD", 10)
    collection = opened("hnsw", index_from=500)
    collection.write([Document("x", str(n), "en") for n in range(600)], vectors(600))
    collection.write([Document("x", f"fr{n}", "fr") for n in range(20)], vectors(20))
    gate = Gate(indexes.sync_folder)
    monkeypatch.setattr(indexes, "sync_folder", gate)
    with ThreadPoolExecutor(1) as pool:
        flush = pool.submit(collection.flush)
        assert gate.reached.wait(PATIENCE)
        # Writing is not held up by the building; the compaction that is due removes files.
        assert collection.delete([f"fr{n}" for n in range(15)]) == 15
        gate.open.set()
        flush.result()
    assert collection.describe()["dead"] == 0
    [path] = folder.glob("indexes/*")
    collection.close()
    assert opened("hnsw", index_from=500).describe()["indexes"]["en"] == "hnsw", path


def test_writers_and_compaction_in_several_threads_lose_nothing(
    opened: Make, vectors: Make
) -> None:
    collection = opened()
    langs = [f"{a}{b}" for a in "abcdef" for b in "lmnop"]
    done = threading.Event()

    def compact() -> int:
        rounds = 0
        while not done.is_set():
            collection.compact()
            rounds += 1
        return rounds

    def write(lang: str) -> None:
        for version in range(2):
            documents = [Document(f"{version}", f"{lang}{n}", lang) for n in range(20)]
            collection.write(documents, vectors(20, seed=version))

    with ThreadPoolExecutor(8) as pool:
        compactions = [pool.submit(compact) for _ in range(2)]
        try:
            list(pool.map(write, langs))
        finally:
            done.set()
        assert all(each.result() for each in compactions)
    assert collection.count() == 20 * len(langs)
    assert len(collection.search(vectors(1), 1000)[0]) == 20 * len(langs)
    collection.close()
    assert opened().damaged_ids() == []


def test_of_threads_that_create_a_collection_one_wins_and_the_others_are_told(
    tmp_path: Path,
) -> None:
    for attempt in range(5):
        name = f"c{attempt}"
        together = threading.Barrier(8)

        def create(name: str = name, together: threading.Barrier = together) -> str:
            store = FaissStore(FaissSettings(path=tmp_path))
            together.wait(PATIENCE)
            try:
                collection = store.create(CollectionSchema(name=name, dimension=3))
            except CollectionExists:
                collection = store.open(name)
                return "exists" if collection.count() == 0 else "wrong"
            else:
                return "created"
            finally:
                store.close()

        with ThreadPoolExecutor(8) as pool:
            outcomes = Counter(each.result() for each in [pool.submit(create) for _ in range(8)])
        assert outcomes == {"created": 1, "exists": 7}
    assert {path.name for path in tmp_path.iterdir()} == {f"c{n}" for n in range(5)}


def test_describing_while_another_opening_compacts(opened: Make, vectors: Make) -> None:
    writer, reader = opened(), opened()
    writer.write([Document("x", "0")], vectors(1))

    def rewrite() -> None:
        for version in range(40):
            writer.write([Document(f"{version}", "0")], vectors(1))
            writer.compact()

    with ThreadPoolExecutor(1) as pool:
        work = pool.submit(rewrite)
        while not work.done():
            assert reader.describe()["bytes"] > 0
        work.result()
