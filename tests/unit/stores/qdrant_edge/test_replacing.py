"""The Edge store: who may write while a collection is replaced."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from xlingual_adapters.stores.qdrant_edge import QdrantEdgeSettings, QdrantEdgeStore

from xlingual_qdrant.documents import Document
from xlingual_qdrant.errors import CollectionLocked, StoreUnavailable
from xlingual_qdrant.filters import F
from xlingual_qdrant.schema import CollectionSchema

Make = Callable[..., Any]
AXES = np.eye(32, dtype=np.float32)


def fill(collection: Any, count: int = 32) -> None:
    documents = [Document(f"text {n}", id=str(n), metadata={"year": n}) for n in range(count)]
    collection.write(documents, np.resize(AXES, (count, 32)))


def test_while_a_replacement_is_open_nobody_else_writes(opened: Make, tmp_path: Path) -> None:
    old, beside = opened(), opened()
    store = QdrantEdgeStore(QdrantEdgeSettings(path=tmp_path))
    fill(old)
    new = store.begin_replacement(old.schema)
    changes: list[Callable[[], object]] = [
        lambda: fill(old),
        lambda: beside.delete(["1"]),
        lambda: store.open("c").delete_where(F("year") == 1),
        lambda: old.write_state("k", b"lost"),
    ]
    for change in changes:
        with pytest.raises(CollectionLocked, match="this one, through another opening"):
            change()
    fill(new)
    store.finish_replacement("c")
    for change in (lambda: fill(old), lambda: beside.delete(["1"])):
        with pytest.raises(StoreUnavailable, match="replaced"):
            change()
    fill(new, 33)
    fill(store.open("c"), 34)
    assert (old.count(), beside.count(), new.count()) == (32, 32, 34)
    new.compact()
    store.close()


@pytest.mark.parametrize("end", ["close", "discard", "close the store"])
def test_who_gives_a_replacement_up_lets_others_write_again(
    opened: Make, tmp_path: Path, end: str
) -> None:
    old = opened()
    store = QdrantEdgeStore(QdrantEdgeSettings(path=tmp_path))
    new = store.begin_replacement(old.schema)
    match end:
        case "close":
            new.close()
        case "discard":
            store.discard_replacement("c")
            with pytest.raises(StoreUnavailable):
                fill(new)
        case _:
            store.close()
    fill(old)
    assert old.count() == 32
    store.close()


def test_a_replacement_that_another_takes_the_place_of_hands_its_right_over(
    opened: Make, tmp_path: Path
) -> None:
    old = opened()
    store = QdrantEdgeStore(QdrantEdgeSettings(path=tmp_path))
    first = store.begin_replacement(old.schema)
    same = QdrantEdgeStore(QdrantEdgeSettings(path=tmp_path)).begin_replacement(old.schema)
    for each in (first, same):
        fill(each)
    second = store.begin_replacement(old.schema.model_copy(update={"fields": {}}))
    with pytest.raises(StoreUnavailable, match="discarded"):
        fill(first)
    with pytest.raises(CollectionLocked):
        fill(old)
    fill(second)
    for each in (first, same, second):
        each.close()
    fill(old)
    store.drop("c")
    assert store.list() == []


def test_a_write_in_progress_ends_before_a_replacement_begins(opened: Make, tmp_path: Path) -> None:
    old = opened()
    store = QdrantEdgeStore(QdrantEdgeSettings(path=tmp_path))
    begun = threading.Barrier(2)

    def write() -> int:
        begun.wait()
        for number in range(100):
            try:
                old.write([Document("a", id=str(number))], AXES[:1])
            except CollectionLocked:
                return number
        return 100

    with ThreadPoolExecutor(1) as pool:
        written = pool.submit(write)
        begun.wait()
        new = store.begin_replacement(old.schema)
        there = old.count()
        assert written.result() == there == old.count()
    new.close()
    store.close()


def test_handles_that_come_and_go_do_not_hold_up_a_replacement(
    opened: Make, tmp_path: Path
) -> None:
    fill(opened())
    settings = QdrantEdgeSettings(path=tmp_path)

    def replace() -> None:
        store = QdrantEdgeStore(settings)
        for _ in range(10):
            store.begin_replacement(CollectionSchema(name="c", dimension=32)).close()
        store.close()

    def come_and_go() -> None:
        store = QdrantEdgeStore(settings)
        for _ in range(30):
            store.open("c").close()

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(replace), pool.submit(come_and_go)]:
            done.result(timeout=60)
