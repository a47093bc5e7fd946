"""`xlingual dedup`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from xlingual_qdrant.cli.duplicate_groups import print_duplicates
from xlingual_qdrant.cli.options import (
    Options,
    common_options,
    langs_option,
    note,
    pass_options,
    where_option,
)
from xlingual_qdrant.cli.output import (
    counted,
    document_row,
    json_line,
    written_file,
)
from xlingual_qdrant.cli.progress import ProgressBar, progress_bar
from xlingual_qdrant.errors import UsageError

if TYPE_CHECKING:
    from xlingual_qdrant.collection import Collection
    from xlingual_qdrant.ingest.records import Rejection
    from xlingual_qdrant.queries.corpus import Corpus
    from xlingual_qdrant.queries.duplicates.finding import DuplicateReport


@click.command(
    epilog="""\b
Examples:
  xlingual dedup
  xlingual dedup --apply --deleted removed.jsonl
  xlingual dedup --kinds exact,near --keep first --where 'year = 2024'
  xlingual dedup --keep 'prefer-lang en,de' --json > groups.jsonl
  xlingual dedup tickets.jsonl --output clean.jsonl"""
)
@click.argument("files", nargs=-1, metavar="[FILE...]", type=click.Path())
@click.option(
    "--kinds",
    metavar="KINDS",
    help="Look for these: exact, near, cross-lingual, with commas between [exact,near].",
)
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1, min_open=True),
    metavar="COSINE",
    help="The least cosine of near duplicates; the guards decide about what is above it [0.65; 0.9"
    " without the guard of words].",
)
@click.option(
    "--margin",
    type=float,
    metavar="MARGIN",
    help="The least cosine of translations, less the mean of their neighbours [learned].",
)
@click.option(
    "--linking",
    type=click.Choice(["star", "components"]),
    default="star",
    show_default=True,
    help="Each duplicate is one of the text that is kept, or whatever is linked step by step.",
)
@click.option(
    "--keep",
    metavar="RULE",
    default="longest",
    show_default=True,
    help="Which text stays: longest, first, or 'prefer-lang en,de'.",
)
@click.option(
    "--without-guard",
    multiple=True,
    metavar="NAME",
    help="Leave out a guard: numbers, negation, places or words (repeatable).",
)
@click.option("--no-guards", is_flag=True, help="Let the cosine alone decide.")
@click.option("--approximate", is_flag=True, help="Find near duplicates faster, and miss a few.")
@click.option("--refused", is_flag=True, help="Print near pairs that a guard refused, and why.")
@click.option("--apply", is_flag=True, help="Delete all duplicates but the one that is kept.")
@click.option(
    "--deleted",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="With --apply, write what is deleted to this file first, as JSON Lines.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Of files, write the texts that stay to this file, as JSON Lines.",
)
@click.option(
    "--checkpoint",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Keep finished steps in this folder; the same command goes on from there.",
)
@langs_option
@where_option
@common_options
@pass_options
def command(
    options: Options,
    files: tuple[str, ...],
    kinds: str | None,
    threshold: float | None,
    margin: float | None,
    linking: str,
    keep: str,
    without_guard: tuple[str, ...],
    no_guards: bool,
    approximate: bool,
    refused: bool,
    apply: bool,
    deleted: Path | None,
    output: Path | None,
    checkpoint: Path | None,
    langs: tuple[str, ...] | None,
    where: str | None,
) -> None:
    """Find texts that say the same: in the collection, or in each FILE.

    Exact duplicates are the same text apart from case, width and white space; near ones are of
    one language and have nearly the same words; cross-lingual ones are translations, which only
    --kinds looks for. Guards look at what differs: texts with other numbers, names or a negation
    are no duplicates.

    Nothing is deleted without --apply. On a terminal a table is printed, into a pipe lines of
    kind, score, language and id of each duplicate, the id that is kept, and the texts of both, with
    --json an object for each group.
    """
    from xlingual_qdrant.queries.duplicates.deciding import USUAL
    from xlingual_qdrant.queries.duplicates.finding import find_duplicates, kept_documents
    from xlingual_qdrant.queries.duplicates.guards import GUARDS, checked_guards

    _check(files, apply, deleted, output, langs, where)
    left_out = GUARDS if no_guards else checked_guards(without_guard)
    with ExitStack() as stack:
        collection = stack.enter_context(_opened(options, bool(files)))
        corpus = _corpus(collection, files) if files else None
        with progress_bar(options) as bar:
            report = find_duplicates(
                collection if corpus is None else corpus,
                kinds=USUAL if kinds is None else [kind.strip() for kind in kinds.split(",")],
                threshold=threshold,
                margin=margin,
                linking=linking,  # pyright: ignore[reportArgumentType]
                keep=keep,
                guards=[guard for guard in GUARDS if guard not in left_out],
                langs=langs,
                where=where,
                approximate=approximate,
                checkpoint=checkpoint,
                on_progress=_watched(bar),
            )
        if corpus is not None and output is not None:
            with written_file(output) as stream:
                for document in kept_documents(corpus, report):
                    stream.write(json_line(document_row(document)))
        else:
            print_duplicates(report, options, refused=refused)
        for line in _summary(report):
            options.say(line)
        if output is not None:
            options.say(f"{counted(report.documents - len(report.ids), 'text')} kept in {output}.")
        elif apply:
            _apply(collection, report, deleted, options)
        elif report.groups and corpus is None:
            options.say("Nothing was deleted; --apply does that.")


def _check(
    files: tuple[str, ...],
    apply: bool,
    deleted: Path | None,
    output: Path | None,
    langs: tuple[str, ...] | None,
    where: str | None,
) -> None:
    if files and (apply or deleted):
        raise UsageError("files are never changed; --output FILE gets the texts that stay")
    if files and (langs or where):
        raise UsageError("--langs and --where are for the collection, not for files")
    if output and not files:
        raise UsageError("--output is for files; of the collection, --apply deletes duplicates")
    if deleted and not apply:
        raise UsageError("--deleted goes with --apply; without it nothing is deleted")
    if output and output.is_file() and any(Path(f).exists() and output.samefile(f) for f in files):
        raise UsageError(f"{output} is read, the texts that stay cannot be written there too")
    if deleted and deleted.is_file() and deleted.stat().st_size:
        # It may be the only copy of what an earlier run deleted.
        raise UsageError(f"{deleted} is there already, and is not written over; give another name")


def _opened(options: Options, from_files: bool) -> Collection:
    """Open the collection; of files only its embedder matters, so an empty one will do."""
    if not from_files:
        return options.open()
    from xlingual_qdrant.collection import Collection

    return Collection.open(settings=options.settings(), store="memory")


def _corpus(collection: Collection, files: tuple[str, ...]) -> Corpus:
    from xlingual_qdrant.queries.corpus import corpus_of_files

    def rejected(rejection: Rejection) -> None:
        place = f"{rejection.file}, line {rejection.line}"
        note(f"Left out: {place}: {rejection.detail} ({rejection.reason})")

    return corpus_of_files(collection, list(files), on_reject=rejected)


def _watched(bar: ProgressBar | None) -> Callable[[str, int, int], None] | None:
    return None if bar is None else bar.count


def _summary(report: DuplicateReport) -> Iterator[str]:
    yield (
        f"{counted(len(report.ids), 'duplicate')} in {counted(len(report.groups), 'group')}"
        f" of {counted(report.documents, 'document')}."
    )
    for name, counts in (
        ("kinds", report.kinds),
        ("languages", report.languages),
        ("refused", report.refused),
    ):
        if counts:
            shown = ", ".join(f"{key} {count:,}" for key, count in counts.items())
            yield f"  {name:<10} {shown}"
    if report.refused and report.examples:
        first = report.examples[0]
        yield f"  such as {first.left} and {first.right}: {first.reason}"


def _apply(
    collection: Collection, report: DuplicateReport, deleted: Path | None, options: Options
) -> None:
    from xlingual_qdrant.queries.duplicates.finding import delete_duplicates, duplicate_documents

    if deleted is not None:
        # Whole and on disk before the first one goes.
        with written_file(deleted) as stream:
            for document in duplicate_documents(report):
                stream.write(json_line(document_row(document)))
    count = delete_duplicates(collection, report)
    kept = f"; they are in {deleted}" if deleted is not None else ""
    options.say(f"Deleted {counted(count, 'document')}{kept}.")
    if count < len(report.ids):
        left = counted(len(report.ids) - count, "document")
        options.say(f"Left {left} that changed meanwhile, or whose kept text did.")
