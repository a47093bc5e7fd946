"""Which kind of search fits a collection, told from its documents alone, without labels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from xlingual_qdrant.collection import Collection, checked_count
from xlingual_qdrant.documents import JsonValue
from xlingual_qdrant.errors import UsageError
from xlingual_qdrant.languages import UNDETERMINED
from xlingual_qdrant.ports import Vectors
from xlingual_qdrant.queries.evaluation.ranking import TOP
from xlingual_qdrant.statistics import ranks_of

OnProgress = Callable[[int, int], None]
Advice: TypeAlias = Literal["plain", "neutral", "balanced", "bridge"]
"""A kind of search, as `SEARCHES` names it."""

MOST_LANGUAGES = 8
"""Languages that are looked at, the largest first: the work grows with their square."""
LEAST_DOCUMENTS = 10
"""A language with fewer documents tells nothing of itself."""
PARALLEL = 1 / 3
"""From this share of translations on, a collection counts as one of translations."""
TELLING = 0.75
"""Of a pair of languages where more documents would be mutual by chance nothing is told."""
NOTICEABLE = 0.02
"""An excess of a document's own language below this is not worth a correction."""
STRONG = 0.15
"""From this excess on, other languages are crowded out."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What the documents of a collection say about the search that fits.

    documents, languages: how many there are, by base language, most frequent first. sampled:
    how many were looked at. translated: the share of documents and other languages where the
    document has a translation there, as estimated, 0 to 1; pairs: the same by pair of languages,
    each compared with its own chance, without those of which that tells nothing.
    mutual: how often a document and its nearest in another language are each other's nearest;
    chance: how often that is so within a language, where there are no translations. own_share:
    share of a document's own language among its ten nearest; fair_share: what it would be if
    languages did not matter. advice: the kind of search.
    """

    documents: int
    languages: Mapping[str, int]
    sampled: int
    translated: float
    pairs: Mapping[tuple[str, str], float]
    mutual: float
    chance: float
    own_share: float
    fair_share: float
    advice: Advice

    @property
    def excess(self) -> float:
        """How far the share of a document's own language is above what would be fair."""
        return self.own_share - self.fair_share

    def in_words(self) -> Iterator[str]:
        """Yield sentences for people."""
        known = [f"{tag} {count:,}" for tag, count in self.languages.items()]
        more = f" and {len(known) - TOP} more" if len(known) > TOP else ""
        yield f"Documents: {self.documents:,} ({', '.join(known[:TOP])}{more})."
        if self.sampled:
            yield (
                f"Translations: about {self.translated:.0%} of what could be there."
                f" Of {self.sampled:,} documents looked at, {self.mutual:.0%} have a nearest in"
                f" another language that has them as its nearest in turn; within a language,"
                f" where nothing is translated, {self.chance:.0%} have."
            )
            yield (
                f"Own language: {self.own_share:.0%} of a document's ten nearest are in its own"
                f" language, {self.fair_share:.0%} would be fair."
            )
        else:
            yield (
                f"Fewer than two languages have {LEAST_DOCUMENTS} documents or more: there is"
                " nothing to be told between languages."
            )
        yield f"Advice: {_ADVICE[self.advice]}"

    def to_json(self) -> dict[str, JsonValue]:
        """Return all numbers as a JSON object; pairs are "de-fr": of German ones in French."""
        pairs = {f"{one}-{other}": round(share, 6) for (one, other), share in self.pairs.items()}
        numbers = {
            name: round(getattr(self, name), 6)
            for name in ("translated", "mutual", "chance", "own_share", "fair_share")
        }
        return {
            "advice": self.advice,
            "documents": self.documents,
            "languages": {**self.languages},
            "sampled": self.sampled,
            **numbers,
            "pairs": {**pairs},
        }


_ADVICE: Mapping[Advice, str] = {
    "plain": "plain search: no language comes too early.",
    "neutral": (
        'prefer="neutral" (--prefer neutral). Documents in the language of the question'
        " come too early."
    ),
    "balanced": (
        'prefer="neutral" (--prefer neutral); prefer="balanced" where each language is to have its'
        " share of the first hits, because the own language crowds the others out."
    ),
    "bridge": (
        'rescore="bridge" (--rescore bridge). Many documents are here in more than one'
        " language: bridge finds the versions of the best hit. Where people want one answer in"
        " whatever language, neutral does better; compare both with questions of your own."
    ),
}


