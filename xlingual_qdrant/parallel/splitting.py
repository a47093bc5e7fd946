"""Which pairs are learned from, and which are only measured on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from xlingual_qdrant.errors import InvalidInput, UsageError
from xlingual_qdrant.finetuning import TextPair
from xlingual_qdrant.parallel.figures import same_text

LEAST_LEARNED = 10
LEAST_HELD_OUT = 5
MOST_HELD_OUT = 5_000
"""A share never means more than this: the figures would not get much surer, only slower."""


@dataclass(frozen=True, slots=True)
class Split:
    """Pairs to learn from and pairs to measure on; no text is in both.

    shared: pairs that are neither, because one of their texts is among the held-out ones.
    """

    learned: list[TextPair]
    held_out: list[TextPair]
    shared: int


def without_repetition(pairs: Iterable[TextPair]) -> list[TextPair]:
    """Return each pair once, the first of those that differ in case and white space only."""
    found: dict[tuple[str, str], TextPair] = {}
    for pair in pairs:
        found.setdefault((same_text(pair.left), same_text(pair.right)), pair)
    return list(found.values())


def split(pairs: Sequence[TextPair], held_out: float) -> Split:
    """Hold out a share of the pairs (below 1), or so many of them (1 and above).

    A hash of its texts decides for each pair: the order of the file and what else is in it do not
    matter, so that a second run, with more pairs, still measures on those of the first.
    Raises UsageError for a share or number that makes no sense, InvalidInput for too few pairs.
    """
    if held_out <= 0:
        raise UsageError("nothing is held out; give a share such as 0.1, or a number of pairs")
    ranked = sorted((_place(pair), number) for number, pair in enumerate(pairs))
    if held_out < 1:
        count = min(sum(place < held_out for place, _ in ranked), MOST_HELD_OUT)
    else:
        count = int(held_out)
    chosen = {number for _, number in ranked[:count]}
    kept = [pair for number, pair in enumerate(pairs) if number in chosen]
    seen = {same_text(text) for pair in kept for text in (pair.left, pair.right)}
    learned = [
        pair
        for number, pair in enumerate(pairs)
        if number not in chosen and seen.isdisjoint((same_text(pair.left), same_text(pair.right)))
    ]
    if len(learned) < LEAST_LEARNED or len(kept) < LEAST_HELD_OUT:
        raise InvalidInput(
            f"of {len(pairs):,} usable pairs {len(kept):,} would be held out and {len(learned):,}"
            f" learned from; at least {LEAST_HELD_OUT} and {LEAST_LEARNED} are needed:"
            " give more pairs, or another --held-out"
        )
    return Split(learned, kept, len(pairs) - len(kept) - len(learned))


def _place(pair: TextPair) -> float:
    """Return a number from 0 to 1 that depends on the two texts alone."""
    both = f"{same_text(pair.left)}\0{same_text(pair.right)}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(both, digest_size=8).digest()) / 2**64
