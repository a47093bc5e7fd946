"""The facade for asyncio: the same calls, in threads, that can be waited for and cancelled."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing
from contextvars import ContextVar
from functools import wraps
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from xlingual_qdrant import AsyncCollection, Collection, WriteReport
from xlingual_qdrant.errors import (
    CollectionMissing,
    DocumentExists,
    InvalidDocument,
    InvalidVectors,
    StoreUnavailable,
    UsageError,
)
from xlingual_qdrant.memory import MemoryCollection, MemoryStore
from xlingual_qdrant.ports import Vectors
from xlingual_qdrant.schema import CollectionSchema, EmbedderFingerprint

DIMENSION = 4
LIMIT_S = 30.0  # a test that hangs is to fail; nothing here is measured by the clock


def in_a_loop(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Run a test in an event loop of its own."""

    @wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        async def limited() -> None:
            async with asyncio.timeout(LIMIT_S):
                await test(*args, **kwargs)

        asyncio.run(limited())

    return run


class Gate:
    """An embedder whose work waits until it is let through; tells how much there is at once."""

    dimension = DIMENSION
    max_tokens = None
    fingerprint = EmbedderFingerprint(
        kind="gate", model="test", dimension=DIMENSION, probes=[[1.0, 0.0, 0.0, 0.0]]
    )

    def __init__(self, *, open: bool = True) -> None:
        self.opened = threading.Event()
        if open:
            self.opened.set()
        self.entered = threading.Semaphore(0)
        self.lock = threading.Lock()
        self.inside = self.most = self.calls = 0
        self.seen: list[object] = []

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        return self.embed_queries(texts)

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        with self.lock:
            self.calls += 1
            self.inside += 1
            self.most = max(self.most, self.inside)
            self.seen.append((threading.current_thread().name, MARK.get()))
        self.entered.release()
        assert self.opened.wait(LIMIT_S)
        with self.lock:
            self.inside -= 1
        vectors = np.ones((len(texts), DIMENSION), dtype=np.float32)
        vectors[:, 0] += [len(text) for text in texts]
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def truncated(self, texts: Sequence[str]) -> NDArray[np.bool_]:
        return np.zeros(len(texts), dtype=np.bool_)

    async def has_begun(self, count: int = 1) -> None:
        """Wait until so many calls are inside."""
        for _ in range(count):
            await asyncio.to_thread(self.entered.acquire, timeout=LIMIT_S)


MARK: ContextVar[str] = ContextVar("MARK", default="none")


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.opened.set()


def open_with(gate: Gate, **options: Any) -> Any:
    return AsyncCollection.open("t", store=MemoryStore(), embedder=gate, **options)


def our_threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("xlingual-")]


async def arriving(*items: Any) -> AsyncIterator[Any]:
    for item in items:
        await asyncio.sleep(0)
        yield item


# ------------------------------------------------------------ one surface

OF_THE_COLLECTION_ITSELF = {"detector"}
"""What is reached through `collection`: an attribute that loads a model when it is looked at."""


def public(cls: type) -> dict[str, Any]:
    return {name: value for name, value in vars(cls).items() if not name.startswith("_")}


def methods(cls: type) -> dict[str, Any]:
    found = {name: getattr(cls, name) for name in public(cls)}
    return {name: value for name, value in found.items() if callable(value)}


def test_every_public_name_of_a_collection_is_there() -> None:
    missing = public(Collection).keys() - public(AsyncCollection).keys()
    assert missing == OF_THE_COLLECTION_ITSELF
    assert public(AsyncCollection).keys() - public(Collection).keys() == {"run"}


