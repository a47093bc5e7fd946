"""A search whose scores are corrected: candidates from the store, ranked anew by their vectors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from xlingual_qdrant import corrections
from xlingual_qdrant.asking import checked_count
from xlingual_qdrant.documents import Hit, JsonValue
from xlingual_qdrant.errors import UsageError
from xlingual_qdrant.filters import Filter
from xlingual_qdrant.ports import Vectors
from xlingual_qdrant.spaces import Rescore, Scores, space_of
from xlingual_qdrant.statistics import Asked, Statistics
from xlingual_qdrant.whole_documents import WholeDocuments

Prefer: TypeAlias = Literal["own", "neutral", "balanced"]
"""What becomes of the language of a query among the languages of its hits."""
_LEAST_POOL = 50
_AT_ONCE = 128  # queries whose candidates are held in memory together


@dataclass(frozen=True, slots=True)
class Ranking:
    """How hits are chosen and scored, beyond being the nearest.

    prefer, rescore: None for plain cosines. per_language: most hits of a language. balance: each
    language has the same share of the hits. diversity: 0 to 1, see `corrections.diverse`.
    explain: tell of each hit how its score came about.
    """

    prefer: Prefer | None = None
    rescore: Rescore | None = None
    per_language: int | None = None
    balance: bool = False
    diversity: float | None = None
    explain: bool = False

    def __post_init__(self) -> None:
        _check_word("prefer", self.prefer, get_args(Prefer))
        _check_word("rescore", self.rescore, get_args(Rescore))
        if self.rescore == "bridge" and self.prefer not in (None, "balanced"):
            raise UsageError(
                f"rescore='bridge' gives each language its share; prefer={self.prefer!r} does not"
                " go with it"
            )
        if self.balance and self.per_language is not None:
            raise UsageError("give either balance, equal shares of k, or per_language")
        if self.diversity is not None and (self.balance or self.per_language is not None):
            raise UsageError("diversity chooses among all hits; not with balance or per_language")
        if self.per_language is not None:
            checked_count("per_language", self.per_language)
        if self.diversity is not None and not 0 <= self.diversity <= 1:
            raise UsageError(f"diversity is a number from 0 to 1, not {self.diversity!r}")

    @property
    def plain(self) -> bool:
        """Whether the nearest by cosine are wanted, and nothing else."""
        return self == Ranking()

    @property
    def corrected(self) -> bool:
        """Whether scores are other than cosines."""
        return self.prefer is not None or self.rescore is not None

    @property
    def name(self) -> str | None:
        """What `Hit.correction` says."""
        if not self.corrected:
            return None
        rescore = self.rescore or "centered"
        return rescore if self.prefer in (None, "neutral") else f"{rescore}, {self.prefer}"

    @property
    def each_language(self) -> bool:
        """Whether candidates of each language are needed."""
        shared = self.balance or self.per_language is not None
        return shared or self.prefer in ("own", "balanced") or self.rescore == "bridge"


def _check_word(name: str, value: object, words: Sequence[str]) -> None:
    if value is not None and value not in words:
        raise UsageError(
            f"{name} is {', '.join(map(repr, words[:-1]))} or {words[-1]!r}, not {value!r}"
        )


@dataclass(frozen=True, slots=True)
class Candidates:
    """What may become the hits of one query.

    hits: rows of the store. tags: of them. vectors: as the correction moves them, shape
    (len(hits), dimension); none without one. cosines: with the query as it was asked. scores:
    corrected.
    """

    hits: list[Hit]
    tags: NDArray[np.str_]
    vectors: Vectors
    cosines: Scores
    scores: Scores

    def by_tag(self) -> dict[str, NDArray[np.intp]]:
        """Return for each tag its rows, the best score first."""
        order = np.argsort(-self.scores, kind="stable")
        return {tag: order[self.tags[order] == tag] for tag in dict.fromkeys(self.tags.tolist())}


class Ranker:
    """Answers queries to some documents under one `Ranking`.

    statistics: asked for only if scores are corrected. enough: returns those of the hits of a
    query in a language that are near enough; asked before hits are chosen, so that what is not
    takes nobody's place.
    """

    def __init__(
        self,
        documents: WholeDocuments,
        statistics: Callable[[], Statistics],
        ranking: Ranking,
        *,
        where: Filter | None,
        exact: bool,
        enough: Callable[[list[Hit], str], list[Hit]] | None = None,
    ) -> None:
        self._documents = documents
        self._enough = enough
        self._ranking = ranking
        self._where = where
        self._exact = exact
        self._statistics = statistics() if ranking.corrected else None
        self._space = (
            None if self._statistics is None else space_of(self._statistics, ranking.rescore)
        )
        self._counts: dict[str, int] | None = None

    def search(self, queries: Vectors, tags: Sequence[str], k: int | None) -> list[list[Hit]]:
        """Return the hits of each query. tags: the languages of the queries. k: None for all."""
        found: list[list[Hit]] = []
        for start in range(0, len(queries), _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            found += self._search(queries[part], tags[part], k)
        return self._documents.with_parts(queries, found)

    def _search(self, queries: Vectors, tags: Sequence[str], k: int | None) -> list[list[Hit]]:
        found: list[list[Hit]] = [[] for _ in queries]
        pending = list(range(len(queries)))
        width = self._width(k)
        while pending:
            some = [tags[number] for number in pending]
            candidates = self.candidates(queries[pending], some, width)
            documents = self._documents_of(candidates, some, k)
            for number, hits in zip(pending, documents, strict=True):
                near = hits if self._enough is None else self._enough(hits, tags[number])
                found[number] = self._chosen(near, k)
            # Rows of one document count once, so there may be fewer documents than were wanted.
            pending = [
                number
                for number, rows, hits in zip(pending, candidates, documents, strict=True)
                if self._more(rows, hits, width, k)
            ]
            width *= 4
        return found

    def _more(self, rows: Candidates, hits: list[Hit], width: int, k: int | None) -> bool:
        """Say whether hits are missing that more rows may bring."""
        if not self._ranking.each_language:
            return len(rows.hits) >= width and len(hits) < (k or 0)
        full = {tag for tag, places in rows.by_tag().items() if len(places) >= width}
        wanted = self._ranking.per_language or k or 0
        if self._ranking.per_language is None and not self._ranking.balance:
            return bool(full) and len(hits) < wanted
        there = Counter(hit.lang for hit in hits)
        return any(there[tag] < wanted for tag in full)

    def _width(self, k: int | None) -> int:
        wanted = self._ranking.per_language or k or corrections.TOP
        if self._ranking.each_language:
            return max(corrections.TOP, wanted)
        return max(_LEAST_POOL, 5 * wanted)

    # ------------------------------------------------------------ candidates and scores

    def candidates(self, queries: Vectors, tags: Sequence[str], width: int) -> list[Candidates]:
        """Return candidates with their scores. width: rows to ask for, of each language if so."""
        moved = queries if self._space is None else self._space.queries(queries, tags)
        scored = self._found(queries, moved, width)
        if self._ranking.rescore == "bridge":
            moved = np.stack(
                [_bridge(each, near) for each, near in zip(moved, scored, strict=True)]
            )
            scored = self._found(queries, moved, width)
        return [self._shifted(each, tag) for each, tag in zip(scored, tags, strict=True)]

    def _found(self, queries: Vectors, moved: Vectors, width: int) -> list[Candidates]:
        """Return what is nearest to moved queries, scored."""
        found = self._rows(moved, width)
        vectors = self._vectors(found) if self._space is not None else {}
        return [
            self._scored(hits, vectors, query, away)
            for hits, query, away in zip(found, queries, moved, strict=True)
        ]

    def _rows(self, queries: Vectors, width: int) -> list[list[Hit]]:
        return self._documents.nearest_rows(
            np.ascontiguousarray(queries, dtype=np.float32),
            width,
            self._where,
            exact=self._exact,
            each_language=self._ranking.each_language,
        )

    def _scored(
        self,
        hits: list[Hit],
        known: Mapping[str, NDArray[np.float32]],
        query: NDArray[np.float32],
        moved: NDArray[np.float32],
    ) -> Candidates:
        tags = np.array([hit.lang for hit in hits], dtype=np.str_)
        if self._space is None or not hits:
            cosines = np.array([hit.score for hit in hits], dtype=np.float32)
            none = np.empty((0, len(query)), dtype=np.float32)
            return Candidates(hits, tags, none, cosines, cosines)
        vectors = np.stack([known[hit.id] for hit in hits])
        cosines = np.clip(vectors @ query, -1, 1)
        placed = self._space.documents(vectors, tags.tolist())
        scores = self._space.scores(placed, vectors, moved, query)
        return Candidates(hits, tags, placed, cosines, scores)

    def _vectors(self, found: list[list[Hit]]) -> dict[str, NDArray[np.float32]]:
        """Return the vector of each row that was found, by id."""
        ids = list({hit.id for hits in found for hit in hits})
        zero = np.zeros(self._documents.stored.schema.dimension, dtype=np.float32)
        there = self._documents.stored.fetch_vectors(ids)
        # One that was deleted since it was found goes to the end.
        return {id: zero if v is None else v for id, v in zip(ids, there, strict=True)}

    def _shifted(self, candidates: Candidates, tag: str) -> Candidates:
        """Return candidates with the scores of each language moved as `prefer` says."""
        prefer = "balanced" if self._ranking.rescore == "bridge" else self._ranking.prefer
        if prefer == "balanced":
            offsets = self._offsets(candidates, tag)
        elif prefer == "own" and self._space is not None:
            offsets = {
                other: -self._space.spread / 2
                for other in candidates.by_tag()
                if _same_language(tag, other)
            }
        else:
            return candidates
        moved = np.array([offsets.get(each, 0.0) for each in candidates.tags.tolist()])
        return replace(candidates, scores=(candidates.scores - moved).astype(np.float32))

    def _offsets(self, candidates: Candidates, tag: str) -> Mapping[str, float]:
        """Return how much to take off the scores of each language for its share to be fair.

        What was learned from other queries weighs as many as they were; the query's own top
        scores help out where there were few.
        """
        if self._counts is None:
            self._counts = self._documents.count_by_language(self._where)
        tops = {t: candidates.scores[rows] for t, rows in candidates.by_tag().items()}
        own = corrections.top_means(tops, self._counts)
        learned = self._learned(tag)
        if self._ranking.rescore == "bridge" or learned is None:
            return own
        weight = learned.ranked / (learned.ranked + corrections.OWN_WEIGHT)
        return {t: weight * learned.offsets.get(t, 0.0) + (1 - weight) * own[t] for t in own}

    def _learned(self, tag: str) -> Asked | None:
        known = {} if self._statistics is None else self._statistics.asked
        found = known.get(tag) or known.get(tag.partition("-")[0])
        return found if found is not None and found.ranked else None

    # ------------------------------------------------------------ from candidates to hits

    def _documents_of(
        self, found: list[Candidates], tags: Sequence[str], k: int | None
    ) -> list[list[Hit]]:
        """Return documents, each once, best first; those behind the k-th only where they matter."""
        ranking = self._ranking
        all_matter = ranking.per_language or ranking.balance or ranking.diversity or self._enough
        most = None if all_matter or self._documents.has_chunks else k
        rows = [
            [self._hit(candidates, row, tag) for row in _by_score(candidates)[:most]]
            for candidates, tag in zip(found, tags, strict=True)
        ]
        return self._documents.of_rows(rows)

    def _hit(self, candidates: Candidates, row: int, tag: str) -> Hit:
        hit = candidates.hits[row]
        score, cosine = float(candidates.scores[row]), float(candidates.cosines[row])
        explanation: dict[str, JsonValue] | None = None
        if self._ranking.explain:
            explanation = {
                "query_lang": tag,
                "cosine": round(cosine, 6),
                "cosine_rank": 1 + int((candidates.cosines > candidates.cosines[row]).sum()),
                "shift": round(score - cosine, 6),
            }
        if not self._ranking.corrected:
            return replace(hit, score=cosine, explanation=explanation)
        name = self._ranking.name
        return replace(hit, score=score, raw_score=cosine, correction=name, explanation=explanation)

    def _chosen(self, hits: list[Hit], k: int | None) -> list[Hit]:
        ranking = self._ranking
        if ranking.per_language is not None:
            hits = _at_most(hits, ranking.per_language)
        if ranking.balance:
            hits = _in_turn(hits)
        if ranking.diversity and k is not None and hits:
            known = self._vectors([hits])
            vectors = np.stack([known[hit.id] for hit in hits])
            scores = np.array([hit.score for hit in hits], dtype=np.float32)
            rows = corrections.diverse(scores, vectors, k, ranking.diversity)
            return [hits[row] for row in rows]
        return hits if k is None else hits[:k]


def _by_score(candidates: Candidates) -> list[int]:
    """Return the rows, best first, equal scores ordered by id."""
    ids = np.array([hit.id for hit in candidates.hits], dtype=np.str_)
    order: list[int] = np.lexsort((ids, -candidates.scores)).tolist()
    return order


def _at_most(hits: list[Hit], most: int) -> list[Hit]:
    seen: dict[str, int] = {}
    kept: list[Hit] = []
    for hit in hits:
        seen[hit.lang] = seen.get(hit.lang, 0) + 1
        if seen[hit.lang] <= most:
            kept.append(hit)
    return kept


def _in_turn(hits: list[Hit]) -> list[Hit]:
    """Return the best of each language, then the second best of each, and so on."""
    seen: dict[str, int] = {}
    places: list[tuple[int, int]] = []
    for row, hit in enumerate(hits):
        places.append((seen.get(hit.lang, 0), row))
        seen[hit.lang] = seen.get(hit.lang, 0) + 1
    return [hits[row] for _, row in sorted(places)]


def _same_language(one: str, other: str) -> bool:
    return one.partition("-")[0] == other.partition("-")[0]


def _bridge(moved: NDArray[np.float32], near: Candidates) -> NDArray[np.float32]:
    """Return the query with its best hit added: from a text to its versions in other languages."""
    if not near.hits:
        return moved
    [bridged] = corrections.units((moved + near.vectors[int(np.argmax(near.scores))])[None, :])
    return bridged
