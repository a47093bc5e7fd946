"""How a collection looks in the engine: vectors, graph, quantisation, payload indexes."""

from __future__ import annotations

import qdrant_edge as edge

from xlingual_adapters.stores.qdrant_edge.settings import QdrantEdgeSettings
from xlingual_adapters.stores.qdrant_points.filters import field_key
from xlingual_adapters.stores.qdrant_points.payload import LANG, LANGS, LISTS, METADATA, MOMENTS
from xlingual_qdrant.schema import CollectionSchema, FieldType

_FULL_SCAN_KB = 10_000
"""Vectors that match a filter and take less than this are all compared, without the graph."""

_FIELD_TYPES: dict[FieldType, edge.PayloadSchemaType] = {
    "keyword": edge.PayloadSchemaType.Keyword,
    "integer": edge.PayloadSchemaType.Integer,
    "float": edge.PayloadSchemaType.Float,
    "bool": edge.PayloadSchemaType.Bool,
    "datetime": edge.PayloadSchemaType.Datetime,
}


def configuration(schema: CollectionSchema, settings: QdrantEdgeSettings) -> edge.EdgeConfig:
    """Return the configuration of the shard."""
    memory = edge.Memory.Cold if settings.on_disk else edge.Memory.Cached
    return edge.EdgeConfig(
        vectors=edge.EdgeVectorParams(
            size=schema.dimension, distance=edge.Distance.Cosine, memory=memory
        ),
        hnsw_config=edge.HnswIndexConfig(
            m=settings.hnsw_m,
            ef_construct=settings.hnsw_ef_construct,
            full_scan_threshold=_FULL_SCAN_KB,
            memory=memory,
        ),
        quantization_config=_quantisation(settings),
        optimizers=edge.EdgeOptimizersConfig(
            indexing_threshold=max(1, settings.index_from * schema.dimension * 4 // 1024),
        ),
        # Without its log a crash could leave half a replaced document.
        wal_enabled=True,
    )


def create_indexes(shard: edge.EdgeShard, schema: CollectionSchema) -> None:
    """Index what filters ask for; dates where they stand in one notation.

    A field that Qdrant cannot name gets no index.
    """
    tenant = edge.KeywordIndexParams(is_tenant=True)
    shard.update(edge.UpdateOperation.create_field_index(LANG, tenant))
    wanted: dict[str, edge.PayloadSchemaType] = dict.fromkeys(
        (LANGS, LISTS), edge.PayloadSchemaType.Keyword
    )
    for field, kind in schema.fields.items():
        key = field_key(field, of=MOMENTS if kind == "datetime" else METADATA)
        if key is not None:
            wanted[key] = _FIELD_TYPES[kind]
    for key, kind in wanted.items():
        shard.update(edge.UpdateOperation.create_field_index(key, kind))


def _quantisation(settings: QdrantEdgeSettings) -> edge.QuantizationConfigType | None:
    """Return the configuration of the smaller copies, which are kept in memory."""
    memory = edge.Memory.Pinned
    match settings.quantisation:
        case "none":
            return None
        case "scalar":
            return edge.ScalarQuantizationConfig(type=edge.ScalarType.Int8, memory=memory)
        case "binary":
            return edge.BinaryQuantizationConfig(memory=memory)
        case "product":
            return edge.ProductQuantizationConfig(
                compression=edge.CompressionRatio.X16, memory=memory
            )
        case "turbo":
            return edge.TurboQuantQuantizationConfig(memory=memory)
