"""The embedding cache: the same vectors to the bit from fewer calls, whatever meets its file."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from xlingual_adapters.embedders.static import StaticEmbedder

from xlingual_qdrant import Collection, load_embedder, load_settings
from xlingual_qdrant.cache_database import PATIENCE_S
from xlingual_qdrant.caching import CachedEmbedder, Tally, same_model, tallied
from xlingual_qdrant.errors import (
    CacheUnused,
    FormatTooNew,
    InvalidInput,
    InvalidVectors,
    SettingsError,
    UnreadableFile,
)
from xlingual_qdrant.ports import Embedder, Vectors
from xlingual_qdrant.schema import PROBES, EmbedderFingerprint, round_probes
from xlingual_qdrant.testing import EmbedderContract
from xlingual_qdrant.vector_cache import BLOCK_BYTES, VectorCache

DIMENSION = 32


class Spelled:
    """Vectors made of the hash of a text; queries are read otherwise; counts what it is asked."""

    max_tokens = 3

    def __init__(self, model: str = "spelled", shift: float = 0.0) -> None:
        self.model, self.shift = model, shift
        self.asked: list[list[str]] = []
        self.tokenised: list[list[str]] = []

    @property
    def dimension(self) -> int:
        return DIMENSION

    @property
    def fingerprint(self) -> EmbedderFingerprint:
        return EmbedderFingerprint(
            kind="spelled",
            model=self.model,
            dimension=DIMENSION,
            max_tokens=self.max_tokens,
            prompts={"query": "query: "},
            probes=round_probes(self._vectors(PROBES) + np.float32(self.shift)),
        )

    def _vectors(self, texts: Sequence[str]) -> Vectors:
        rows = [
            np.frombuffer(blake2b(text.encode(), digest_size=DIMENSION).digest(), dtype=np.uint8)
            for text in texts
        ]
        vectors = np.array(rows, dtype=np.float32).reshape(-1, DIMENSION) + 1
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        self.asked.append(list(texts))
        return self._vectors(texts)

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        self.asked.append(list(texts))
        return self._vectors([f"query: {text}" for text in texts])

    def truncated(self, texts: Sequence[str]) -> NDArray[np.bool_]:
        self.tokenised.append(list(texts))
        return np.array([len(text.split()) > self.max_tokens for text in texts], dtype=np.bool_)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "embeddings.sqlite"


def numbered(count: int, first: int = 0) -> list[str]:
    return [f"Satz Nummer {number}" for number in range(first, first + count)]


class TestCachedEmbedder(EmbedderContract):
    """The bundled model keeps its promises behind a cache, the second time from the file alone."""

    folder = TemporaryDirectory()

    def open_embedder(self) -> Embedder:
        return CachedEmbedder(StaticEmbedder.open(), Path(self.folder.name) / "embeddings.sqlite")


def test_the_second_time_the_model_is_not_called(file: Path) -> None:
    texts = numbered(500)
    first = CachedEmbedder(Spelled(), file).embed_documents(texts)
    model = Spelled()
    again = CachedEmbedder(model, file).embed_documents(texts[::-1])
    assert model.asked == []
    assert np.array_equal(again[::-1], first)
    assert again.dtype == np.float32
    assert again.flags.c_contiguous


def test_only_what_is_missing_is_embedded_in_one_call_and_in_order(file: Path) -> None:
    model = Spelled()
    cached = CachedEmbedder(model, file)
    cached.embed_documents(["b", "d"])
    texts = ["a", "b", "c", "a", "d", "c"]
    with tallied() as tally:
        vectors = cached.embed_documents(texts)
    assert model.asked == [["b", "d"], ["a", "c"]]
    assert np.array_equal(vectors, Spelled().embed_documents(texts))
    assert tally == Tally(cached=2, computed=4)


def test_queries_and_documents_are_kept_apart(file: Path) -> None:
    cached = CachedEmbedder(Spelled(), file)
    for _ in range(2):
        assert np.array_equal(cached.embed_documents(["x"]), Spelled().embed_documents(["x"]))
        assert np.array_equal(cached.embed_queries(["x"]), Spelled().embed_queries(["x"]))


def test_models_share_a_file_but_no_vector(file: Path) -> None:
    models = [Spelled("one"), Spelled("two"), Spelled("one")]
    for model in models:
        CachedEmbedder(model, file).embed_documents(["x"])
    assert [len(model.asked) for model in models] == [1, 1, 0]


def test_a_digit_that_was_rounded_otherwise_is_the_same_model(file: Path) -> None:
    model = Spelled()
    stored = model.fingerprint
    probes = [list(row) for row in stored.probes]
    probes[2][7] += 0.0001
    assert same_model(stored.model_copy(update={"probes": probes}).model_dump_json(), stored)
    half = [[value + 0.0001 * (place % 2) for place, value in enumerate(row)] for row in probes]
    assert not same_model(stored.model_copy(update={"probes": half}).model_dump_json(), stored)
    for change in ({"revision": "2"}, {"max_tokens": 4}, {"prompts": {}}, {"kind": "other"}):
        assert not same_model(stored.model_copy(update=change).model_dump_json(), stored)


def test_another_precision_of_a_model_has_vectors_of_its_own(file: Path) -> None:
    CachedEmbedder(Spelled(), file).embed_documents(["x"])
    other = Spelled(shift=0.0003)
    assert other.fingerprint.compare(Spelled().fingerprint).verdict == "compatible"
    CachedEmbedder(other, file).embed_documents(["x"])
    assert other.asked == [["x"]]


def test_known_texts_are_not_tokenised_again(file: Path) -> None:
    texts = ["one two three four", "short", "one two three four", "a b c d e"]
    cached = CachedEmbedder(Spelled(), file)
    assert cached.truncated(texts).tolist() == [True, False, True, True]
    cached.embed_documents(["short"])  # what is known of the others is written along
    model = Spelled()
    again = CachedEmbedder(model, file)
    assert again.truncated(texts).tolist() == [True, False, True, True]
    assert model.tokenised == []
    again.embed_documents(["later"])
    assert again.truncated(["later"]).tolist() == [False]
    assert CachedEmbedder(model, file).truncated(["later"]).tolist() == [False]
    assert model.tokenised == [["later"]]


def test_a_second_ingestion_calls_neither_model_nor_tokeniser(file: Path) -> None:
    class Counted(Spelled):
        """The bundled model, counted."""

        inner = StaticEmbedder.open()
        max_tokens = inner.max_tokens
        dimension = inner.dimension
        fingerprint = inner.fingerprint

        def embed_documents(self, texts: Sequence[str]) -> Vectors:
            self.asked.append(list(texts))
            return self.inner.embed_documents(texts)

        def truncated(self, texts: Sequence[str]) -> NDArray[np.bool_]:
            self.tokenised.append(list(texts))
            return self.inner.truncated(texts)

    rows = [{"text": text, "lang": "de"} for text in [*numbered(1500), "lang " * 2000]]
    kept: list[Vectors] = []
    for long_texts in ("warn", "chunk"):
        for run in range(2):
            model = Counted()
            with (
                warnings.catch_warnings(),
                Collection.open(
                    store="memory", embedder=CachedEmbedder(model, file), settings={}
                ) as collection,
            ):
                warnings.simplefilter("ignore")
                collection.add(rows, long_texts=long_texts, batch_size=1000)
                vectors = [vector for _, vector in collection.documents(with_vectors=True)]
                kept.append(np.array(vectors))
            assert bool(model.asked or model.tokenised) == (run == 0)
    assert np.array_equal(kept[0], kept[1])
    assert np.array_equal(kept[2], kept[3])


def test_the_file_stays_below_its_limit_and_what_was_used_last_stays(file: Path) -> None:
    hours = [0]
    limit = 40 * BLOCK_BYTES
    cache = VectorCache(file, limit, now=lambda: hours[0] * 3600)
    per_block = BLOCK_BYTES // (DIMENSION * 4)

    def keys(block: int) -> list[bytes]:
        numbers = range(block * per_block, (block + 1) * per_block)
        return [number.to_bytes(16, "big") for number in numbers]

    vectors = np.ones((per_block, DIMENSION), dtype=np.float32)
    for block in range(100):
        hours[0] += 1
        cache.put("one", keys(block), vectors, {})
        found, _ = cache.find(keys(0), DIMENSION)
        assert found.all()
    there = [bool(cache.find(keys(block), DIMENSION)[0].all()) for block in range(100)]
    cache.close()
    assert file.stat().st_size <= limit
    assert sum(there) > 20
    assert there == [True] + [False] * (100 - sum(there)) + [True] * (sum(there) - 1)
    smaller = VectorCache(file, limit // 4)
    smaller.put("one", keys(100), vectors, {})
    smaller.clear([])
    assert file.stat().st_size <= limit // 4
    assert smaller.find(keys(100), DIMENSION)[0].all()
    smaller.close()


def test_a_cache_smaller_than_a_call_still_gives_the_right_vectors(file: Path) -> None:
    texts = numbered(3000)
    cached = CachedEmbedder(Spelled(), file, max_bytes=100_000)
    for _ in range(2):
        assert np.array_equal(cached.embed_documents(texts), Spelled().embed_documents(texts))
    cached.close()
    assert file.stat().st_size < 300_000


words = st.sampled_from([f"w{number}" for number in range(12)])
calls = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["document", "query", "cut"]), st.lists(words, max_size=8)),
        st.sampled_from([("reopen", []), ("other", []), ("fill", [])]),
    ),
    max_size=12,
)


@settings(max_examples=20)
@given(calls=calls)
def test_a_cached_embedder_answers_like_a_bare_one(calls: list[tuple[str, list[str]]]) -> None:
    with TemporaryDirectory() as folder:
        place = Path(folder) / "e.sqlite"
        bare = Spelled()
        cached = CachedEmbedder(Spelled(), place, max_bytes=150_000)
        filled = 0
        for call, texts in calls:
            match call:
                case "document":
                    assert np.array_equal(
                        cached.embed_documents(texts), bare.embed_documents(texts)
                    )
                case "query":
                    assert np.array_equal(cached.embed_queries(texts), bare.embed_queries(texts))
                case "cut":
                    assert np.array_equal(cached.truncated(texts), bare.truncated(texts))
                case "fill":  # beyond the limit, so that something has to go
                    cached.embed_documents(numbered(400, filled))
                    filled += 400
                case "other":
                    bare = Spelled("other" if bare.model == "spelled" else "spelled")
                    cached.close()
                    cached = CachedEmbedder(Spelled(bare.model), place, max_bytes=150_000)
                case _:
                    cached.close()
                    cached = CachedEmbedder(Spelled(bare.model), place, max_bytes=150_000)
        cached.close()


# ------------------------------------------------------------ faults


def damaged(file: Path) -> None:
    """Overwrite vectors in the middle of a block."""
    content = bytearray(file.read_bytes())
    wanted = Spelled().embed_documents(["Satz Nummer 30"]).tobytes()
    place = content.index(wanted)
    content[place + 5] ^= 0xFF
    file.write_bytes(content)


def test_a_vector_that_was_altered_is_embedded_again(file: Path) -> None:
    texts = numbered(100)
    CachedEmbedder(Spelled(), file).embed_documents(texts)
    damaged(file)
    for asked in (100, 0):  # its whole block, and then it is sound
        model = Spelled()
        vectors = CachedEmbedder(model, file).embed_documents(texts)
        assert np.array_equal(vectors, Spelled().embed_documents(texts))
        assert sum(map(len, model.asked)) == asked


def nonsense(file: Path) -> None:
    file.write_bytes(b"these are the notes of somebody")


def other_program(file: Path) -> None:
    connection = sqlite3.connect(file)
    connection.execute("CREATE TABLE mine (x)")
    connection.close()


def cut_short(file: Path) -> None:
    filled(file)
    os.truncate(file, file.stat().st_size // 2)


def overwritten(file: Path) -> None:
    filled(file)
    content = bytearray(file.read_bytes())
    content[100:4000] = bytes(3900)
    file.write_bytes(content)


def without_a_table(file: Path) -> None:
    filled(file)
    connection = sqlite3.connect(file)
    connection.execute("DROP TABLE contents")
    connection.close()


def filled(file: Path) -> None:
    cached = CachedEmbedder(Spelled(), file)
    cached.embed_documents(numbered(2000))
    cached.close()


@pytest.mark.parametrize(
    "spoil", [nonsense, other_program, cut_short, overwritten, without_a_table, Path.mkdir]
)
def test_what_is_no_sound_cache_is_an_error_that_names_it(
    file: Path, spoil: Callable[[Path], None]
) -> None:
    spoil(file)
    before = file.read_bytes() if file.is_file() else b""
    with pytest.raises(UnreadableFile, match=r"embeddings\.sqlite: .*cache\.path"):
        CachedEmbedder(Spelled(), file)
    assert not file.is_file() or file.read_bytes() == before


def test_a_newer_format_is_refused(file: Path) -> None:
    filled(file)
    connection = sqlite3.connect(file)
    connection.execute("PRAGMA user_version = 7")
    connection.close()
    with pytest.raises(FormatTooNew, match="version 7"):
        CachedEmbedder(Spelled(), file)


def test_damage_that_shows_only_later_costs_the_cache_and_no_vector(file: Path) -> None:
    filled(file)
    content = bytearray(file.read_bytes())
    half = len(content) // 8192 * 4096
    content[half:] = b"\xff" * (len(content) - half)
    file.write_bytes(content)
    cached = CachedEmbedder(Spelled(), file)
    texts = numbered(2000)
    with pytest.warns(CacheUnused, match=r"delete it"):
        vectors = cached.embed_documents(texts)
    assert np.array_equal(vectors, Spelled().embed_documents(texts))
    assert np.array_equal(cached.embed_documents(texts), vectors)  # without a second warning


def test_a_file_that_cannot_be_made_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "a file").write_text("")
    for place in (tmp_path / "a file" / "e.sqlite", Path("/proc/none/e.sqlite")):
        with pytest.warns(CacheUnused, match="cannot be opened"):
            cached = CachedEmbedder(Spelled(), place)
        for _ in range(2):
            assert len(cached.embed_documents(["x", "y"])) == 2
            assert cached.truncated(["x"]).tolist() == [False]


def test_a_folder_that_is_missing_is_made(tmp_path: Path) -> None:
    CachedEmbedder(Spelled(), tmp_path / "a" / "b" / "e.sqlite").embed_documents(["x"])
    assert (tmp_path / "a" / "b" / "e.sqlite").exists()


WITHOUT_ROOM = """
import sys, warnings, numpy as np
from pathlib import Path
from xlingual_adapters.embedders.static import StaticEmbedder
from xlingual_qdrant.caching import CachedEmbedder
model = StaticEmbedder.open()
texts = [f"Satz Nummer {n}" for n in range(6000)]
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    cached = CachedEmbedder(model, Path(sys.argv[1]) / "embeddings.sqlite")
    for first in range(0, 6000, 500):
        part = texts[first : first + 500]
        assert np.array_equal(cached.embed_documents(part), model.embed_documents(part))
    assert np.array_equal(cached.embed_documents(texts), model.embed_documents(texts))
