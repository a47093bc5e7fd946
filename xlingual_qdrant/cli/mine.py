"""`xlingual mine`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from xlingual_qdrant.cli.options import Options, common_options, note, pass_options
from xlingual_qdrant.cli.output import (
    counted,
    document_row,
    escaped,
    json_line,
    print_table,
    written_file,
)
from xlingual_qdrant.cli.progress import progress_bar
from xlingual_qdrant.errors import UsageError

if TYPE_CHECKING:
    from xlingual_qdrant.collection import Collection
    from xlingual_qdrant.documents import JsonValue
    from xlingual_qdrant.ingest.records import Rejection
    from xlingual_qdrant.queries.mining.mining import Mined, MinedPair, Texts, Threshold

_SHOWN = 50
"""Pairs of a table at a terminal; more are for a file."""
_FORMATS = ("tsv", "jsonl", "tmx")
"""By their names, which are also the endings of files."""


@click.command(
    epilog="""\b
Examples:
  xlingual mine --source en --target fr
  xlingual mine --source en --target fr --output memory.tmx
  xlingual mine --source-file english.txt --source en --target-file french.txt --target fr
  xlingual mine --source en --target de --target-collection german --threshold 1.2 --json"""
)
@click.option(
    "--source", metavar="TAG", help="The language of the one side; of all rows of --source-file."
)
@click.option(
    "--target", metavar="TAG", help="The language of the other side; of all rows of --target-file."
)
@click.option(
    "--source-file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="Take the one side from this file, and not from the collection: as ingest reads it.",
)
@click.option(
    "--target-file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="Take the other side from this file.",
)
@click.option(
    "--target-collection",
    metavar="NAME",
    help="Take the other side from this collection of the same store.",
)
@click.option(
    "--measure",
    type=click.Choice(["ratio", "distance", "csls", "cosine"]),
    help="What pairs are scored by [ratio; cosine with fewer than 100 texts on a side].",
)
@click.option(
    "-k",
    type=click.IntRange(min=1),
    default=4,
    show_default=True,
    metavar="N",
    help="Neighbours that are looked at, and compared with.",
)
@click.option(
    "--method",
    type=click.Choice(["max", "forward", "backward", "intersect", "assignment"]),
    default="max",
    show_default=True,
    help="How partners are chosen; only forward and backward use a text more than once.",
)
@click.option(
    "--compare-lengths/--no-compare-lengths",
    default=True,
    help="Lower the margins of pairs of unusual lengths [on].",
)
@click.option(
    "--threshold",
    metavar="SCORE",
    help="The least score, or 'calibrated' [found in the scores, without labels].",
)
@click.option(
    "--min-cosine",
    type=click.FloatRange(-1, 1),
    metavar="COSINE",
    help="The least cosine, whatever the score.",
)
@click.option(
    "--max-length-ratio",
    type=click.FloatRange(1, min_open=True),
    metavar="N",
    help="Leave out pairs with one text N times longer than is usual between the two sides.",
)
@click.option("--skip-identical", is_flag=True, help="Leave out pairs of a text and itself.")
@click.option(
    "--check-langs", is_flag=True, help="Leave out pairs whose texts are both in one language."
)
@click.option(
    "--through-index/--in-memory",
    default=None,
    help="Ask the store for neighbours, or compare all vectors in memory [by size].",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write to this file, which appears when it is complete.",
)
@click.option(
    "--format",
    type=click.Choice(_FORMATS),
    help="The format [by the name of the file; tsv].",
)
@common_options
@pass_options
def command(
    options: Options,
    source: str | None,
    target: str | None,
    source_file: Path | None,
    target_file: Path | None,
    target_collection: str | None,
    measure: str | None,
    k: int,
    method: str,
    compare_lengths: bool,
    threshold: str | None,
    min_cosine: float | None,
    max_length_ratio: float | None,
    skip_identical: bool,
    check_langs: bool,
    through_index: bool | None,
    output: Path | None,
    format: str | None,
) -> None:
    """Find the translations in two sets of texts that were never lined up.

    The sides are two languages of the collection, a language of it and one of another collection,
    or files. Pairs come best first, each text in one pair at most; a text without a translation
    has none. Nothing is written to a collection.

    On a terminal a table is printed, into a pipe lines of score, both ids and both texts with tabs
    between them, with --json an object a line.

    With --output an interrupted run goes on where it was: give the same command again. Until it is
    done, the folder FILE.progress holds what was found.
    """
    from xlingual_qdrant.queries.mining.mining import mine

    shape = _format(format, output, options)
    with ExitStack() as stack:
        files = source_file is not None and target_file is not None
        stored = not files or threshold == "calibrated"
        collection = stack.enter_context(_opened(options, stored=stored))
        other: Collection | None = None
        if target_collection is not None:
            if target_file is not None:
                raise UsageError("give either --target-collection or --target-file")
            other = stack.enter_context(replace(options, collection=target_collection).open())
        shown = stack.enter_context(progress_bar(options))
        mined = mine(
            collection,
            _side(collection, source, source_file, "source"),
            _side(collection, target, target_file, "target"),
            target_collection=other,
            measure=measure,  # pyright: ignore[reportArgumentType]
            k=k,
            method=method,  # pyright: ignore[reportArgumentType]
            compare_lengths=compare_lengths,
            threshold=_threshold(threshold),
            min_cosine=min_cosine,
            max_length_ratio=max_length_ratio,
            skip_identical=skip_identical,
            check_langs=check_langs,
            through_index=through_index,
            checkpoint=None if output is None else output.with_name(f"{output.name}.progress"),
            on_progress=None
            if shown is None
            else lambda done, total: shown.count("finding neighbours", done, total),
        )
        count = _write(mined, output, shape)
        mined.finish()
    for listing, lang in ((mined.sources, source), (mined.targets, target)):
        if not len(listing):
            nothing = f"no text has the language '{lang}'" if lang else "a file is empty"
            options.say(f"Note: {nothing}.")
    options.say(_summary(mined, count, output))


def _opened(options: Options, *, stored: bool) -> AbstractContextManager[Collection]:
    """Open the collection; only its embedder matters if both sides are files, so one will do."""
    if stored:
        return options.open()
    from xlingual_qdrant.collection import Collection

    return Collection.open(settings=options.settings(), store="memory")


def _side(collection: Collection, lang: str | None, file: Path | None, name: str) -> Texts:
    if file is None:
        if lang is None:
            raise UsageError(f"give --{name} with a language, or --{name}-file with texts")
        return lang
    from xlingual_qdrant.ingest.fields import FieldMapping
    from xlingual_qdrant.queries.corpus import corpus_of_files

    def rejected(rejection: Rejection) -> None:
        place = f"{rejection.file}, line {rejection.line}"
        note(f"Left out: {place}: {rejection.detail} ({rejection.reason})")

    return corpus_of_files(
        collection, file, mapping=FieldMapping(default_lang=lang), on_reject=rejected
    )


def _threshold(given: str | None) -> Threshold | None:
    if given is None or given == "calibrated":
        return given
    try:
        return float(given)
    except ValueError:
        raise UsageError(
            f"--threshold is {given!r}; give a number such as 1.1, or 'calibrated'"
        ) from None


def _format(given: str | None, output: Path | None, options: Options) -> str:
    if options.json and given not in (None, "jsonl"):
        raise UsageError(f"--json and --format {given} exclude each other")
    if given is not None:
        return given
    if output is None:
        usual = "table" if sys.stdout.isatty() else "tsv"
        return "jsonl" if options.json else usual
    ending = output.suffix.lower().removeprefix(".")
    if options.json and ending != "jsonl":
        raise UsageError(
            f"--json writes JSON Lines, and {output} does not end in .jsonl; rename it"
        )
    if ending not in _FORMATS:
        endings = ", ".join(f".{name}" for name in _FORMATS)
        raise UsageError(
            f"the name {output} does not tell the format; let it end in one of {endings}, or give"
            f" --format with one of {', '.join(_FORMATS)}"
        )
    return ending


def _write(mined: Mined, output: Path | None, shape: str) -> int:
    """Write all pairs; return how many there were."""
    counter = _Counter(mined)
    if shape == "table":
        rows = [
            (f"{pair.score:.4f}", pair.source.text, pair.target.text)
            for pair, _ in zip(counter, range(_SHOWN), strict=False)
        ]
        if rows:
            print_table(("score", "source", "target"), rows)
        more = sum(1 for _ in counter)
        if more:
            note(f"... and {more:,} more; --output FILE takes all of them.")
        return counter.count
    target = nullcontext(sys.stdout.buffer) if output is None else written_file(output)
    with target as stream:
        for part in _parts(counter, mined, shape):
            stream.write(part)
    return counter.count


class _Counter:
    """Goes over pairs once, and counts them."""

    def __init__(self, pairs: Iterable[MinedPair]) -> None:
        self._pairs = iter(pairs)
        self.count = 0

    def __iter__(self) -> Iterator[MinedPair]:
        for pair in self._pairs:
            self.count += 1
            yield pair


def _parts(pairs: Iterable[MinedPair], mined: Mined, shape: str) -> Iterator[bytes]:
    if shape == "tmx":
        from xlingual_qdrant.queries.mining.tmx import tmx

        langs = set(mined.sources.langs.tolist())
        for part in tmx(pairs, source_lang=langs.pop() if len(langs) == 1 else None):
            yield part.encode()
    for pair in pairs:
        if shape == "jsonl":
            yield json_line(_row(pair))
        else:
            cells = (pair.source.id, pair.target.id, pair.source.text, pair.target.text)
            line = "\t".join([f"{pair.score:.4f}", *map(escaped, cells)])
            yield line.encode(errors="backslashreplace") + b"\n"


def _row(pair: MinedPair) -> dict[str, JsonValue]:
    return {
        "score": round(pair.score, 6),
        "probability": round(pair.probability, 6),
        "cosine": round(pair.cosine, 6),
        "source": document_row(pair.source),
        "target": document_row(pair.target),
    }


def _summary(mined: Mined, count: int, output: Path | None) -> str:
    place = "" if output is None else f" in {output}"
    return (
        f"Found {counted(count, 'pair')} among {counted(len(mined.sources), 'text')} and"
        f" {len(mined.targets):,}, by {mined.measure}{place}."
    )
