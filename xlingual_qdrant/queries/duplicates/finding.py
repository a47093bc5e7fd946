"""Which texts say the same? Groups of duplicates, and which of each group to keep."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from xlingual_qdrant.calibration import Calibration, read_calibration
from xlingual_qdrant.collection import Collection, Langs
from xlingual_qdrant.documents import Document, JsonValue
from xlingual_qdrant.errors import UnknownName, UsageError
from xlingual_qdrant.filters import Filter
from xlingual_qdrant.queries.checkpoints import Checkpoint, digest_of, digest_of_rows
from xlingual_qdrant.queries.corpus import Corpus, corpus_of_collection
from xlingual_qdrant.queries.duplicates.across import Across, cross_duplicates
from xlingual_qdrant.queries.duplicates.deciding import (
    KINDS,
    USUAL,
    Guarded,
    Kind,
    OnStep,
    Pairs,
    PartOfWork,
    Texts,
    exact_pairs,
    in_order,
    least_cosine,
    near_duplicates,
    read_texts,
    text_hash,
)
from xlingual_qdrant.queries.duplicates.guards import GUARDS, checked_guards
from xlingual_qdrant.queries.duplicates.keeping import Keep, priorities
from xlingual_qdrant.queries.near_pairs.linking import components, stars

Linking: TypeAlias = Literal["star", "components"]
LINKINGS: tuple[Linking, ...] = get_args(Linking)
"""star: each duplicate has a pair with the one that is kept. components: whatever pairs connect,
step by step."""

_Link: TypeAlias = tuple[Kind, NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]
_AT_ONCE = 1000
_SPREAD = 64  # pairs of copies that one pair across languages stands for, at most


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A document that says the same as the one that is kept.

    score: its cosine with that one, or with the nearest of the group; 1 if the text is the same.
    """

    id: str
    lang: str
    kind: Kind
    score: float


@dataclass(frozen=True, slots=True)
class Group:
    """Documents that say the same. kept: the id of the one that stays; others: all the rest."""

    kept: str
    lang: str
    others: tuple[Duplicate, ...]

    def to_json(self) -> dict[str, JsonValue]:
        """Return the facts as a JSON object."""
        return {
            "kept": self.kept,
            "lang": self.lang,
            "others": [
                {"id": o.id, "lang": o.lang, "kind": o.kind, "score": round(o.score, 6)}
                for o in self.others
            ],
        }


@dataclass(frozen=True, slots=True)
class RefusedPair:
    """Two documents that are near, and no duplicates. guard, reason: which one says so, and why."""

    left: str
    right: str
    score: float
    guard: str
    reason: str

    def to_json(self) -> dict[str, JsonValue]:
        """Return the facts as a JSON object."""
        return {
            "left": self.left,
            "right": self.right,
            "score": round(self.score, 6),
            "guard": self.guard,
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True)
class DuplicateReport:
    """What was found.

    documents: how many were looked at. groups: those with duplicates, the largest first. refused:
    how many near pairs each guard refused; examples: some of them, the nearest first. read:
    returns documents by their ids. seen: by id the hash of the text that was compared, of all
    documents in groups.
    """

    documents: int
    groups: list[Group]
    refused: dict[str, int]
    examples: list[RefusedPair]
    read: Callable[[Sequence[str]], list[Document]] = field(repr=False, compare=False)
    seen: Mapping[str, bytes] = field(default_factory=dict[str, bytes], repr=False, compare=False)

    @property
    def ids(self) -> list[str]:
        """The ids of all duplicates, without those that are kept."""
        return [other.id for group in self.groups for other in group.others]

    @property
    def kinds(self) -> dict[str, int]:
        """How many duplicates there are of each kind."""
        return dict(Counter(other.kind for group in self.groups for other in group.others))

    @property
    def languages(self) -> dict[str, int]:
        """How many duplicates there are in each language, the most first."""
        found = Counter(other.lang for group in self.groups for other in group.others)
        return dict(found.most_common())

    def to_json(self) -> dict[str, JsonValue]:
        """Return the counts and examples as a JSON object; the groups are beside it."""
        return {
            "documents": self.documents,
            "groups": len(self.groups),
            "duplicates": len(self.ids),
            "kinds": {**self.kinds},
            "languages": {**self.languages},
            "refused": {**self.refused},
            "examples": [each.to_json() for each in self.examples],
        }