print(*[f"{each.category.__name__}: {each.message}" for each in told], sep="\\n")
"""
LIMITED = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20,) * 2)\n"


@pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")
def test_a_file_that_may_not_grow_is_told_once_and_loses_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-c", LIMITED + WITHOUT_ROOM, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    [told] = done.stdout.splitlines()
    assert told.startswith("CacheUnused: the embedding cache ")
    assert "cannot be written" in told


def in_mount(mount: str, script: str, place: Path) -> str:
    """Run a script in a mount namespace of its own, after a mount; skips where none may be."""
    try:
        probe = subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no command unshare")
    if probe.returncode:
        pytest.skip("namespaces are not allowed here")
    inner = f'{mount} && exec "$0" -c "$1" "$2"'
    command = ["unshare", "-rm", "sh", "-c", inner, sys.executable, script, str(place)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_full_disk_is_told_once_and_loses_nothing(tmp_path: Path) -> None:
    told = in_mount('mount -t tmpfs -o size=2m none "$2"', WITHOUT_ROOM, tmp_path)
    assert told.count("CacheUnused") == 1
    assert "Free some room on the disk" in told


READ_ONLY = """
import sys, warnings
from pathlib import Path
from xlingual_adapters.embedders.static import StaticEmbedder
from xlingual_qdrant.caching import CachedEmbedder, tallied
warnings.simplefilter("error")
cached = CachedEmbedder(StaticEmbedder.open(), Path(sys.argv[1]) / "embeddings.sqlite")
with tallied() as tally:
    cached.embed_documents(["Guten Tag", "Bonjour"])
