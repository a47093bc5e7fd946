"""What a collection knows of its languages: a sample of each, and what was asked in it.

A sample is the documents whose ids have the smallest hashes. So it is random, two samples merge
into that of both, a document that is updated or deleted is updated or deleted in it, and a
recomputed sample is the same one. Means, moments and hubness are taken from it. Of queries only
sums are kept, and how high the documents of each language rank for them; no text, no vector.
"""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from xlingual_qdrant.documents import JsonValue
from xlingual_qdrant.ports import Vectors

STATE = "statistics"
"""The key under which a collection keeps them."""
FORMAT_VERSION = 1

SAMPLE = 256
"""Most documents of a language in its sample."""

Ranks = NDArray[np.uint32]


@dataclass(slots=True)
class Sample:
    """Some documents of one language. rows: by id their rank, and vector (float16)."""

    rows: dict[str, tuple[int, NDArray[np.float16]]] = field(
        default_factory=dict[str, tuple[int, NDArray[np.float16]]]
    )

    def take(self, ids: Sequence[str], ranks: Ranks, vectors: Vectors) -> bool:
        """Take what belongs into the sample, and say whether anything did.

        vectors: shape (len(ids), dimension).
        """
        fitting: list[int] = np.flatnonzero(ranks <= self._limit()).tolist()
        for row in fitting:
            self.rows[ids[row]] = (int(ranks[row]), vectors[row].astype(np.float16))
        if len(self.rows) > SAMPLE:
            kept = sorted(self.rows.items(), key=lambda item: (item[1][0], item[0]))[:SAMPLE]
            self.rows = dict(kept)
        return bool(fitting)

    def _limit(self) -> int:
        if len(self.rows) < SAMPLE:
            return int(np.iinfo(np.uint32).max)
        return max(rank for rank, _ in self.rows.values())

    @property
    def vectors(self) -> Vectors:
        """Shape (documents of the sample, dimension)."""
        return np.array([vector for _, vector in self.rows.values()], dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked in one language.

    count: queries. total: the sum of their unit vectors, shape (dimension,). offsets: by
    language of documents, how much higher its scores are than they would have to be for each
    language to have its share of the first results. ranked: queries that these come from.
    """

    count: int
    total: NDArray[np.float32]
    offsets: Mapping[str, float] = field(default_factory=dict[str, float])
    ranked: int = 0

    def joined(self, other: Asked) -> Asked:
        """Return both as one."""
        ranked = self.ranked + other.ranked
        tags = {*self.offsets, *other.offsets}
        offsets = {
            tag: (
                self.ranked * self.offsets.get(tag, 0.0)
                + other.ranked * other.offsets.get(tag, 0.0)
            )
            / ranked
            for tag in tags
        }
        return Asked(self.count + other.count, self.total + other.total, offsets, ranked)


@dataclass(slots=True)
class Statistics:
    """Samples of the documents, and sums of queries, by language.

    embedder: what made the vectors; the statistics of another one mean nothing. samples, asked:
    by tag.
    """

    embedder: str
    dimension: int
    samples: dict[str, Sample] = field(default_factory=dict[str, Sample])
    asked: dict[str, Asked] = field(default_factory=dict[str, Asked])

    def take(self, ids: Sequence[str], langs: Sequence[str], vectors: Vectors) -> bool:
        """Let documents into the samples, and say whether these changed.

        Documents that were there before, perhaps in another language, are to be forgotten first.
        """
        tags = np.array(langs, dtype=np.str_)
        ranks = ranks_of(ids)
        changed = False
        for tag in np.unique(tags).tolist():
            rows = np.flatnonzero(tags == tag)
            sample = self.samples.setdefault(tag, Sample())
            part = [ids[row] for row in rows.tolist()]
            changed |= sample.take(part, ranks[rows], vectors[rows])
        return changed

    def forget(self, ids: Iterable[str]) -> bool:
        """Take documents out of the samples, and say whether any was in one."""
        gone = self.sampled_ids() & set(ids)
        for sample in self.samples.values():
            for id in gone & sample.rows.keys():
                del sample.rows[id]
        self.samples = {tag: sample for tag, sample in self.samples.items() if sample.rows}
        return bool(gone)

    def sampled_ids(self) -> set[str]:
        """Return the ids of all samples."""
        return {id for sample in self.samples.values() for id in sample.rows}

    def hear(self, tags: Sequence[str], queries: Vectors) -> None:
        """Add queries to what was asked. queries: shape (len(tags), dimension), unit rows."""
        known = np.array(tags, dtype=np.str_)
        for tag in np.unique(known).tolist():
            rows = queries[known == tag]
            asked = Asked(len(rows), rows.sum(axis=0))
            self.asked[tag] = self.asked[tag].joined(asked) if tag in self.asked else asked

    # ------------------------------------------------------------ keeping

    def to_bytes(self) -> bytes:
        """Return what is kept as state: NumPy arrays and JSON.

        The same samples give the same bytes, in whatever order they came together, so that two
        copies of a collection can be compared.
        """
        ordered = {
            tag: dict(sorted(sample.rows.items(), key=lambda item: (item[1][0], item[0])))
            for tag, sample in sorted(self.samples.items())
        }
        told = dict(sorted(self.asked.items()))
        head: dict[str, JsonValue] = {
            "version": FORMAT_VERSION,
            "embedder": self.embedder,
            "dimension": self.dimension,
            "samples": {tag: [*rows] for tag, rows in ordered.items()},
            "asked": {
                tag: {"count": a.count, "ranked": a.ranked, "offsets": {**a.offsets}}
                for tag, a in told.items()
            },
        }
        empty = np.empty((0, self.dimension), dtype=np.float16)
        vectors = [np.array([v for _, v in rows.values()]) for rows in ordered.values() if rows]
        totals = [asked.total for asked in told.values()]
        out = io.BytesIO()
        np.savez(
            out,
            head=np.frombuffer(json.dumps(head).encode(), dtype=np.uint8),
            vectors=np.concatenate([empty, *vectors]),
            totals=np.array(totals, dtype=np.float32).reshape(len(totals), self.dimension),
        )
        return out.getvalue()

    @classmethod
    def from_bytes(cls, kept: bytes) -> Self | None:
        """Read what `to_bytes` wrote; None if another version wrote it, or if it is damaged."""
        try:
            return cls._read(kept)
        except (ValueError, KeyError, TypeError, AttributeError, EOFError, zipfile.BadZipFile):
            return None

    @classmethod
    def _read(cls, kept: bytes) -> Self | None:
        with np.load(io.BytesIO(kept)) as arrays:
            head: dict[str, Any] = json.loads(arrays["head"].tobytes())
            if head["version"] != FORMAT_VERSION:
                return None
            vectors, totals = arrays["vectors"], arrays["totals"]
        found = cls(head["embedder"], head["dimension"])
        start = 0
        for tag, ids in head["samples"].items():
            ranks = ranks_of(ids).tolist()
            rows = zip(ids, zip(ranks, vectors[start : start + len(ids)], strict=True), strict=True)
            found.samples[tag] = Sample(dict(rows))
            start += len(ids)
        for (tag, facts), total in zip(head["asked"].items(), totals, strict=True):
            found.asked[tag] = Asked(facts["count"], total, facts["offsets"], facts["ranked"])
        return found

    def merged(self, newer: Statistics, gone: Iterable[str]) -> Statistics:
        """Return these with newer samples and queries. gone: ids that these may know, wrongly."""
        samples = {tag: Sample(dict(sample.rows)) for tag, sample in self.samples.items()}
        made = Statistics(self.embedder, self.dimension, samples, dict(self.asked))
        made.forget({*gone, *newer.sampled_ids()})
        for tag, sample in newer.samples.items():
            ids = list(sample.rows)
            made.take(ids, [tag] * len(ids), sample.vectors)
        for tag, asked in newer.asked.items():
            made.asked[tag] = made.asked[tag].joined(asked) if tag in made.asked else asked
        return made

    def info(self) -> StatisticsInfo:
        """Return the counts."""
        return StatisticsInfo(
            {tag: len(self.samples[tag].rows) for tag in sorted(self.samples)},
            {tag: self.asked[tag].count for tag in sorted(self.asked)},
            {tag: a.ranked for tag, a in sorted(self.asked.items()) if a.ranked},
        )


@dataclass(frozen=True, slots=True)
class StatisticsInfo:
    """What the corrections of a search rest on, for people: counts by language tag.

    sampled: documents in the samples. asked: queries that were learned from. balanced: those
    of them from which the shares of the languages are known.
    """

    sampled: dict[str, int]
    asked: dict[str, int]
    balanced: dict[str, int]

    def to_json(self) -> dict[str, JsonValue]:
        """Return the counts as a JSON object."""
        return {
            "sampled": {**self.sampled},
            "asked": {**self.asked},
            "balanced": {**self.balanced},
        }


def ranks_of(ids: Sequence[str]) -> Ranks:
    """Return a hash of each id, evenly spread over 32 bits; the same on every machine."""
    sums = np.fromiter((zlib.crc32(id.encode()) for id in ids), dtype=np.uint32, count=len(ids))
    # The finaliser of MurmurHash3: checksums of ids that are counted up lie in patterns.
    sums ^= sums >> np.uint32(16)
    sums *= np.uint32(0x85EBCA6B)
    sums ^= sums >> np.uint32(13)
    sums *= np.uint32(0xC2B2AE35)
    sums ^= sums >> np.uint32(16)
    return sums
