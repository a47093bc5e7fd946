from __future__ import annotations

import io
import json
import sys
import threading
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from xlingual_qdrant import Collection, CollectionSchema
from xlingual_qdrant.errors import (
    FileUnavailable,
    RecordRejected,
    StoreUnavailable,
    UnknownColumn,
    UsageError,
)
from xlingual_qdrant.ingest import FieldMapping, ingest
from xlingual_qdrant.ingest.known import Known
from xlingual_qdrant.memory import MemoryStore


def rows(*documents: dict[str, object]) -> str:
    return "".join(json.dumps(document) + "\n" for document in documents)


def many(count: int, start: int = 0) -> str:
    return rows(*({"id": str(n), "text": f"text {n}"} for n in range(start, start + count)))


def counts(report) -> tuple[int, ...]:
    numbers = (report.read, report.added, report.updated, report.unchanged, report.rejected)
    assert numbers[0] == sum(numbers[1:])
    return numbers


def test_files_of_several_formats_become_one_collection(collection, write):
    report = ingest(
        collection,
        [
            write("a.jsonl", '{"text": "one", "lang": "de", "n": 1}\nbad\n'),
            write("b.csv", "text,lang\ntwo,fr\nthree,fr\n"),
            write("c.txt", "four\n" + "five " * 20 + "\n"),
        ],
    )
    assert counts(report) == (6, 5, 0, 0, 1)
    assert report.languages == {"fr": 2, "und": 2, "de": 1}
    assert report.reasons == {"json": 1}
    assert report.truncated == 1
    assert [(f.read, f.rejected, f.failed) for f in report.files] == [
        (2, 1, False),
        (2, 0, False),
        (2, 0, False),
    ]
    assert collection.count() == 5


@pytest.mark.parametrize("batch_size", [1, 7, 4096])
def test_the_second_run_adds_nothing_and_embeds_nothing(collection, embedder, write, batch_size):
    path = write("a.jsonl", many(50))
    assert counts(ingest(collection, path, batch_size=batch_size)) == (50, 50, 0, 0, 0)
    embedder.texts.clear()
    assert counts(ingest(collection, path, batch_size=batch_size)) == (50, 0, 0, 50, 0)
    assert embedder.texts == []
    path.write_text(many(60).replace("text 3", "new 3"))
    assert counts(ingest(collection, path, batch_size=batch_size)) == (60, 10, 11, 39, 0)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows_=st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xyz")), max_size=25),
    size=st.integers(1, 9),
)
def test_ids_that_come_again_count_as_if_each_row_were_written_alone(embedder, write, rows_, size):
    schema = CollectionSchema(name="t", dimension=8, embedder=embedder.fingerprint)
    collection = Collection(MemoryStore().create(schema), embedder)
    path = write("a.jsonl", rows(*({"id": i, "text": t} for i, t in rows_)))
    report = ingest(collection, path, batch_size=size)
    there: dict[str, str] = {}
    expected = [0, 0, 0]
    for id, text in rows_:
        expected[0 if id not in there else 1 if there[id] != text else 2] += 1
        there[id] = text
    assert counts(report)[1:4] == tuple(expected)
    assert {document.id: document.text for document in collection.documents()} == there


def test_a_file_that_cannot_be_read_does_not_stop_the_others(collection, write, tmp_path):
    (tmp_path / "folder.jsonl").mkdir()
    report = ingest(
        collection,
        [
            write("empty.jsonl", ""),
            tmp_path / "folder.jsonl",
            write("blank.csv", "\n\n"),
            write("header.csv", "text,lang\n"),
            write("array.jsonl", '[{"text": "x"}]'),
            write("unknown.xyz", "x"),
            write("bad.jsonl", "bad\n"),
            write("good.jsonl", many(1)),
        ],
    )
    assert counts(report) == (2, 1, 0, 0, 1)
    assert [f.error.reason if f.error else f.failed for f in report.files] == [
        "empty",
        "directory",
        "empty",
        "empty",
        "json",
        "format",
        True,
        False,
    ]
    assert report.failed
    assert len(report.errors) == 6
    json.dumps(report.to_json())


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [("b.csv", "body\nx\n", UnknownColumn), (None, "", FileUnavailable)],
)
def test_wrong_usage_in_the_last_file_is_found_before_the_first_is_read(
    collection, write, tmp_path, name, content, error
):
    last = write(name, content) if name else tmp_path / "missing.csv"
    with pytest.raises(error):
        ingest(collection, [write("a.jsonl", many(3)), last])
    assert collection.count() == 0


def test_strict_stops_at_the_first_rejection_and_keeps_what_was_before(collection, write):
    path = write("a.jsonl", many(3) + "bad\n" + many(3, start=10))
    met = []
    with pytest.raises(RecordRejected, match="line 4") as caught:
        ingest(collection, path, strict=True, on_reject=met.append)
    assert caught.value.reason == "json"
    assert collection.count() == 3
    assert [rejection.line for rejection in met] == [4]


