"""A collection that was dropped or made anew under an open one, and forked processes."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from xlingual_adapters.stores.faiss import FaissSettings, FaissStore

from xlingual_qdrant.documents import Document
from xlingual_qdrant.errors import StoreUnavailable

Make = Callable[..., Any]


@pytest.mark.skipif(sys.platform == "win32", reason="open files cannot be dropped there")
@pytest.mark.parametrize("anew", [False, True])
def test_what_was_dropped_is_neither_read_nor_written_any_more(
    opened: Make, documents: Make, vectors: Make, tmp_path: Path, anew: bool
) -> None:
    first = opened()
    first.write(documents(8), vectors(8))
    first.close()
    old = opened()
    assert old.count() == 8
    FaissStore(FaissSettings(path=tmp_path)).drop("c")
    if anew:
        new = opened()
        new.write([Document("new", "new", "en")], vectors(1, seed=5))
        new.close()
    for use in (
        old.count,
        old.describe,
        old.compact,
        old.damaged_ids,
        lambda: old.fetch(["00001"]),
        lambda: old.search(vectors(1), 1),
        lambda: list(old.scan()),
        lambda: old.delete(["00001"]),
        lambda: old.write(documents(8), vectors(8)),
    ):
        with pytest.raises(StoreUnavailable, match=r"dropped, or made anew.*open it again"):
            use()
    old.close()
    if anew:
        again = opened()
        assert [hit.id for hit in again.search(vectors(1), 9)[0]] == ["new"]
        assert again.damaged_ids() == []
    else:
        assert list(tmp_path.iterdir()) == []


FORKED = """
import os, sys
from pathlib import Path
import numpy as np
from xlingual_adapters.stores.faiss import FaissSettings, FaissStore
from xlingual_qdrant.documents import Document
from xlingual_qdrant.errors import CollectionLocked

def opened():
    return FaissStore(FaissSettings(path=Path(sys.argv[1]))).open("c")

def write(collection, id):
    collection.write([Document(id, id)], np.eye(1, 32, dtype=np.float32))

def writes(collection, id):
    try:
        write(collection, id)
    except CollectionLocked:
        return b"locked"
    return b"written"

collection = opened()
write(collection, "parent")
asked, asks = os.pipe()
answers, answered = os.pipe()
child = os.fork()
if not child:
    os.close(asks)  # so that it ends when the parent does
    while os.read(asked, 1) == b"?":
        assert collection.count() >= 1
        os.write(answered, writes(collection, "child").ljust(8))
    os._exit(0)

def ask():
    os.write(asks, b"?")
    return os.read(answers, 8).strip().decode()

print(ask(), end=" ")           # the parent has the lock
write(collection, "parent 2")
collection.close()
again = opened()
write(again, "parent 3")        # the child does not keep the lock
print(ask(), end=" ")
again.close()
print(ask(), end=" ")
try:
    write(opened(), "parent 4")
except CollectionLocked as exc:
    assert f"process {child};" in str(exc), exc
os.write(asks, b".")
os.waitpid(child, 0)
last = opened()
write(last, "parent 5")
print(last.count(), last.damaged_ids())
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_process_has_neither_the_lock_nor_the_connections_of_its_parent(
    opened: Make, tmp_path: Path
) -> None:
    opened().close()
    command = [sys.executable, "-c", FORKED, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout == "locked locked written 5 []\n", done.stderr


def test_a_store_forgets_collections_that_were_closed(opened: Make, tmp_path: Path) -> None:
    opened().close()
    store = FaissStore(FaissSettings(path=tmp_path))
    collection = store.open("c")
    seen = weakref.ref(collection)
    collection.close()
    del collection
    still_open = store.open("c")
    gc.collect()
    assert seen() is None
    store.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        still_open.count()
