"""`xlingual score`."""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

from xlingual_qdrant.cli.input import lines_of_stdin
from xlingual_qdrant.cli.options import Options, common_options, note, pass_options
from xlingual_qdrant.cli.output import counted, print_json, print_rows, print_table
from xlingual_qdrant.errors import InvalidInput, UsageError

if TYPE_CHECKING:
    from xlingual_qdrant.collection import Collection
    from xlingual_qdrant.documents import JsonValue
    from xlingual_qdrant.finetuning import TextPair
    from xlingual_qdrant.parallel.reading import PairColumns
    from xlingual_qdrant.ports import Embedder
    from xlingual_qdrant.queries.scores.scoring import PairScore

_AT_ONCE = 1000
"""Pairs that are shown together."""


@click.command(
    epilog="""\b
Examples:
  xlingual score "I love programming" "J'adore la programmation"
  xlingual score translations.tsv --left-lang en --right-lang de
  xlingual score pairs.csv --left source --right target --json > scores.jsonl
  paste english.txt french.txt | xlingual score -"""
)
@click.argument("texts", nargs=-1, required=True, metavar="LEFT RIGHT | FILE | -")
@click.option("--left", metavar="COLUMN", help="The column of the one text [left, source, first].")
@click.option(
    "--right", metavar="COLUMN", help="The column of the other text [right, target, second]."
)
@click.option("--left-lang", metavar="TAG", help="The language of the left texts [detected].")
@click.option("--right-lang", metavar="TAG", help="The language of the right texts [detected].")
@click.option(
    "--measure",
    type=click.Choice(["cosine", "margin"]),
    default="cosine",
    show_default=True,
    help="What decides: the cosine, or the margin over the texts of the collection.",
)
@common_options
@pass_options
def command(
    options: Options,
    texts: tuple[str, ...],
    left: str | None,
    right: str | None,
    left_lang: str | None,
    right_lang: str | None,
    measure: str,
) -> None:
    """Say how near LEFT and RIGHT are in meaning, and whether they say the same.

    Instead of two texts, give a table with two columns: CSV, TSV, JSONL, Parquet, also .gz; its
    first row names the columns. With - the pairs are read from standard input, one on each line,
    a tab between the texts, without names of columns.

    The cosine goes from -1 to 1. The margin says how much nearer they are than either is to its
    neighbours in the other language; 1 is no nearer. The probability and the verdict come from
    the collection's calibration, else from the one that ships for the bundled model
    (`xlingual calibrate`). A collection is not needed, and nothing is written.

    On a terminal a table is printed, into a pipe lines of verdict (same, other, or ? without a
    calibration), probability, cosine, margin, both languages and both texts with tabs between
    them, with --json an object a line.
    """
    from xlingual_qdrant.parallel.reading import PairColumns
    from xlingual_qdrant.queries.scores.scoring import score_pairs

    columns = PairColumns(left, right, left_lang, right_lang)
    pairs = _pairs(texts, columns)
    with _asked(options) as asked:
        langs = (columns.left_lang or "", columns.right_lang or "")
        scored = score_pairs(asked, pairs, langs=langs, measure=measure)  # pyright: ignore[reportArgumentType]
        if options.json:
            print_json(_rows(scored))
        else:
            _print(scored, options)


def _pairs(texts: tuple[str, ...], columns: PairColumns) -> Iterable[TextPair | tuple[str, str]]:
    """Return the pairs that the arguments name: two texts, a file, or standard input."""
    match texts:
        case (left, right):
            return [(left, right)]
        case ("-",):
            return _pairs_of_stdin()
        case (file,):
            if not Path(file).exists() and " " in file.strip():
                raise UsageError("the second text is missing; give two texts, or a file of pairs")
            return _pairs_of_file(file, columns)
        case _:
            raise UsageError(
                f"a pair is two texts, and {len(texts)} were given; put each into quotation marks"
            )


def _pairs_of_stdin() -> Iterator[tuple[str, str]]:
    for number, line in enumerate(lines_of_stdin(keep_blank=True), 1):
        left, tab, right = line.partition("\t")
        if not tab or "\t" in right:
            raise InvalidInput(
                f"standard input, line {number}: a pair is two texts with one tab between them,"
                f" not {line[:60]!r}"
            )
        yield left, right


def _pairs_of_file(file: str, columns: PairColumns) -> Iterator[TextPair]:
    from xlingual_qdrant.ingest.records import Rejection
    from xlingual_qdrant.parallel.reading import pair_rows

    rejected = 0
    for row in pair_rows(file, columns):
        if isinstance(row, Rejection):
            rejected += 1
            if rejected == 1:
                note(f"Warning: {row.file}, line {row.line}: {row.detail} ({row.reason})")
        else:
            yield row.pair
    if rejected:
        note(f"Warning: {counted(rejected, 'row')} left out.")


@contextmanager
def _asked(options: Options) -> Generator[Collection | Embedder]:
    """Open the collection if it is there, else only the embedder; nothing is made."""
    from xlingual_qdrant.errors import CollectionMissing
    from xlingual_qdrant.settings import load_embedder

    try:
        opened = options.open()
    except CollectionMissing:
        if options.collection is not None:
            raise
        yield load_embedder(None, settings=options.settings())
        return
    with opened:
        yield opened


def _rows(scored: Iterable[PairScore]) -> Iterator[dict[str, JsonValue]]:
    for pair in scored:
        row: dict[str, JsonValue] = asdict(pair)
        for name in ("cosine", "margin", "probability", "threshold"):
            value = getattr(pair, name)
            row[name] = None if value is None else round(value, 6)
        yield row


_VERDICTS = {True: "same", False: "other", None: "?"}


def _print(scored: Iterable[PairScore], options: Options) -> None:
    columns = ("verdict", "probability", "cosine", "margin", "langs", "texts")
    terminal = sys.stdout.isatty()
    remaining = iter(scored)
    while batch := list(islice(remaining, _AT_ONCE)):
        if terminal:
            print_table(columns, [_cells(pair) for pair in batch])
        else:
            print_rows(columns, [_fields(pair) for pair in batch])
        if any(pair.same is None for pair in batch):
            options.say(
                "Note: some verdicts are ? because nothing is known of what their scores mean;"
                " `xlingual calibrate` learns it from pairs of texts."
            )


def _fields(pair: PairScore) -> tuple[str, ...]:
    return (
        _VERDICTS[pair.same],
        _number(pair.probability),
        _number(pair.cosine),
        _number(pair.margin),
        pair.left_lang,
        pair.right_lang,
        pair.left,
        pair.right,
    )


def _cells(pair: PairScore) -> tuple[str, ...]:
    *numbers, one, other, left, right = _fields(pair)
    return (*numbers, f"{one} {other}", f"{left} | {right}")


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
