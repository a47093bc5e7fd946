"""Several processes, one of which replaces a collection: readers beside it, and kills."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from xlingual_adapters.stores.faiss import FaissSettings, FaissStore

from xlingual_qdrant.errors import StoreUnavailable
from xlingual_qdrant.schema import CollectionSchema

Make = Callable[..., Any]
LANGS = ("de", "en", "fr", "pt-BR")
COUNT = 200

SETUP = """
import sys, numpy as np
from pathlib import Path
from xlingual_adapters.stores.faiss import FaissSettings, FaissStore
from xlingual_qdrant.documents import Document
from xlingual_qdrant.schema import CollectionSchema
store = FaissStore(FaissSettings(path=Path(sys.argv[1]), index=sys.argv[2], index_from=20))
LANGS = ("de", "en", "fr", "pt-BR")

def schema(version):
    return CollectionSchema(name="c", dimension=8 + version % 5)

def fill(collection, version, batch=50):
    dimension = 8 + version % 5
    for start in range(collection.count(), 200, batch):
        documents = [
            Document(f"{i} {version}", f"{i:05}", LANGS[i % 4], {"version": version})
            for i in range(start, start + batch)
        ]
        vectors = np.zeros((batch, dimension), dtype=np.float32)
        vectors[:, version % dimension] = 1
        collection.write(documents, vectors)
"""

REPLACER = (
    SETUP
    + """
for version in range(1, 10_000):
    begun = store.begin_replacement(schema(version))
    fill(begun, version)
    begun.flush()
    if version % 2:  # either is right: to finish with it open, or closed
        begun.close()
    store.finish_replacement("c")
    begun.close()
    if version % 3 == 0:
        opened = store.open("c")
        opened.compact()
        opened.close()
"""
)

GOES_ON = (
    SETUP
    + """
[newest] = {hit.metadata["version"] for hit in store.open("c").fetch(["00000"])}
print(newest, flush=True)
for version in range(newest + 1, 10_000):
    begun = store.begin_replacement(schema(version))
    fill(begun, version, batch=20)
    begun.close()
    print(-version, flush=True)
    store.finish_replacement("c")
    print(version, flush=True)
    if version % 2 == 0:
        opened = store.open("c")
        opened.compact()
        opened.close()
    if version % 5 == 0:
        store.begin_replacement(schema(version + 3)).close()
        store.discard_replacement("c")
"""
)


def start(script: str, place: Path, index: str = "exact") -> subprocess.Popen[str]:
    command = [sys.executable, "-c", script, str(place), index]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def kill(process: subprocess.Popen[str]) -> str:
    process.kill()
    out, _ = process.communicate()
    return out


@pytest.fixture
def first(tmp_path: Path) -> Path:
    """Return a place with version 0 of the collection "c"."""
    script = SETUP + "fill(store.create(schema(0)), 0)\nstore.close()\n"
    subprocess.run([sys.executable, "-c", script, str(tmp_path), "exact"], check=True)
    return tmp_path


def version_of(collection: Any) -> int:
    """Return the version that a collection holds, all of it, and nothing else; -1 if it is gone."""
    dimension = collection.schema.dimension
    versions: set[int] = set()
    try:
        documents = collection.fetch([f"{i:05}" for i in range(COUNT)])
        assert None not in documents
        versions |= {document.metadata["version"] for document in documents}
        for exact in (False, True):
            found = collection.search(np.eye(dimension, dtype=np.float32), 1000, exact=exact)
            for row, hits in enumerate(found):
                assert len(hits) == COUNT
                versions |= {hit.metadata["version"] for hit in hits}
                for hit in hits:
                    assert hit.score == float(hit.metadata["version"] % dimension == row)
        scanned = 0
        for batch in collection.scan(with_vectors=True, batch=70):
            scanned += len(batch.documents)
            for document, vector in zip(batch.documents, batch.vectors, strict=True):
                versions.add(document.metadata["version"])
                assert np.flatnonzero(vector).tolist() == [document.metadata["version"] % dimension]
        assert scanned == COUNT
        assert collection.count_by_language() == dict.fromkeys(LANGS, COUNT // 4)
        assert collection.damaged_ids() == []
    except StoreUnavailable as exc:
        if "was replaced since it was opened; open it again" not in str(exc):
            raise
        assert len(versions) <= 1
        return -1
    [version] = versions
    assert dimension == 8 + version % 5
    return version


@pytest.mark.parametrize("index", ["exact", "hnsw"])
def test_a_reader_sees_one_whole_version_until_it_is_gone_and_then_a_newer_one(
    first: Path, index: str, caplog: pytest.LogCaptureFixture
) -> None:
    store = FaissStore(
        FaissSettings.model_validate({"path": first, "index": index, "index_from": 20})
    )
    replacer = start(REPLACER, first, index)
    try:
        seen: list[int] = []
        goings = 0
        collection = store.open("c")
        began = time.monotonic()
        # Long enough to meet compactions, and longer where the machine is slow.
        while time.monotonic() < began + 4 or (
            (len(seen) < 6 or goings < 2) and time.monotonic() < began + 90
        ):
            version = version_of(collection)
            if version == -1:
                goings += 1
                collection.close()
                collection = store.open("c")
            elif not seen or version != seen[-1]:
                assert seen == [] or version > seen[-1]
                seen.append(version)
            elif len(seen) % 2:  # one that was replaced is kept for long only every other time
                collection.close()
                collection = store.open("c")
        assert replacer.poll() is None
        assert len(seen) >= 6
        assert goings >= 2
        assert caplog.text == ""
    finally:
        kill(replacer)
        store.close()


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_who_is_killed_while_replacing_leaves_a_whole_version_and_the_next_one_goes_on(
    first: Path,
) -> None:
    rng = random.Random(0)
    place = first / "c"
    newest, resumed, rounds = 0, 0, 0
    # Often enough to meet both, and more often where the machine is slow.
    while rounds < 8 or (not (newest and resumed) and rounds < 60):
        rounds += 1
        process = start(GOES_ON, first)
        assert process.stdout is not None
        begins = process.stdout.readline()
        time.sleep(rng.uniform(0, 0.3))
        os.kill(process.pid, signal.SIGKILL)
        out, _ = process.communicate()
        said = [int(line) for line in (begins + out).splitlines(keepends=True) if line[-1] == "\n"]
        assert said[0] == newest

        store = FaissStore(FaissSettings(path=first, index="exact"))
        assert store.list() == ["c"]
        collection = store.open("c")
        newest = version_of(collection)
        assert newest == max(said) or (newest == -said[-1] and said[-1] < 0)
        begun = store.begin_replacement(CollectionSchema(name="c", dimension=8 + (newest + 1) % 5))
        texts = [doc.text for batch in begun.scan() for doc in batch.documents]
        assert texts == [f"{i} {newest + 1}" for i in range(len(texts))]
        assert len(texts) % 20 == 0
        resumed += len(texts) > 0
        assert version_of(collection) == newest
        begun.close()
        collection.compact()
        assert {path.name for path in place.iterdir()} == {
            "current",
            "write.lock",
            collection.generation.name,
            begun.generation.name,
        }
        store.close()
    assert newest > 0
    assert resumed > 0