@pytest.mark.parametrize("name", sorted(methods(Collection)))
def test_every_method_takes_and_returns_the_same(name: str) -> None:
    plain = inspect.signature(methods(Collection)[name])
    wrapped = inspect.signature(methods(AsyncCollection)[name])
    parameters = dict(wrapped.parameters)
    own = {"open": {"max_concurrency"}}.get(name, set())
    assert own <= parameters.keys()
    wider = {"add": {"documents", "vectors"}}.get(name, set())
    kept = [p for p in parameters.values() if p.name not in own]
    assert [(p.name, p.kind, p.default) for p in kept] == [
        (p.name, p.kind, p.default) for p in plain.parameters.values()
    ]
    for parameter in kept:
        known = plain.parameters[parameter.name].annotation
        if parameter.name in wider:
            assert set(known.split(" | ")) < set(parameter.annotation.split(" | "))
        else:
            assert parameter.annotation == known
    if name not in ("open", "documents", "batches"):
        assert wrapped.return_annotation == plain.return_annotation


@pytest.mark.parametrize("name", sorted(methods(Collection).keys() - {"open"}))
def test_every_method_is_asynchronous(name: str) -> None:
    method = methods(AsyncCollection)[name]
    assert inspect.iscoroutinefunction(method) or inspect.isasyncgenfunction(method)


@in_a_loop
async def test_answers_are_those_of_the_collection() -> None:
    rows = [{"id": str(n), "text": "x" * n, "lang": "de" if n % 2 else "fr"} for n in range(1, 9)]
    store = MemoryStore()
    with Collection.open("t", store=store, embedder=Gate()) as plain:
        assert plain.add(rows) == WriteReport(read=8, added=8)
        async with AsyncCollection.open("t", store=store, embedder=Gate()) as tickets:
            assert (tickets.name, tickets.schema) == (plain.name, plain.schema)
            assert tickets.persistent == plain.persistent
            assert tickets.embedder_fit == plain.embedder_fit
            assert await tickets.add(rows) == WriteReport(read=8, unchanged=8)
            assert await tickets.search("xxx", k=3) == plain.search("xxx", k=3)
            queries = ["x", "xxxx"]
            assert await tickets.search_many(queries, k=2) == plain.search_many(queries, k=2)
            by_language = await tickets.search_by_language("xxx", k=2, langs="!en")
            assert by_language == plain.search_by_language("xxx", k=2)
            assert await tickets.get("3") == plain.get("3")
            assert await tickets.get_many(["3", "?"]) == plain.get_many(["3", "?"])
            assert await tickets.count(langs="de") == 4
            assert await tickets.languages() == plain.languages()
            assert (await tickets.info()).count == 8
            assert await tickets.why_nothing("n = 1") == plain.why_nothing("n = 1")
            assert await tickets.repair() == 0
            await tickets.compact()
            await tickets.flush()
            [one] = plain.get_many(["3"])
            assert one is not None
            assert (await tickets.commit(await tickets.prepare([one]))).added == 0
            assert await tickets.delete(["1", "2"]) == 2
            assert [document.id async for document in tickets.documents()] == list("345678")
            pairs = [pair async for pair in tickets.documents(langs="de", with_vectors=True)]
            assert [(document.id, vector.shape) for document, vector in pairs] == [
                ("3", (4,)),
                ("5", (4,)),
                ("7", (4,)),
            ]
            assert repr(tickets) == "<AsyncCollection 't' in MemoryCollection>"


# ------------------------------------------------------------ opening and closing


@in_a_loop
async def test_it_is_opened_in_a_with_statement_or_awaited(tmp_path: Path) -> None:
    settings = {"stores": {"local": {"path": str(tmp_path)}}}
    schema = {"dimension": 2}
    async with AsyncCollection.open("t", settings=settings, schema=schema) as one:
        await one.add("a", vectors=[[1, 0]])
    async with await AsyncCollection.open("t", settings=settings, create=False) as two:
        assert await two.count() == 1
    three = await AsyncCollection.open("t", settings=settings, create=False)
    assert await three.count() == 1
    await three.close()
    assert our_threads() == []


@in_a_loop
async def test_what_goes_wrong_in_opening_comes_through() -> None:
    with pytest.raises(CollectionMissing, match="no collection 't'"):
        await AsyncCollection.open("t", store=MemoryStore(), create=False)
    with pytest.raises(CollectionMissing):
        async with AsyncCollection.open("t", store=MemoryStore(), create=False):
            raise AssertionError
    for wrong in (0, -1, True, 1.5):
        with pytest.raises(UsageError, match="max_concurrency must be a whole number"):
            AsyncCollection.open("t", max_concurrency=wrong)  # pyright: ignore[reportArgumentType]


