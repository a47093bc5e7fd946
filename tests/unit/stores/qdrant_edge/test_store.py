"""The Edge store: handles and threads, damage, what is not its own, settings."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from xlingual_adapters.stores.faiss import FaissSettings, FaissStore
from xlingual_adapters.stores.qdrant_edge import QdrantEdgeSettings, QdrantEdgeStore

from xlingual_qdrant.documents import Document
from xlingual_qdrant.errors import (
    CollectionDamaged,
    CollectionExists,
    FormatTooNew,
    StoreError,
    StoreUnavailable,
)
from xlingual_qdrant.schema import CollectionSchema

Make = Callable[..., Any]
AXES = np.eye(32, dtype=np.float32)


def fill(collection: Any, count: int = 32) -> None:
    documents = [Document(f"text {n}", id=str(n), metadata={"year": n}) for n in range(count)]
    collection.write(documents, np.resize(AXES, (count, 32)))


def shard(place: Path) -> Path:
    return place / "c" / "1" / "shard"


def test_the_last_handle_of_a_process_closes_the_collection(opened: Make) -> None:
    first, second = opened(), opened()
    fill(first)
    first.close()
    assert second.count() == 32
    with pytest.raises(StoreUnavailable, match="closed; open it again"):
        first.count()
    second.close()
    assert opened().count() == 32


def test_who_drops_a_collection_takes_it_from_all_in_the_process(
    opened: Make, tmp_path: Path
) -> None:
    collection = opened()
    fill(collection)
    QdrantEdgeStore(QdrantEdgeSettings(path=tmp_path)).drop("c")
    for call in (collection.count, lambda: fill(collection)):
        with pytest.raises(StoreUnavailable, match="open it again"):
            call()
    collection.close()
    assert opened().count() == 0


def test_threads_write_and_read_the_same_collection(opened: Make) -> None:
    collections = [opened() for _ in range(4)]

    def work(number: int) -> int:
        collection = collections[number % 4]
        documents = [Document("a", id=f"{number}-{i}") for i in range(20)]
        added = collection.write(documents, np.repeat(AXES[:1], 20, axis=0)).added
        assert len(collection.search(AXES[:1], 5)[0]) == 5
        assert collection.delete([f"{number}-0"]) == 1
        return added

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(work, range(40))) == 800
    assert {collection.count() for collection in collections} == {760}


def test_a_search_with_an_index_misses_nothing_that_was_written_after_it(opened: Make) -> None:
    collection = opened(index_from=100)
    fill(collection, 400)
    assert collection.describe()["index"] == "exact"
    collection.flush()
    assert collection.describe()["index"] == "hnsw"
    collection.write([Document("late", id="late")], AXES[3:4] * np.float32(1))
    [hits] = collection.search(AXES[3:4], 500)
    assert "late" in {hit.id for hit in hits if hit.score > 0.99}
    assert len(hits) == 401


@pytest.mark.parametrize("quantisation", ["scalar", "binary", "product", "turbo"])
def test_scores_are_those_of_the_full_vectors_whatever_the_quantisation(
    opened: Make, quantisation: str
) -> None:
    collection = opened(quantisation=quantisation, index_from=500, on_disk=True)
    rows = np.random.default_rng(0).standard_normal((2000, 32), dtype=np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    collection.write([Document("a", id=str(n)) for n in range(2000)], rows)
    collection.flush()
    assert collection.describe()["index"] == "hnsw"
    for exact in (False, True):
        for hits, query in zip(collection.search(rows[:20], 10, exact=exact), rows, strict=False):
            scores = [float(query @ rows[int(hit.id)]) for hit in hits]
            assert [hit.score for hit in hits] == pytest.approx(scores, abs=1e-5)
            if exact:
                assert scores == pytest.approx(sorted(rows @ query)[:-11:-1], abs=1e-5)
    collection.close()


# Damage, and what is not its own


def test_a_state_that_does_not_match_its_checksum_is_refused(opened: Make, tmp_path: Path) -> None:
    collection = opened()
    collection.write_state("k", b"value")
    [file] = (tmp_path / "c" / "1" / "states").iterdir()
    file.write_bytes(file.read_bytes().replace(b"value", b"valve"))
    for call in (lambda: collection.read_state("k"), collection.states):
        with pytest.raises(CollectionDamaged, match=file.name):
            call()
    collection.write_state("k", b"new")
    assert collection.read_state("k") == b"new"


@pytest.mark.parametrize(
    "pattern",
    ["edge_config.json", "segments/*/segment.json", "segments/*/vector_storage/*/status*"],
)
def test_what_the_engine_cannot_read_is_damaged(opened: Make, tmp_path: Path, pattern: str) -> None:
    collection = opened()
    fill(collection)
    collection.close()
    for file in shard(tmp_path).glob(pattern):
        os.truncate(file, file.stat().st_size // 3)
    with pytest.raises(CollectionDamaged, match=r"c is damaged: Qdrant Edge says"):
        opened().search(AXES[:1], 5)


def test_documents_whose_vectors_are_lost_are_named_and_can_be_written_again(
    opened: Make, tmp_path: Path
) -> None:
    collection = opened()
    fill(collection)
    collection.close()
    [file] = shard(tmp_path).glob("segments/*/vector_storage/vectors/chunk_0*")
    with file.open("r+b") as out:
        out.seek(2 * 32 * 4)
        out.write(bytes(3 * 32 * 4))
    collection = opened()
    lost = collection.damaged_ids()
    assert len(lost) == 3
    found = [document for document in collection.fetch(lost) if document]
    collection.write(found, AXES[[int(document.id) % 32 for document in found]])
    assert collection.damaged_ids() == []
    collection.close()


def test_a_schema_of_a_newer_version_or_none_is_refused(opened: Make, tmp_path: Path) -> None:
    opened().close()
    file = tmp_path / "c" / "1" / "schema.json"
    text = file.read_text(encoding="utf-8")
    file.write_text(json.dumps({**json.loads(text), "format_version": 99}), encoding="utf-8")
    with pytest.raises(FormatTooNew, match="99"):
        opened()
    file.write_text("{", encoding="utf-8")
    with pytest.raises(CollectionDamaged, match=r"schema\.json"):
        opened()


def test_a_collection_of_another_kind_of_store_is_neither_listed_nor_touched(
    tmp_path: Path,
) -> None:
    other = FaissStore(FaissSettings(path=tmp_path))
    schema = CollectionSchema(name="c", dimension=32)
    other.create(schema).close()
    store = QdrantEdgeStore(QdrantEdgeSettings(path=tmp_path))
    assert store.list() == []
    calls: list[Callable[[], object]] = [
        lambda: store.open("c"),
        lambda: store.drop("c"),
        lambda: store.begin_replacement(schema),
    ]
    for call in calls:
        with pytest.raises(StoreError, match=r"another kind of store|no collection 'c'"):
            call()
    with pytest.raises(CollectionExists):
        store.create(schema)
    assert other.list() == ["c"]


def test_a_copied_folder_is_a_collection_of_its_own(opened: Make, tmp_path: Path) -> None:
    collection = opened()
    fill(collection)
    collection.close()
    subprocess.run(["cp", "-r", tmp_path / "c", tmp_path / "d"], check=True)
    store = QdrantEdgeStore(QdrantEdgeSettings(path=tmp_path))
    assert store.list() == ["c", "d"]
    copied = store.open("d")
    assert (copied.schema.name, copied.count()) == ("d", 32)
    store.close()


# Settings


@pytest.mark.parametrize("given", [{"hnsw": 3}, {"index_from": 0}, {"quantisation": "int8"}])
def test_settings_that_do_not_exist_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        QdrantEdgeSettings.model_validate(given)


def test_a_missing_package_is_an_error_that_names_the_extra() -> None:
    code = (
        "import sys; sys.modules['qdrant_edge'] = None\n"
        "from xlingual_qdrant import load_store\n"
        "load_store({'kind': 'qdrant-edge', 'path': 'x'})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "pip install 'xlingual-qdrant[edge]'" in done.stderr
