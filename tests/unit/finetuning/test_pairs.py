"""Files of parallel text: columns, hostile rows, repetition, and what is held out."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from tests.unit.finetuning.invented import invented_pairs
from xlingual_qdrant.errors import InvalidInput, UnknownColumn, UnreadableFile, UsageError
from xlingual_qdrant.finetuning import TextPair
from xlingual_qdrant.parallel import PairColumns, read_pairs, split, without_repetition
from xlingual_qdrant.parallel.figures import same_text

ROW = ("Good morning", "Guten Morgen")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.tsv", "left\tright\nGood morning\tGuten Morgen\n"),
        ("a.tsv", "note\tsource\ttarget\n1\tGood morning\tGuten Morgen\n"),
        ("a.csv", "en,de,more\nGood morning,Guten Morgen,x\n"),
        ("a.csv", "en;de\nGood morning;Guten Morgen\n"),
        ("a.jsonl", '{"id": 3, "right": "Guten Morgen", "left": "Good morning"}\n'),
        ("a.jsonl", 'not json\n{"en": "Good morning", "de": "Guten Morgen"}\n'),
    ],
)
def test_columns_are_found_by_their_names_else_the_first_two_are_taken(tmp_path, name, content):
    (tmp_path / name).write_text(content, encoding="utf-8")
    assert [(pair.left, pair.right) for pair in read_pairs([tmp_path / name]).pairs] == [ROW]


def test_columns_can_be_named_and_a_wrong_name_lists_those_there_are(tmp_path):
    file = tmp_path / "a.tsv"
    file.write_text("id\ten\tde\n7\tGood morning\tGuten Morgen\n", encoding="utf-8")
    found = read_pairs([file], PairColumns("en", "de", "en", "de-DE"))
    assert found.pairs == [TextPair(*ROW, "en", "de-DE")]
    with pytest.raises(UnknownColumn, match=r"'dee'.*Did you mean 'de'"):
        read_pairs([file], PairColumns("en", "dee"))
    with pytest.raises(UsageError, match="both columns"):
        PairColumns("en")
    with pytest.raises(UsageError, match="both sides"):
        PairColumns("en", "en")


def test_parquet_and_gzip_are_read(tmp_path):
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    table = pa.table({"n": [1], "en": [ROW[0]], "de": [ROW[1]], "right_lang": ["DE"]})
    pq.write_table(table, tmp_path / "a.parquet")
    found = read_pairs([tmp_path / "a.parquet"], PairColumns("en", "de"))
    assert found.pairs == [TextPair(*ROW, "", "de")]
    with gzip.open(tmp_path / "a.tsv.gz", "wt", encoding="utf-8") as file:
        file.write("left\tright\nGood morning\tGuten Morgen\n")
    assert len(read_pairs([tmp_path / "a.tsv.gz"]).pairs) == 1


def test_hostile_rows_are_counted_by_what_is_wrong_with_them(tmp_path):
    file = tmp_path / "a.tsv"
    file.write_bytes(
        b"left\tright\nGood morning\tGuten Morgen\n\tnur rechts\nall alone\n"
        b"bad \xff byte\tx\nSame\tsame \n  \t\n"
    )
    found = read_pairs([file])
    assert [(pair.left, pair.right) for pair in found.pairs] == [ROW]
    assert dict(found.rejected) == {"empty": 2, "columns": 1, "encoding": 1}
    assert found.identical == 1
    assert found.read == 1 + sum(found.rejected.values()) + found.identical
    assert found.first_rejection is not None
    assert found.first_rejection.line == 3


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.txt", "one\n", "TSV or CSV"),
        ("a.tsv", "text\nalone\n", "two columns"),
        ("a.jsonl", '{"text": "alone"}\n', "two columns"),
        ("a.jsonl", "", "two columns"),
    ],
)
def test_a_file_that_cannot_hold_pairs_is_refused(tmp_path, name, content, says):
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(UnreadableFile, match=says):
        read_pairs([tmp_path / name])


def test_pairs_that_differ_in_case_and_white_space_only_count_once():
    pairs = [TextPair("A b", "C"), TextPair("a  B ", "c"), TextPair("a b", "d")]
    assert without_repetition(pairs) == [pairs[0], pairs[2]]


def test_no_text_that_is_held_out_is_learned_from():
    pairs = [*invented_pairs(300), *(TextPair(f"OK {i % 5}", f"gut {i}") for i in range(100))]
    divided = split(without_repetition(pairs), 0.2)
    held = {same_text(text) for pair in divided.held_out for text in (pair.left, pair.right)}
    learned = {same_text(text) for pair in divided.learned for text in (pair.left, pair.right)}
    assert not held & learned
    assert divided.shared > 0
    assert len(divided.held_out) + len(divided.learned) + divided.shared == len(set(pairs))


def test_what_is_held_out_depends_on_the_pair_and_on_nothing_else():
    pairs = invented_pairs(300)
    first = split(pairs, 0.1)
    assert split(pairs[::-1], 0.1).held_out == first.held_out[::-1]
    assert set(first.held_out) <= set(split(invented_pairs(400), 0.1).held_out)
    assert len(split(pairs, 25).held_out) == 25


@pytest.mark.parametrize("share", [0, -1])
def test_nothing_held_out_is_refused(share):
    with pytest.raises(UsageError, match="held out"):
        split(invented_pairs(100), share)


@pytest.mark.parametrize(("count", "share"), [(8, 0.5), (100, 95), (100, 2)])
def test_too_few_pairs_are_refused_with_the_numbers(count, share):
    with pytest.raises(InvalidInput, match="at least 5 and 10 are needed"):
        split(invented_pairs(count), share)


def test_a_repeated_file_name_is_read_again_and_its_pairs_repeated(tmp_path: Path):
    file = tmp_path / "a.tsv"
    file.write_text("left\tright\nGood morning\tGuten Morgen\n", encoding="utf-8")
    assert len(without_repetition(read_pairs([file, file]).pairs)) == 1
