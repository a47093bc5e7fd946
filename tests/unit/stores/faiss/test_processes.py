"""Several processes: killed writers, readers beside a writer, second writers."""

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

from xlingual_qdrant.errors import CollectionLocked, StoreUnavailable
from xlingual_qdrant.filters import F

Make = Callable[..., Any]

SETUP = """
import sys, numpy as np
from pathlib import Path
from xlingual_adapters.stores.faiss import FaissSettings, FaissStore
from xlingual_qdrant.documents import Document
place, index = Path(sys.argv[1]), sys.argv[2]
collection = FaissStore(FaissSettings(path=place, index=index, index_from=20)).open("c")
LANGS = ("de", "en", "fr", "pt-BR")
def version(number, count=200):
    vectors = np.zeros((count, 32), dtype=np.float32)
    vectors[:, number % 32] = 1
    documents = [
        Document(text=f"{i} {number}", id=f"{i:05}", lang=LANGS[(i + number) % 4],
                 metadata={"version": number, "year": number})
        for i in range(count)
    ]
    return documents, vectors
"""

ENDLESS_WRITER = (
    SETUP
    + """
number = collection.count()
while True:
    documents, vectors = version(number)
    documents = [Document(d.text, f"{number}-{d.id}", d.lang, d.metadata) for d in documents]
    collection.write(documents, vectors)
    print(number, flush=True)
    if number % 5 == 4:
        gone = [f"{number - 2}-{i:05}" for i in range(200)]
        collection.delete(gone)
        print(-(number - 2), flush=True)
    if number % 9 == 8:
        collection.compact()
    number += 1
"""
)

REWRITER = (
    SETUP
    + """
for number in range(1, 10_000):
    collection.write(*version(number))
    if number % 7 == 0:
        collection.compact()
    if number % 5 == 0:
        collection.delete_where(__import__("xlingual_qdrant.filters").filters.F("year") == number)
"""
)


def start(script: str, place: Path, index: str = "exact") -> subprocess.Popen[str]:
    command = [sys.executable, "-c", script, str(place), index]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def kill(process: subprocess.Popen[str]) -> str:
    os.kill(process.pid, signal.SIGKILL)
    out, _ = process.communicate()
    return out


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_what_was_receipted_survives_a_kill_and_a_batch_is_kept_whole_or_not_at_all(
    opened: Make, tmp_path: Path
) -> None:
    opened().close()
    receipted: dict[int, bool] = {}
    rng = random.Random(0)
    for _ in range(5):
        process = start(ENDLESS_WRITER, tmp_path)
        assert process.stdout is not None
        first = process.stdout.readline()
        time.sleep(rng.uniform(0, 0.4))
        lines = [first, *kill(process).splitlines(keepends=True)]
        said = [int(line) for line in lines if line.endswith("\n")]
        for number in said:
            receipted[abs(number)] = number >= 0
        last = max(map(abs, said))

        collection = opened()
        assert collection.damaged_ids() == []
        groups: dict[int, list[str]] = {}
        for batch in collection.scan(with_vectors=True):
            assert batch.vectors is not None
            for document, vector in zip(batch.documents, batch.vectors, strict=True):
                number = document.metadata["version"]
                assert document.text.endswith(f" {number}")
                assert np.flatnonzero(vector).tolist() == [number % 32]
                groups.setdefault(number, []).append(document.id)
        assert {len(ids) for ids in groups.values()} == {200}
        unknown = {last + 1, last - 2}
        assert set(groups) - unknown == {n for n, there in receipted.items() if there} - unknown
        hits = collection.search(np.eye(32, dtype=np.float32)[:2], 1_000_000)
        assert {len(each) for each in hits} == {collection.count()}
        # What was in the making and is there counts as receipted from now on.
        receipted.update(
            {n: n in groups for n in unknown if n >= 0 and (n in groups or n in receipted)}
        )
        collection.delete_where(F("version") == -1)
        collection.close()


@pytest.mark.parametrize("index", ["exact", "hnsw"])
def test_every_answer_of_a_reader_belongs_to_one_committed_state(
    opened: Make, tmp_path: Path, index: str
) -> None:
    opened().close()
    writer = start(REWRITER, tmp_path, index)
    try:
        collection = opened(index, index_from=20)
        seen: set[int] = set()
        queries = np.eye(32, dtype=np.float32)
        began = time.monotonic()
        # Long enough to meet compactions, and longer where the machine is slow.
        while time.monotonic() < began + 4 or (len(seen) <= 8 and time.monotonic() < began + 60):
            answers = [
                [hit.document for hits in collection.search(queries, 1000) for hit in hits],
                [hit.document for hit in collection.search(queries[:1], 1000)[0]],
                [hit.document for hit in collection.search(queries, 9, where=F("year") > 0)[0]],
                collection.fetch([f"{i:05}" for i in range(200)]),
            ]
            for answer in answers:
                versions = {document and document.metadata["version"] for document in answer}
                assert len(versions) <= 1
                assert len(answer) in (0, 9, 200, 200 * 32)
                seen |= {v for v in versions if v is not None}
            for row, hits in enumerate(collection.search(queries, 3)):
                for hit in hits:
                    assert hit.score == float(hit.metadata["version"] % 32 == row)
            for batch in collection.scan(F("year") > 0, with_vectors=True, batch=50):
                for document, vector in zip(batch.documents, batch.vectors, strict=True):
                    assert vector[document.metadata["version"] % 32] == 1
            counted = collection.count_by_language()
            assert counted in ({}, dict.fromkeys(("de", "en", "fr", "pt-BR"), 50))
        assert writer.poll() is None
        assert len(seen) > 8
    finally:
        kill(writer)