class Watched(MemoryCollection):
    """Notes how it is closed."""

    def __init__(self, *, fails: bool = False) -> None:
        super().__init__(CollectionSchema(name="watched", dimension=DIMENSION))
        self.calls: list[str] = []
        self.fails = fails

    def flush(self) -> None:
        self.calls.append("flush")
        if self.fails:
            raise StoreUnavailable("the disk", "full")

    def close(self) -> None:
        self.calls.append("close")


@in_a_loop
async def test_closing_flushes_once_and_leaves_no_thread() -> None:
    watched = Watched()
    tickets = AsyncCollection(Collection(watched))
    await asyncio.gather(*(tickets.count() for _ in range(50)))
    assert our_threads()
    await asyncio.gather(tickets.close(), tickets.close())
    await tickets.close()
    assert watched.calls == ["flush", "close"]
    assert our_threads() == []
    with pytest.raises(StoreUnavailable, match="closed; open it again"):
        await tickets.count()


@in_a_loop
async def test_after_an_error_nothing_is_flushed() -> None:
    watched = Watched()
    with pytest.raises(ZeroDivisionError):
        async with AsyncCollection(Collection(watched)):
            raise ZeroDivisionError
    assert watched.calls == ["close"]
    assert our_threads() == []


@in_a_loop
async def test_a_failing_close_is_told_once() -> None:
    watched = Watched(fails=True)
    tickets = AsyncCollection(Collection(watched))
    with pytest.raises(StoreUnavailable, match="full"):
        await tickets.close()
    await tickets.close()
    assert watched.calls == ["flush", "close"]
    assert our_threads() == []


@in_a_loop
async def test_drop_removes_and_closes(gate: Gate) -> None:
    store = MemoryStore()
    async with AsyncCollection.open("t", store=store, embedder=gate) as tickets:
        await tickets.drop()
        assert store.list() == []
        assert our_threads() == []
    watched = AsyncCollection(Collection(Watched()))
    with pytest.raises(UsageError, match="without its store"):
        await watched.drop()
    assert await watched.count() == 0
    await watched.close()


@in_a_loop
async def test_closing_waits_for_calls_that_were_made(gate: Gate) -> None:
    tickets = await open_with(gate, max_concurrency=2)
    gate.opened.clear()
    calls = [asyncio.create_task(tickets.add(f"text {n}")) for n in range(6)]
    await gate.has_begun(2)
    closing = asyncio.create_task(tickets.close())
    await asyncio.sleep(0.05)
    assert not closing.done()
    gate.opened.set()
    await closing
    assert [report.added for report in await asyncio.gather(*calls)] == [1] * 6
    assert tickets.collection.stored.count() == 6
    assert our_threads() == []


@in_a_loop
async def test_a_cancelled_close_closes_all_the_same(gate: Gate) -> None:
    watched = Watched()
    tickets = AsyncCollection(Collection(watched, gate), max_concurrency=1)
    gate.opened.clear()
    call = asyncio.create_task(tickets.search("x"))
    await gate.has_begun()
    closing = asyncio.create_task(tickets.close())
    await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    gate.opened.set()
    assert await call == []
    await tickets.close()
    assert watched.calls == ["flush", "close"]
    assert our_threads() == []


class SlowStore(MemoryStore):
    """A store that is opened only when it may be, and remembers what it has opened."""

    def __init__(self) -> None:
        super().__init__()
        self.entered, self.may = threading.Event(), threading.Event()
        self.closed = threading.Event()

    def create(self, schema: CollectionSchema) -> MemoryCollection:
        self.entered.set()
        assert self.may.wait(LIMIT_S)
        store = self

        class Noting(MemoryCollection):
            def close(self) -> None:
                store.closed.set()

        return Noting(schema)


