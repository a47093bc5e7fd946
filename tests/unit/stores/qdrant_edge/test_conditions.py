"""Filters in the engine's own words mean what `filters.matches` says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import qdrant_edge as edge
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from qdrant_client import models
from xlingual_adapters.stores.qdrant_edge import QdrantEdgeSettings, QdrantEdgeStore
from xlingual_adapters.stores.qdrant_edge.conditions import to_edge
from xlingual_adapters.stores.qdrant_points.filters import translate

from xlingual_qdrant.documents import Document
from xlingual_qdrant.filters import F, Filter, matches
from xlingual_qdrant.schema import CollectionSchema
from xlingual_qdrant.testing import strategies

Make = Callable[..., Any]

TRUTHS = [True, False, 1, 0, 1.0, "true", None, [True, 2], [False], {"x": True}]


def put(collection: Any, documents: list[Document]) -> None:
    vectors = np.repeat(np.eye(1, collection.schema.dimension, dtype=np.float32), len(documents), 0)
    collection.write(documents, vectors)


@pytest.mark.parametrize("fields", [{}, {"b": "bool"}])
def test_a_bool_is_no_number_and_a_number_is_no_bool(tmp_path: Path, fields: Any) -> None:
    store = QdrantEdgeStore(QdrantEdgeSettings(path=tmp_path))
    collection = store.create(CollectionSchema(name="c", dimension=4, fields=fields))
    kept = [v for v in TRUTHS if not fields or (isinstance(v, bool | list) and v != [True, 2])]
    documents = [Document("a", id=str(n), metadata={"b": v}) for n, v in enumerate(kept)]
    put(collection, documents)
    wanted = [F("b") == True, F("b") == False, F("b") != True, F("b").contains(True)]  # noqa: E712
    wanted += [] if fields else [F("b") == 1, F("b") == 0, F("b").is_in([1, False])]
    for where in wanted:
        assert translate(where, collection.schema.fields).exact
        found = {doc.id for batch in collection.scan(where) for doc in batch.documents}
        assert found == {doc.id for doc in documents if matches(where, doc)}, where
    store.close()


def test_the_engine_takes_a_python_bool_for_an_integer() -> None:
    """When this fails, the detour by NumPy's bool is not needed any more."""
    assert edge.MatchValue(True).value is not True


def test_a_condition_that_no_translation_makes_is_refused() -> None:
    near = models.FieldCondition(
        key="a", geo_radius=models.GeoRadius(center=models.GeoPoint(lon=0, lat=0), radius=1)
    )
    for condition in (near, models.IsNullCondition(is_null=models.PayloadField(key="a"))):
        with pytest.raises(TypeError, match="no condition of Qdrant Edge"):
            to_edge(models.Filter(must=[condition]))


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Return a collection that each example empties."""
    store = QdrantEdgeStore(QdrantEdgeSettings(path=tmp_path_factory.mktemp("edge")))
    yield store.create(CollectionSchema(name="c", dimension=4))
    store.close()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(corpus=strategies.corpora, wheres=st.lists(strategies.filters, min_size=4, max_size=8))
def test_any_filter_finds_what_matches(
    empty: Any, corpus: list[Document], wheres: list[Filter]
) -> None:
    documents = list({document.id: document for document in corpus}.values())
    empty.delete([document.id for batch in empty.scan() for document in batch.documents])
    put(empty, documents)
    for where in wheres:
        found = {document.id for batch in empty.scan(where) for document in batch.documents}
        wanted = {document.id for document in documents if matches(where, document)}
        assert found == wanted
        assert empty.count(where) == len(wanted)
