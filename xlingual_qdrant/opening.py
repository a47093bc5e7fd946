"""Opening a collection: find it or create it, and make sure that the embedder fits."""

from __future__ import annotations

import warnings
from typing import Any

from xlingual_qdrant.errors import (
    CollectionExists,
    CollectionMissing,
    EmbedderMismatch,
    SchemaMismatch,
    ScriptUnknown,
    UsageError,
    did_you_mean,
)
from xlingual_qdrant.ports import Embedder, Store, StoredCollection
from xlingual_qdrant.registry import check_settings
from xlingual_qdrant.schema import CollectionSchema, unread_languages
from xlingual_qdrant.settings import Settings, load_embedder


def open_or_create(
    store: Store,
    settings: Settings,
    wanted: dict[str, Any],
    embedder: Embedder | None,
    create: bool,
) -> tuple[StoredCollection, Embedder | None]:
    """Return the stored collection, and the embedder it is to be used with."""
    name = settings.collection
    for key in wanted:
        if key not in CollectionSchema.model_fields:
            hint = did_you_mean(key, CollectionSchema.model_fields)
            raise UsageError(f"a schema has no '{key}'.{hint} It has dimension and fields")
    try:
        stored = store.open(name)
    except CollectionMissing:
        if not create:
            raise
        if "dimension" not in wanted and embedder is None:
            embedder = load_embedder(None, settings=settings)
        schema = _new_schema(name, wanted, embedder, settings)
        try:
            return store.create(schema), embedder
        except CollectionExists:  # another process was quicker
            stored = store.open(name)
    try:
        if stored.schema.embedder is not None and embedder is None:
            embedder = load_embedder(None, settings=settings)
        check_embedder(stored.schema, embedder, wanted)
    except BaseException:
        stored.close()
        raise
    return stored, embedder


def _new_schema(
    name: str, wanted: dict[str, Any], embedder: Embedder | None, settings: Settings
) -> CollectionSchema:
    values = {"fields": settings.fields, **wanted, "name": name}
    if embedder is not None:
        values = {**values, "dimension": embedder.dimension, "embedder": embedder.fingerprint}
        if wanted.get("dimension", embedder.dimension) != embedder.dimension:
            raise UsageError(
                f"the schema asks for {wanted['dimension']} dimensions, the embedder has"
                f" {embedder.dimension}; leave the dimension out"
            )
        _warn_of_unread(embedder)
    return check_settings(CollectionSchema, values, "schema")


def _warn_of_unread(embedder: Embedder) -> None:
    """Warn of scripts that the embedder does not know, before anything is put into them."""
    if unread := unread_languages(embedder.fingerprint):
        warnings.warn(
            f"{embedder.fingerprint.model} cannot tell sentences apart that are written in"
            f" {', '.join(unread)}: texts in such scripts will be found by chance; choose a"
            " multilingual model (`xlingual models`)",
            ScriptUnknown,
            stacklevel=6,
        )


def check_embedder(
    schema: CollectionSchema, embedder: Embedder | None, wanted: dict[str, Any]
) -> None:
    """Compare a stored schema with the embedder at hand and the schema asked for.

    Raises EmbedderMismatch and SchemaMismatch; what is not asked for is not compared.
    """
    dimension = wanted.get("dimension", schema.dimension)
    if dimension != schema.dimension:
        raise SchemaMismatch(schema.name, f"{schema.dimension} dimensions, not {dimension}")
    fields = wanted.get("fields")
    if fields is not None and dict(fields) != schema.fields:
        raise SchemaMismatch(schema.name, f"its fields are {schema.fields}, not {dict(fields)}")
    if schema.embedder is None or embedder is None:
        return
    verdict, differences = schema.embedder.compare(embedder.fingerprint)
    if verdict == "different":
        raise EmbedderMismatch(
            schema.name, str(schema.embedder), str(embedder.fingerprint), differences
        )
