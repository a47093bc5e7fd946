"""`xlingual search`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from itertools import chain, islice

import click

from xlingual_qdrant.cli.input import lines_of_stdin
from xlingual_qdrant.cli.options import (
    Options,
    common_options,
    langs_option,
    pass_options,
    where_option,
)
from xlingual_qdrant.cli.output import document_row, print_json, print_rows
from xlingual_qdrant.documents import Hit, JsonValue

AT_ONCE = 256
"""Queries from standard input that are answered together."""


@click.command(
    epilog="""\b
Examples:
  xlingual search "where is my parcel?"
  xlingual search -k 3 --langs ja,ko password forgotten
  xlingual search --langs '!en' --where 'price < 100' headphones
  xlingual search --per-language 2 "the train is late"
  xlingual search --json - < questions.txt > answers.jsonl"""
)
@click.argument("query", nargs=-1, required=True)
@click.option(
    "-k",
    type=click.IntRange(min=1),
    metavar="N",
    help="Print this many at most [10].",
)
@click.option(
    "--per-language",
    type=click.IntRange(min=1),
    metavar="N",
    help="Instead of the nearest of all, print this many of each language.",
)
@langs_option
@where_option
@click.option(
    "--min-score",
    type=click.FloatRange(-1, 1),
    metavar="SCORE",
    help="Leave out texts with a lower score (cosine, -1 to 1).",
)
@click.option("--exact", is_flag=True, help="Compare with every text; use no approximate index.")
@common_options
@pass_options
def command(
    options: Options,
    query: tuple[str, ...],
    k: int | None,
    per_language: int | None,
    langs: tuple[str, ...] | None,
    where: str | None,
    min_score: float | None,
    exact: bool,
) -> None:
    """Find the texts nearest in meaning to QUERY, in whatever language they are.

    Several words are one query. With - as QUERY the queries are read from standard input, one
    on each line.

    On a terminal a table is printed, into a pipe lines of score, language, id and text with tabs
    between them, with --json an object a line. Queries from standard input come first in each
    line, and as "query" in each object.

    With --per-language each language has its share; the language of the nearest text comes first.
    """
    if k is not None and per_language is not None:
        raise click.UsageError("give either -k, for the nearest of all, or --per-language")
    many = query == ("-",)
    queries = lines_of_stdin() if many else iter([" ".join(query)])
    with options.open() as collection:
        while batch := list(islice(queries, AT_ONCE)):
            if per_language is None:
                found = collection.search_many(
                    batch, k=k or 10, langs=langs, where=where, min_score=min_score, exact=exact
                )
            else:
                found = [
                    _in_line(
                        collection.search_by_language(
                            each,
                            k=per_language,
                            langs=langs,
                            where=where,
                            min_score=min_score,
                            exact=exact,
                        )
                    )
                    for each in batch
                ]
            if where and not any(found):
                for hint in collection.why_nothing(where):
                    options.say(f"Note: {hint}.")
            answers = zip(batch, found, strict=True)
            if options.json:
                print_json(_objects(answers, many))
            else:
                _print_hits(answers, many, options)


def _in_line(groups: dict[str, list[Hit]]) -> list[Hit]:
    """Return the hits of one language behind those of another."""
    return list(chain.from_iterable(groups.values()))


def _nearest_text(hit: Hit) -> str:
    return hit.text if hit.chunk is None else hit.chunk.text


def _objects(
    answers: Iterable[tuple[str, list[Hit]]], many: bool
) -> Iterator[dict[str, JsonValue]]:
    for query, hits in answers:
        named: dict[str, JsonValue] = {"query": query} if many else {}
        for hit in hits:
            row = document_row(hit.document)
            metadata = row.pop("metadata")
            found: dict[str, JsonValue] = {"score": round(hit.score, 6), "metadata": metadata}
            if hit.chunk is not None:
                found["chunk"] = asdict(hit.chunk)
            yield {**named, **row, **found}


def _print_hits(answers: Iterable[tuple[str, list[Hit]]], many: bool, options: Options) -> None:
    columns = ("score", "lang", "id", "text")
    for query, hits in answers:
        rows = [(f"{hit.score:.4f}", hit.lang, hit.id, _nearest_text(hit)) for hit in hits]
        if not rows:
            options.say(f"Nothing matches{f' {query!r}' if many else ''}.")
        elif many and not sys.stdout.isatty():
            print_rows(("query", *columns), [(query, *row) for row in rows])
        else:
            print_rows(columns, rows, title=query if many else "")
