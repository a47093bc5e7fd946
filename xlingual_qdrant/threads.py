"""A bounded pool of threads to which an event loop hands its calls."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from functools import partial
from typing import Any, ParamSpec, TypeVar

from xlingual_qdrant.errors import StoreUnavailable

P = ParamSpec("P")
T = TypeVar("T")


class Threads:
    """Makes calls in threads, at most `count` at once; the others wait for their turn.

    what: whose calls these are, for messages. A call whose caller is cancelled before its turn
    is never begun; one that runs is ended, and its result dropped.
    """

    def __init__(self, count: int, what: str) -> None:
        self._what = what
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="xlingual-async")
        self._begun: set[Future[Any]] = set()
        self._last: Future[None] | None = None

    async def call(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Make a call in a thread, and return what it returns; raises StoreUnavailable if ended."""
        if self._last is not None:
            raise StoreUnavailable(self._what, "this collection was closed; open it again")
        begun = self._pool.submit(for_thread(partial(call, *args, **kwargs)))
        self._begun.add(begun)
        begun.add_done_callback(self._begun.discard)
        return await asyncio.wrap_future(begun)

    async def end(self, last: Callable[[], object]) -> None:
        """Make a last call, when all others have ended, and end the threads.

        It is made once and to its end, whoever asks again or is cancelled. What it raises, the
        first to ask gets to know.
        """
        first = self._last is None
        if self._last is None:
            self._last = self._pool.submit(_behind, list(self._begun), for_thread(last))
            self._pool.shutdown(wait=False)
        ended = asyncio.wrap_future(self._last)
        await asyncio.wait([ended])  # which, unlike `await ended`, passes no cancellation on
        self._pool.shutdown()  # the threads have nothing left to do: this does not wait
        failed = ended.exception()
        if first and failed is not None:
            raise failed


def for_thread(call: Callable[[], T]) -> Callable[[], T]:
    """Return a call as a thread is to make it: with the context variables of the caller."""

    def made() -> T:
        try:
            return call()
        except StopIteration as exc:
            # No future takes it: whoever awaits would wait for ever. Coroutines do the same.
            raise RuntimeError("a call in a thread raised StopIteration") from exc

    return partial(copy_context().run, made)


def _behind(begun: list[Future[Any]], last: Callable[[], object]) -> None:
    # The pool is first in, first out: these have begun, or have been cancelled.
    wait(begun)
    last()