def find_duplicates(
    source: Collection | Corpus,
    *,
    kinds: Iterable[str] = USUAL,
    threshold: float | None = None,
    margin: float | None = None,
    linking: Linking = "star",
    keep: Keep = "longest",
    guards: Iterable[str] = GUARDS,
    langs: Langs | None = None,
    where: Filter | str | None = None,
    calibration: Calibration | None = None,
    approximate: bool = False,
    checkpoint: Path | None = None,
    on_progress: OnStep | None = None,
) -> DuplicateReport:
    """Find documents that say the same; nothing is deleted.

    source: a collection, or a corpus of documents or files. kinds: "exact" (the same text apart
    from case, width and white space), "near" (nearly the same words, in one language),
    "cross-lingual" (translations); the first two unless others are named. threshold: the cosine
    of near duplicates, default 0.65, or 0.9 without the guard of words; what is above it is up to
    the guards. margin: of cross-lingual ones, the least cosine less the mean of the neighbours;
    default: the calibration, else learned from the texts themselves. linking: "star" or
    "components". keep: "longest", "first", "prefer-lang en,de", or a function that returns one of
    the documents it is given. guards: which are asked (see `guards.GUARDS`). langs, where: of a
    collection, look only at these. calibration: default the collection's. approximate: find near
    ones faster, and miss a few. checkpoint: a folder for finished steps; the same call goes on
    from there. on_progress: gets what is done, how much, of how much.

    Raises UsageError, UnknownName, and the errors of the store.
    """
    wanted = _checked_kinds(kinds)
    if linking not in LINKINGS:
        raise UnknownName("linking", linking, LINKINGS)
    asked = checked_guards(guards)
    least = least_cosine(threshold, asked)
    if isinstance(source, Corpus):
        if langs is not None or where is not None:
            raise UsageError("langs and where are for a collection; a corpus is taken whole")
        corpus = source
    else:
        corpus = corpus_of_collection(source, langs=langs, where=where)
        calibration = calibration or read_calibration(source.stored)
    texts = read_texts(corpus, on_progress)
    first = texts.first if "exact" in wanted else np.arange(len(corpus), dtype=np.int64)
    order: dict[str, JsonValue] = {}
    if checkpoint is not None:
        # All that finished steps depend on: they name documents by their rows.
        order = {
            "ids": digest_of(corpus.ids),
            "langs": digest_of(corpus.langs.tolist()),
            "texts": digest_of_rows(texts.hashes),
            "vectors": digest_of_rows(corpus.vectors),
            "exact": "exact" in wanted,
            "threshold": least,
            "approximate": approximate,
        }
    steps = Checkpoint(checkpoint, order)
    guarded = Guarded(corpus, asked)
    found: list[tuple[Kind, Pairs]] = []
    if "exact" in wanted:
        found.append(("exact", exact_pairs(texts)))
    if "near" in wanted or "cross-lingual" in wanted:
        ones = {lang: rows[first[rows] == rows] for lang, rows in texts.groups.items()}
        near = near_duplicates(
            corpus,
            ones,
            guarded,
            least,
            approximate=approximate,
            across="cross-lingual" in wanted,
            checkpoint=lambda step: PartOfWork(steps, step),
            on_step=on_progress,
        )
        if "near" in wanted:
            found.append(("near", near.pairs))
        if "cross-lingual" in wanted:
            across = cross_duplicates(
                corpus,
                ones,
                first,
                near,
                guarded,
                calibration,
                margin=margin,
                checkpoint=steps,
                on_step=on_progress,
            )
            spread = _for_copies(across, first) if "near" in wanted else across.pairs
            found.append(("cross-lingual", spread))
    report = _report(corpus, texts, first, found, linking, keep)
    steps.finish()
    return report


