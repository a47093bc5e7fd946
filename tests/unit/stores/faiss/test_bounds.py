"""What must not grow, cost or fail with what is beside it: memory, checksums, compactions."""

from __future__ import annotations

import errno
import logging
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from xlingual_adapters.stores.faiss import compaction, filtering
from xlingual_adapters.stores.faiss.nearest import paired_scores, scores_of_pairs

from xlingual_qdrant.documents import Document
from xlingual_qdrant.errors import CollectionDamaged
from xlingual_qdrant.filters import F

Make = Callable[..., Any]


def test_a_write_is_acknowledged_though_the_compaction_after_it_fails(
    opened: Make,
    documents: Make,
    vectors: Make,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(compaction, "MANY_DEAD", 10)
    collection = opened()
    collection.write(documents(100), vectors(100))
    monkeypatch.setattr(compaction, "compact", full)
    collection.write(documents(100, version=1), vectors(100, seed=1))
    with caplog.at_level(logging.WARNING):
        receipt = collection.write(documents(100, version=2), vectors(100, seed=2))
    assert receipt.updated == 100
    assert "the write is kept" in caplog.text
    assert collection.delete(["00001"]) == 1
    assert collection.delete_where(F("lang") == "de") == 25
    monkeypatch.undo()
    assert collection.count() == 74
    assert collection.fetch(["00002"])[0].metadata["version"] == 2
    assert collection.damaged_ids() == []


def test_memory_of_many_scores_is_bounded(vectors: Make) -> None:
    queries, rows = vectors(500, seed=1, dimension=256), vectors(1000, dimension=256)
    rng = np.random.default_rng(0)
    numbers, places = rng.integers(0, 500, 200_000), rng.integers(0, 1000, 200_000)
    tracemalloc.start()
    try:
        scores = scores_of_pairs(queries, numbers, rows, places)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 60_000_000  # all at once take 400 MB
    some = np.r_[0:200, -200:0]
    assert np.array_equal(scores[some], paired_scores(queries[numbers[some]], rows[places[some]]))
    of_one = scores_of_pairs(queries[:1], numbers * 0, rows, places)
    assert np.array_equal(of_one[some], paired_scores(queries[:1], rows[places[some]]))


def test_memory_of_kept_filters_is_bounded(opened: Make, vectors: Make) -> None:
    collection = opened()
    count = 40_000
    collection.write(
        [Document("x", str(n), "en", {"year": n}) for n in range(count)], vectors(count)
    )
    tracemalloc.start()
    try:
        for n in range(250):
            assert collection.count(F("year") == n) == 1
        sparse, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sparse < 2_000_000  # as masks they take 10 MB


def test_kept_filters_give_way_and_answer_alike(
    opened: Make, documents: Make, vectors: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filtering, "_BYTES_KEPT", 20_000)
    collection = opened()
    collection.write(documents(1000), vectors(1000))
    filters = [F("year") == 1990 + n for n in range(40)] + [F("year") != 1990 + n for n in range(9)]
    for _ in range(2):
        assert [collection.count(where) for where in filters] == [25] * 40 + [975] * 9
    collection.write(documents(400, first=1000), vectors(400))
    collection.delete([f"{n:05}" for n in range(400)])
    for _ in range(2):
        assert [collection.count(where) for where in filters] == [25] * 40 + [975] * 9
    kept = collection._filtering._kept.values()
    assert 0 < sum(answer.passing.nbytes for answer in kept) < 20_000
    assert len(kept) < 40


def test_an_index_has_only_the_rows_read_that_may_be_answers(opened: Make, folder: Path) -> None:
    groups = np.repeat(np.arange(16), 256)
    noise = np.random.default_rng(0).standard_normal((len(groups), 32), dtype=np.float32)
    rows = np.eye(32, dtype=np.float32)[groups] + 0.01 * noise
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    collection = opened("hnsw", index_from=500)
    collection.write([Document("x", str(n)) for n in range(len(rows))], rows)
    collection.flush()
    collection.close()
    [path] = folder.glob("vectors/*")
    with path.open("r+b") as file:
        file.write(b"\xff")
    collection = opened("hnsw", index_from=500)
    [hits] = collection.search(rows[-1:], 5)
    assert hits[0].id == str(len(rows) - 1)
    for query, exact in ((rows[:1], False), (rows[-1:], True)):
        with pytest.raises(CollectionDamaged):
            collection.search(query, 5, exact=exact)
    collection.write([Document("x", "late")], rows[:1])
    [hits] = collection.search(rows[-1:], 5)
    assert len(hits) == 5
