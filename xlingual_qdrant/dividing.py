"""Where a long text is cut, so that a model reads each part whole."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import TypeAlias
from unicodedata import category

import numpy as np
from numpy.typing import NDArray

OVERLAP = 0.25
"""A chunk begins with the last sentence of the one before, unless that is more of it."""

Fits: TypeAlias = Callable[[Sequence[str]], NDArray[np.bool_]]
"""Says of each text whether the model reads all of it."""
Span: TypeAlias = tuple[int, int]

# Sentence_Terminal and closing marks of Unicode Standard Annex 29, for the scripts that matter.
_TERMINAL = ".!?…‼⁇⁈⁉؟۔܀।॥։።፧၊။។៕᙮᱾꓿"
_SENTENCE_END = re.compile(
    # Only where a run of marks begins: a row of dots is looked at once, not once for each dot.
    rf"(?<![{_TERMINAL}])[{_TERMINAL}]+[\"'’”»›)\]}}]*\s+|[。！？｡][」』”’）)]*\s*|\n\s*"
)
_ZERO_WIDTH_JOINER = "\u200d"
_LONGEST_LETTER = 32
"""Code points of a letter with its marks, or of a joined emoji; more is nonsense, and is cut."""


def spans(texts: Sequence[str], fits: Fits) -> list[list[Span]]:
    """Return for each text the parts that the model reads whole, in order, as offsets.

    A part that does not fit is halved at the end of the sentence nearest to its middle, else
    between words, else between characters, until all fit; `fits` is asked about all at once.
    A part begins with the last sentence of the part before, if that is short enough.
    """
    ends = [_sentence_ends(text) for text in texts]
    pending = [(number, (0, len(text))) for number, text in enumerate(texts)]
    done: list[tuple[int, Span]] = []
    while pending:
        parts = [texts[number][first:last] for number, (first, last) in pending]
        fitting = fits(parts).tolist()
        halved: list[tuple[int, Span]] = []
        for (number, (first, last)), fit in zip(pending, fitting, strict=True):
            if fit or last - first < 2:
                done.append((number, (first, last)))
            else:
                parts_of = _halves(texts[number], (first, last), ends[number])
                halved += [(number, part) for part in parts_of]
        pending = halved
    found: list[list[Span]] = [[] for _ in texts]
    for number, group in groupby(sorted(done), key=lambda item: item[0]):
        stripped = (_stripped(texts[number], span) for _, span in group)
        found[number] = [(first, last) for first, last in stripped if first < last]
    return found


def _sentence_ends(text: str) -> list[int]:
    return [match.end() for match in _SENTENCE_END.finditer(text)]


def _halves(text: str, span: Span, ends: list[int]) -> list[Span]:
    first, last = span
    middle = (first + last) // 2
    place = bisect_left(ends, middle)
    inside = [end for end in ends[max(place - 1, 0) : place + 1] if first < end < last]
    if not inside:
        cut = _between_words(text, first, middle, last)
        return [(first, cut), (cut, last)]
    cut = min(inside, key=lambda end: abs(end - middle))
    before = bisect_left(ends, cut) - 1
    sentence = ends[before] if before >= 0 else 0
    overlaps = first < sentence and cut - sentence <= OVERLAP * (last - cut)
    return [(first, cut), (sentence if overlaps else cut, last)]


def _between_words(text: str, first: int, middle: int, last: int) -> int:
    """Return where to cut a piece without a sentence's end; never within a letter and its marks."""
    left = next((i for i in range(middle, first, -1) if text[i - 1].isspace()), first)
    if left > first + (middle - first) // 2:
        return left
    cut, latest = middle, min(last - 1, middle + _LONGEST_LETTER)
    while cut < latest and _continues(text, cut):
        cut += 1
    return cut


def _continues(text: str, at: int) -> bool:
    """Say whether the code point belongs to the letter before it."""
    joined = _ZERO_WIDTH_JOINER in (text[at - 1], text[at])
    return joined or category(text[at]).startswith("M")


def _stripped(text: str, span: Span) -> Span:
    first, last = span
    while first < last and text[first].isspace():
        first += 1
    while first < last and text[last - 1].isspace():
        last -= 1
    return first, last
