"""A collection's own documents sorted by a classifier, and the labels written beside them."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from xlingual_qdrant import chunks
from xlingual_qdrant.collection import Collection, Langs
from xlingual_qdrant.documents import Document
from xlingual_qdrant.errors import UsageError
from xlingual_qdrant.filters import Filter
from xlingual_qdrant.queries.classification.classifier import Classifier, Prediction
from xlingual_qdrant.queries.classification.labels import Label
from xlingual_qdrant.queries.neighbours import OnProgress

_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class LabelReport:
    """What became of the documents: matched = changed + unchanged + abstained.

    applied: False in a dry run, where changed is what would be. labels: how often each was given.
    """

    field: str
    applied: bool
    matched: int = 0
    changed: int = 0
    unchanged: int = 0
    abstained: int = 0
    labels: Counter[Label] = dataclasses.field(default_factory=Counter[Label])


def classify_collection(
    classifier: Classifier,
    collection: Collection,
    *,
    langs: Langs | None = None,
    where: Filter | str | None = None,
    on_progress: OnProgress | None = None,
) -> Iterator[tuple[Document, Prediction]]:
    """Yield the documents that match, each with its prediction, by the vectors they have there.

    Nothing is embedded. A document has no say in its own case if the classifier asks this
    collection. Raises UsageError if the collection's vectors are of another embedder.
    """
    _check_same_space(classifier, collection)
    total = collection.count(langs=langs, where=where)
    done = 0
    for batch in collection.batches(langs=langs, where=where, with_vectors=True, size=_AT_ONCE):
        if batch.vectors is None:
            continue
        tags = [document.lang for document in batch.documents]
        ids = [document.id for document in batch.documents]
        found = classifier.decided(classifier.judged(batch.vectors, tags, ids=ids), tags)
        yield from zip(batch.documents, found, strict=True)
        done += len(ids)
        if on_progress is not None:
            on_progress(done, max(done, total))


def label_collection(
    classifier: Classifier,
    collection: Collection,
    field: str,
    *,
    apply: bool = False,
    langs: Langs | None = None,
    where: Filter | str | None = None,
    on_progress: OnProgress | None = None,
) -> LabelReport:
    """Put the label of each document that matches into a metadata field.

    apply: without it nothing is written, and the report says what would be. Documents on which
    the classifier abstains without a label for that stay as they are. Vectors are kept; only
    where texts were divided into chunks are the changed documents embedded again.
    """
    if not field:
        raise UsageError("the field that takes the labels has no name")
    unchanged = abstained = 0
    labels = Counter[Label]()
    wanted: dict[str, Label] = {}
    # All are judged before any is written: what is written must not change what is judged.
    for document, found in classify_collection(
        classifier, collection, langs=langs, where=where, on_progress=on_progress
    ):
        if found.label is None:
            abstained += 1
            continue
        labels[found.label] += 1
        old = document.metadata.get(field)
        if type(old) is type(found.label) and old == found.label:
            unchanged += 1
        else:
            wanted[document.id] = found.label
    if apply:
        _write(collection, field, wanted)
    changed = len(wanted)
    matched = changed + unchanged + abstained
    return LabelReport(field, apply, matched, changed, unchanged, abstained, labels)


def _write(collection: Collection, field: str, wanted: dict[str, Label]) -> None:
    ids = list(wanted)
    keeps_vectors = not chunks.has_chunks(collection.stored)
    for start in range(0, len(ids), _AT_ONCE):
        part = ids[start : start + _AT_ONCE]
        # Read again: another program may have changed or deleted one meanwhile.
        there = [document for document in collection.get_many(part) if document is not None]
        changed = [
            replace(document, metadata={**document.metadata, field: wanted[document.id]})
            for document in there
        ]
        vectors = collection.stored.fetch_vectors([document.id for document in there])
        kept = [vector for vector in vectors if vector is not None]
        if keeps_vectors and len(kept) == len(changed):
            if changed:
                collection.add(changed, vectors=np.stack(kept))
        else:
            collection.add(changed, long_texts="warn" if keeps_vectors else "chunk")


def _check_same_space(classifier: Classifier, collection: Collection) -> None:
    if classifier.embedder is None:
        return
    known = collection.schema.embedder
    here = classifier.embedder.fingerprint
    if known is None:
        if collection.schema.dimension != here.dimension:
            raise UsageError(
                f"collection '{collection.name}' holds vectors of {collection.schema.dimension}"
                f" dimensions, the classifier knows those of {here}; fit it on this collection"
            )
        return
    compared = known.compare(here)
    if compared.verdict == "different":
        raise UsageError(
            f"collection '{collection.name}' was made with {known}, the classifier with {here}:"
            f" {compared.differences}; fit one with the collection's embedder"
        )