print(tally)
try:
    cached.embed_documents(["new"])
except UserWarning as told:
    print(told)
print(len(cached.embed_documents(["newer"])))
"""


def test_a_cache_in_a_read_only_folder_is_read(file: Path) -> None:
    cached = CachedEmbedder(StaticEmbedder.open(), file)
    cached.embed_documents(["Guten Tag", "Bonjour"])
    cached.close()
    mount = 'mount --bind "$2" "$2" && mount -o remount,ro,bind "$2"'
    [tally, told, count] = in_mount(mount, READ_ONLY, file.parent).splitlines()
    assert tally == "Tally(cached=2, computed=0)"
    assert "cannot be written" in told
    assert count == "1"


def test_a_busy_file_is_passed_over_and_written_again_later(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xlingual_qdrant.caching.PATIENCE_S", 0.05)
    cached = CachedEmbedder(Spelled(), file)
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.warns(CacheUnused, match="is in use"):
        cached.embed_documents(["x"])
    other.execute("ROLLBACK")
    other.close()
    cached.embed_documents(["x"])
    with tallied() as tally:
        cached.embed_documents(["x"])
    assert tally.cached == 1
    model = Spelled()
    CachedEmbedder(model, file).embed_documents(["x"])
    assert model.asked == []


def test_a_search_hardly_waits_for_another_process_that_is_writing(file: Path) -> None:
    cached = CachedEmbedder(Spelled(), file)
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    began = time.monotonic()
    with pytest.warns(CacheUnused, match="is in use"):
        cached.embed_queries(["x"])
    assert time.monotonic() - began < PATIENCE_S / 2
    other.close()


KILLED = """
import sys
from pathlib import Path
from xlingual_adapters.embedders.static import StaticEmbedder
from xlingual_qdrant.caching import CachedEmbedder
cached = CachedEmbedder(StaticEmbedder.open(), Path(sys.argv[1]))
for first in range(0, 1_000_000, 200):
    cached.embed_documents([f"Satz Nummer {n}" for n in range(first, first + 200)])
    print("done", flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_killed_writer_leaves_a_sound_cache(file: Path) -> None:
    chance = random.Random(7)
    for _ in range(3):
        command = [sys.executable, "-c", KILLED, str(file)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"done\n"
            time.sleep(chance.uniform(0.02, 0.3))
            writer.send_signal(signal.SIGKILL)
    texts = numbered(3000)
    bare = StaticEmbedder.open()
    cached = CachedEmbedder(bare, file)
    with tallied() as tally:
        assert np.array_equal(cached.embed_documents(texts), bare.embed_documents(texts))
    assert tally.cached >= 200
    cached.close()
    connection = sqlite3.connect(file)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


def test_processes_and_threads_fill_one_cache(file: Path) -> None:
    script = KILLED.replace("1_000_000", "3_000")
    command = [sys.executable, "-W", "error", "-c", script, str(file)]
    others = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(2)]
    bare = StaticEmbedder.open()
    cached = CachedEmbedder(bare, file)
    parts = [numbered(300, first) for first in range(0, 3000, 300)]
    with ThreadPoolExecutor(4) as pool:
        for part, vectors in zip(parts, pool.map(cached.embed_documents, parts), strict=True):
            assert np.array_equal(vectors, bare.embed_documents(part))
    for other in others:
        other.communicate(timeout=60)
        assert other.returncode == 0
    with tallied() as tally:
        cached.embed_documents(numbered(3000))
    assert tally == Tally(cached=3000)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_forked_process_opens_the_file_anew(file: Path) -> None:
    cached = CachedEmbedder(Spelled(), file)
    cached.embed_documents(["x"])
    child = os.fork()
    if child == 0:
        with tallied() as tally:
            cached.embed_documents(["x", "y"])
        os._exit(0 if tally == Tally(1, 1) else 1)
    assert os.waitpid(child, 0)[1] == 0
    with tallied() as tally:
        cached.embed_documents(["x", "y"])
    assert tally == Tally(2, 0)


# ------------------------------------------------------------ edges


def test_what_breaks_the_promises_of_an_embedder_is_not_kept(file: Path) -> None:
    class Broken(Spelled):
        factor, rows = 2.0, 0

        def embed_documents(self, texts: Sequence[str]) -> Vectors:
            return super().embed_documents(texts)[self.rows :] * np.float32(self.factor)

    broken = Broken()
    CachedEmbedder(broken, file).embed_documents(["x"])
    broken.factor = float("nan")
    CachedEmbedder(broken, file).embed_documents(["x"])
    broken.rows = 1
    with pytest.raises(InvalidVectors, match=r"shape \(0, 32\) for 1 texts"):
        CachedEmbedder(broken, file).embed_documents(["x"])
    model = Spelled()
    CachedEmbedder(model, file).embed_documents(["x"])
    assert model.asked == [["x"]]


def test_half_a_surrogate_pair_is_left_to_the_embedder(file: Path) -> None:
    cached = CachedEmbedder(StaticEmbedder.open(), file)
    cached.embed_documents(["sound"])
    with pytest.raises(InvalidInput, match="text 1 has half a surrogate pair"):
        cached.embed_documents(["sound", "\ud800"])


def test_what_comes_back_is_the_callers_own(file: Path) -> None:
    cached = CachedEmbedder(Spelled(), file)
    for _ in range(3):
        vectors = cached.embed_documents(["x", "y", "x"])
        assert np.array_equal(vectors, Spelled().embed_documents(["x", "y", "x"]))
        vectors[:] = 0


def test_counts_are_those_of_their_own_thread(file: Path) -> None:
    cached = CachedEmbedder(Spelled(), file)
    with tallied() as tally:
        thread = threading.Thread(target=cached.embed_documents, args=(["x"],))
        thread.start()
        thread.join()
    assert tally == Tally()


# ------------------------------------------------------------ settings


def test_settings_put_a_cache_around_an_embedder(tmp_path: Path) -> None:
    toml = tmp_path / "xlingual.toml"
    toml.write_text('[cache]\npath = "cached/e.sqlite"\nmax_mb = 5\n')
    known = load_settings(toml, environ={})
    embedder = load_embedder("bundled", settings=known)
    assert isinstance(embedder, CachedEmbedder)
    assert embedder.path == tmp_path / "cached" / "e.sqlite"
    assert known.origins["cache.path"] == str(toml)
    off = load_settings(toml, environ={"XLINGUAL_CACHE__PATH": ""})
    assert isinstance(load_embedder("bundled", settings=off), StaticEmbedder)
    assert off.cache.max_mb == 5
    assert off.origins["cache.path"] == "XLINGUAL_CACHE__PATH"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[cache]\npaht = "x"\n', r"unknown setting 'cache.paht'. Did you mean 'path'\?"),
        ("[cache]\nmax_mb = 0\n", r"setting 'cache.max_mb'"),
        ('cache = "x"\n', r"setting 'cache' is not a section"),
    ],
)
def test_a_fault_in_the_settings_is_named(tmp_path: Path, text: str, told: str) -> None:
    toml = tmp_path / "xlingual.toml"
    toml.write_text(text)
    with pytest.raises(SettingsError, match=told):
        load_settings(toml, environ={})


def test_a_single_text_is_not_taken_for_its_letters(tmp_path: Path) -> None:
    embedder = CachedEmbedder(Spelled(), tmp_path / "cache.sqlite", 2**20)
    with pytest.raises(InvalidInput, match="a single str"):
        embedder.embed_documents("hello")
    embedder.close()