@in_a_loop
async def test_what_is_opened_for_someone_who_has_gone_is_closed_again() -> None:
    store = SlowStore()

    async def use() -> None:
        async with AsyncCollection.open("t", store=store, schema={"dimension": 2}):
            raise AssertionError

    opening = asyncio.create_task(use())
    assert await asyncio.to_thread(store.entered.wait, LIMIT_S)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    store.may.set()
    assert await asyncio.to_thread(store.closed.wait, LIMIT_S)


# ------------------------------------------------------------ threads


@in_a_loop
async def test_the_event_loop_goes_on_while_an_embedder_works(gate: Gate) -> None:
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0.001)

    async with open_with(gate) as tickets:
        gate.opened.clear()
        ticking = asyncio.create_task(tick())
        call = asyncio.create_task(tickets.add("a text"))
        await gate.has_begun()
        before = ticks
        while ticks < before + 20:
            await asyncio.sleep(0.001)
        assert not call.done()
        gate.opened.set()
        assert (await call).added == 1
        ticking.cancel()


@in_a_loop
async def test_no_more_calls_run_at_once_than_allowed(gate: Gate) -> None:
    async with open_with(gate, max_concurrency=3) as tickets:
        gate.opened.clear()
        calls = [asyncio.create_task(tickets.search(f"query {n}")) for n in range(20)]
        await gate.has_begun(3)
        await asyncio.sleep(0.05)
        assert gate.most == 3
        assert len(our_threads()) == 3
        gate.opened.set()
        await asyncio.gather(*calls)
        assert gate.most == 3
        assert gate.calls == 20


@in_a_loop
async def test_context_variables_reach_the_thread(gate: Gate) -> None:
    async def ask(mark: str) -> None:
        MARK.set(mark)
        await tickets.search("x")

    async with open_with(gate) as tickets:
        await asyncio.gather(ask("one"), ask("two"))
    assert {mark for _, mark in gate.seen} == {"one", "two"}
    assert all(name.startswith("xlingual-async") for name, _ in gate.seen)


@in_a_loop
async def test_a_call_cancelled_before_its_turn_is_never_begun(gate: Gate) -> None:
    async with open_with(gate, max_concurrency=1) as tickets:
        gate.opened.clear()
        running = asyncio.create_task(tickets.add("first"))
        await gate.has_begun()
        waiting = [asyncio.create_task(tickets.add(f"never {n}")) for n in range(3)]
        await asyncio.sleep(0)
        for call in waiting:
            call.cancel()
        gone = await asyncio.gather(*waiting, return_exceptions=True)
        assert all(isinstance(each, asyncio.CancelledError) for each in gone)
        gate.opened.set()
        assert (await running).added == 1
        assert [d.text async for d in tickets.documents()] == ["first"]
    assert gate.calls == 1


@in_a_loop
async def test_a_call_cancelled_while_it_runs_returns_at_once_and_ends_in_its_thread(
    gate: Gate,
) -> None:
    tickets = await open_with(gate)
    gate.opened.clear()
    call = asyncio.create_task(tickets.add("it is written all the same"))
    await gate.has_begun()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    closing = asyncio.create_task(tickets.close())
    await asyncio.sleep(0.05)
    assert not closing.done()
    gate.opened.set()
    await closing
    assert tickets.collection.stored.count() == 1


@in_a_loop
async def test_a_timeout_is_a_cancellation(gate: Gate) -> None:
    async with open_with(gate) as tickets:
        gate.opened.clear()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await tickets.search("x")
        gate.opened.set()
        assert await tickets.search("x") == []


@in_a_loop
async def test_errors_come_through_as_they_are(gate: Gate) -> None:
    async with open_with(gate) as tickets:
        with pytest.raises(InvalidDocument, match=r"document 1: .*empty") as caught:
            await tickets.add(["good", {"text": ""}])
        assert caught.value.position == 1
        with pytest.raises(UsageError, match="k must be"):
            await tickets.search("x", k=0)
        with pytest.raises(UsageError, match="drop"):
            await tickets.delete()
        error = KeyError("the very one")

        def fail(texts: Sequence[str]) -> Vectors:
            raise error

        gate.embed_queries = fail  # pyright: ignore[reportAttributeAccessIssue]
        with pytest.raises(KeyError) as met:
            await tickets.search("x")
        assert met.value is error


