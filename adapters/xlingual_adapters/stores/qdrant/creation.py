"""How a collection looks on the server: vectors, quantisation, shards, payload indexes."""

from __future__ import annotations

from qdrant_client import QdrantClient, models

from xlingual_adapters.stores.qdrant.asking import Asks
from xlingual_adapters.stores.qdrant.settings import QdrantSettings
from xlingual_adapters.stores.qdrant.shards import HASH
from xlingual_adapters.stores.qdrant_points.filters import field_key
from xlingual_adapters.stores.qdrant_points.payload import (
    KIND,
    LANG,
    LANGS,
    LISTS,
    METADATA,
    MOMENTS,
)
from xlingual_qdrant.schema import CollectionSchema, FieldType

_FIELD_TYPES: dict[FieldType, models.PayloadSchemaType] = {
    "keyword": models.PayloadSchemaType.KEYWORD,
    "integer": models.PayloadSchemaType.INTEGER,
    "float": models.PayloadSchemaType.FLOAT,
    "bool": models.PayloadSchemaType.BOOL,
    "datetime": models.PayloadSchemaType.DATETIME,
}


def create(
    client: QdrantClient, name: str, schema: CollectionSchema, settings: QdrantSettings
) -> bool:
    """Create the collection, without its indexes; fails if there is one of this name."""
    return client.create_collection(
        name,
        vectors_config=models.VectorParams(
            size=schema.dimension, distance=models.Distance.COSINE, on_disk=settings.on_disk
        ),
        hnsw_config=models.HnswConfigDiff(
            m=settings.hnsw_m, ef_construct=settings.hnsw_ef_construct
        ),
        quantization_config=quantisation(settings),
        on_disk_payload=settings.on_disk,
        shard_number=settings.shard_number,
        sharding_method=models.ShardingMethod.CUSTOM if settings.shard_by_language else None,
        replication_factor=settings.replication_factor,
        write_consistency_factor=settings.write_consistency_factor,
    )


def create_indexes(connection: Asks, name: str, schema: CollectionSchema) -> None:
    """Index what filters ask for; the same again changes nothing. Local mode has no indexes."""
    if connection.is_local:
        return
    wanted = indexes(schema, by_language=connection.settings.shard_by_language)
    for key, kind in wanted.items():
        connection.ask(
            lambda client, key=key, kind=kind: client.create_payload_index(
                name, key, field_schema=kind, wait=True
            )
        )


def indexes(
    schema: CollectionSchema, *, by_language: bool = False
) -> dict[str, models.PayloadSchemaType | models.KeywordIndexParams]:
    """Return the indexes that a collection gets, by the path of what they are about.

    Points of one language lie together on disk: its index is that of the tenant. Dates are
    indexed where they stand in one notation. A field that Qdrant cannot name gets none.
    by_language: documents may move to another shard, and their versions are asked for then.
    """
    wanted: dict[str, models.PayloadSchemaType | models.KeywordIndexParams] = {
        LANG: models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=True),
        **dict.fromkeys((KIND, LANGS, LISTS), models.PayloadSchemaType.KEYWORD),
    }
    if by_language:
        wanted[HASH] = models.PayloadSchemaType.KEYWORD
    for field, kind in schema.fields.items():
        key = field_key(field, of=MOMENTS if kind == "datetime" else METADATA)
        if key is not None:
            wanted[key] = _FIELD_TYPES[kind]
    return wanted


def quantisation(settings: QdrantSettings) -> models.QuantizationConfig | None:
    """Return the configuration of the smaller copies, which are kept in memory."""
    match settings.quantisation:
        case "none":
            return None
        case "scalar":
            return models.ScalarQuantization(
                scalar=models.ScalarQuantizationConfig(type=models.ScalarType.INT8, always_ram=True)
            )
        case "binary":
            return models.BinaryQuantization(
                binary=models.BinaryQuantizationConfig(always_ram=True)
            )
        case "product":
            return models.ProductQuantization(
                product=models.ProductQuantizationConfig(
                    compression=models.CompressionRatio.X16, always_ram=True
                )
            )
        case "turbo":
            return models.TurboQuantization(
                turbo=models.TurboQuantQuantizationConfig(always_ram=True)
            )


def difference(schema: CollectionSchema, params: models.CollectionParams) -> str:
    """Return how the vectors on the server differ from the schema, in words; "" if not at all."""
    vectors = params.vectors
    if not isinstance(vectors, models.VectorParams):
        return "its vectors have names, this library's have none"
    if vectors.size != schema.dimension:
        return f"its vectors have {vectors.size} dimensions, not {schema.dimension}"
    if vectors.distance != models.Distance.COSINE:
        return f"its distance is {vectors.distance.value}, not Cosine"
    return ""


def is_sharded_by_language(params: models.CollectionParams) -> bool:
    """Say whether the shards of a collection have keys."""
    return params.sharding_method == models.ShardingMethod.CUSTOM


def is_quantised(config: models.CollectionConfig) -> bool:
    """Say whether there are smaller copies of the vectors, whoever asked for them."""
    vectors = config.params.vectors
    of_vectors = isinstance(vectors, models.VectorParams) and vectors.quantization_config
    return config.quantization_config is not None or bool(of_vectors)
