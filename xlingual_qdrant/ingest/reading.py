"""One entrance to all formats: an open file becomes records and rejections."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from xlingual_qdrant.ingest.delimited import read_delimited
from xlingual_qdrant.ingest.fields import FieldMapping
from xlingual_qdrant.ingest.jsonl import read_jsonl
from xlingual_qdrant.ingest.opening import OpenedFile
from xlingual_qdrant.ingest.parquet import read_parquet
from xlingual_qdrant.ingest.records import RawRecord, Rejection
from xlingual_qdrant.ingest.txt import read_txt
from xlingual_qdrant.schema import FieldType


def read_records(
    opened: OpenedFile,
    mapping: FieldMapping,
    *,
    declared: Mapping[str, FieldType] | None = None,
    verify: bool = True,
) -> Iterator[RawRecord | Rejection]:
    """Yield what a file holds, in its order; nothing is validated yet but its format.

    declared: types of metadata fields, for formats whose cells have none. verify: check the
    whole of a gzip file first. Raises UnreadableFile where the file cannot be read, UnknownColumn
    if it lacks a column that was asked for, MissingExtra.
    """
    match opened.format:
        case "jsonl":
            return read_jsonl(opened, verify=verify)
        case "csv" | "tsv":
            return read_delimited(opened, mapping, declared=declared or {}, verify=verify)
        case "txt":
            return read_txt(opened, mapping.text, verify=verify)
        case "parquet":
            return read_parquet(opened, mapping)
