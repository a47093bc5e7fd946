"""`xlingual cluster`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from xlingual_qdrant.cli.options import (
    Options,
    common_options,
    langs_option,
    pass_options,
    where_option,
)
from xlingual_qdrant.cli.output import counted, print_json, print_rows
from xlingual_qdrant.cli.progress import progress_bar

if TYPE_CHECKING:
    from xlingual_qdrant.documents import JsonValue
    from xlingual_qdrant.queries.topics.clusters import Cluster

COLUMNS = ("cluster", "size", "cohesion", "languages", "text")


@click.command(
    epilog="""\b
Examples:
  xlingual cluster
  xlingual cluster --count 20 --langs de,fr --json
  xlingual cluster --where "year >= 2024" --apply topic
  xlingual cluster --members > cluster-of-each-document.tsv"""
)
@click.option(
    "--count",
    type=click.IntRange(min=1),
    metavar="N",
    help="Make so many clusters [as many as the texts speak for].",
)
@langs_option
@where_option
@click.option(
    "--examples",
    type=click.IntRange(min=0),
    default=3,
    metavar="N",
    help="Show so many documents beside the one in the middle [3].",
)
@click.option(
    "--outliers/--no-outliers",
    default=True,
    help="Leave out documents that fit badly into their cluster [--outliers].",
)
@click.option(
    "--min-size",
    type=click.IntRange(min=1),
    default=2,
    metavar="N",
    help="Leave out smaller clusters [2].",
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, metavar="N", help="Decides where to begin [0]."
)
@click.option("--members", is_flag=True, help="Print each document's cluster instead.")
@click.option(
    "--apply",
    metavar="FIELD",
    help="Write the number of the cluster into this metadata field of its documents.",
)
@common_options
@pass_options
def command(
    options: Options,
    count: int | None,
    langs: tuple[str, ...] | None,
    where: str | None,
    examples: int,
    outliers: bool,
    min_size: int,
    seed: int,
    members: bool,
    apply: str | None,
) -> None:
    """Group the documents by topic, across languages.

    Texts in all languages that speak of the same come together: what the vectors of a language
    have in common is taken out first. Of each cluster the size, the mix of languages, and the
    text in its middle are shown. Nothing is written without --apply.
    """
    from xlingual_qdrant.queries.topics.clusters import apply_clusters, check_field, cluster

    with options.open() if apply else options.open_stored() as collection:
        if apply:
            check_field(collection, apply)
        with progress_bar(options) as bar:
            if bar:
                bar.wait_for("grouping the documents")
            found = cluster(
                collection,
                count=count,
                langs=langs,
                where=where,
                examples=examples,
                outliers=outliers,
                min_size=min_size,
                seed=seed,
            )
            total = collection.count(langs=langs, where=where)
            written = 0
            if apply:
                written = apply_clusters(
                    collection,
                    found,
                    apply,
                    on_progress=(lambda done, of: bar.count("writing", done, of)) if bar else None,
                )
    if members:
        _print_members(found, options)
    elif options.json:
        print_json(each.to_json() for each in found)
    else:
        print_rows(COLUMNS, _rows(found))
    inside = sum(each.size for each in found)
    options.say(
        f"{counted(inside, 'document')} in {counted(len(found), 'cluster')},"
        f" {total - inside:,} in none."
    )
    if apply:
        options.say(f"The field '{apply}' was written to {counted(written, 'document')}.")


def _print_members(found: list[Cluster], options: Options) -> None:
    members = ((each.number, id) for each in found for id in each.ids)
    if options.json:
        rows: Iterator[dict[str, JsonValue]] = ({"number": of, "id": id} for of, id in members)
        print_json(rows)
    else:
        print_rows(("cluster", "id"), members)


def _rows(found: list[Cluster]) -> Iterator[tuple[object, ...]]:
    """A row for each cluster; for people its examples, too, below it."""
    for each in found:
        yield each.number, each.size, f"{each.cohesion:.2f}", _mix(each), each.medoid.text
        if sys.stdout.isatty():
            for document in each.examples:
                yield "", "", "", f"  {document.lang}", document.text


def _mix(each: Cluster) -> str:
    """Languages with their counts; behind the unusual ones, how many times as large they are."""
    words = [
        f"{tag} {count}" + (f" (x{each.unusual[tag]:.1f})" if tag in each.unusual else "")
        for tag, count in each.languages.items()
    ]
    missing = [f"{tag} 0 (x0.0)" for tag in each.unusual if tag not in each.languages]
    return ", ".join([*words, *missing])
