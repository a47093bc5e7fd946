"""The two sides of a mining: what they are, and the neighbours of their texts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from typing import TypeAlias

import numpy as np

from xlingual_qdrant.calibration import embedder_name
from xlingual_qdrant.collection import Collection
from xlingual_qdrant.documents import JsonValue
from xlingual_qdrant.errors import UsageError
from xlingual_qdrant.languages import canonical
from xlingual_qdrant.ports import Vectors
from xlingual_qdrant.queries.checkpoints import Checkpoint, digest_of
from xlingual_qdrant.queries.corpus import Corpus, corpus_of_collection, corpus_of_documents
from xlingual_qdrant.queries.mining.partners import (
    Listing,
    listing_of,
    neighbours_by_index,
    neighbours_in_memory,
)
from xlingual_qdrant.queries.neighbours import Nearest, OnProgress
from xlingual_qdrant.writing import DocumentLike

Texts: TypeAlias = str | Corpus | Iterable[DocumentLike]
"""One side: a language of a collection, a corpus, or texts and documents that are embedded."""

IN_MEMORY_BYTES = 4 << 30
"""Vectors that take more room are left where they are, and the store is asked."""


@dataclass(frozen=True, slots=True)
class Side:
    """Texts, with their vectors or the place where they are.

    listing: the texts. vectors: shape (texts, dimension); None if the store is to be asked.
    collection, lang: where they are, if they are in a collection.
    """

    listing: Listing
    vectors: Vectors | None
    collection: Collection
    lang: str | None


def sides_of(
    collection: Collection,
    target_collection: Collection,
    source: Texts,
    target: Texts,
    through_index: bool | None,
) -> tuple[Side, Side]:
    """Return both sides; raises UsageError if they cannot be mined together."""
    places = ((collection, source), (target_collection, target))
    langs = [canonical(given) if isinstance(given, str) else None for _, given in places]
    if through_index and None in langs:
        raise UsageError(
            "through_index asks the search of a store, so both sides have to be languages of"
            " collections; ingest the texts first, or leave it out"
        )
    if through_index is None and None not in langs:
        rows = [
            place.count(langs=lang or "") for (place, _), lang in zip(places, langs, strict=True)
        ]
        through_index = 4 * sum(rows) * collection.schema.dimension > IN_MEMORY_BYTES
    dimensions = [place.schema.dimension for place, _ in places]
    names = [embedder_name(place.stored) for place, _ in places]
    if dimensions[0] != dimensions[1] or names[0] != names[1]:
        raise UsageError(
            f"the collections '{collection.name}' and '{target_collection.name}' have vectors of"
            f" different embedders ({names[0]}; {names[1]}), whose cosines mean nothing;"
            " `xlingual reembed` brings one to the embedder of the other"
        )
    left, right = (
        _side(place, given, lang, bool(through_index))
        for (place, given), lang in zip(places, langs, strict=True)
    )
    if None not in langs and collection.stored is target_collection.stored:
        shared = set(left.listing.ids) & set(right.listing.ids)
        if shared:
            raise UsageError(
                f"source '{langs[0]}' and target '{langs[1]}' share {len(shared):,} documents, each"
                " of which would be its own translation; give two languages, or look for the"
                " same text in one with `xlingual dedup`"
            )
    return left, right


def _side(place: Collection, given: Texts, lang: str | None, by_index: bool) -> Side:
    if lang is not None and by_index:
        return Side(listing_of(place, lang), None, place, lang)
    if lang is not None:
        corpus = corpus_of_collection(place, langs=lang)
    elif isinstance(given, Corpus):
        corpus = given
    else:
        corpus = corpus_of_documents(place, given)
    return Side(Listing(corpus.ids, corpus.langs, corpus.read), corpus.vectors, place, lang)


def neighbours_of(
    left: Side,
    right: Side,
    k: int,
    *,
    checkpoint: Checkpoint,
    on_progress: OnProgress | None = None,
) -> tuple[Nearest, Nearest]:
    """Return the k nearest right texts of each left one, and the other way round."""
    if left.vectors is not None and right.vectors is not None:
        return neighbours_in_memory(
            left.vectors, right.vectors, k, checkpoint=checkpoint, on_progress=on_progress
        )
    assert left.lang is not None
    assert right.lang is not None
    return neighbours_by_index(
        (left.collection, left.lang, left.listing),
        (right.collection, right.lang, right.listing),
        k,
        checkpoint=checkpoint,
        on_progress=on_progress,
    )


def order_of(left: Side, right: Side, k: int) -> dict[str, JsonValue]:
    """Return what the search for neighbours depends on, so that other work is not taken up."""
    return {
        "work": "mine",
        "k": k,
        "embedder": embedder_name(left.collection.stored),
        "source": digest_of(left.listing.ids),
        "target": digest_of(right.listing.ids),
        "vectors": [_digest(side.vectors) for side in (left, right)],
    }


def _digest(vectors: Vectors | None) -> str | None:
    if vectors is None:
        return None
    return blake2b(np.ascontiguousarray(vectors).data, digest_size=16).hexdigest()
