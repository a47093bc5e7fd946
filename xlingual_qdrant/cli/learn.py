"""`xlingual learn`."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import click

from xlingual_qdrant.cli.labelled import tell_rejected
from xlingual_qdrant.cli.options import Options, common_options, pass_options
from xlingual_qdrant.cli.output import print_json, print_rows
from xlingual_qdrant.errors import UsageError

if TYPE_CHECKING:
    from xlingual_qdrant.collection import Collection
    from xlingual_qdrant.statistics import StatisticsInfo


@click.command(
    epilog="""\b
Examples:
  xlingual learn questions.txt
  xlingual learn asked.csv
  xlingual learn --show
  xlingual learn --forget"""
)
@click.argument("files", nargs=-1, metavar="[FILE]...")
@click.option("--lang", metavar="TAG", help="The language of queries that have none [detected].")
@click.option("--show", is_flag=True, help="Show what is known; learn nothing.")
@click.option("--forget", is_flag=True, help="Forget what was learned from queries.")
@click.option("--recompute", is_flag=True, help="Sample the documents again.")
@common_options
@pass_options
def command(
    options: Options,
    files: tuple[str, ...],
    lang: str | None,
    show: bool,
    forget: bool,
    recompute: bool,
) -> None:
    """Show the collection what people ask, so that corrected searches get better.

    FILE holds typical queries: a text file with one on each line, or CSV, TSV, JSONL, Parquet with
    text and, if known, lang; - is standard input, a query on each line. Twenty of each language do.
    Only sums of their vectors are kept with the collection, no text.

    Printed are the sampled documents and the learned queries of each language, on a terminal as a
    table, into a pipe with tabs between, with --json as one object.
    """
    if sum((bool(files), show, forget, recompute)) != 1:
        raise UsageError("give files of queries, or one of --show, --forget, --recompute")
    with options.open() if files else options.open_stored() as collection:
        if files:
            count = _learn(collection, files, lang)
            options.say(f"Queries learned: {count:,}.")
        if forget:
            _forget(collection, options)
        known = collection.recompute_statistics() if recompute else collection.statistics()
        if options.json:
            print_json([known.to_json()])
        else:
            _print(known)


def _learn(collection: Collection, files: tuple[str, ...], lang: str | None) -> int:
    from xlingual_qdrant.ingest import FieldMapping
    from xlingual_qdrant.ingest.windows import WindowReader
    from xlingual_qdrant.languages import canonical

    if lang is not None:
        canonical(lang)
    reader = WindowReader(files, FieldMapping(), format="txt" if files == ("-",) else None)
    reader.check()
    texts: dict[str | None, list[str]] = defaultdict(list)
    for window in reader.windows():
        for rejection in window.rejections:
            tell_rejected(rejection)
        for document in window.documents:
            given = document.lang if document.lang_source == "declared" else lang
            texts[given].append(document.text)
    for outcome in reader.outcomes:
        if outcome.error is not None:
            raise outcome.error
    for given, some in texts.items():
        collection.learn_queries(some, lang=given)
    return sum(map(len, texts.values()))


def _forget(collection: Collection, options: Options) -> None:
    count = sum(collection.statistics().asked.values())
    collection.forget_queries()
    if count:
        queries = f"{count:,} {'query' if count == 1 else 'queries'}"
        options.say(f"Forgot {queries} learned with '{collection.name}'.")
    else:
        options.say(f"There were no queries learned with '{collection.name}'.")


def _print(known: StatisticsInfo) -> None:
    tags = sorted({*known.sampled, *known.asked})
    rows = [
        (
            tag,
            f"{known.sampled.get(tag, 0)}",
            f"{known.asked.get(tag, 0)}",
            "yes" if known.balanced.get(tag) else "no",
        )
        for tag in tags
    ]
    print_rows(("lang", "documents sampled", "queries learned", "shares known"), rows)
