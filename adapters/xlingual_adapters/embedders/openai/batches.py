"""Which texts go in a request: as many as the server takes, which may turn out to be fewer."""

from __future__ import annotations

from collections.abc import Mapping
from threading import Lock
from typing import NamedTuple

from xlingual_adapters.embedders.openai.lengths import Cut

_SHOWN = 40
"""Characters of a text in a message."""


class Request(NamedTuple):
    """Texts that go together, their numbers among all that were given, and estimated tokens."""

    numbers: list[int]
    texts: list[str]
    tokens: list[int]

    def name(self, index: int) -> str:
        """Say which text is meant: after sorting and dividing, its number alone would mislead."""
        text = self.texts[index]
        beginning = text if len(text) <= _SHOWN else text[:_SHOWN] + "..."
        return f"text {self.numbers[index]} ({beginning!r})"

    def divided(self, size: int) -> list[Request]:
        """Return the same texts in requests of this size."""
        return [
            Request(
                self.numbers[first : first + size],
                self.texts[first : first + size],
                self.tokens[first : first + size],
            )
            for first in range(0, len(self.numbers), size)
        ]


class Limits:
    """What a server takes in a request, as far as it is known; shared by all threads."""

    def __init__(self, texts: int, tokens: int) -> None:
        self.texts, self.tokens = texts, tokens
        self._lock = Lock()

    def learn(self, parts: list[Request], *, by_texts: bool) -> str:
        """Remember what was taken after more was refused; return the setting, "" if it is known."""
        with self._lock:
            if by_texts:
                most = max(len(part.numbers) for part in parts)
                known, self.texts = self.texts, min(most, self.texts)
            else:
                most = max(sum(part.tokens) for part in parts)
                known, self.tokens = self.tokens, min(most, self.tokens)
        return f"batch_{'size' if by_texts else 'tokens'} = {most}" if most < known else ""


class Batches:
    """Deals out texts in requests, each packed when somebody asks for it."""

    def __init__(self, sent: Mapping[int, Cut], limits: Limits) -> None:
        self._waiting = iter(sent.items())
        self._next = next(self._waiting, None)
        self._limits = limits
        self._lock = Lock()

    @property
    def is_empty(self) -> bool:
        """Whether all have been dealt out."""
        return self._next is None

    def take(self) -> Request | None:
        """Return the next request, of at least one text; None if all have been dealt out."""
        taken = Request([], [], [])
        tokens = 0
        with self._lock:
            while self._next is not None and len(taken.numbers) < self._limits.texts:
                number, each = self._next
                tokens += each.tokens
                if taken.numbers and tokens > self._limits.tokens:
                    break
                taken.numbers.append(number)
                taken.texts.append(each.text)
                taken.tokens.append(each.tokens)
                self._next = next(self._waiting, None)
        return taken if taken.numbers else None
