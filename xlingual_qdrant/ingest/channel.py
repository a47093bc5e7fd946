"""A bounded queue between two threads, which hands over errors and can be torn down."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from threading import Condition
from typing import Generic, TypeVar

T = TypeVar("T")

_WAIT_S = 0.5  # so that Ctrl-C is heard where waiting for a lock cannot be interrupted


class Cancelled(Exception):
    """The other side has given up; the thread that meets this ends."""


class Channel(Generic[T]):
    """One thread puts, another iterates. size: items that may wait."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._items: deque[T] = deque()
        self._changed = Condition()
        self._finished = False
        self._cancelled = False
        self._error: BaseException | None = None

    def put(self, item: T) -> None:
        """Hand over an item, as soon as there is room. Raises Cancelled."""
        with self._changed:
            while len(self._items) >= self._size and not self._cancelled:
                self._changed.wait(_WAIT_S)
            if self._cancelled:
                raise Cancelled
            self._items.append(item)
            self._changed.notify_all()

    def finish(self, error: BaseException | None = None) -> None:
        """Say that nothing more comes. The error is raised behind the items before it."""
        with self._changed:
            self._finished, self._error = True, error
            self._changed.notify_all()

    def cancel(self) -> None:
        """Tear the channel down from either side; items in it are dropped."""
        with self._changed:
            self._cancelled = True
            self._items.clear()
            self._changed.notify_all()

    def __iter__(self) -> Iterator[T]:
        while True:
            with self._changed:
                while not (self._items or self._finished or self._cancelled):
                    self._changed.wait(_WAIT_S)
                if self._cancelled:
                    raise Cancelled
                if not self._items:
                    if self._error is not None:
                        raise self._error
                    return
                item = self._items.popleft()
                self._changed.notify_all()
            yield item
