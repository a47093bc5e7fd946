"""Texts in bounded portions, so that neither many nor long ones cost much memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

WINDOW_TEXTS = 8_192  # texts held as lists of pieces at once
WINDOW_CHARACTERS = 1_000_000  # and their characters, so that long texts stay cheap too


def windows(
    texts: Sequence[str],
    longest: int | None,
    cut: Callable[[str], str],
    *,
    size: int = WINDOW_TEXTS,
) -> Iterator[list[str]]:
    """Yield the texts in order, a bounded number at once.

    cut: shortens a text that has more than `longest` characters; None: there are none.
    """
    for first in range(0, len(texts), size):
        window = list(texts[first : first + size])
        lengths = [len(text) for text in window]
        fits = longest is None or max(lengths) <= longest
        if fits and sum(lengths) <= WINDOW_CHARACTERS:
            yield window
        else:
            yield from _smaller(window, longest, cut)


def _smaller(
    texts: list[str], longest: int | None, cut: Callable[[str], str]
) -> Iterator[list[str]]:
    window: list[str] = []
    characters = 0
    for text in texts:
        window.append(text if longest is None or len(text) <= longest else cut(text))
        characters += len(window[-1])
        if characters >= WINDOW_CHARACTERS:
            yield window
            window, characters = [], 0
    if window:
        yield window
