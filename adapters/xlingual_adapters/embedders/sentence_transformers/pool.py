"""Several processes, each with the model, for devices or processors that one does not fill.

They are started with the first work, by spawning: a process that is forked beside threads or
a GPU may hang. Therefore a program has to guard its start by `if __name__ == "__main__":`.
"""

from __future__ import annotations

import multiprocessing
import os
import warnings
import weakref
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from threading import Lock
from typing import Any

import numpy as np

from xlingual_adapters.embedders.sentence_transformers.faults import BatchReduced
from xlingual_qdrant.errors import XlingualError
from xlingual_qdrant.ports import Vectors

_AHEAD = 2  # pieces of work for each process that are under way


class WorkerDied(XlingualError, RuntimeError):
    """A process of the pool ended before its work did. count: processes there were."""

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self.count = count

    def __str__(self) -> str:
        return (
            f"one of {self.count} embedding processes has ended before its work was done: was it"
            " killed, or out of memory? Then set a smaller `processes`. A program that starts"
            ' processes has to begin its work under `if __name__ == "__main__":`'
        )


class Pool:
    """Embeds in other processes. settings: of an embedder, one for each process."""

    def __init__(self, settings: Sequence[Any]) -> None:
        self._settings = settings
        self._executor: ProcessPoolExecutor | None = None
        self._at_exit: weakref.finalize[..., Pool] | None = None
        self._lock = Lock()
        self._warned = False

    @property
    def processes(self) -> int:
        """How many processes there are, or will be."""
        return len(self._settings)

    def embed(self, role: str, pieces: Sequence[list[str]]) -> Iterator[Vectors]:
        """Yield the vectors of each piece, in order."""
        executor = self._started()
        ahead = _AHEAD * self.processes
        waiting: list[Future[tuple[Vectors, str]]] = []
        rest = iter(pieces)
        try:
            waiting += [executor.submit(_embed, role, piece) for piece in islice(rest, ahead)]
            while waiting:
                vectors, remark = waiting.pop(0).result()
                waiting += [executor.submit(_embed, role, piece) for piece in islice(rest, 1)]
                self._pass_on(remark)
                yield vectors
        except BrokenProcessPool as exc:
            self.close()
            raise WorkerDied(self.processes) from exc
        finally:
            for future in waiting:
                future.cancel()

    def close(self) -> None:
        """End the processes; work that is given afterwards starts them again."""
        with self._lock:
            executor, self._executor = self._executor, None
            if self._at_exit is not None:
                self._at_exit.detach()
        if executor is not None:
            executor.shutdown(cancel_futures=True)

    def _started(self) -> ProcessPoolExecutor:
        with self._lock:
            if self._executor is None:
                context = multiprocessing.get_context("spawn")
                self._executor = ProcessPoolExecutor(
                    self.processes,
                    mp_context=context,
                    initializer=_begin,
                    initargs=(tuple(self._settings), context.Value("i", 0)),
                )
                # Also when nobody closes it: the interpreter would complain as it ends.
                self._at_exit = weakref.finalize(self, self._executor.shutdown, cancel_futures=True)
            return self._executor

    def _pass_on(self, remark: str) -> None:
        with self._lock:
            first, self._warned = bool(remark) and not self._warned, self._warned or bool(remark)
        if first:
            warnings.warn(remark, BatchReduced, stacklevel=2)


_embedder: Any = None  # of a process of the pool


def _begin(settings: tuple[Any, ...], taken: Any) -> None:
    """Load the model of one process: the next of the settings, with its share of the cores."""
    global _embedder
    from xlingual_adapters.embedders.sentence_transformers.embedder import (
        SentenceTransformersEmbedder,
    )

    with taken.get_lock():
        number, taken.value = taken.value, taken.value + 1
    if "OMP_NUM_THREADS" not in os.environ:
        import torch

        torch.set_num_threads(max(1, (os.cpu_count() or 1) // len(settings)))
    _embedder = SentenceTransformersEmbedder.open(settings[number % len(settings)])


def _embed(role: str, texts: list[str]) -> tuple[Vectors, str]:
    """Return the vectors, and a remark that the caller's process is to pass on."""
    embed = _embedder.embed_queries if role == "query" else _embedder.embed_documents
    with warnings.catch_warnings(record=True) as met:
        warnings.simplefilter("always")
        vectors = np.asarray(embed(texts))
    remarks = [str(one.message) for one in met if issubclass(one.category, BatchReduced)]
    return vectors, remarks[0] if remarks else ""