def diagnose(
    collection: Collection, *, sample: int = 600, on_progress: OnProgress | None = None
) -> Diagnosis:
    """Say which kind of search fits: plain, neutral, balanced or bridge.

    sample: documents that are looked at, shared among the languages; the same ones each time.
    Raises UsageError for a collection without documents.
    """
    checked_count("sample", sample)
    languages: dict[str, int] = {}
    for tag, count in collection.languages().items():
        base = tag.partition("-")[0]
        languages[base] = languages.get(base, 0) + count
    languages = dict(sorted(languages.items(), key=lambda item: (-item[1], item[0])))
    if not languages:
        raise UsageError(f"collection '{collection.name}' is empty: there is nothing to look at")
    usable = [
        tag for tag, count in languages.items() if count >= LEAST_DOCUMENTS and tag != UNDETERMINED
    ][:MOST_LANGUAGES]
    if len(usable) < 2:
        return _of_one_language(languages)
    chosen = sampled_ids(collection, usable, max(1, sample // len(usable)))
    looked = _Looked.at(collection, chosen, on_progress)
    total = sum(languages.values())
    fair = {tag: (languages[tag] - 1) / max(1, total - 1) for tag in usable}
    weights = [len(chosen[tag]) for tag in usable]
    chance = float(np.average([looked.within[tag] for tag in usable], weights=weights))
    mutual = float(
        np.average(list(looked.mutual.values()), weights=[len(chosen[a]) for a, _ in looked.mutual])
    )
    own = float(np.average([looked.own[tag] for tag in usable], weights=weights))
    fair_share = float(np.average([fair[tag] for tag in usable], weights=weights))
    translated = beyond_chance(mutual, chance)
    return Diagnosis(
        documents=total,
        languages=languages,
        sampled=sum(weights),
        translated=translated,
        pairs=_by_pair(looked, languages),
        mutual=mutual,
        chance=chance,
        own_share=own,
        fair_share=fair_share,
        advice=advised(translated, own - fair_share),
    )


def beyond_chance(mutual: float, chance: float) -> float:
    """Return which share of pairs are mutual for a reason, 0 to 1.

    Those without one are mutual as often as by chance.
    """
    return max(0.0, (mutual - chance) / max(1 - chance, 1e-6))


def _by_pair(looked: _Looked, counts: Mapping[str, int]) -> dict[tuple[str, str], float]:
    found: dict[tuple[str, str], float] = {}
    for (one, other), mutual in looked.mutual.items():
        within = looked.within[one], looked.within[other]
        chance = chance_between(within, (counts[one], counts[other]))
        if chance <= TELLING:
            found[one, other] = beyond_chance(mutual, chance)
    return found


def chance_between(within: tuple[float, float], counts: tuple[int, int]) -> float:
    """Return how often a document of one language would be mutual in another by chance.

    within: how often that is so in either language. counts: their documents. The more documents
    the other language has, the nearer is the nearest of them, and the fewer there are in its own
    that could be nearer to that one: with points at random, the odds grow with counts[1] /
    counts[0], and are those within a language where both are equal.
    """
    mean = (within[0] + within[1]) / 2
    many, few = mean * counts[1], (1 - mean) * counts[0]
    return many / (many + few)


def advised(translated: float, excess: float) -> Advice:
    """Return the kind of search for a share of translations and an excess of the own language."""
    if translated >= PARALLEL:
        return "bridge"
    if excess >= STRONG:
        return "balanced"
    return "neutral" if excess >= NOTICEABLE else "plain"


def _of_one_language(languages: Mapping[str, int]) -> Diagnosis:
    total = sum(languages.values())
    return Diagnosis(total, languages, 0, 0.0, {}, 0.0, 0.0, 1.0, 1.0, "plain")


def sampled_ids(collection: Collection, langs: Sequence[str], count: int) -> dict[str, list[str]]:
    """Return for each base language the ids with the smallest hashes: random, always the same."""
    kept: dict[str, list[tuple[int, str]]] = {lang: [] for lang in langs}
    for batch in collection.batches(langs=list(langs), size=5000):
        ids = [document.id for document in batch.documents]
        ranks: list[int] = ranks_of(ids).tolist()
        for document, rank in zip(batch.documents, ranks, strict=True):
            kept[document.lang.partition("-")[0]].append((rank, document.id))
        for lang, ranked in kept.items():
            kept[lang] = sorted(ranked)[:count]
    return {lang: [id for _, id in ranked] for lang, ranked in kept.items()}


@dataclass(frozen=True, slots=True)
class _Looked:
    """Shares by language, or pair of languages, of sampled documents.

    mutual: whose nearest in the other language has them as its nearest. within: the same in
    their own language. own: of their own language among their ten nearest.
    """

    mutual: dict[tuple[str, str], float]
    within: dict[str, float]
    own: dict[str, float]

    @classmethod
    def at(
        cls,
        collection: Collection,
        chosen: Mapping[str, list[str]],
        on_progress: OnProgress | None,
    ) -> _Looked:
        looked = cls({}, {}, {})
        steps, done = len(chosen) ** 2, 0
        for one, ids in chosen.items():
            vectors = _vectors(collection, ids)
            looked.own[one] = _own_share(collection, one, ids, vectors)
            for other in chosen:
                partners = _nearest_other(collection, other, ids, vectors)
                back = _nearest_other(collection, one, partners, _vectors(collection, partners))
                share = float(np.mean([a == b for a, b in zip(ids, back, strict=True)]))
                if one == other:
                    looked.within[one] = share
                else:
                    looked.mutual[one, other] = share
                done += 1
                if on_progress is not None:
                    on_progress(done, steps)
        return looked


def _vectors(collection: Collection, ids: Sequence[str]) -> Vectors:
    zero = np.zeros(collection.schema.dimension, dtype=np.float32)
    zero[0] = 1  # of a document that was deleted meanwhile: any direction will do
    rows: list[NDArray[np.float32]] = [
        zero if row is None else row for row in collection.stored.fetch_vectors(ids)
    ]
    return np.array(rows, dtype=np.float32)


def _nearest_other(
    collection: Collection, lang: str, ids: Sequence[str], vectors: Vectors
) -> list[str]:
    """Return for each document the nearest one of a language that is not itself; "" for none."""
    found = collection.search_many(vectors, k=2, langs=lang)
    return [
        next((hit.id for hit in hits if hit.id != id), "")
        for id, hits in zip(ids, found, strict=True)
    ]


def _own_share(collection: Collection, lang: str, ids: Sequence[str], vectors: Vectors) -> float:
    shares: list[float] = []
    for id, hits in zip(ids, collection.search_many(vectors, k=TOP + 1), strict=True):
        others = [hit.lang.partition("-")[0] == lang for hit in hits if hit.id != id][:TOP]
        shares.append(float(np.mean(others)) if others else 0.0)
    return float(np.mean(shares))
