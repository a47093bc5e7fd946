"""The store contract: the nearest of each language, whether or not the store groups by itself."""

# ruff: noqa: D102 - the name of a test is its promise

from __future__ import annotations

import pytest

from xlingual_qdrant.filters import F, Filter
from xlingual_qdrant.grouping import search_by_language
from xlingual_qdrant.memory import MemoryCollection
from xlingual_qdrant.ports import StoredCollection
from xlingual_qdrant.testing.agreement import TOLERANCE, assert_well_formed
from xlingual_qdrant.testing.corpus import random_documents, random_vectors
from xlingual_qdrant.testing.store_fixtures import DIMENSION, SCHEMA, StoreFixtures, write_all

QUERIES = random_vectors(3, DIMENSION, seed=9)


class LanguagesContract(StoreFixtures):
    """Each language gets its share, also those whose documents are all far away."""

    @pytest.mark.parametrize("where", [None, F("lang").is_in(["de", "zh"]), F("year") > 2000])
    @pytest.mark.parametrize("k", [1, 4, 1000])
    def test_each_language_has_its_nearest(
        self, collection: StoredCollection, k: int, where: Filter | None
    ) -> None:
        documents, vectors = random_documents(600, seed=3), random_vectors(600, DIMENSION, seed=3)
        write_all(collection, documents, vectors)
        judge = MemoryCollection(SCHEMA)
        write_all(judge, documents, vectors)
        languages = judge.count_by_language(where)
        found = search_by_language(collection, QUERIES, k, where=where, exact=True)
        everything = judge.search(QUERIES, len(documents), where=where)
        for groups, ranking in zip(found, everything, strict=True):
            assert set(groups) == set(languages)
            for lang, hits in groups.items():
                best = [hit for hit in ranking if hit.lang == lang][:k]
                assert_well_formed(hits)
                assert {hit.lang for hit in hits} == {lang}
                scores = [hit.score for hit in hits]
                assert scores == pytest.approx([hit.score for hit in best], abs=TOLERANCE)

    def test_nothing_has_no_languages(self, collection: StoredCollection) -> None:
        assert search_by_language(collection, QUERIES, 3) == [{}, {}, {}]
