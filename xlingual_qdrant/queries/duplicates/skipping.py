"""Duplicates that are not even stored: what ingestion asks about each window before it writes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from xlingual_qdrant import chunks
from xlingual_qdrant.calibration import Calibration, read_calibration
from xlingual_qdrant.collection import Collection
from xlingual_qdrant.documents import Document
from xlingual_qdrant.errors import UnknownName, UsageError
from xlingual_qdrant.filters import combine, language_filter
from xlingual_qdrant.ingest.known import Known
from xlingual_qdrant.ports import Vectors
from xlingual_qdrant.queries.duplicates.deciding import KINDS, Kind, base, least_cosine, normalised
from xlingual_qdrant.queries.duplicates.guards import (
    GUARDS,
    Profile,
    checked_guards,
    other_numbers,
    profile_of,
    refusal,
)
from xlingual_qdrant.queries.near_pairs.joining import near_pairs

_LOOKED_AT = 10
"""Stored texts that a new one is compared with."""


class DuplicateFinder:
    """Says of new documents which of them are there already, in the store or before them.

    Give it to `ingest(..., skip=...)`. kinds, threshold, guards: as of `find_duplicates`.
    Cross-lingual duplicates need a calibrated collection (`xlingual calibrate`); raises UsageError
    without, and UnknownName.
    """

    def __init__(
        self,
        collection: Collection,
        *,
        kinds: Iterable[str] = ("exact", "near"),
        threshold: float | None = None,
        guards: Iterable[str] = GUARDS,
    ) -> None:
        self._stored = collection.stored
        self._kinds = {kinds} if isinstance(kinds, str) else set(kinds)
        if unknown := self._kinds - set(KINDS):
            raise UnknownName("kind of duplicate", sorted(unknown)[0], KINDS)
        self._guards = checked_guards(guards)
        self._threshold = least_cosine(threshold, self._guards)
        self._calibration: Calibration | None = None
        if "cross-lingual" in self._kinds:
            self._calibration = read_calibration(self._stored)
            if self._calibration is None:
                raise UsageError(
                    "cross-lingual duplicates are known at ingestion only by a calibration;"
                    " `xlingual calibrate` makes one, or `xlingual dedup` finds them afterwards"
                )

    def __call__(self, documents: Sequence[Document], vectors: Vectors) -> list[Known | None]:
        """Return for each document the one that says the same, or None.

        documents: new ones, in order. vectors: shape (len(documents), dimension), unit rows.
        """
        profiles = [profile_of(document.text, document.lang) for document in documents]
        known: list[Known | None] = [None] * len(documents)
        for lang, rows in _by_language(documents).items():
            self._compare_with_stored(lang, rows, documents, vectors, profiles, known)
        self._compare_with_each_other(documents, vectors, profiles, known)
        return known

    def _compare_with_stored(
        self,
        lang: str,
        rows: NDArray[np.int64],
        documents: Sequence[Document],
        vectors: Vectors,
        profiles: list[Profile],
        known: list[Known | None],
    ) -> None:
        across = self._calibration is not None
        where = None if across else language_filter((lang,), ())
        found = self._stored.search(
            vectors[rows], _LOOKED_AT, where=combine(where, chunks.only_documents(self._stored))
        )
        for place, hits in enumerate(found):
            row = int(rows[place])
            document = documents[row]
            for hit in hits:
                if hit.id == document.id:
                    continue
                kind = self._kind(document, hit.document, hit.score)
                if kind is None:
                    continue
                there = profile_of(hit.text, hit.lang) if kind != "exact" else None
                if there is None or refusal(profiles[row], there, self._guards) is None:
                    known[row] = Known(hit.id, kind, hit.score)
                    break

    def _compare_with_each_other(
        self,
        documents: Sequence[Document],
        vectors: Vectors,
        profiles: list[Profile],
        known: list[Known | None],
    ) -> None:
        least = self._threshold
        if self._calibration is not None:
            least = min([least, *(c.threshold for c in self._calibration.cuts["cosine"].values())])
        # As arrays: of texts that are all alike there are millions of pairs in one window.
        found = list(near_pairs(vectors, least))
        none = np.empty(0, dtype=np.int64)
        rights = np.concatenate([none, *(each.right for each in found)])
        lefts = np.concatenate([none, *(each.left for each in found)])
        scores = np.concatenate([np.empty(0, np.float32), *(each.cosines for each in found)])
        if "numbers" in self._guards:
            keys = np.array([profile.numbers_key for profile in profiles], dtype=np.int64)
            bases = np.array([base(document.lang) for document in documents], dtype=np.str_)
            fitting = ~other_numbers(keys[lefts], keys[rights])
            fitting |= bases[lefts] != bases[rights]
            lefts, rights, scores = lefts[fitting], rights[fitting], scores[fitting]
        order = np.lexsort((lefts, rights))
        found_rows, starts = np.unique(rights[order], return_index=True)
        rows: list[int] = found_rows.tolist()
        ends = [*starts[1:].tolist(), len(order)]
        for right, start, end in zip(rows, starts.tolist(), ends, strict=False):
            if known[right] is not None:
                continue
            for place in order[start:end].tolist():
                left, score = int(lefts[place]), float(scores[place])
                if known[left] is not None:
                    continue  # what is not stored itself cannot stand for another
                kind = self._kind(documents[right], documents[left], score)
                if kind is None:
                    continue
                if (
                    kind == "exact"
                    or refusal(profiles[left], profiles[right], self._guards) is None
                ):
                    known[right] = Known(documents[left].id, kind, score)
                    break

    def _kind(self, new: Document, there: Document, score: float) -> Kind | None:
        """Return what kind of duplicate two documents would be, if no guard objects."""
        if base(new.lang) != base(there.lang):
            if self._calibration is None:
                return None
            cut = self._calibration.cut("cosine", new.lang, there.lang)
            return "cross-lingual" if cut is not None and score >= cut.threshold else None
        if "exact" in self._kinds and normalised(new.text) == normalised(there.text):
            return "exact"
        return "near" if "near" in self._kinds and score >= self._threshold else None


def _by_language(documents: Sequence[Document]) -> dict[str, NDArray[np.int64]]:
    rows: dict[str, list[int]] = {}
    for row, document in enumerate(documents):
        rows.setdefault(base(document.lang), []).append(row)
    return {lang: np.array(some, dtype=np.int64) for lang, some in rows.items()}
