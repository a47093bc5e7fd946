"""What a classifier is given: checked texts as vectors, labels, languages; and its parts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from xlingual_qdrant.collection import Collection
from xlingual_qdrant.errors import InvalidDocument, InvalidInput, UsageError
from xlingual_qdrant.hygiene import composed
from xlingual_qdrant.languages import canonical
from xlingual_qdrant.ports import Embedder, LanguageDetector, Vectors
from xlingual_qdrant.queries.classification.labels import Label, checked_label
from xlingual_qdrant.schema import CollectionSchema
from xlingual_qdrant.settings import load_detector, load_embedder
from xlingual_qdrant.validation import check_text
from xlingual_qdrant.writing import vectors_of

Tags: TypeAlias = "str | Sequence[str]"
"""One language tag for all texts, or one for each."""

_AT_ONCE = 4096


def parts_of(
    embedder: str | Embedder | None, collection: Collection | None
) -> tuple[Embedder, Callable[[], LanguageDetector | None]]:
    """Return what embeds, and what detects languages."""
    if collection is not None:
        if embedder is not None:
            raise UsageError("give an embedder, or a collection that has one, not both")
        if collection.embedder is None:
            raise UsageError(
                f"collection '{collection.name}' is open without an embedder; give one instead"
            )
        return collection.embedder, lambda: collection.detector
    if embedder is None or isinstance(embedder, str):
        embedder = load_embedder(embedder)
    return embedder, lambda: load_detector(None)


def embedded_texts(texts: Sequence[str], embedder: Embedder) -> Vectors:
    """Return the vectors of texts; raises InvalidInput with the number of one that is none."""
    if isinstance(texts, str):
        raise UsageError("texts are a list; for one text give a list of one")
    listed = list(texts)
    for number, text in enumerate(listed):
        try:
            check_text(text)
        except InvalidDocument as exc:
            raise InvalidInput(f"text {number} cannot be classified: {exc.detail}") from None
    schema = CollectionSchema(name="classifier", dimension=embedder.dimension)
    parts = [
        vectors_of(schema, embedder, composed(listed[start : start + _AT_ONCE]))
        for start in range(0, len(listed), _AT_ONCE)
    ]
    empty = np.empty((0, embedder.dimension), dtype=np.float32)
    return np.concatenate([empty, *parts])


def checked_labels(texts: Sequence[str], labels: Sequence[Label]) -> list[Label]:
    """Return a label for each text; raises UsageError."""
    if len(texts) != len(labels):
        raise UsageError(f"there are {len(texts):,} texts and {len(labels):,} labels; give pairs")
    return [checked_label(label, f"label {number}") for number, label in enumerate(labels)]


def tags_for(lang: Tags, count: int) -> list[str]:
    """Return a canonical tag for each of so many texts; raises UsageError, UnknownLanguage."""
    if isinstance(lang, str):
        return [canonical(lang)] * count
    if len(lang) != count:
        raise UsageError(f"there are {len(lang):,} languages for {count:,} texts; give one each")
    return [canonical(tag) for tag in lang]
