"""Shards by language: what goes where, and what is left to be deleted. No cluster is needed."""

from __future__ import annotations

from typing import Any

import pytest
from qdrant_client import models
from xlingual_adapters.stores.qdrant import QdrantSettings, creation
from xlingual_adapters.stores.qdrant.shards import RESERVED, Copy, left_behind
from xlingual_adapters.stores.qdrant.writing import BATCH_POINTS, batches

from xlingual_qdrant.documents import Document
from xlingual_qdrant.errors import SettingsError
from xlingual_qdrant.languages import canonical
from xlingual_qdrant.registry import check_settings
from xlingual_qdrant.schema import CollectionSchema
from xlingual_qdrant.testing.corpus import random_vectors

LANGS = ["de", "fr", "de", "zh-Hant", "und", "fr"]
DOCUMENTS = [Document(str(n), id=str(n), lang=lang) for n, lang in enumerate(LANGS)]


def by_lang(document: Document) -> str | None:
    return document.lang


def by_none(_: Document) -> str | None:
    return None


def test_a_batch_holds_documents_of_one_shard_with_their_own_vectors() -> None:
    vectors = random_vectors(6, 4)
    found = list(batches(DOCUMENTS, vectors, by_lang))
    assert [key for key, _ in found] == ["de", "fr", "zh-Hant", "und"]
    for key, batch in found:
        for point in batch:
            assert point.payload is not None
            own: dict[str, Any] = point.payload["_xlingual"]
            assert own["lang"] == key
            assert point.vector == vectors[int(own["id"])].tolist()
    assert sum(len(batch) for _, batch in found) == 6


def test_without_shard_keys_all_languages_share_a_batch() -> None:
    [(key, batch)] = batches(DOCUMENTS, random_vectors(6, 4), by_none)
    assert (key, len(batch)) == (None, 6)


def test_the_documents_of_a_shard_are_bounded_like_all_others() -> None:
    many = [Document("a", id=str(n), lang="de") for n in range(BATCH_POINTS + 1)]
    found = list(batches(many, random_vectors(len(many), 4), by_lang))
    assert [(key, len(batch)) for key, batch in found] == [("de", BATCH_POINTS), ("de", 1)]


def test_what_has_moved_is_deleted_where_it_was_in_the_version_that_was_seen() -> None:
    found = [
        Copy("p1", "de", "h1"),
        Copy("p2", "fr", "h2"),
        Copy("p3", "de", "h3"),
        Copy("p4", "de", "h4"),
        Copy("p4", "fr", "h5"),
    ]
    filters = left_behind(found, {"p1": "fr", "p2": "fr", "p3": "en", "p4": "ja"})
    assert {lang: _parts(wanted) for lang, wanted in filters.items()} == {
        "de": (["p1", "p3", "p4"], ["h1", "h3", "h4"]),
        "fr": (["p4"], ["h5"]),
    }
    assert left_behind(found[:1], {"p1": "de"}) == {}
    assert left_behind([], {}) == {}


def _parts(wanted: models.Filter) -> tuple[list[str], list[str]]:
    assert isinstance(wanted.must, list)
    has_id, versions = wanted.must
    assert isinstance(has_id, models.HasIdCondition)
    assert isinstance(versions, models.FieldCondition)
    assert versions.key == "_xlingual.hash"
    assert isinstance(versions.match, models.MatchAny)
    return [str(point) for point in has_id.has_id], [str(v) for v in versions.match.any]


def test_the_versions_that_deletions_ask_for_are_indexed() -> None:
    schema = CollectionSchema(name="c", dimension=4)
    assert "_xlingual.hash" in creation.indexes(schema, by_language=True)
    assert "_xlingual.hash" not in creation.indexes(schema)


def test_the_key_of_what_belongs_to_the_collection_is_no_language() -> None:
    with pytest.raises(ValueError, match="language tag"):
        canonical(RESERVED)


@pytest.mark.parametrize("place", [{"path": "data"}, {"location": ":memory:"}])
def test_local_mode_refuses_it(place: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match="needs a cluster"):
        check_settings(QdrantSettings, {**place, "shard_by_language": True}, "stores.prod")