@in_a_loop
async def test_a_stop_iteration_from_a_thread_does_not_hang(gate: Gate) -> None:
    def fail(texts: Sequence[str]) -> Vectors:
        raise StopIteration

    async with open_with(gate) as tickets:
        gate.embed_queries = fail  # pyright: ignore[reportAttributeAccessIssue]
        with pytest.raises(RuntimeError, match="StopIteration"):
            await tickets.search("x")


def test_one_collection_serves_several_loops_one_after_the_other(gate: Gate) -> None:
    tickets = AsyncCollection(Collection.open("t", store=MemoryStore(), embedder=gate))
    assert asyncio.run(tickets.add("one")).added == 1
    assert asyncio.run(tickets.count()) == 1
    asyncio.run(tickets.close())
    assert our_threads() == []


# ------------------------------------------------------------ streams in and out


@in_a_loop
async def test_an_iterable_is_read_in_a_thread(gate: Gate) -> None:
    readers: set[str] = set()

    def texts() -> Iterator[str]:
        for n in range(5):
            readers.add(threading.current_thread().name)
            yield f"text {n}"

    async with open_with(gate) as tickets:
        assert (await tickets.add(texts(), batch_size=2)).added == 5
    assert all(name.startswith("xlingual-async") for name in readers)


@in_a_loop
@pytest.mark.parametrize("batch_size", [1, 3, 4, 7, 100, None])
async def test_what_arrives_asynchronously_is_added_as_if_it_were_there(
    gate: Gate, batch_size: int | None
) -> None:
    rows = [{"id": str(n % 9), "text": f"text {n}"} for n in range(12)]
    vectors = np.eye(DIMENSION)[[n % DIMENSION for n in range(12)]]
    schema = {"dimension": DIMENSION}
    with Collection.open("plain", store=MemoryStore(), schema=schema) as plain:
        wanted = plain.add(rows, vectors=vectors, batch_size=batch_size)
        for given in (vectors, arriving(*vectors), list(vectors)):
            async with AsyncCollection.open("t", store=MemoryStore(), schema=schema) as tickets:
                done = await tickets.add(arriving(*rows), vectors=given, batch_size=batch_size)
                assert done == wanted
                assert [d async for d in tickets.documents()] == list(plain.documents())
    async with open_with(gate) as tickets:
        assert await tickets.add(arriving()) == WriteReport()
        assert await tickets.add(arriving(*rows), batch_size=batch_size) == WriteReport(
            read=12, added=9, updated=3
        )


