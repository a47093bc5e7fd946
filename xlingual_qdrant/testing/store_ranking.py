"""The store contract: searches with corrected scores are the same above every store."""

# ruff: noqa: D102 - the name of a test is its promise

from __future__ import annotations

from typing import Any

import pytest

from xlingual_qdrant.collection import Collection
from xlingual_qdrant.filters import F
from xlingual_qdrant.memory import MemoryCollection
from xlingual_qdrant.ports import StoredCollection
from xlingual_qdrant.testing.corpus import random_documents, random_vectors
from xlingual_qdrant.testing.store_fixtures import DIMENSION, SCHEMA, StoreFixtures, write_all

QUERIES = random_vectors(3, DIMENSION, seed=9)
ASKED = random_vectors(25, DIMENSION, seed=10)

OPTIONS: dict[str, dict[str, Any]] = {
    "neutral": {"prefer": "neutral"},
    "balanced": {"prefer": "balanced", "where": F("year") > 1990},
    "own": {"prefer": "own", "langs": ["en", "de"]},
    "csls": {"rescore": "csls"},
    "lir": {"rescore": "lir"},
    "bridge": {"rescore": "bridge"},
    "per language": {"per_language": 2},
    "balance": {"balance": True, "prefer": "neutral"},
    "diverse": {"diversity": 0.3},
}


class RankingContract(StoreFixtures):
    """What is ranked above the store does not depend on the store."""

    @pytest.fixture
    def both(self, collection: StoredCollection) -> tuple[Collection, Collection]:
        """Return a collection of the store, and the judge's, with the same documents."""
        judge = MemoryCollection(SCHEMA)
        documents, vectors = random_documents(300, seed=4), random_vectors(300, DIMENSION, seed=4)
        for stored in (collection, judge):
            write_all(stored, documents, vectors)
        return Collection(collection), Collection(judge)

    def test_corrected_searches_agree_with_the_judge(
        self, both: tuple[Collection, Collection]
    ) -> None:
        for each in both:
            each.learn_queries(ASKED, lang="en")
        for name, options in OPTIONS.items():
            ours, judged = (
                each.search_many(QUERIES, lang="en", exact=True, **options) for each in both
            )
            for hits, wanted in zip(ours, judged, strict=True):
                found = [(hit.score, hit.raw_score) for hit in hits]
                right = [(hit.score, hit.raw_score) for hit in wanted]
                assert len(found) == len(right) > 0, name
                for one, other in zip(found, right, strict=True):
                    assert one == pytest.approx(other, abs=1e-3), name
                assert {hit.correction for hit in hits} == {hit.correction for hit in wanted}

    def test_statistics_are_kept(self, both: tuple[Collection, Collection]) -> None:
        ours, judged = both
        ours.learn_queries(ASKED, lang="en")
        again = Collection(ours.stored)
        assert again.statistics() == ours.statistics()
        assert again.statistics().sampled == judged.statistics().sampled
        assert again.statistics().asked == {"en": 25}
