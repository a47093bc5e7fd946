"""Texts that a pair is compared with: those of a collection, else the sentences that ship."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xlingual_qdrant.chunks import only_documents
from xlingual_qdrant.errors import UsageError
from xlingual_qdrant.filters import combine, language_filter
from xlingual_qdrant.hygiene import composed
from xlingual_qdrant.languages import UNDETERMINED
from xlingual_qdrant.parallel.figures import same_text
from xlingual_qdrant.ports import Embedder, Vectors
from xlingual_qdrant.queries.neighbours import nearest
from xlingual_qdrant.queries.scores.partners import LEAST_FOR_MARGINS, K
from xlingual_qdrant.queries.scores.sentences import sentences_of
from xlingual_qdrant.schema import CollectionSchema
from xlingual_qdrant.writing import vectors_of

if TYPE_CHECKING:
    from xlingual_qdrant.collection import Collection

_SPARE = 4  # neighbours more than are needed, because some are the texts of the pair themselves


class Background:
    """The neighbours of texts in a language.

    They come from the documents of the collection, if it has enough of that language; else
    from the sentences that ship with the library, if they have the language. Where the language
    is not known, those of all languages are taken.
    """

    def __init__(
        self, schema: CollectionSchema, embedder: Embedder, collection: Collection | None
    ) -> None:
        self._schema = schema
        self._embedder = embedder
        self._collection = collection
        self._counts: dict[str, int] = {}
        self._sentences: dict[str, tuple[list[str], Vectors] | None] = {}

    def near(
        self,
        vectors: Vectors,
        cosines: NDArray[np.float32],
        lang: str,
        partners: Sequence[str],
        texts: Sequence[str],
    ) -> NDArray[np.float32] | None:
        """Return the mean cosine of each text with its nearest, shape (n,); None if none is known.

        vectors: of the texts, shape (n, dimension). lang: where the nearest are looked for,
        with all its regions.
        cosines, partners: each text's partner is one of its neighbours, but only once; copies of
        the text itself are none.
        """
        found = self._neighbours(vectors, _base(lang))
        if found is None:
            return None
        means = np.empty(len(vectors), dtype=np.float32)
        for row, (neighbours, partner, text) in enumerate(zip(found, partners, texts, strict=True)):
            own = {same_text(partner), same_text(text)}
            others = [cosine for other, cosine in neighbours if same_text(other) not in own]
            nearest_ones = sorted([*others, float(cosines[row])], reverse=True)[:K]
            means[row] = sum(nearest_ones) / len(nearest_ones)
        return means

    def refuse_few(self, *langs: str) -> None:
        """Raise UsageError unless the collection has enough texts of these languages."""
        for lang in langs:
            if (count := self.count(_base(lang))) < LEAST_FOR_MARGINS:
                raise UsageError(
                    f"margins are no measure here: the collection has {count:,} texts in {lang},"
                    f" and at least {LEAST_FOR_MARGINS} are needed to compare with; let the"
                    " cosine decide"
                )

    def count(self, lang: str) -> int:
        """Return how many documents the collection has in a language, of any if it is `und`."""
        if self._collection is None:
            return 0
        if lang not in self._counts:
            wanted = None if lang == UNDETERMINED else lang
            self._counts[lang] = self._collection.count(langs=wanted)
        return self._counts[lang]

    def _neighbours(self, vectors: Vectors, lang: str) -> list[list[tuple[str, float]]] | None:
        k = K + _SPARE
        if self._collection is not None and self.count(lang) >= LEAST_FOR_MARGINS:
            stored = self._collection.stored
            wanted = None if lang == UNDETERMINED else language_filter((lang,), ())
            where = combine(wanted, only_documents(stored))
            hits = stored.search(vectors, k, where=where, exact=True)
            return [[(hit.text, hit.score) for hit in each] for each in hits]
        if lang not in self._sentences:
            self._sentences[lang] = self._embedded(lang)
        known = self._sentences[lang]
        if known is None:
            return None
        texts, pool = known
        found = nearest(vectors, pool, k)
        return [
            [(texts[row], cosine) for row, cosine in zip(rows, cosines, strict=True)]
            for rows, cosines in zip(found.rows.tolist(), found.scores.tolist(), strict=True)
        ]

    def _embedded(self, lang: str) -> tuple[list[str], Vectors] | None:
        texts = sentences_of(lang)
        return (texts, vectors_of(self._schema, self._embedder, composed(texts))) if texts else None


def _base(tag: str) -> str:
    return tag.partition("-")[0]