@in_a_loop
async def test_a_producer_is_asked_for_one_batch_and_waits_until_it_is_written(gate: Gate) -> None:
    produced: list[tuple[int, int]] = []

    async with open_with(gate) as tickets:

        async def texts() -> AsyncIterator[str]:
            for n in range(20):
                produced.append((n, tickets.collection.stored.count()))
                yield f"text {n}"

        gate.opened.clear()
        adding = asyncio.create_task(tickets.add(texts(), batch_size=5))
        await gate.has_begun()
        await asyncio.sleep(0.02)
        assert len(produced) == 5
        gate.opened.set()
        assert (await adding).added == 20
    assert [written for _, written in produced] == [n // 5 * 5 for n in range(20)]


@in_a_loop
async def test_a_producer_may_ask_the_collection_that_it_feeds(gate: Gate) -> None:
    async with open_with(gate, max_concurrency=1) as tickets:
        await tickets.add([{"id": str(n), "text": f"text {n}"} for n in range(30)])

        async def copies() -> AsyncIterator[dict[str, str]]:
            async for document in tickets.documents():
                await tickets.search(document.text, k=1)
                yield {"id": f"copy {document.id}", "text": document.text}

        assert (await tickets.add(copies(), batch_size=4)).added == 30


@in_a_loop
async def test_faults_of_what_arrives_are_told_as_usual(gate: Gate) -> None:
    async with open_with(gate) as tickets:
        with pytest.raises(InvalidDocument, match="document 6: ") as caught:
            await tickets.add(arriving(*"abcdef", 7, "h"), batch_size=4)
        assert caught.value.position == 6
        assert await tickets.count() == 4
        rows = [[1.0, 0, 0, 0]] * 5
        for given in (rows, arriving(*rows)):
            with pytest.raises(InvalidVectors, match="more documents than the 5 vectors"):
                await tickets.add(arriving(*"uvwxyz"), vectors=given, batch_size=2)
        for given in (rows, arriving(*rows)):
            with pytest.raises(InvalidVectors, match="more vectors than the 4 documents"):
                await tickets.add(arriving(*"uvwx"), vectors=given, batch_size=2)
        with pytest.raises(DocumentExists):
            await tickets.add(arriving("a"), if_exists="error")
        with pytest.raises(UsageError, match="collect them in a list"):
            await tickets.add(["a"], vectors=arriving(*rows))
        with pytest.raises(UsageError, match="batch_size must be"):
            await tickets.add(arriving("a"), batch_size=-1)

        async def failing() -> AsyncIterator[str]:
            yield "before"
            raise ConnectionError("the source has gone")

        with pytest.raises(ConnectionError, match="has gone"):
            await tickets.add(failing())


class Counting(MemoryCollection):
    """Counts the batches that are taken from it."""

    taken = 0

    def scan(self, *args: Any, **kwargs: Any) -> Any:
        for batch in super().scan(*args, **kwargs):
            self.taken += 1
            yield batch


@in_a_loop
async def test_documents_are_read_one_batch_ahead_at_most() -> None:
    stored = Counting(CollectionSchema(name="t", dimension=2))
    plain = Collection(stored)
    plain.add((str(n) for n in range(5000)), vectors=np.ones((5000, 2)))
    async with AsyncCollection(plain) as tickets:
        seen = 0
        async with aclosing(tickets.documents()) as documents:
            async for _ in documents:
                assert stored.taken <= seen // 1000 + 1
                seen += 1
                if seen == 2500:
                    break
        assert stored.taken == 3
        ids = [document.id async for document in tickets.documents()]
        assert len(ids) == 5000
        assert all(a < b for a, b in pairwise(ids))
        with pytest.raises(UsageError, match="a filter is a comparison"):
            await anext(tickets.documents(where=3))  # pyright: ignore[reportArgumentType]


@in_a_loop
async def test_reading_can_be_cancelled_and_the_collection_closed() -> None:
    plain = Collection(MemoryCollection(CollectionSchema(name="t", dimension=2)))
    plain.add((str(n) for n in range(3000)), vectors=np.ones((3000, 2)))
    async with AsyncCollection(plain) as tickets:
        met = asyncio.Event()

        async def read() -> None:
            async for _ in tickets.documents():
                met.set()
                await asyncio.sleep(0)

        reading = [asyncio.create_task(read()) for _ in range(4)]
        await met.wait()
        for each in reading:
            each.cancel()
        gone = await asyncio.gather(*reading, return_exceptions=True)
        assert all(isinstance(each, asyncio.CancelledError) for each in gone)
    assert our_threads() == []


@in_a_loop
async def test_writers_and_readers_share_a_folder(tmp_path: Path) -> None:
    settings = {"stores": {"local": {"path": str(tmp_path)}}}
    async with AsyncCollection.open(
        "t", settings=settings, schema={"dimension": DIMENSION}, max_concurrency=4
    ) as tickets:

        async def write(n: int) -> None:
            ids = [f"{n}-{i}" for i in range(20)]
            rows = ({"id": id, "text": id, "lang": "de"} for id in ids)
            await tickets.add(rows, vectors=np.eye(DIMENSION)[[n % DIMENSION] * 20])

        async def ask() -> int:
            return len(await tickets.search([1, 0, 0, 0], k=100))

        results = await asyncio.gather(*(write(n) for n in range(8)), *(ask() for _ in range(30)))
        assert {n % 20 for n in results if n is not None} == {0}
        assert await tickets.count() == 160
        assert len([d async for d in tickets.documents()]) == 160
    assert our_threads() == []
