"""Documents that have a label in a metadata field: counted, and read with their vectors."""

from __future__ import annotations

from collections import Counter

import numpy as np

from xlingual_qdrant import chunks
from xlingual_qdrant.collection import Collection, Langs
from xlingual_qdrant.documents import Document
from xlingual_qdrant.errors import UsageError
from xlingual_qdrant.filter_syntax import parse
from xlingual_qdrant.filters import F, Filter, combine, language_filter
from xlingual_qdrant.languages import split_langs
from xlingual_qdrant.ports import Vectors
from xlingual_qdrant.queries.classification.labels import Label, checked_label


def labelled_condition(
    collection: Collection, field: str, *, langs: Langs | None, where: Filter | str | None
) -> Filter:
    """Return the filter that takes a collection's labelled documents, and no chunks of them."""
    tags = [langs] if isinstance(langs, str) else langs or []
    condition = combine(
        language_filter(*split_langs(tags)),
        parse(where) if isinstance(where, str) else where,
        chunks.only_documents(collection.stored),
    )
    labelled = has_field(field)
    return labelled if condition is None else condition & labelled


def has_field(field: str) -> Filter:
    """Return the filter for documents that have something in a metadata field."""
    return ~F.metadata(field).is_missing()


def label_of(document: Document, field: str) -> Label:
    """Return what a document has in the field; raises UsageError if it cannot be a label."""
    value = document.metadata.get(field)
    return checked_label(value, f"field '{field}' of document '{document.id}'")


def labels_of(
    collection: Collection, field: str, *, langs: Langs | None, where: Filter | str | None
) -> Counter[Label]:
    """Count the labels of a collection."""
    found: Counter[Label] = Counter()
    condition = _and_labelled(field, where)
    for batch in collection.batches(langs=langs, where=condition):
        found.update(label_of(document, field) for document in batch.documents)
    _check_any(collection, field, len(found))
    return found


def vectors_in(
    collection: Collection, field: str, *, langs: Langs | None, where: Filter | str | None
) -> tuple[Vectors, list[Label], list[str]]:
    """Return vectors, labels and languages of the labelled documents, as they are stored."""
    parts: list[Vectors] = []
    labels: list[Label] = []
    tags: list[str] = []
    condition = _and_labelled(field, where)
    for batch in collection.batches(langs=langs, where=condition, with_vectors=True):
        if batch.vectors is not None:
            parts.append(batch.vectors)
            labels += [label_of(document, field) for document in batch.documents]
            tags += [document.lang for document in batch.documents]
    _check_any(collection, field, len(labels))
    return np.concatenate(parts), labels, tags


def _and_labelled(field: str, where: Filter | str | None) -> Filter:
    condition = parse(where) if isinstance(where, str) else where
    return has_field(field) if condition is None else condition & has_field(field)


def _check_any(collection: Collection, field: str, found: int) -> None:
    if not found:
        raise UsageError(
            f"no document of collection '{collection.name}' that matches has a field '{field}';"
            " name the metadata field that holds the labels"
        )
