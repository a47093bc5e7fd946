"""`xlingual ingest`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, get_args

import click
from click.exceptions import Exit

from xlingual_qdrant.cli.options import Options, common_options, note, pass_options
from xlingual_qdrant.cli.output import counted, print_json
from xlingual_qdrant.cli.progress import progress_bar
from xlingual_qdrant.collection import Collection
from xlingual_qdrant.documents import LongTexts
from xlingual_qdrant.errors import CollectionMissing, Reason, UsageError
from xlingual_qdrant.ingest.dead_letters import DeadLetters
from xlingual_qdrant.ingest.fields import FieldMapping
from xlingual_qdrant.ingest.opening import FORMATS, Format
from xlingual_qdrant.ingest.pipeline import ingest
from xlingual_qdrant.ingest.report import IngestReport
from xlingual_qdrant.ingest.sharding import Shard
from xlingual_qdrant.ingest.windows import WINDOW

if TYPE_CHECKING:
    from xlingual_qdrant.queries.duplicates.skipping import DuplicateFinder

COUNTS_SHOWN = 12
"""Languages that the summary names; --json names all."""


def _checked_shard(_ctx: click.Context, _param: click.Parameter, value: str | None) -> Shard | None:
    try:
        return None if value is None else Shard.parse(value)
    except UsageError as exc:
        raise click.BadParameter(str(exc)) from None


@click.command(
    epilog="""\b
