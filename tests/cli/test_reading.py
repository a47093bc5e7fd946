"""`xlingual get`, `info` and `export`."""

from __future__ import annotations

import json

import numpy as np
import pytest

from xlingual_qdrant import Collection


def test_get_prints_in_the_order_asked_for(filled, run, parse):
    result = run("get", "--json", "rain-es", "cat-de")
    assert [row["id"] for row in parse(result.stdout)] == ["rain-es", "cat-de"]
    assert list(parse(result.stdout)[0]) == ["id", "text", "lang", "metadata"]
    assert run("get", "cat-de").stdout == 'de\tcat-de\t{"n": 1}\tDie Katze sitzt auf der Matte.\n'


def test_get_of_a_missing_id_is_1_and_prints_the_others(filled, run):
    result = run("get", "nobody", "cat-de")
    assert result.exit_code == 1
    assert "cat-de" in result.stdout
    assert result.stderr == "Error: no document 'nobody' in collection 'documents'\n"


def test_info_says_how_much_and_where(filled, run, parse):
    [facts] = parse(run("info", "--json").stdout)
    assert facts["count"] == 4
    assert facts["languages"] == {"de": 2, "es": 1, "fr": 1}
    assert facts["store"] == "local"
    assert facts["path"].startswith(str(filled / "xlingual-data"))
    assert isinstance(facts["dimension"], int)
    assert facts["embedder"].startswith("static:")
    shown = run("info").stdout
    assert "languages\tde 2, es 1, fr 1\n" in shown
    assert str(filled / "xlingual-data") in shown


def test_export_is_json_lines_by_id(filled, run, parse):
    result = run("export")
    assert [row["id"] for row in parse(result.stdout)] == ["cat-de", "cat-fr", "rain-de", "rain-es"]
    assert "Mañana lloverá" in result.stdout
    assert result.stderr == ""


def test_export_takes_conditions(filled, run, parse):
    found = parse(run("export", "--langs", "de", "--where", "n = 1").stdout)
    assert [row["id"] for row in found] == ["cat-de"]


def test_exported_vectors_are_exact(filled, run, parse):
    rows = parse(run("export", "--vectors").stdout)
    with Collection.open() as collection:
        stored = collection.stored.fetch_vectors([row["id"] for row in rows])
    for row, vector in zip(rows, stored, strict=True):
        assert vector is not None
        assert np.array_equal(np.array(row["vector"], dtype=np.float32), vector)


def test_export_to_a_file_appears_whole(filled, run):
    (filled / "out.jsonl").write_text("before")
    result = run("export", "--output", "out.jsonl")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "4 documents" in result.stderr
    assert (filled / "out.jsonl").read_bytes() == run("export").stdout_bytes
    failed = run("export", "--output", "out.jsonl", "--where", "n >")
    assert failed.exit_code == 2
    assert (filled / "out.jsonl").read_bytes() == run("export").stdout_bytes
    assert sorted(path.name for path in filled.iterdir()) == ["out.jsonl", "xlingual-data"]


def test_export_into_no_folder_is_1(filled, run):
    result = run("export", "--output", "no/such/out.jsonl")
    assert result.exit_code == 1
    assert "No such file or directory" in result.stderr


@pytest.mark.parametrize(
    "text", ["\x00nul", "a\r\nb", "a\u2028 \u2029 \x85", "\U0010ffff", "\ufeffx"]
)
def test_every_string_comes_out_as_it_went_in(run, process, text):
    line = json.dumps({"id": text, "text": text, "lang": "en", "key " + text: [text]})
    assert run("ingest", "-", input=line).exit_code == 0
    exported = process("export").stdout
    assert exported.count(b"\n") == 1
    assert exported.decode().splitlines()[0] == exported.decode().removesuffix("\n")
    row = json.loads(exported)
    assert (row["id"], row["text"], row["metadata"]) == (text, text, {"key " + text: [text]})


def test_collections_lists_names_and_counts(filled, run, parse):
    assert run("collections").stdout == "documents\t4\n"
    assert parse(run("collections", "--json").stdout) == [{"name": "documents", "count": 4}]
    assert run("collections", "--store", "memory").stdout == ""
