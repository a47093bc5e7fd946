"""Parquet: columns become fields; bad values are rejected one by one, bad pages end the file."""

# pyarrow ships no types
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportMissingParameterType=false

from __future__ import annotations

import json
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

from xlingual_qdrant.errors import MissingExtra, UnreadableFile
from xlingual_qdrant.ingest.fields import FieldMapping
from xlingual_qdrant.ingest.opening import OpenedFile
from xlingual_qdrant.ingest.records import RawRecord, Rejection

_BATCH_BYTES = 16 << 20
_BATCH_ROWS = 4096


def read_parquet(opened: OpenedFile, mapping: FieldMapping) -> Iterator[RawRecord | Rejection]:
    """Yield a record for each row; its line is the number of the row, from 1.

    Page checksums are verified where the file has them. Raises UnreadableFile, with rows of
    sound pages before the damage yielded, UnknownColumn, and MissingExtra without pyarrow.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq

        from xlingual_qdrant.ingest import parquet_values
    except ImportError as exc:
        raise MissingExtra("reading Parquet files", "pyarrow", "xlingual-qdrant[parquet]") from exc

    @contextmanager
    def damage_is_reported(where: str) -> Generator[None, None, None]:
        try:
            yield
        except (pa.ArrowException, OSError) as exc:
            detail = f"{where}: {' '.join(str(exc).split())[:300]}"
            raise UnreadableFile(opened.name, "parquet", detail) from exc

    with opened.random_access() as file:
        with damage_is_reported("not a whole Parquet file"):
            table = pq.ParquetFile(
                file, page_checksum_verification=True, pre_buffer=False, buffer_size=1 << 20
            )
            schema = table.schema_arrow
        _check_schema(schema, mapping, opened.name, parquet_values)
        row = 1
        batches = table.iter_batches(batch_size=_batch_rows(table.metadata), use_threads=False)
        while True:
            with damage_is_reported(f"the file is damaged from row {row} on"):
                batch = next(batches, None)
            if batch is None:
                return
            columns = [_column(column, parquet_values) for column in batch.columns]
            for fields in zip(*columns, strict=True):
                yield _row(opened.name, row, dict(zip(schema.names, fields, strict=True)))
                row += 1


class _NotUtf8:
    """Stands for a value that is not UTF-8; `shown` has its bytes escaped."""

    def __init__(self, shown: str, problem: str) -> None:
        self.shown, self.problem = shown, problem


def _column(column: Any, values: Any) -> list[Any]:
    """Return the values of a column, those that are not UTF-8 as `_NotUtf8`."""
    try:
        return values.to_json(column)
    except UnicodeDecodeError:
        return [_value(column.slice(i, 1), values) for i in range(len(column))]


def _value(cell: Any, values: Any) -> Any:
    try:
        return values.to_json(cell)[0]
    except UnicodeDecodeError as exc:
        data: bytes = exc.object
        problem = f"not UTF-8: byte 0x{data[exc.start]:02X} at byte {exc.start}"
        return _NotUtf8(data.decode("utf-8", "backslashreplace"), problem)


def _row(file: str, number: int, fields: dict[str, Any]) -> RawRecord | Rejection:
    bad = {name: value for name, value in fields.items() if isinstance(value, _NotUtf8)}
    if not bad:
        return RawRecord(number, fields, None)
    name, first = next(iter(bad.items()))
    shown = {**fields, **{name: value.shown for name, value in bad.items()}}
    record = json.dumps(shown, ensure_ascii=False, default=str)
    return Rejection(file, number, "encoding", f"column '{name}': {first.problem}", record)


def _check_schema(schema: Any, mapping: FieldMapping, file: str, values: Any) -> None:
    names: list[str] = list(schema.names)
    mapping.check_columns(names, file)
    for name in names:
        if names.count(name) > 1:
            detail = f"there are two columns called '{name}'; rename one"
            raise UnreadableFile(file, "columns", detail)
    for column in schema:
        if column.name == mapping.text and not values.is_text(column.type):
            detail = f"the column '{column.name}' is {column.type}, a text column holds strings"
            raise UnreadableFile(file, "schema", detail)
        if not values.fits_json(column.type):
            detail = (
                f"the column '{column.name}' is {column.type}, which metadata cannot hold;"
                " leave it out"
            )
            raise UnreadableFile(file, "schema", detail)


def _batch_rows(metadata: Any) -> int:
    """Return how many rows to read at once, so that wide rows do not fill the memory."""
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    widest = max((g.total_byte_size // max(g.num_rows, 1) for g in groups), default=0)
    return min(_BATCH_ROWS, max(1, _BATCH_BYTES // max(widest, 1)))