def test_a_dry_run_counts_and_writes_nothing(collection, embedder, write):
    path = write("a.jsonl", many(5) + "bad\n")
    met = []
    report = ingest(None, path, dry_run=True, on_reject=met.append)
    assert counts(report) == (6, 5, 0, 0, 1)
    assert len(met) == 1
    ingest(collection, write("b.jsonl", many(2) + rows({"id": "2", "text": "other"})))
    embedder.texts.clear()
    assert counts(ingest(collection, path, dry_run=True)) == (6, 2, 1, 2, 1)
    assert collection.count() == 3
    assert embedder.texts == []


def test_progress_goes_up_to_the_end(collection, write):
    path, other = write("a.jsonl", many(25)), write("b.jsonl", many(5, start=50))
    met = []
    ingest(collection, [path, other], batch_size=10, on_progress=met.append)
    assert [progress.read for progress in met] == [10, 20, 30]
    total = path.stat().st_size + other.stat().st_size
    assert met[-1].bytes_read == met[-1].bytes_total == total


def test_declared_fields_are_checked_and_read_from_cells(embedder, write):
    schema = CollectionSchema(
        name="t", dimension=8, embedder=embedder.fingerprint, fields={"n": "integer"}
    )
    collection = Collection(MemoryStore().create(schema), embedder)
    report = ingest(
        collection,
        [
            write("a.csv", "id,text,n\na,x,7\nb,x,\nc,x,seven\n"),
            write("b.jsonl", '{"text": "x", "n": "7"}\n'),
        ],
    )
    assert counts(report) == (4, 2, 0, 0, 2)
    assert report.reasons == {"type": 2}
    assert collection.count(where="n = 7") == 1


def test_standard_input_is_json_lines_unless_told(collection, monkeypatch):
    for data, format in ((many(2).encode(), None), (b"text\nx\n", "csv")):
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(data)))
        assert counts(ingest(collection, "-", format=format))[0] in (2, 1)
    assert collection.count() == 3


def test_a_missing_column_on_standard_input_keeps_what_was_read_before(
    collection, write, monkeypatch
):
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"body\nx\n")))
    with pytest.raises(UnknownColumn):
        ingest(collection, [write("a.csv", "text\nx\n"), "-"], format="csv")
    assert collection.count() == 1


@pytest.mark.parametrize(
    "options", [{"format": "jsnl"}, {"batch_size": 0}, {"sources": []}, {"sources": ["-", "-"]}]
)
def test_wrong_options_are_refused(collection, write, options):
    with pytest.raises(UsageError):
        ingest(collection, **{"sources": write("a.jsonl", many(1)), **options})


@pytest.mark.parametrize("part", ["prepare", "commit", "on_progress", "on_reject"])
@pytest.mark.parametrize("error", [StoreUnavailable("disk", "full"), KeyboardInterrupt()])
def test_whatever_fails_is_raised_and_no_thread_is_left(
    collection, write, monkeypatch, part, error
):
    path = write("a.jsonl", (many(1) + "bad\n") * 500)
    calls = []

    def fail(*args, **kwargs):
        calls.append(args)
        if len(calls) == 3:
            raise error
        return original(*args, **kwargs)

    options = {}
    if part in ("prepare", "commit"):
        original = getattr(collection, part)
        monkeypatch.setattr(collection, part, fail)
    else:
        original = lambda _: None  # noqa: E731
        options[part] = fail
    with pytest.raises(type(error)):
        ingest(collection, path, batch_size=10, **options)
    assert not [t for t in threading.enumerate() if t.name.startswith("xlingual-")]


def test_the_mapping_reaches_every_format(collection, write):
    mapping = FieldMapping("body", lang="language", default_lang="sv")
    ingest(
        collection,
        [write("a.csv", "body,language\nx,de\ny,\n"), write("b.txt", "z\n")],
        mapping=mapping,
    )
    assert collection.languages() == {"sv": 2, "de": 1}


def test_what_is_to_be_skipped_is_counted_and_told_and_not_written(collection, write):
    file = write("a.jsonl", many(3, start=1))
    told = []

    def skip(documents, vectors):
        assert len(documents) == len(vectors)
        return [Known("1", "near", 0.9) if each.id == "2" else None for each in documents]

    report = ingest(collection, file, skip=skip, on_reject=told.append)
    assert (report.read, report.added, report.duplicates, report.rejected) == (3, 2, 1, 0)
    assert collection.get("2") is None
    [letter] = told
    assert (letter.line, letter.reason) == (2, "duplicate")
    assert letter.detail == "near duplicate of '1' (cosine 0.900)"
    again = ingest(collection, file, skip=lambda documents, _: [None] * len(documents))
    assert (again.added, again.unchanged, again.duplicates) == (1, 2, 0)
