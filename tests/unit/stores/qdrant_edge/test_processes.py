"""Several processes: killed writers, a second one, forked ones, disks that refuse."""

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

from xlingual_qdrant.documents import Document
from xlingual_qdrant.errors import CollectionLocked, StoreUnavailable

Make = Callable[..., Any]

SETUP = """
import sys, numpy as np
from pathlib import Path
from xlingual_adapters.stores.qdrant_edge import QdrantEdgeSettings, QdrantEdgeStore
from xlingual_qdrant.documents import Document
from xlingual_qdrant.errors import CollectionLocked, StoreUnavailable
place = Path(sys.argv[1])
store = QdrantEdgeStore(QdrantEdgeSettings(path=place, index_from=300))
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
collection = store.open("c")
number = int(sys.argv[2])
while True:
    documents, vectors = version(number)
    if number % 3:
        collection.write(documents, vectors)
    else:
        kept = [Document(d.text, f"{number}-{d.id}", d.lang, d.metadata) for d in documents]
        collection.write(kept, vectors)
    collection.write_state("last", str(number).encode())
    print(number, flush=True)
    if number % 7 == 6:
        collection.compact()
    number += 1
"""
)


def start(script: str, place: Path, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", script, str(place), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def kill(process: subprocess.Popen[str]) -> str:
    os.kill(process.pid, signal.SIGKILL)
    out, _ = process.communicate()
    return out


def finished(script: str, place: Path, *arguments: object) -> str:
    out, errors = start(script, place, *arguments).communicate(timeout=120)
    return out + errors


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_what_was_receipted_survives_a_kill_and_a_document_is_old_or_new(
    opened: Make, tmp_path: Path
) -> None:
    opened().close()
    rng = random.Random(0)
    last = 0
    kept: set[int] = set()
    for _ in range(6):
        process = start(ENDLESS_WRITER, tmp_path, last + 1)
        assert process.stdout is not None
        first = process.stdout.readline()
        time.sleep(rng.uniform(0, 0.6))
        lines = [first, *kill(process).splitlines(keepends=True)]
        said = [int(line) for line in lines if line.endswith("\n")]
        kept |= {number for number in said if number % 3 == 0}
        last = max(said)

        collection = opened()
        assert collection.damaged_ids() == []
        groups: dict[str, set[int]] = {}
        counts: dict[int, int] = {}
        for batch in collection.scan(with_vectors=True):
            assert batch.vectors is not None
            for document, vector in zip(batch.documents, batch.vectors, strict=True):
                number = document.metadata["version"]
                assert document.text.endswith(f" {number}")
                assert np.flatnonzero(vector).tolist() == [number % 32]
                prefix = document.id.rpartition("-")[0]
                groups.setdefault(prefix, set()).add(number)
                counts[number] = counts.get(number, 0) + 1
        newest = last if last % 3 else last - 1
        unknown = {last + 1}
        # A batch is one operation of the engine: all of it is there, or nothing.
        assert set(counts.values()) == {200}
        assert groups.pop("") <= {newest} | unknown
        assert kept <= {int(prefix) for prefix in groups} <= kept | unknown
        assert int(collection.read_state("last") or b"0") in {last} | unknown
        hits = collection.search(np.eye(32, dtype=np.float32)[:2], 1_000_000)
        assert {len(each) for each in hits} == {collection.count()}
        kept |= {int(prefix) for prefix in groups}
        last = max(last, *counts)
        collection.close()


def test_a_second_process_is_told_who_the_first_one_is(opened: Make, tmp_path: Path) -> None:
    opened().close()
    process = start(ENDLESS_WRITER, tmp_path, 1)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        with pytest.raises(CollectionLocked, match=f"open in process {process.pid}, .* one"):
            opened()
        with pytest.raises(CollectionLocked, match=f"process {process.pid}"):
            opened_store(tmp_path).drop("c")
        assert opened_store(tmp_path).list() == ["c"]
    finally:
        kill(process)
    assert opened().count() > 0


def opened_store(place: Path) -> Any:
    from xlingual_adapters.stores.qdrant_edge import QdrantEdgeSettings, QdrantEdgeStore

    return QdrantEdgeStore(QdrantEdgeSettings(path=place))


IN_A_FORK = (
    SETUP
    + """
import os
collection = store.open("c")
collection.write(*version(1))
def refused(call, words):
    try:
        call()
    except (StoreUnavailable, CollectionLocked) as exc:
        assert words in str(exc), exc
    else:
        raise AssertionError("the parent's collection was used")
go, ready = os.pipe()
child = os.fork()
if not child:
    refused(lambda: collection.count(), "forked")
    refused(lambda: collection.write(*version(2)), "forked")
    collection.close()
    refused(lambda: QdrantEdgeStore(QdrantEdgeSettings(path=place)).open("c"), str(os.getppid()))
    os.read(go, 1)
    QdrantEdgeStore(QdrantEdgeSettings(path=place)).open("c").write(*version(4))
    sys.exit(0)
collection.write(*version(3))
collection.close()
store.open("c").close()
os.write(ready, b"x")
assert os.waitpid(child, 0)[1] == 0
assert {d.metadata["version"] for b in store.open("c").scan() for d in b.documents} == {4}
print("passed")
"""
)


@pytest.mark.skipif(sys.platform != "linux", reason="forks, and what /proc tells of them")
def test_a_forked_process_leaves_the_collection_of_its_parent_alone(
    opened: Make, tmp_path: Path
) -> None:
    opened().close()
    assert finished(IN_A_FORK, tmp_path) == "passed\n"


def in_mount(mount: str, script: str, place: Path) -> str:
    """Run a script in a mount namespace of its own, after a mount; skips where none may be."""
    inner = f'{mount} && exec "$0" -c "$1" "$2"'
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


IN_READ_ONLY_FOLDER = (
    SETUP
    + """
from xlingual_qdrant.schema import CollectionSchema
for call in (lambda: store.open("c"),
             lambda: store.create(CollectionSchema(name="d", dimension=2)),
             lambda: store.drop("c")):
    try:
        call()
    except StoreUnavailable as exc:
        assert "read-only" in str(exc), exc
    else:
        raise AssertionError("used in a read-only folder")
print("passed")
"""
)


def test_a_read_only_folder_is_an_error_that_says_what_to_do(opened: Make, tmp_path: Path) -> None:
    collection = opened()
    collection.write([Document("a", id="a")], np.eye(32, dtype=np.float32)[:1])
    collection.close()
    mount = 'mount --bind "$2" "$2" && mount -o remount,ro,bind "$2"'
    assert in_mount(mount, IN_READ_ONLY_FOLDER, tmp_path) == "passed\n"


ON_FULL_DISK = (
    SETUP
    + """
import contextlib
from xlingual_qdrant.schema import CollectionSchema
collection = store.create(CollectionSchema(name="c", dimension=32))
written = 0
try:
    for number in range(100_000):
        documents, vectors = version(number)
        collection.write([Document(d.text * 999, f"{number}-{d.id}", d.lang) for d in documents],
                         vectors)
        written += 1
except StoreUnavailable as exc:
    assert "full" in str(exc), exc
assert 0 < written < 100_000
for _ in range(2):
    assert collection.count() == written * 200, (collection.count(), written)
    assert len(collection.search(np.eye(32, dtype=np.float32)[:1], 5)[0]) == 5
    collection.close()
    with (place / "filling").open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(1 << 12)):
            pass
    try:
        store.open("c")
    except StoreUnavailable as exc:
        assert "full" in str(exc), exc
    else:
        raise AssertionError("opened on a full disk, where the engine may end the process")
    (place / "filling").unlink()
    collection = store.open("c")
print("passed")
"""
)


def test_a_full_disk_is_an_error_and_keeps_what_was_written(tmp_path: Path) -> None:
    mount = 'mount -t tmpfs -o size=120m none "$2"'
    assert in_mount(mount, ON_FULL_DISK, tmp_path) == "passed\n"


ON_SMALL_DISK = (
    SETUP
    + """
from xlingual_qdrant.schema import CollectionSchema
try:
    store.create(CollectionSchema(name="c", dimension=32))
except StoreUnavailable as exc:
    assert "full" in str(exc), exc
assert store.list() == []
print("passed")
"""
)


def test_a_disk_that_is_too_small_to_begin_with_is_an_error(tmp_path: Path) -> None:
    mount = 'mount -t tmpfs -o size=1m none "$2"'
    assert in_mount(mount, ON_SMALL_DISK, tmp_path) == "passed\n"


def test_a_path_that_is_a_file_is_an_error_of_this_library(opened: Make, tmp_path: Path) -> None:
    tmp_path.rmdir()
    tmp_path.write_text("a file")
    with pytest.raises(StoreUnavailable):
        opened()
