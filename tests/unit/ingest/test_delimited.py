from __future__ import annotations

import csv
import itertools
from io import BytesIO, StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xlingual_qdrant.errors import UnknownColumn, UnreadableFile
from xlingual_qdrant.ingest.csv_records import CsvSplitter
from xlingual_qdrant.ingest.fields import FieldMapping
from xlingual_qdrant.ingest.lines import read_blocks
from xlingual_qdrant.ingest.opening import OpenedFile
from xlingual_qdrant.ingest.reading import read_records
from xlingual_qdrant.ingest.records import RawRecord

cells = st.text(alphabet=st.sampled_from('ab", ;\t|\n\r\\é😀\u2028\ufeff\x00'), max_size=8)


@given(
    rows=st.lists(st.tuples(cells, cells, cells), min_size=1, max_size=6),
    separator=st.sampled_from(",;\t|"),
    newline=st.sampled_from(["\n", "\r\n"]),
    quoting=st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
)
def test_any_table_comes_back_as_pythons_writer_wrote_it(rows, separator, newline, quoting):
    buffer = StringIO(newline="")
    writer = csv.writer(buffer, delimiter=separator, lineterminator=newline, quoting=quoting)
    writer.writerow(["text", "b", "c"])
    # The writer leaves a lone CR or the start of a quoted field alone when it need not quote.
    rows = [row for row in rows if quoting == csv.QUOTE_ALL or "\r" not in "".join(row)]
    writer.writerows(rows)
    opened = OpenedFile("t.csv", BytesIO(buffer.getvalue().encode()), "csv", None)
    records = list(read_records(opened, FieldMapping()))
    assert all(isinstance(record, RawRecord) for record in records)
    assert [tuple(r.fields.values()) for r in records if isinstance(r, RawRecord)] == rows


@given(
    data=st.binary(max_size=80)
    | st.lists(st.sampled_from([b'"', b",", b"\n", b"\r\n", b"a", b"\xff", b'""'])).map(b"".join),
    cuts=st.lists(st.integers(0, 200), max_size=6),
)
def test_records_do_not_depend_on_where_the_bytes_were_cut(data: bytes, cuts: list[int]):
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    pieces = [data[a:b] for a, b in itertools.pairwise(places)]
    assert split(pieces) == split([data])


def split(pieces: list[bytes]) -> list[tuple[object, ...]]:
    splitter, found = CsvSplitter(","), []
    for block in read_blocks(pieces):
        for index, line in enumerate(block.lines):
            complete = block.complete or index < len(block.lines) - 1
            found.append(splitter.feed(line, block.first + index, complete=complete))
    found.append(splitter.end())
    return [(r.line, tuple(r.fields), r.raw, r.reason) for r in found if r]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("only one", "columns"),
        ("a,en,more", "columns"),
        ('"a" b,en', "format"),
        ('"He said \\"hi\\" to me",en', "format"),
        ('"two\nlines" and more,en', "format"),
        ('"",en', "empty"),
        ("a,english", "language"),
    ],
)
def test_a_bad_record_is_rejected_alone_with_all_its_lines(write, read, row, reason):
    result = read(write("a.csv", f"text,lang\none,en\n{row}\nlast,en\n"))
    assert result.texts == ["one", "last"]
    assert [(r.line, r.reason, r.record) for r in result.rejections] == [(3, reason, row)]


def test_line_numbers_count_lines_and_not_records(write, read):
    result = read(write("a.csv", '\ntext,lang\n"a\n\nb",en\n\nbad\n'))
    assert [rejection.line for rejection in result.rejections] == [7]


def test_a_quote_that_never_closes_is_one_rejected_record(write, read):
    result = read(write("a.csv", 'text,lang\none,en\n"two,en\nthree,en\n'))
    assert result.texts == ["one"]
    assert result.reasons == ["format"]
    assert result.rejections[0].record.startswith('"two,en\nthree,en')


def test_bad_bytes_reject_the_whole_record_and_no_other(write, read):
    result = read(write("a.csv", b'text,lang\none,en\n"caf\xe9\nrest",fr\nlast,en\n'))
    assert result.texts == ["one", "last"]
    assert result.reasons == ["encoding"]
    assert result.rejections[0].record == '"caf\udce9\nrest",fr'