def delete_duplicates(collection: Collection, report: DuplicateReport) -> int:
    """Delete all duplicates but those that are kept; return how many were deleted.

    What has changed since it was compared stays, and so do the duplicates of a kept document that
    has changed or is gone: another program may have deleted that one for the sake of these.
    """
    pairs = [(group.kept, other.id) for group in report.groups for other in group.others]
    deleted = 0
    for start in range(0, len(pairs), _AT_ONCE):
        some = pairs[start : start + _AT_ONCE]
        ids = list({id for pair in some for id in pair})
        same = {
            id
            for id, document in zip(ids, collection.get_many(ids), strict=True)
            if document is not None and text_hash(document.text) == report.seen.get(id)
        }
        doomed = [other for kept, other in some if kept in same and other in same]
        deleted += collection.delete(doomed) if doomed else 0
    return deleted


def duplicate_documents(report: DuplicateReport) -> Iterator[Document]:
    """Yield the documents that `delete_duplicates` deletes, to be written down before."""
    ids = report.ids
    for start in range(0, len(ids), _AT_ONCE):
        documents = report.read(ids[start : start + _AT_ONCE])
        yield from (document for document in documents if document.text)  # the others are gone


def kept_documents(corpus: Corpus, report: DuplicateReport) -> Iterator[Document]:
    """Yield the documents of a corpus without the duplicates, in their order."""
    doomed = set(report.ids)
    rows = [row for row, id in enumerate(corpus.ids) if id not in doomed]
    for start in range(0, len(rows), _AT_ONCE):
        yield from corpus.read(rows[start : start + _AT_ONCE])


def _for_copies(across: Across, first: NDArray[np.int64]) -> Pairs:
    """Return the pairs across languages, each also for the copies of its two texts."""
    order = np.argsort(across.same, kind="stable")
    heads, starts = np.unique(across.same[order], return_index=True)
    ends = [*starts[1:].tolist(), len(order)]
    span = dict(zip(heads.tolist(), zip(starts.tolist(), ends, strict=False), strict=False))
    made = Pairs(refused=across.pairs.refused, examples=across.pairs.examples)
    for left, right, score in zip(*across.pairs.arrays(), strict=True):
        one, other = (order[slice(*span[int(across.same[row])])] for row in (int(left), int(right)))
        one, other = one[first[one] == one], other[first[other] == other]
        if len(one) * len(other) > _SPREAD:
            one, other = np.array([left]), np.array([right])
        lefts, rights = np.repeat(one, len(other)), np.tile(other, len(one))
        made.add(lefts, rights, np.full(len(lefts), score, dtype=np.float32))
    return made


