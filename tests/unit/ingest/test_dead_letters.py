from __future__ import annotations

import json
from pathlib import Path

import pytest

from xlingual_qdrant.errors import FileUnavailable, UsageError
from xlingual_qdrant.ingest.dead_letters import DeadLetters
from xlingual_qdrant.ingest.records import MAX_SHOWN, Rejection


def rejection(record: str) -> Rejection:
    return Rejection("bad\udcff.csv", 3, "encoding", "why", record)


@pytest.mark.parametrize(
    ("record", "shown"),
    [
        ("a\u2028\nb\0", "a\u2028\nb\0"),
        ("caf\udce9", "caf\\xe9"),
        ("half \ud83d", "half \\ud83d"),
        ("🙂", "🙂"),
    ],
)
def test_a_row_is_one_line_of_json_in_utf8_whatever_the_record(tmp_path: Path, record, shown):
    path = tmp_path / "dead.jsonl"
    with DeadLetters(path) as letters:
        letters.write(rejection(record))
    [line] = path.read_bytes().splitlines()
    assert json.loads(line.decode()) == {
        "file": "bad\\xff.csv",
        "line": 3,
        "reason": "encoding",
        "detail": "why",
        "record": shown,
    }


def test_a_huge_record_is_cut_and_says_so():
    row = rejection("x" * (MAX_SHOWN + 1)).to_json()
    assert len(str(row["record"])) == MAX_SHOWN
    assert "1,000,001" in str(row["detail"])


def test_the_file_belongs_to_one_run(tmp_path: Path):
    path = tmp_path / "dead.jsonl"
    for _ in range(2):
        with DeadLetters(path) as letters:
            letters.write(rejection("x"))
            letters.write(rejection("y"))
    assert len(path.read_bytes().splitlines()) == 2
    with DeadLetters(path):
        pass
    assert not path.exists()


def test_a_run_that_fails_at_once_leaves_the_letters_of_the_last_one(tmp_path: Path):
    path = tmp_path / "dead.jsonl"
    old = '{"file": "a", "line": 1, "reason": "json", "detail": "", "record": ""}\n'
    path.write_text(old)
    with pytest.raises(RuntimeError), DeadLetters(path):
        raise RuntimeError
    assert path.read_text() == old


def test_a_place_that_cannot_be_written_is_told_at_once(tmp_path: Path):
    with pytest.raises(FileUnavailable, match="dead letters"):
        DeadLetters(tmp_path / "nowhere" / "dead.jsonl")


def test_the_dead_letters_never_overwrite_what_is_read(tmp_path: Path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "x"}\n')
    with pytest.raises(UsageError, match="is read"):
        DeadLetters(path, sources=["-", tmp_path / "missing", path])
    assert path.read_text()
