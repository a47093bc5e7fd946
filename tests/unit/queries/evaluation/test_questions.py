"""A user's labelled file."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from xlingual_qdrant.errors import FileUnavailable, UnknownColumn, UnreadableFile, UsageError
from xlingual_qdrant.queries.evaluation import Question, read_questions
from xlingual_qdrant.queries.evaluation.questions import QuestionColumns


def written(tmp_path: Path, name: str, text: str) -> Path:
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")
    return file


def test_a_row_names_one_document_or_several(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        "q.tsv",
        "query\tlang\trelevant\tgrade\n"
        "Wo?\tDE\ta\t\n"
        "Quand ?\tfr\tb | c\t2|1\n"
        "Who\t\td 1|e\t3\n"
        'When\ten\t{"x|y": 2, "z": 0}\t\n',
    )
    assert read_questions(file) == [
        Question("Wo?", {"a": 1.0}, "de"),
        Question("Quand ?", {"b": 2.0, "c": 1.0}, "fr"),
        Question("Who", {"d 1": 3.0, "e": 3.0}),
        Question("When", {"x|y": 2.0, "z": 0.0}, "en"),
    ]


def test_rows_with_the_same_question_are_one_question(tmp_path: Path) -> None:
    file = written(tmp_path, "q.csv", "query;relevant;lang\nWo?;a;de\nWo?;b;de\nWo?;c;nl\n")
    assert read_questions(file) == [
        Question("Wo?", {"a": 1.0, "b": 1.0}, "de"),
        Question("Wo?", {"c": 1.0}, "nl"),
    ]


def test_json_lines_hold_lists_objects_and_numbers(tmp_path: Path) -> None:
    rows = [
        {"query": "a", "relevant": ["1", 2]},
        {"query": "b", "relevant": {"x": 3}},
        {"query": "c", "relevant": 7, "grade": 2},
    ]
    file = tmp_path / "q.jsonl.gz"
    file.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode()))
    assert [each.relevant for each in read_questions(file)] == [
        {"1": 1.0, "2": 1.0},
        {"x": 3.0},
        {"7": 2.0},
    ]


def test_columns_may_have_other_names(tmp_path: Path) -> None:
    file = written(tmp_path, "q.csv", "frage,doc\nWo?,a\n")
    columns = QuestionColumns(text="frage", relevant="doc")
    assert read_questions(file, columns=columns) == [Question("Wo?", {"a": 1.0})]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("query\trelevant\n", "no questions"),
        ("query\trelevant\nWo?\t \n", "line 2.*names no document"),
        ("query\trelevant\n \ta\n", "line 2.*empty"),
        ("query\trelevant\tgrade\nWo?\ta\tgood\n", "'grade' is 0 or a positive number, not 'good'"),
        ("query\trelevant\tgrade\nWo?\ta\t-1\n", "not '-1'"),
        ("query\trelevant\tgrade\nWo?\ta|b|c\t1|2\n", "3 documents, but 2 grades"),
        ("query\trelevant\nWo?\t[1,\n", "begins like JSON"),
        ("query\trelevant\tlang\nWo?\ta\tdeutsch\n", "'deutsch' is not a language tag"),
        ("query\trelevant\nWo?\n", "line 2: 1 fields"),
    ],
)
def test_what_does_not_fit_is_told_with_its_line(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(UnreadableFile, match=says):
        read_questions(written(tmp_path, "q.tsv", text))


def test_files_that_are_none_are_told(tmp_path: Path) -> None:
    with pytest.raises(FileUnavailable):
        read_questions(tmp_path / "nowhere.tsv")
    with pytest.raises(UnknownColumn, match="'relevant'"):
        read_questions(written(tmp_path, "q.csv", "query,id\nWo?,a\n"))
    with pytest.raises(UnreadableFile, match="TXT"):
        read_questions(written(tmp_path, "q.txt", "Wo?\n"))


def test_a_question_made_by_hand_is_checked() -> None:
    assert Question("Wo?", lang="iw").lang == "he"
    with pytest.raises(UsageError, match="empty"):
        Question("")
    with pytest.raises(UsageError, match="grade -1"):
        Question("Wo?", {"a": -1})