def _report(
    corpus: Corpus,
    texts: Texts,
    first: NDArray[np.int64],
    found: Sequence[tuple[Kind, Pairs]],
    linking: Linking,
    keep: Keep,
) -> DuplicateReport:
    links: list[_Link] = [(kind, *pairs.arrays()) for kind, pairs in found]
    near = [link for link in links if link[0] != "exact"]
    left = np.concatenate([np.empty(0, dtype=np.int64), *(each[1] for each in near)])
    right = np.concatenate([np.empty(0, dtype=np.int64), *(each[2] for each in near)])
    order, choose = priorities(keep, corpus, texts.lengths)
    if linking == "star":
        # A text is as good as the best of its copies: that one will be kept, if any of them is.
        best_copy = order.copy()
        np.minimum.at(best_copy, first, order)
        head = stars(len(corpus), left, right, best_copy)[first]
    else:
        head = components(len(corpus), left, right)[first]
    members: dict[int, list[int]] = {}
    for row in np.flatnonzero(np.bincount(head, minlength=len(corpus))[head] > 1).tolist():
        members.setdefault(int(head[row]), []).append(row)
    best = _best_links(links, head)
    groups: list[Group] = []
    for rows in members.values():
        while len(rows) > 1:
            kept = choose(rows)
            others: list[Duplicate] = []
            rest: list[int] = []
            for row in rows:
                if row == kept:
                    continue
                if linking == "star" and not best.direct(row, kept, first):
                    rest.append(row)  # a function may keep another one than the star's middle
                    continue
                kind, score = best.between(row, kept, first)
                others.append(Duplicate(corpus.ids[row], str(corpus.langs[row]), kind, score))
            if others:
                groups.append(Group(corpus.ids[kept], str(corpus.langs[kept]), tuple(others)))
            rows = rest
    groups.sort(key=lambda group: -len(group.others))
    row_of: dict[str, int] = {}

    def read(ids: Sequence[str]) -> list[Document]:
        if not row_of:
            row_of.update((id, row) for row, id in enumerate(corpus.ids))
        return corpus.read([row_of[id] for id in ids])

    refused: Counter[str] = Counter()
    examples: list[RefusedPair] = []
    for _, pairs in found:
        refused.update(pairs.refused)
        examples += [
            RefusedPair(
                corpus.ids[each.left],
                corpus.ids[each.right],
                each.score,
                each.refusal.guard,
                str(each.refusal),
            )
            for each in in_order(pairs.examples)
        ]
    seen: dict[str, bytes] = {}
    for rows in members.values():
        seen.update((corpus.ids[row], texts.hashes[row].tobytes()) for row in rows)
    counts = dict(refused.most_common())
    return DuplicateReport(len(corpus), groups, counts, examples, read, seen)


@dataclass(frozen=True, slots=True)
class _Links:
    """Links by their two rows, and the best link of each row."""

    of_two: Mapping[tuple[int, int], tuple[Kind, float]]
    of_one: Mapping[int, tuple[Kind, float]]

    def between(self, row: int, kept: int, first: NDArray[np.int64]) -> tuple[Kind, float]:
        """Return how a row is linked to the kept one, or else to any of its group."""
        one = int(first[row])
        return self.direct(row, kept, first) or self.of_one.get(one) or self.of_one[row]

    def direct(self, row: int, kept: int, first: NDArray[np.int64]) -> tuple[Kind, float] | None:
        """Return how a row is linked to the kept one; None if it is not."""
        one, other = int(first[row]), int(first[kept])
        if one == other:
            return "exact", 1.0
        return self.of_two.get((min(one, other), max(one, other)))


def _best_links(
    links: Iterable[_Link],
    head: NDArray[np.int64],
) -> _Links:
    of_two: dict[tuple[int, int], tuple[Kind, float]] = {}
    of_one: dict[int, tuple[Kind, float]] = {}
    for kind, left, right, scores in links:
        inside = head[left] == head[right]
        for one, other, score in zip(
            left[inside].tolist(), right[inside].tolist(), scores[inside].tolist(), strict=True
        ):
            key = (min(one, other), max(one, other))
            if key not in of_two or of_two[key][1] < score:
                of_two[key] = (kind, score)
            for row in key:
                if row not in of_one or of_one[row][1] < score:
                    of_one[row] = (kind, score)
    return _Links(of_two, of_one)


def _checked_kinds(kinds: Iterable[str]) -> tuple[Kind, ...]:
    wanted = {kinds} if isinstance(kinds, str) else set(kinds)
    if unknown := wanted - set(KINDS):
        raise UnknownName("kind of duplicate", sorted(unknown)[0], KINDS)
    if not wanted:
        raise UsageError(f"kinds is empty; name some of {', '.join(KINDS)}")
    return tuple(kind for kind in KINDS if kind in wanted)