def test_a_second_writer_is_told_who_the_first_one_is(opened: Make, tmp_path: Path) -> None:
    opened().close()
    writer = start(ENDLESS_WRITER, tmp_path)
    try:
        assert writer.stdout is not None
        writer.stdout.readline()
        collection = opened()
        with pytest.raises(CollectionLocked, match=f"written by process {writer.pid};"):
            collection.delete_where(F("version") == 0)
        with pytest.raises(CollectionLocked, match=f"process {writer.pid};"):
            collection.write_state("k", b"v")
        assert collection.count() > 0
    finally:
        kill(writer)
    collection.write_state("k", b"v")
    with pytest.raises(CollectionLocked, match="this one, through another opening"):
        opened().write_state("k", b"w")
    collection.close()
    opened().write_state("k", b"w")


IN_READ_ONLY_FOLDER = (
    SETUP
    + """
from xlingual_qdrant.errors import StoreUnavailable
assert collection.count() == 100
assert len(collection.search(np.eye(32, dtype=np.float32)[:1], 3)[0]) == 3
assert len(list(collection.scan(with_vectors=True))) == 1
for write in (lambda: collection.write(*version(1)), lambda: collection.delete(["00001"]),
              lambda: FaissStore(FaissSettings(path=place)).create(collection.schema.model_copy(
                  update={"name": "other"}))):
    try:
        write()
    except StoreUnavailable as exc:
        assert "read-only" in str(exc), exc
    else:
        raise AssertionError("written into a read-only folder")
collection.close()
print("passed")
"""
)


def in_mount(mount: str, script: str, place: Path) -> str:
    """Run a script in a mount namespace of its own, after a mount; skips where none may be."""
    inner = f'{mount} && exec "$0" -c "$1" "$2" exact'
    command = ["unshare", "-rm", "sh", "-c", inner, sys.executable, script, str(place)]
    try:
        probe = subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no command unshare")
    if probe.returncode:
        pytest.skip("namespaces are not allowed here")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_collection_in_a_read_only_folder_can_be_read(
    opened: Make, documents: Make, vectors: Make, tmp_path: Path
) -> None:
    collection = opened()
    collection.write(documents(100), vectors(100))
    collection.close()
    mount = 'mount --bind "$2" "$2" && mount -o remount,ro,bind "$2"'
    assert in_mount(mount, IN_READ_ONLY_FOLDER, tmp_path) == "passed\n"


ON_FULL_DISK = """
import sys
from pathlib import Path
from xlingual_adapters.stores.faiss import FaissSettings, FaissStore
from xlingual_qdrant.schema import CollectionSchema
FaissStore(FaissSettings(path=Path(sys.argv[1]))).create(CollectionSchema(name="c", dimension=32))
""" + (
    SETUP
    + """
from xlingual_qdrant.errors import StoreUnavailable
written = 0
try:
    for number in range(1000):
        documents, vectors = version(number)
        collection.write([Document(d.text * 9, f"{number}-{d.id}", d.lang) for d in documents],
                         vectors)
        written += 1
except StoreUnavailable as exc:
    assert "full" in str(exc), exc
assert 0 < written < 1000
for _ in range(2):
    assert collection.count() == written * 200, (collection.count(), written)
    assert len(collection.search(np.eye(32, dtype=np.float32)[:1], 5)[0]) == 5
    assert collection.damaged_ids() == []
    collection.close()
    collection = FaissStore(FaissSettings(path=place, index=index)).open("c")
print("passed")
"""
)


def test_a_full_disk_is_an_error_and_keeps_what_was_written(tmp_path: Path) -> None:
    mount = 'mount -t tmpfs -o size=3m none "$2"'
    assert in_mount(mount, ON_FULL_DISK, tmp_path) == "passed\n"


LIMITED = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20,) * 2)\n"


@pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")
def test_a_file_that_may_not_grow_is_an_error_and_keeps_what_was_written(tmp_path: Path) -> None:
    script = LIMITED + ON_FULL_DISK.replace('"full" in str(exc)', "True")
    command = [sys.executable, "-c", script, str(tmp_path), "exact"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout == "passed\n", done.stderr


def test_a_path_that_is_a_file_is_an_error_of_this_library(opened: Make, tmp_path: Path) -> None:
    tmp_path.rmdir()
    tmp_path.write_text("a file")
    with pytest.raises(StoreUnavailable):
        opened()