def test_a_quote_inside_an_unquoted_field_is_text(write, read):
    assert read(write("a.csv", 'text,lang\n5" disk,en\n')).texts == ['5" disk']


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_line_ends_inside_quotes_are_text(write, read, newline):
    content = f'text,lang\r\n"a{newline}b",en\r\n"{newline}c{newline}",en\r\n'
    assert read(write("a.csv", content)).texts == [f"a{newline}b", f"{newline}c{newline}"]


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_the_separator_is_the_one_that_gives_the_text_column(write, read, separator):
    header, row = separator.join(["body", '"a,b;c\td|e"']), separator.join(["1,5", "2"])
    result = read(write("a.csv", f"{header}\n{row}\n"), text="body")
    if separator == ",":
        assert result.reasons == ["columns"]
    else:
        assert result.documents[0].metadata == {"a,b;c\td|e": "2"}


def test_names_of_columns_are_trimmed_and_cells_are_not(write, read):
    [document] = read(write("a.csv", "\ufeff text , lang\n  x  ,en\n")).documents
    assert (document.text, document.lang) == ("  x  ", "en")


def test_cells_stay_text(write, read):
    [document] = read(write("a.csv", "text,n,m\nx,007,=1+1\n")).documents
    assert document.metadata == {"n": "007", "m": "=1+1"}


def test_one_column_may_have_no_name(write, read):
    assert read(write("a.csv", ",text\n0,x\n")).documents[0].metadata == {"": "0"}


@pytest.mark.parametrize("header", ["text,lang,lang", "text,,", "text, text"])
def test_a_column_named_twice_is_refused(write, read, header):
    with pytest.raises(UnreadableFile, match="twice") as caught:
        read(write("a.csv", f"{header}\na,b,c\n"))
    assert caught.value.reason == "columns"


def test_a_missing_column_is_wrong_usage_and_the_columns_are_listed(write, read):
    with pytest.raises(UnknownColumn, match=r"'bdoy'\. Did you mean 'body'\?.*'title', 'body'"):
        read(write("a.csv", "title,body\na,b\n"), text="bdoy")


@pytest.mark.parametrize("role", ["lang", "id"])
def test_a_column_that_was_named_must_be_there_and_a_default_one_need_not(write, read, role):
    path = write("a.csv", "text\nx\n")
    assert read(path).texts == ["x"]
    with pytest.raises(UnknownColumn):
        read(path, **{role: "nowhere"})


def test_a_header_that_is_not_utf8_is_refused(write, read):
    with pytest.raises(UnreadableFile) as caught:
        read(write("a.csv", b"text,\xe9\na,b\n"))
    assert caught.value.reason == "encoding"


def test_a_header_with_an_open_quote_is_refused(write, read):
    with pytest.raises(UnreadableFile) as caught:
        read(write("a.csv", 'id,text,"oops\na,b,c\n'))
    assert caught.value.reason == "format"


def test_tsv_knows_no_quotes(write, read):
    result = read(write("a.tsv", 'text\tlang\r\n"Nice, he said\ten\r\nA "B" \\t\ten\r\n"a\tb"\n'))
    assert result.texts == ['"Nice, he said', 'A "B" \\t']
    assert result.reasons == ["language"]


def test_a_record_beyond_the_limit_is_rejected_and_the_next_one_is_found():
    splitter = CsvSplitter(",", limit=100)
    lines = ['"' + "x" * 80, "y" * 80, "z" * 80 + '",en', "short,en"]
    records = [splitter.feed(line, n) for n, line in enumerate(lines, 1)]
    assert [r and r.reason for r in records] == [None, None, "too-long", None]
    assert records[3] is not None
    assert records[3].fields == ["short", "en"]


def test_a_line_too_long_to_be_read_leaves_the_quotes_in_order():
    pieces = [b'text,lang\na,en\n"' + b"x" * 60, b"x" * 60, b'x\ny",en\nb,en\n']
    splitter, texts, reasons = CsvSplitter(","), [], []
    for block in read_blocks(pieces, limit=100):
        rows = (
            [splitter.feed(line, block.first + i) for i, line in enumerate(block.lines)]
            if hasattr(block, "lines")
            else [splitter.skip(block)]
        )
        texts += [row.fields[0] for row in rows if row and not row.reason]
        reasons += [row.reason for row in rows if row and row.reason]
    assert texts == ["text", "a", "b"]
    assert reasons == ["too-long"]
