"""AsyncCollection: a Collection for asyncio. Its work is done in threads, not in the event loop."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Coroutine,
    Generator,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import islice
from types import TracebackType
from typing import Any, Concatenate, Generic, Literal, ParamSpec, Self, TypeVar, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xlingual_qdrant.asking import Langs, MinScore, checked_count
from xlingual_qdrant.collection import BATCH, Collection, added_in_batches, warn_about
from xlingual_qdrant.documents import (
    CollectionInfo,
    Document,
    Hit,
    LongTexts,
    WriteReceipt,
    WriteReport,
)
from xlingual_qdrant.errors import UsageError
from xlingual_qdrant.filters import Filter
from xlingual_qdrant.ports import Embedder, ScanBatch, Store, Vectors
from xlingual_qdrant.ranking import Prefer
from xlingual_qdrant.schema import CollectionSchema, Comparison
from xlingual_qdrant.settings import SettingsLike
from xlingual_qdrant.spaces import Rescore
from xlingual_qdrant.statistics import StatisticsInfo
from xlingual_qdrant.threads import Threads, for_thread
from xlingual_qdrant.writing import DocumentLike, IfExists, Prepared

T = TypeVar("T")
P = ParamSpec("P")
AsyncCollectionT = TypeVar("AsyncCollectionT", bound="AsyncCollection")

MAX_CONCURRENCY = 16
READ_AHEAD = 1000
"""Documents that `documents` takes from the store at once."""


class AsyncCollection:
    """A `Collection` whose methods are awaited. They take and mean the same; see there.

    collection: is closed with this one; `collection.collection` is the way back to it.
    max_concurrency: calls that run at once, each in a thread; others wait for their turn.

    A call that is cancelled before its turn is never begun. One that is cancelled while it runs
    ends in its thread, with what it writes; only its result is dropped. `close` waits for it.
    """

    def __init__(self, collection: Collection, *, max_concurrency: int = MAX_CONCURRENCY) -> None:
        self.collection = collection
        checked_count("max_concurrency", max_concurrency)
        self._threads = Threads(max_concurrency, collection.name)

    @classmethod
    def open(
        cls,
        name: str | None = None,
        *,
        settings: SettingsLike | None = None,
        store: str | Store | None = None,
        embedder: str | Embedder | None = None,
        schema: CollectionSchema | Mapping[str, Any] | None = None,
        create: bool = True,
        max_concurrency: int = MAX_CONCURRENCY,
    ) -> Opening[Self]:
        """Open a collection: `await` this, or use it in `async with`."""
        checked_count("max_concurrency", max_concurrency)
        opened = partial(
            Collection.open,
            name,
            settings=settings,
            store=store,
            embedder=embedder,
            schema=schema,
            create=create,
        )
        return Opening(lambda: cls._opened(opened, max_concurrency))

    @classmethod
    async def _opened(cls, open: Callable[[], Collection], max_concurrency: int) -> Self:
        opener = ThreadPoolExecutor(1, thread_name_prefix="xlingual-open")
        opening = opener.submit(for_thread(open))
        try:
            collection = await asyncio.wrap_future(opening)
        except BaseException:
            opener.submit(_close_unwanted, opening)
            opener.shutdown(wait=False)
            raise
        opener.shutdown()  # its thread has nothing left to do: this does not wait
        return cls(collection, max_concurrency=max_concurrency)

    @property
    def name(self) -> str:
        """What the collection is called in its store."""
        return self.collection.name

    @property
    def schema(self) -> CollectionSchema:
        """What the collection was created with."""
        return self.collection.schema

    @property
    def embedder_fit(self) -> Comparison | None:
        """How the embedder relates to the one that made the collection; None without one."""
        return self.collection.embedder_fit

    @property
    def persistent(self) -> bool:
        """Whether its documents outlive the process, as far as the store is known."""
        return self.collection.persistent

    async def why_nothing(self, where: Filter | str) -> list[str]:
        """Return, in words, which conditions of a filter cannot match the documents."""
        return await self._threads.call(self.collection.why_nothing, where)

    # ------------------------------------------------------------ writing

    async def add(
        self,
        documents: DocumentLike | Iterable[DocumentLike] | AsyncIterable[DocumentLike],
        *,
        vectors: Iterable[ArrayLike] | AsyncIterable[ArrayLike] | None = None,
        if_exists: IfExists = "replace",
        batch_size: int | None = None,
        long_texts: LongTexts | None = None,
    ) -> WriteReport:
        """Insert documents, or update those whose id is known; return what was done.

        An iterable is iterated in a thread. Of an asynchronous one a batch is awaited and
        written, and nothing more of it is asked for meanwhile.
        """
        if isinstance(documents, AsyncIterable):
            return await self._add_arriving(documents, vectors, if_exists, batch_size, long_texts)
        if isinstance(vectors, AsyncIterable):
            raise UsageError(
                "vectors that arrive asynchronously need documents that do so, too;"
                " collect them in a list first"
            )
        return await self._threads.call(
            self.collection.add,
            documents,
            vectors=vectors,
            if_exists=if_exists,
            batch_size=batch_size,
            long_texts=long_texts,
        )

    async def _add_arriving(
        self,
        documents: AsyncIterable[DocumentLike],
        vectors: Iterable[ArrayLike] | AsyncIterable[ArrayLike] | None,
        if_exists: IfExists,
        batch_size: int | None,
        long_texts: LongTexts | None,
    ) -> WriteReport:
        size = checked_count("batch_size", batch_size or BATCH)
        source, arrived = aiter(documents), _Arrived[DocumentLike]()
        rows = _Arrived[ArrayLike]()
        row_source = aiter(vectors) if isinstance(vectors, AsyncIterable) else None
        given = rows if isinstance(vectors, AsyncIterable) else vectors
        batches = added_in_batches(self.collection, arrived, given, if_exists, size, long_texts)
        done = WriteReport()
        while True:
            arrived.items.extend(await _taken(source, size))
            if row_source is not None:  # behind the last document, look for one row too many
                rows.items.extend(await _taken(row_source, len(arrived.items) or 1))
            report = await self._threads.call(next, batches, None)
            if report is None:
                warn_about(done, self.collection.embedder)
                return done
            done = report

    async def prepare(
        self,
        documents: Sequence[Document],
        *,
        vectors: Vectors | None = None,
        if_exists: IfExists = "replace",
        long_texts: LongTexts | None = None,
    ) -> Prepared:
        """Do all that comes before writing: compare, detect languages, embed."""
        return await self._threads.call(
            self.collection.prepare,
            documents,
            vectors=vectors,
            if_exists=if_exists,
            long_texts=long_texts,
        )

    async def commit(self, prepared: Prepared) -> WriteReceipt:
        """Write what was prepared; durable on return."""
        return await self._threads.call(self.collection.commit, prepared)

    async def delete(
        self,
        ids: str | Iterable[str] | None = None,
        *,
        where: Filter | str | None = None,
        langs: Langs | None = None,
    ) -> int:
        """Delete by ids, or all that match; return how many there were."""
        return await self._threads.call(self.collection.delete, ids, where=where, langs=langs)

    async def drop(self) -> None:
        """Remove the collection with all its documents, for good, and close it."""
        await self._threads.call(self.collection.drop)
        await self.close()

    async def repair(self) -> int:
        """Embed documents again whose vectors are damaged; return how many there were."""
        return await self._threads.call(self.collection.repair)

    # ------------------------------------------------------------ asking

    async def search(
        self,
        query: str | ArrayLike,
        *,
        k: int | None = None,
        langs: Langs | None = None,
        where: Filter | str | None = None,
        min_score: MinScore | None = None,
        exact: bool = False,
        lang: str | None = None,
        prefer: Prefer | None = None,
        rescore: Rescore | None = None,
        per_language: int | None = None,
        balance: bool = False,
        diversity: float | None = None,
        explain: bool = False,
    ) -> list[Hit]:
        """Return the documents nearest in meaning, best first."""
        return await self._threads.call(
            self.collection.search,
            query,
            k=k,
            langs=langs,
            where=where,
            min_score=min_score,
            exact=exact,
            lang=lang,
            prefer=prefer,
            rescore=rescore,
            per_language=per_language,
            balance=balance,
            diversity=diversity,
            explain=explain,
        )

    async def search_many(
        self,
        queries: Iterable[str] | Iterable[ArrayLike],
        *,
        k: int | None = None,
        langs: Langs | None = None,
        where: Filter | str | None = None,
        min_score: MinScore | None = None,
        exact: bool = False,
        lang: str | Sequence[str] | None = None,
        prefer: Prefer | None = None,
        rescore: Rescore | None = None,
        per_language: int | None = None,
        balance: bool = False,
        diversity: float | None = None,
        explain: bool = False,
    ) -> list[list[Hit]]:
        """Return the hits of each query, as `search` does, faster than one by one."""
        return await self._threads.call(
            self.collection.search_many,
            queries,
            k=k,
            langs=langs,
            where=where,
            min_score=min_score,
            exact=exact,
            lang=lang,
            prefer=prefer,
            rescore=rescore,
            per_language=per_language,
            balance=balance,
            diversity=diversity,
            explain=explain,
        )

    async def search_by_language(
        self,
        query: str | ArrayLike,
        *,
        k: int = 3,
        langs: Langs | None = None,
        where: Filter | str | None = None,
        min_score: MinScore | None = None,
        exact: bool = False,
        lang: str | None = None,
        prefer: Prefer | None = None,
        rescore: Rescore | None = None,
        explain: bool = False,
    ) -> dict[str, list[Hit]]:
        """Return the nearest documents of each language, the language of the nearest one first."""
        return await self._threads.call(
            self.collection.search_by_language,
            query,
            k=k,
            langs=langs,
            where=where,
            min_score=min_score,
            exact=exact,
            lang=lang,
            prefer=prefer,
            rescore=rescore,
            explain=explain,
        )

    async def learn_queries(
        self,
        queries: Iterable[str] | Iterable[ArrayLike],
        *,
        lang: str | Sequence[str] | None = None,
    ) -> StatisticsInfo:
        """Learn what is asked here, so that corrected searches get better."""
        return await self._threads.call(self.collection.learn_queries, queries, lang=lang)

    async def forget_queries(self) -> None:
        """Forget what was learned from queries."""
        await self._threads.call(self.collection.forget_queries)

    async def statistics(self) -> StatisticsInfo:
        """Return what corrected searches rest on."""
        return await self._threads.call(self.collection.statistics)

    async def recompute_statistics(self) -> StatisticsInfo:
        """Sample the documents again."""
        return await self._threads.call(self.collection.recompute_statistics)

    async def run(
        self, function: Callable[Concatenate[Collection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Call a function of `queries`, or one's own, with the collection, in a thread.

        `await tickets.run(find_duplicates, langs=["de"])` is `find_duplicates(tickets, ...)`.
        """
        return await self._threads.call(partial(function, self.collection, *args, **kwargs))

    # ------------------------------------------------------------ reading

    async def get(self, id: str) -> Document | None:
        """Return the document with this id, or None."""
        return await self._threads.call(self.collection.get, id)

    async def get_many(self, ids: Iterable[str]) -> list[Document | None]:
        """Return the documents in the order of the ids, None where there is none."""
        return await self._threads.call(self.collection.get_many, ids)

    @overload
    def documents(
        self,
        *,
        langs: Langs | None = None,
        where: Filter | str | None = None,
        with_vectors: Literal[False] = False,
    ) -> AsyncGenerator[Document, None]: ...

    @overload
    def documents(
        self,
        *,
        langs: Langs | None = None,
        where: Filter | str | None = None,
        with_vectors: Literal[True],
    ) -> AsyncGenerator[tuple[Document, NDArray[np.float32]], None]: ...

    async def documents(
        self,
        *,
        langs: Langs | None = None,
        where: Filter | str | None = None,
        with_vectors: bool = False,
    ) -> AsyncGenerator[Document | tuple[Document, NDArray[np.float32]], None]:
        """Yield all documents that match, in the order of the store: `async for` takes them.

        At most a thousand are read ahead.
        """

        def found() -> Iterator[Document] | Iterator[tuple[Document, NDArray[np.float32]]]:
            if with_vectors:
                return self.collection.documents(langs=langs, where=where, with_vectors=True)
            return self.collection.documents(langs=langs, where=where)

        remaining = await self._threads.call(found)
        while some := await self._threads.call(lambda: list(islice(remaining, READ_AHEAD))):
            for each in some:
                yield each

    async def batches(
        self,
        *,
        langs: Langs | None = None,
        where: Filter | str | None = None,
        with_vectors: bool = False,
        size: int = 1000,
        after: str | None = None,
    ) -> AsyncGenerator[ScanBatch, None]:
        """Yield what `documents` does, `size` documents at once."""
        found = partial(
            self.collection.batches,
            langs=langs,
            where=where,
            with_vectors=with_vectors,
            size=size,
            after=after,
        )
        remaining = await self._threads.call(found)
        while (batch := await self._threads.call(lambda: next(remaining, None))) is not None:
            yield batch

    async def count(self, *, langs: Langs | None = None, where: Filter | str | None = None) -> int:
        """Return how many documents match; all without a condition."""
        return await self._threads.call(self.collection.count, langs=langs, where=where)

    async def languages(self) -> dict[str, int]:
        """Return the number of documents per language, most frequent first."""
        return await self._threads.call(self.collection.languages)

    # ------------------------------------------------------------ keeping house

    async def info(self) -> CollectionInfo:
        """Return facts: counts, languages, dimension, embedder, place."""
        return await self._threads.call(self.collection.info)

    async def compact(self) -> None:
        """Give back the room of deleted and replaced documents, and renew indexes."""
        await self._threads.call(self.collection.compact)

    async def flush(self) -> None:
        """Return when everything written is durable, and indexes that are due are built."""
        await self._threads.call(self.collection.flush)

    async def close(self) -> None:
        """Wait for the calls that were made, flush, and release everything; twice is harmless.

        If this is cancelled the collection is closed all the same.
        """
        await self._threads.end(self.collection.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            await self.close()
        else:  # as `Collection` does: nobody wants to wait for indexes then
            await self._threads.end(partial(self.collection.__exit__, kind, error, trace))

    def __repr__(self) -> str:
        return f"<Async{repr(self.collection)[1:]}"


class Opening(Generic[AsyncCollectionT]):
    """What `AsyncCollection.open` returns: it is awaited, or used in `async with`."""

    def __init__(self, open: Callable[[], Coroutine[Any, Any, AsyncCollectionT]]) -> None:
        self._open = open
        self._opened: AsyncCollectionT | None = None

    def __await__(self) -> Generator[Any, None, AsyncCollectionT]:
        return self._open().__await__()

    async def __aenter__(self) -> AsyncCollectionT:
        self._opened = await self._open()
        return self._opened

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._opened is not None:
            await self._opened.__aexit__(kind, error, trace)


class _Arrived(Generic[T]):
    """An iterator over what has arrived; where it ends, more may come."""

    def __init__(self) -> None:
        self.items: deque[T] = deque()

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        if not self.items:
            raise StopIteration
        return self.items.popleft()


async def _taken(source: AsyncIterator[T], count: int) -> list[T]:
    """Return the next items, fewer than `count` at the end."""
    taken: list[T] = []
    while len(taken) < count:
        try:
            taken.append(await anext(source))
        except StopAsyncIteration:
            break
    return taken


def _close_unwanted(opening: Future[Collection]) -> None:
    """Close what was opened for somebody who has been cancelled meanwhile."""
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()
