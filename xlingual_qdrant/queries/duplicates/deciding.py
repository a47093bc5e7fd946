"""Which two texts are duplicates: the decision about single pairs, before any grouping."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from xlingual_qdrant.errors import UsageError
from xlingual_qdrant.queries.checkpoints import Checkpoint
from xlingual_qdrant.queries.corpus import Corpus
from xlingual_qdrant.queries.duplicates.guards import (
    GUARDS,
    Guard,
    Profile,
    Refusal,
    other_numbers,
    profile_of,
    refusal,
)
from xlingual_qdrant.queries.near_pairs.joining import near_pairs
from xlingual_qdrant.queries.near_pairs.linking import components

Kind: TypeAlias = Literal["exact", "near", "cross-lingual"]
KINDS: tuple[Kind, ...] = get_args(Kind)
USUAL: tuple[Kind, ...] = ("exact", "near")
"""Looked for unless others are named: most people want to keep translations."""
"""exact: one text, apart from case, width and white space. near: of one language, and nearly the
same words. cross-lingual: translations of each other."""

NEAR = 0.65
"""The cosine of near duplicates, at least; the guards decide about what is above it."""
UNGUARDED = 0.9
"""The same where the words are not looked at, so that the cosine alone tells."""
COPIES = 0.9
"""The cosine from which on texts of one language are one neighbour to those of another."""
HASH = 16
"""Bytes of the hash of a text."""
_AT_ONCE = 4096
_PROFILES = 50_000  # texts whose profiles are remembered
_EXAMPLES = 20  # refused pairs that are kept for each guard

OnStep = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is to do."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A pair of rows that is near enough, and that a guard refused."""

    left: int
    right: int
    score: float
    refusal: Refusal