Examples:
  xlingual ingest tickets.jsonl
  xlingual ingest --text-field body --lang-field locale --id-field key posts.csv.gz
  xlingual ingest --lang sw --dead-letter rejected.jsonl *.txt
  xlingual export --store local | xlingual ingest --store prod --metadata-field metadata -"""
)
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path())
@click.option("--text-field", metavar="NAME", default="text", help="The field of the text [text].")
@click.option("--lang-field", metavar="NAME", help="The field of the language [lang, if there].")
@click.option("--id-field", metavar="NAME", help="The field of the id [id, if there].")
@click.option(
    "--metadata-field",
    metavar="NAME",
    help="A field whose object is the metadata, as in what `xlingual export` writes.",
)
@click.option("--lang", metavar="TAG", help="The language of texts that come without one.")
@click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    metavar="N",
    help="Embed and write this many texts at once.",
)
@click.option(
    "--long-texts",
    type=click.Choice(get_args(LongTexts)),
    help="What becomes of texts that are longer than the model reads: only the beginning counts,"
    " they are rejected, or divided into chunks [the setting, else warn].",
)
@click.option(
    "--mend",
    is_flag=True,
    help="Undo wrong decoding and escaped characters first; needs the extra `repair`.",
)
@click.option(
    "--dead-letter",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="Write rejected records to this file, as JSON Lines with the reason of each.",
)
@click.option(
    "--strict", is_flag=True, help="Stop at the first rejected record; what came before it stays."
)
@click.option("--dry-run", is_flag=True, help="Read and check everything, write nothing.")
@click.option(
    "--shard",
    callback=_checked_shard,
    metavar="I/N",
    help="Take only this share of the records, such as 3/8: N processes fill one server at once.",
)
@click.option(
    "--format",
    type=click.Choice(FORMATS),
    help="The format of the files, whatever their endings; of standard input [jsonl].",
)
@click.option(
    "--skip-duplicates",
    is_flag=True,
    help="Store no new text that is there already in nearly the same words, also within the files.",
)
@click.option(
    "--skip-kinds",
    metavar="KINDS",
    help="What --skip-duplicates looks for; cross-lingual needs a calibrated collection"
    " [exact,near].",
)
@common_options
@pass_options
def command(
    options: Options,
    files: tuple[str, ...],
    text_field: str,
    lang_field: str | None,
    id_field: str | None,
    metadata_field: str | None,
    lang: str | None,
    batch_size: int | None,
    long_texts: LongTexts | None,
    mend: bool,
    dead_letter: str | None,
    strict: bool,
    dry_run: bool,
    shard: Shard | None,
    format: Format | None,
    skip_duplicates: bool,
    skip_kinds: str | None,
) -> None:
    """Read texts from each FILE into a collection; - is standard input.

    Formats are JSON Lines, CSV, TSV, TXT (a text on each line) and Parquet, told by the ending,
    each also with .gz. All fields but text, language and id become metadata. Texts without a
    language get a detected one.

    What is there already and has not changed is skipped, so running it again goes on where it
    stopped. The exit code is 1 if a file could not be read to its end, or had nothing usable.
    """
    if skip_kinds is not None and not skip_duplicates:
        raise UsageError("--skip-kinds goes with --skip-duplicates; without it nothing is skipped")
    mapping = FieldMapping(text_field, lang_field, id_field, metadata_field, lang)
    with ExitStack() as stack:
        letters = (
            stack.enter_context(DeadLetters(dead_letter, sources=files)) if dead_letter else None
        )
        if skip_duplicates and dry_run:
            raise UsageError("--dry-run embeds nothing, and so finds no duplicates; do one of both")
        collection = _opened(options, stack, dry_run=dry_run)
        try:
            with progress_bar(options) as bar:
                report = ingest(
                    collection,
                    files,
                    mapping=mapping,
                    format=format,
                    batch_size=batch_size or WINDOW,
                    strict=strict,
                    dry_run=dry_run,
                    fields=options.settings().fields,
                    shard=shard,
                    long_texts=long_texts,
                    mend=mend,
                    skip=_finder(collection, skip_kinds or "exact,near")
                    if skip_duplicates
                    else None,
                    on_reject=letters.write if letters else None,
                    on_progress=bar.watch if bar else None,
                )
                if collection is not None and not dry_run:
                    if bar:
                        bar.wait_for("building indexes")
                    collection.flush()
                    if not collection.persistent:
                        note("Warning: this store keeps nothing when the command ends.")
        except KeyboardInterrupt:
            options.say("\nWhat was written is kept; the same command goes on from there.")
            raise
        for line in _faults(report):
            note(f"Error: {line}")
        for line in _summary(report, collection, dead_letter):
            options.say(line)
    if options.json:
        print_json([report.to_json()])
    if report.failed:
        raise Exit(1)


def _finder(collection: Collection | None, kinds: str) -> DuplicateFinder:
    from xlingual_qdrant.queries.duplicates.skipping import DuplicateFinder

    assert collection is not None  # only a dry run does without
    return DuplicateFinder(collection, kinds=[kind.strip() for kind in kinds.split(",")])


def _opened(options: Options, stack: ExitStack, *, dry_run: bool) -> Collection | None:
    """Open the collection, or make it; a dry run makes nothing, and needs no embedder."""
    if not dry_run:
        return stack.enter_context(options.open(create=True))
    try:
        return stack.enter_context(options.open_stored())
    except CollectionMissing:
        return None


def _faults(report: IngestReport) -> Iterator[str]:
    """Say of each file that failed what was wrong with it."""
    for outcome in report.files:
        if outcome.error is not None:
            yield str(outcome.error)
        elif outcome.failed:
            yield f"{outcome.file}: none of its {counted(outcome.read, 'record')} could be used"


def _summary(
    report: IngestReport, collection: Collection | None, dead_letter: str | None
) -> Iterator[str]:
    """Say what was done, in the order in which the numbers add up."""
    share = f" shard {report.shard}" if report.shard else ""
    verb = f"Checked{share}, for" if report.dry_run else f"Ingested{share} into"
    name = f"'{collection.name}'" if collection is not None else "a new collection"
    yield f"{verb} {name} in {report.seconds:.1f} s:"
    always = {
        "read": report.read,
        "added": report.added,
        "updated": report.updated,
        "unchanged": report.unchanged,
        "rejected": report.rejected,
        "truncated": report.truncated,
    }
    sometimes = {
        "duplicates": report.duplicates,
        "chunked": report.chunked,
        "suspect": sum(report.suspect.values()),
    }
    shown = always | {count: value for count, value in sometimes.items() if value}
    if report.cached is not None and report.cached + (report.computed or 0):
        shown["cached"] = report.cached
    for count, value in shown.items():
        yield f"  {count:<10}{value:>12,}{_remark(count, report, dead_letter)}"
    if report.languages:
        yield f"  languages  {_counts(report.languages)}"


def _remark(count: str, report: IngestReport, dead_letter: str | None) -> str:
    if count == "rejected" and report.rejected:
        kept = f"kept in {dead_letter}" if dead_letter else "--dead-letter FILE keeps them"
        return f"  {_counts(report.reasons)}; {kept}"
    if count == "duplicates":
        kept = f"kept in {dead_letter}" if dead_letter else "--dead-letter FILE keeps them"
        return f"  not stored; {kept}"
    if count == "truncated" and report.truncated:
        return "  longer than the model reads; --long-texts chunk divides them"
    if count == "chunked":
        return "  longer than the model reads; divided"
    if count == "cached":
        asked = (report.cached or 0) + (report.computed or 0)
        return f"  {100 * (report.cached or 0) // asked} % of the texts embedded"
    if count == "suspect":
        return f"  {_counts(report.suspect)}; --mend undoes it"
    if report.dry_run and count in ("added", "updated"):
        return "  would be"
    return ""


def _counts(counts: Mapping[str, int] | Mapping[Reason, int]) -> str:
    parts = [f"{name} {count:,}" for name, count in counts.items()]
    more = len(parts) - COUNTS_SHOWN
    return ", ".join(parts[:COUNTS_SHOWN]) + (f" and {more} more" if more > 0 else "")
