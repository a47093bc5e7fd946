from __future__ import annotations

import datetime as dt
import decimal
import gzip
import sys
import uuid
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from xlingual_qdrant.errors import MissingExtra, UnknownColumn, UnreadableFile


def table(path: Path, **columns: pa.Array) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "t.parquet"


def metadata(read, path: Path, column: pa.Array) -> list[object]:
    texts = pa.array(["x"] * len(column))
    documents = read(table(path, text=texts, v=column)).documents
    return [document.metadata["v"] for document in documents]


def values() -> list[tuple[pa.Array, list[object]]]:
    naive = dt.datetime(2024, 2, 29, 1, 2, 3, 456789)
    aware = dt.datetime(2024, 2, 29, 1, tzinfo=dt.timezone(dt.timedelta(hours=2)))
    nested = pa.list_(pa.struct([("a", pa.list_(pa.string())), ("t", pa.timestamp("ms"))]))
    return [
        (pa.array([1, None, -(2**63)]), [1, None, -(2**63)]),
        (pa.array([0.5, None]), [0.5, None]),
        (pa.array([True, None]), [True, None]),
        (pa.nulls(1), [None]),
        (pa.array(["a", None, "a"]).dictionary_encode(), ["a", None, "a"]),
        (pa.array(["a", None], pa.large_string()), ["a", None]),
        (pa.array([naive, None], pa.timestamp("us")), ["2024-02-29T01:02:03.456789", None]),
        (pa.array([1], pa.timestamp("ns")), ["1970-01-01T00:00:00.000000001"]),
        (pa.array([aware], pa.timestamp("s", "Africa/Cairo")), ["2024-02-28T23:00:00.000Z"]),
        (pa.array([dt.date(2024, 2, 29), None]), ["2024-02-29", None]),
        (pa.array([dt.time(1, 2, 3)], pa.time32("s")), ["01:02:03.000"]),
        (pa.array([1500, -250, None], pa.duration("ms")), ["PT1.5S", "-PT0.25S", None]),
        (pa.array([decimal.Decimal("1.20"), None]), ["1.20", None]),
        (pa.array([[1, 2], None, []]), [[1, 2], None, []]),
        (pa.array([[1, 2], None], pa.list_(pa.int8(), 2)), [[1, 2], None]),
        (
            pa.array([{"a": "x", "b": None}, None], pa.struct({"a": "string", "b": "int8"})),
            [{"a": "x", "b": None}, None],
        ),
        (
            pa.array([[("a", 1), ("b", 2)], [("a", 1), ("a", 2)], None], pa.map_("string", "int8")),
            [{"a": 1, "b": 2}, [["a", 1], ["a", 2]], None],
        ),
        (pa.array([[(1, "x")]], pa.map_(pa.int8(), pa.string())), [[[1, "x"]]]),
        (
            pa.array([[{"a": ["é", None], "t": 1000}, None], []], nested),
            [[{"a": ["é", None], "t": "1970-01-01T00:00:01.000"}, None], []],
        ),
    ]


@pytest.mark.parametrize(("column", "expected"), values(), ids=lambda value: str(value)[:30])
def test_values_of_every_kind_become_json(read, path, column, expected):
    assert metadata(read, path, column) == expected


def test_a_uuid_becomes_its_text(read, path):
    name = uuid.UUID("12345678123456781234567812345678")
    column = pa.array([name.bytes, None], pa.binary(16))
    column = pa.ExtensionArray.from_storage(pa.uuid(), column)
    assert metadata(read, path, column) == [str(name), None]


def test_slices_of_nested_columns_are_cut_right(read, path):
    column = pa.array([[i, i + 1] if i % 3 else None for i in range(9000)])
    assert metadata(read, path, column) == column.to_pylist()


def test_rows_that_cannot_be_stored_are_rejected_alone(read, path):
    texts = pa.array(["a", None, " ", "d", "e"])
    result = read(table(path, text=texts, v=pa.array([1.0, 2.0, 3.0, float("nan"), None])))
    assert result.texts == ["a", "e"]
    assert [(r.line, r.reason) for r in result.rejections] == [
        (2, "empty"),
        (3, "empty"),
        (4, "type"),
    ]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_values_that_are_not_utf8_are_rejected_alone(read, path, kind):
    bad = pa.array([b"one", b"caf\xe9", None, b"four"]).cast(
        pa.binary() if kind == pa.string() else pa.large_binary()
    )
    result = read(table(path, text=bad.view(kind)))
    assert result.texts == ["one", "four"]
    assert result.reasons == ["encoding", "empty"]
    assert "caf\\\\xe9" in result.rejections[0].record


def test_bad_bytes_deep_in_metadata_reject_their_row(read, path):
    strings = pa.array([b"a", b"\xff", b"c"]).view(pa.string())
    lists = pa.ListArray.from_arrays(pa.array([0, 1, 3], pa.int32()), strings)
    result = read(table(path, text=pa.array(["one", "two"]), v=lists))
    assert result.texts == ["one"]
    assert result.reasons == ["encoding"]


def test_a_text_column_must_hold_strings(read, path):
    with pytest.raises(UnreadableFile, match="int64") as caught:
        read(table(path, text=pa.array([1])))
    assert caught.value.reason == "schema"


def test_a_column_that_json_cannot_hold_is_refused(read, path):
    with pytest.raises(UnreadableFile, match="binary") as caught:
        read(table(path, text=pa.array(["x"]), v=pa.array([[b"x"]])))
    assert caught.value.reason == "schema"


def test_a_missing_text_column_is_wrong_usage(read, path):
    with pytest.raises(UnknownColumn, match="'txt'"):
        read(table(path, txt=pa.array(["x"])))


def test_a_truncated_file_is_refused(read, path):
    data = table(path, text=pa.array(["x"] * 100)).read_bytes()
    path.write_bytes(data[:-20])
    with pytest.raises(UnreadableFile) as caught:
        read(path)
    assert caught.value.reason == "parquet"


def test_a_flipped_bit_is_found_by_the_checksum_of_its_page(read, path):
    pq.write_table(
        pa.table({"text": ["a text to be damaged"]}),
        path,
        write_page_checksum=True,
        use_dictionary=False,
        compression="none",
        write_statistics=False,
    )
    data = bytearray(path.read_bytes())
    data[data.index(b"damaged")] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(UnreadableFile, match="row 1") as caught:
        read(path)
    assert caught.value.reason == "parquet"


def test_parquet_inside_gzip_is_unpacked(read, path):
    data = table(path, text=pa.array(["x", "y"])).read_bytes()
    packed = path.with_name("t.parquet.gz")
    packed.write_bytes(gzip.compress(data))
    assert read(packed).texts == ["x", "y"]
    packed.write_bytes(gzip.compress(data)[:-10])
    with pytest.raises(UnreadableFile) as caught:
        read(packed)
    assert caught.value.reason == "gzip"


def test_without_pyarrow_the_extra_is_named(read, path, monkeypatch):
    table(path, text=pa.array(["x"]))
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtra, match=r"xlingual-qdrant\[parquet\]"):
        read(path)
