from __future__ import annotations

import json
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xlingual_qdrant.errors import UnreadableFile
from xlingual_qdrant.ingest.fields import FieldMapping
from xlingual_qdrant.ingest.opening import OpenedFile
from xlingual_qdrant.ingest.reading import read_records
from xlingual_qdrant.ingest.records import RawRecord

GOOD = '{"id": "1", "text": "Straße", "lang": "de", "n": 1}\n'

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(
    rows=st.lists(st.dictionaries(st.text(), json_values, max_size=6), max_size=5),
    escaped=st.booleans(),
    newline=st.sampled_from(["\n", "\r\n", "\n\n", "\n \t\r\n"]),
)
def test_any_json_object_comes_back_as_it_was(rows: list[object], escaped: bool, newline: str):
    text = newline.join(json.dumps(row, ensure_ascii=escaped) for row in rows)
    opened = OpenedFile("t.jsonl", BytesIO(text.encode()), "jsonl", None)
    records = list(read_records(opened, FieldMapping()))
    assert all(isinstance(record, RawRecord) for record in records)
    assert json.dumps([r.fields for r in records if isinstance(r, RawRecord)]) == json.dumps(rows)


def test_fields_become_a_document(write, read):
    [document] = read(write("a.jsonl", GOOD)).documents
    assert (document.id, document.text, document.lang) == ("1", "Straße", "de")
    assert document.metadata == {"n": 1}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"text": "x",}', "json"),
        ("{'text': 'x'}", "json"),
        ('{"text": "x"} {"text": "y"}', "json"),
        ('{"text": "a\tb"}', "json"),
        ('{"text": "x"', "json"),
        ('{"text": "x", "v": ' + "[" * 100_000 + "}", "json"),
        ('{"text": "x", "v": NaN}', "type"),
        ('{"text": "x", "v": -Infinity}', "type"),
        ('{"text": "x", "v": 1e400}', "type"),
        ('{"text": "x", "v": 9223372036854775808}', "type"),
        ('{"text": "x", "v": ' + "9" * 5000 + "}", "type"),
        ('{"text": 7}', "type"),
        ('{"text": "x", "id": 1.5}', "type"),
        ('"text"', "type"),
        ("null", "type"),
        ('[{"text": "x"}]', "type"),
        ('{"text": "x", "text": "x"}', "duplicate"),
        ('{"text": "x", "v": [{"a": 1, "a": 1}]}', "duplicate"),
        ('{"text": "\\ud800"}', "surrogate"),
        ('{"text": "x", "v": {"\\udfff": 1}}', "surrogate"),
        ('{"Text": "x"}', "field"),
        ('{"text": null}', "empty"),
        ('{"text": " \\u200b"}', "empty"),
        ('{"text": "x", "lang": "german"}', "language"),
    ],
)
def test_a_bad_line_is_rejected_alone_with_its_reason(write, read, line, reason):
    result = read(write("a.jsonl", GOOD + line + "\n" + GOOD))
    assert result.reasons == [reason]
    assert result.rejections[0].line == 2
    assert result.rejections[0].record == line
    assert len(result.documents) == 2


def test_bytes_that_are_not_utf8_are_shown_escaped_in_the_dead_letter(write, read):
    result = read(write("a.jsonl", b'{"text": "caf\xe9"}\n' + GOOD.encode()))
    assert result.reasons == ["encoding"]
    assert result.rejections[0].to_json()["record"] == '{"text": "caf\\xe9"}'
    assert len(result.documents) == 1


def test_only_a_line_feed_ends_a_line(write, read):
    text = "a\u2028b\u2029c\u0085d\u000be"
    line = json.dumps({"text": text.replace("\u000b", "")}, ensure_ascii=False)
    assert read(write("a.jsonl", line)).texts == [text.replace("\u000b", "")]


def test_blank_lines_count_as_lines_and_not_as_records(write, read):
    result = read(write("a.jsonl", "\n \t\r\n" + GOOD + "\nnot json\n"))
    assert len(result.documents) == 1
    assert [rejection.line for rejection in result.rejections] == [5]


def test_a_json_array_is_refused_with_a_hint(write, read):
    with pytest.raises(UnreadableFile, match="jq") as caught:
        read(write("a.jsonl", ' \n[\n{"text": "one"},\n{"text": "two"}\n]\n'))
    assert caught.value.reason == "json"


def test_a_line_beyond_the_limit_is_passed_over_without_holding_it(write, read, monkeypatch):
    monkeypatch.setattr("xlingual_qdrant.ingest.lines.read_blocks.__kwdefaults__", {"limit": 3000})
    huge = '{"text": "' + "x" * 3_000_000 + '"}\n'
    result = read(write("a.jsonl", GOOD + huge + GOOD))
    assert result.reasons == ["too-long"]
    assert len(result.documents) == 2