@dataclass(slots=True)
class Pairs:
    """Pairs of rows that are duplicates of one kind: lists of arrays of one length each.

    scores: cosines, 1 for exact ones. refused: how many
    pairs each guard refused, with some of them.
    """

    left: list[NDArray[np.int64]] = field(default_factory=list[NDArray[np.int64]])
    right: list[NDArray[np.int64]] = field(default_factory=list[NDArray[np.int64]])
    scores: list[NDArray[np.float32]] = field(default_factory=list[NDArray[np.float32]])
    refused: Counter[Guard] = field(default_factory=Counter[Guard])
    examples: list[Refused] = field(default_factory=list[Refused])

    def add(
        self, left: NDArray[np.int64], right: NDArray[np.int64], scores: NDArray[np.float32]
    ) -> None:
        """Add pairs."""
        self.left.append(left)
        self.right.append(right)
        self.scores.append(scores)

    def arrays(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
        """Return all pairs: left rows, right rows, scores."""
        rows = np.empty(0, dtype=np.int64)
        none = np.empty(0, dtype=np.float32)
        return (
            np.concatenate([rows, *self.left]),
            np.concatenate([rows, *self.right]),
            np.concatenate([none, *self.scores]),
        )


def normalised(text: str) -> str:
    """Return a text in NFKC and case folded, its white space as single spaces, none outside.

    Texts that are alike in this form are exact duplicates.
    """
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def text_hash(text: str) -> bytes:
    """Return bytes that tell normalised texts apart."""
    plain = normalised(text).encode("utf-8", "surrogatepass")
    return blake2b(plain, digest_size=HASH).digest()


def base(lang: str) -> str:
    """Return the language of a tag without script and region."""
    return lang.partition("-")[0]


class Guarded:
    """Asks the guards about pairs of a corpus; each text is read once, if it is asked for soon."""

    def __init__(self, corpus: Corpus, guards: Sequence[Guard] = GUARDS) -> None:
        self._corpus = corpus
        self._guards = guards
        self._profiles: dict[int, Profile] = {}
        self._keys = np.zeros(len(corpus), dtype=np.int64)
        self._keyed = np.zeros(len(corpus), dtype=np.bool_)

    def passing(
        self,
        left: NDArray[np.int64],
        right: NDArray[np.int64],
        scores: NDArray[np.float32],
        pairs: Pairs,
        *,
        within: bool = False,
    ) -> NDArray[np.bool_]:
        """Say of each pair whether all guards let it pass; those refused are counted in `pairs`.

        within: the texts of each pair are of one language.
        """
        passed = np.ones(len(left), dtype=np.bool_)
        if not self._guards:
            return passed
        if within and "numbers" in self._guards:
            self._key(np.unique(np.concatenate([left, right])))
            sure = np.flatnonzero(other_numbers(self._keys[left], self._keys[right]))
            # Some of them are looked at as all the others are, for their words.
            sure = sure[max(0, _EXAMPLES - pairs.refused["numbers"]) :]
            if len(sure):
                asked = np.ones(len(left), dtype=np.bool_)
                asked[sure] = False
                passed[asked] = self.passing(left[asked], right[asked], scores[asked], pairs)
                passed[sure] = False
                pairs.refused["numbers"] += len(sure)
                return passed
        for start in range(0, len(left), _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            rows = set(left[part].tolist()) | set(right[part].tolist())
            self._read(rows)
            for at, (one, other) in enumerate(
                zip(left[part].tolist(), right[part].tolist(), strict=True), start
            ):
                found = refusal(self._profiles[one], self._profiles[other], self._guards)
                if found is None:
                    continue
                passed[at] = False
                if pairs.refused[found.guard] < _EXAMPLES:
                    pairs.examples.append(Refused(one, other, float(scores[at]), found))
                pairs.refused[found.guard] += 1
        return passed

    def _key(self, rows: NDArray[np.int64]) -> None:
        missing = rows[~self._keyed[rows]]
        for start in range(0, len(missing), _AT_ONCE):
            some = missing[start : start + _AT_ONCE]
            self._read(set(some.tolist()))
            self._keys[some] = [self._profiles[row].numbers_key for row in some.tolist()]
        self._keyed[missing] = True

    def _read(self, rows: set[int]) -> None:
        missing = sorted(rows - self._profiles.keys())
        if len(self._profiles) + len(missing) > _PROFILES:
            self._profiles = {row: self._profiles[row] for row in rows & self._profiles.keys()}
        for row, text in zip(missing, self._corpus.texts(missing), strict=True):
            self._profiles[row] = profile_of(text, str(self._corpus.langs[row]))


@dataclass(frozen=True, slots=True)
class Texts:
    """What was read of all texts once.

    first: for each row the first row of its language with the same normalised text, perhaps
    itself. lengths: characters. hashes: of the normalised texts, shape (n, 16). groups: the rows
    of each language by its base tag, sorted.
    """

    first: NDArray[np.int64]
    lengths: NDArray[np.int64]
    hashes: NDArray[np.uint8]
    groups: Mapping[str, NDArray[np.int64]]


def read_texts(corpus: Corpus, on_step: OnStep | None = None) -> Texts:
    """Read all texts, some at a time, and compare their hashes."""
    count = len(corpus)
    first = np.arange(count, dtype=np.int64)
    lengths = np.zeros(count, dtype=np.int64)
    hashes = np.zeros((count, HASH), dtype=np.uint8)
    known: dict[tuple[str, bytes], int] = {}
    bases = [base(lang) for lang in corpus.langs.tolist()]
    for start in range(0, count, _AT_ONCE):
        rows = range(start, min(start + _AT_ONCE, count))
        for row, text in zip(rows, corpus.texts(rows), strict=True):
            plain = text_hash(text)
            hashes[row] = np.frombuffer(plain, dtype=np.uint8)
            first[row] = known.setdefault((bases[row], plain), row)
            lengths[row] = len(text)
        if on_step is not None:
            on_step("reading texts", rows.stop, count)
    tags = np.array(bases, dtype=np.str_)
    groups = {tag: np.flatnonzero(tags == tag) for tag in sorted(set(bases))}
    return Texts(first, lengths, hashes, groups)


def exact_pairs(texts: Texts) -> Pairs:
    """Return each text with the first one that is the same."""
    again = np.flatnonzero(texts.first != np.arange(len(texts.first)))
    pairs = Pairs()
    pairs.add(texts.first[again], again, np.ones(len(again), dtype=np.float32))
    return pairs


class PartOfWork(Checkpoint):
    """The steps of one part of a piece of work, kept with those of the whole."""

    def __init__(self, whole: Checkpoint, name: str) -> None:
        super().__init__(None, {})
        self._whole = whole
        self._name = name

    def load(self, step: str) -> dict[str, NDArray[Any]] | None:
        """Return the arrays of a step by name; None if it was never finished."""
        return self._whole.load(f"{self._name}-{step}")

    def save(self, step: str, **arrays: NDArray[Any]) -> None:
        """Keep the arrays of a finished step."""
        self._whole.save(f"{self._name}-{step}", **arrays)


@dataclass(frozen=True, slots=True)
class Near:
    """Near pairs of all languages.

    copies: for each row the first of those that are near by cosine alone, or itself; a text with
    another number is a near neighbour, too. apart: pairs of rows that are near, and that a guard
    refused: of two such texts a third can be the same as one at most.
    """

    pairs: Pairs
    copies: NDArray[np.int64]
    apart: tuple[NDArray[np.int64], NDArray[np.int64]]


def near_duplicates(
    corpus: Corpus,
    groups: Mapping[str, NDArray[np.int64]],
    guarded: Guarded,
    threshold: float = NEAR,
    *,
    approximate: bool = False,
    across: bool = True,
    checkpoint: Callable[[str], Checkpoint] = lambda _: Checkpoint(None, {}),
    on_step: OnStep | None = None,
) -> Near:
    """Return pairs of one language with a cosine of at least `threshold` that the guards pass.

    groups: the rows of each language that are looked at. across: find copies and pairs apart,
    too, which take memory for each near pair. checkpoint: by the name of a step.
    """
    pairs = Pairs()
    ones: list[NDArray[np.int64]] = []
    others: list[NDArray[np.int64]] = []
    apart: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
    for lang, rows in groups.items():

        def tell(done: int, total: int, lang: str = lang) -> None:
            if on_step is not None:
                on_step(f"comparing texts in {lang}", done, total)

        steps = checkpoint(f"near-{lang}")
        for found in near_pairs(
            corpus.vectors[rows],
            min(threshold, COPIES),
            approximate=approximate,
            checkpoint=steps,
            on_progress=tell,
        ):
            left, right = rows[found.left], rows[found.right]
            if across:
                twins = found.cosines >= COPIES
                ones.append(left[twins])
                others.append(right[twins])
            wanted = found.cosines >= threshold
            left, right, cosines = left[wanted], right[wanted], found.cosines[wanted]
            passed = guarded.passing(left, right, cosines, pairs, within=True)
            pairs.add(left[passed], right[passed], cosines[passed])
            if across:
                apart.append((left[~passed], right[~passed]))
    none = np.empty(0, dtype=np.int64)
    one, other = np.concatenate([none, *ones]), np.concatenate([none, *others])
    return Near(
        pairs,
        components(len(corpus), one, other),
        (
            np.concatenate([none, *(each for each, _ in apart)]),
            np.concatenate([none, *(each for _, each in apart)]),
        ),
    )


def in_order(pairs: Iterable[Refused]) -> Iterator[Refused]:
    """Return refused pairs, the nearest first."""
    return iter(sorted(pairs, key=lambda pair: -pair.score))


def least_cosine(threshold: float | None, guards: Collection[str]) -> float:
    """Return a threshold as given, else the usual one; raises UsageError if it is no cosine."""
    if threshold is not None and not 0 < threshold <= 1:
        raise UsageError(f"threshold is a cosine above 0, at most 1, not {threshold!r}")
    if threshold is not None:
        return threshold
    return NEAR if "words" in guards else UNGUARDED
