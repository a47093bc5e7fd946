"""How many texts go through a model at once: a lesson learned from running out of memory.

Texts come sorted by length, so that few of a batch's tokens are padding, and the longest
first, so that the memory runs out at once or not at all.
"""

from __future__ import annotations

import gc
import sys
import warnings
from collections.abc import Callable, Sequence
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xlingual_adapters.embedders.sentence_transformers.faults import (
    BatchReduced,
    OutOfMemory,
    allocation_errors,
    is_out_of_memory,
)
from xlingual_qdrant.ports import Vectors
from xlingual_qdrant.validation import check_texts, check_unicode

Lengths = NDArray[np.int64]
"""Shape (n,): bytes of UTF-8, which follow the number of tokens in all scripts; characters do
not, for a Chinese one is a token and a Latin one a quarter of it."""


def lengths_of(texts: Sequence[str]) -> Lengths:
    """Return the length of each text; raises InvalidInput for what is no text, or no Unicode."""
    check_texts(texts)
    lengths = np.empty(len(texts), dtype=np.int64)
    for i, text in enumerate(texts):
        check_unicode(text, i)
        lengths[i] = len(text) if text.isascii() else len(text.encode())
    return lengths


def longest_first(lengths: Lengths) -> NDArray[np.intp]:
    """Return the order of the texts, longest first; equals stay in their order."""
    return np.argsort(-lengths, kind="stable")


class Batches:
    """Runs texts through a model in batches that its memory takes.

    most: texts of a batch, as long as nothing goes wrong. What was learned of the memory stays:
    limits are kept by the magnitude of a text's length, because twice as long a text takes
    twice the room, and what does not suffice for short texts does not for long ones.
    """

    def __init__(self, most: int, *, max_tokens: int | None, device: str) -> None:
        self.most = most
        self._device = device
        # Beyond this a text is cut, so that it takes no more room however long it is.
        self._longest = sys.maxsize if max_tokens is None else 16 * max_tokens
        self._limits: dict[int, int] = {}
        self._warned = False
        self._lock = Lock()

    def size(self, length: int) -> int:
        """Return how many texts of this length go through the model at once."""
        bits = self._magnitude(length)
        with self._lock:
            known = list(self._limits.items())
        sizes = [limit << max(0, at - bits) for at, limit in known]
        return max(1, min(self.most, *sizes)) if sizes else self.most

    def run(
        self, texts: Sequence[str], lengths: Lengths, encode: Callable[[list[str]], Vectors]
    ) -> Vectors:
        """Return the vectors of texts that come longest first, in their order.

        encode: computes one batch. When memory runs out the batch is halved and computed
        again. Raises OutOfMemory when there is nothing left to halve.
        """
        parts: list[Vectors] = []
        start = 0
        while start < len(texts):
            length = int(lengths[start])
            batch = list(texts[start : start + self.size(length)])
            try:
                parts.append(encode(batch))
            except allocation_errors() as exc:
                if not is_out_of_memory(exc):
                    raise
            else:
                start += len(batch)
                continue
            # Here the error is gone, and with it the tensors that its frames held.
            _release_memory()
            if len(batch) == 1:
                raise OutOfMemory(batch[0][:40], len(batch[0]), self._device)
            self._reduce(len(batch) // 2, length)
        return np.concatenate(parts)

    def _reduce(self, size: int, length: int) -> None:
        with self._lock:
            bits = self._magnitude(length)
            self._limits[bits] = min(size, self._limits.get(bits, size))
            first, self._warned = not self._warned, True
        if first:
            warnings.warn(
                f"memory on {self._device} does not suffice for {2 * size} texts of"
                f" {length:,} bytes at once; going on with {size}, and with fewer if need be"
                " (batch_size sets where to begin)",
                BatchReduced,
                stacklevel=2,
            )

    def _magnitude(self, length: int) -> int:
        return min(length, self._longest).bit_length()


def _release_memory() -> None:
    """Give back what the failed batch has left in the allocator's pools."""
    gc.collect()
    torch: Any = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
    elif torch is not None and torch.backends.mps.is_available():
        torch.mps.empty_cache()
