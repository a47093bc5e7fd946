"""`xlingual search`."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from itertools import islice
from typing import TYPE_CHECKING, Literal

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

if TYPE_CHECKING:
    from xlingual_qdrant.asking import MinScore
    from xlingual_qdrant.ranking import Prefer
    from xlingual_qdrant.spaces import Rescore

AT_ONCE = 256
"""Queries from standard input that are answered together."""


def _least_score(
    ctx: click.Context, param: click.Parameter, value: str | None
) -> float | Literal["calibrated"] | None:
    """Return a number from -1 to 1, or the word for the collection's calibration."""
    if value is None or value == "calibrated":
        return value
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not -1 <= number <= 1:
        raise click.BadParameter(f"{value!r} is neither a number from -1 to 1 nor 'calibrated'")
    return number


@click.command(
    epilog="""\b
Examples:
  xlingual search "where is my parcel?"
  xlingual search -k 3 --langs ja,ko password forgotten
  xlingual search --langs '!en' --where 'price < 100' headphones
  xlingual search --per-language 2 "the train is late"
  xlingual search --prefer balanced --explain "the train is late"
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
    "--balance",
    is_flag=True,
    help="Give each language as many of the hits as the others.",
)
@click.option(
    "--min-score",
    callback=_least_score,
    metavar="SCORE",
    help="Leave out texts with a lower score (cosine, -1 to 1), or with 'calibrated' what does"
    " not say the same as the query (see xlingual calibrate).",
)
@click.option("--exact", is_flag=True, help="Compare with every text; use no approximate index.")
@click.option(
    "--lang", metavar="TAG", help="The language of the query [detected where it matters]."
)
@click.option(
    "--prefer",
    type=click.Choice(["own", "neutral", "balanced"]),
    help="Correct the scores: texts in the query's language nearer, no language preferred, or"
    " each with its share of the first hits.",
)
@click.option(
    "--rescore",
    type=click.Choice(["centered", "csls", "lir", "bridge"]),
    help="Correct the scores by this method; bridge is for collections of translations.",
)
@click.option(
    "--diversity",
    type=click.FloatRange(0, 1),
    metavar="SHARE",
    help="Avoid hits that repeat each other: 0 not at all, to 1.",
)
@click.option("--explain", is_flag=True, help="Tell of each hit how its score came about.")
@common_options
@pass_options
def command(
    options: Options,
    query: tuple[str, ...],
    k: int | None,
    per_language: int | None,
    langs: tuple[str, ...] | None,
    where: str | None,
    balance: bool,
    min_score: MinScore | None,
    exact: bool,
    lang: str | None,
    prefer: Prefer | None,
    rescore: Rescore | None,
    diversity: float | None,
    explain: bool,
) -> None:
    """Find the texts nearest in meaning to QUERY, in whatever language they are.

    Several words are one query. With - as QUERY the queries are read from standard input, one
    on each line.

    On a terminal a table is printed, into a pipe lines of score, language, id and text with tabs
    between them, with --json an object a line. Queries from standard input come first in each
    line, and as "query" in each object.

    With --per-language each language has its share; the language of the nearest text comes first.
    A score that was corrected (--prefer, --rescore) is no cosine; with --json that is "raw_score".
    """
    if per_language is not None and (k is not None or balance or diversity is not None):
        raise click.UsageError("give either -k, --balance, --diversity, or --per-language")
    many = query == ("-",)
    queries = lines_of_stdin() if many else iter([" ".join(query)])
    with options.open() as collection:
        while batch := list(islice(queries, AT_ONCE)):
            found = collection.search_many(
                batch,
                k=k,
                langs=langs,
                where=where,
                min_score=min_score,
                exact=exact,
                lang=lang,
                prefer=prefer,
                rescore=rescore,
                per_language=per_language,
                balance=balance,
                diversity=diversity,
                explain=explain,
            )
            if per_language is not None:
                found = [_by_language(hits) for hits in found]
            if where and not any(found):
                for hint in collection.why_nothing(where):
                    options.say(f"Note: {hint}.")
            answers = zip(batch, found, strict=True)
            if options.json:
                print_json(_objects(answers, many))
            else:
                _print_hits(answers, many, options)


def _by_language(hits: list[Hit]) -> list[Hit]:
    """Return the hits of one language behind those of another, the nearest one's first."""
    groups: dict[str, list[Hit]] = {}
    for hit in hits:
        groups.setdefault(hit.lang, []).append(hit)
    return [hit for group in groups.values() for hit in group]


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
            if hit.raw_score is not None:
                found |= {"raw_score": round(hit.raw_score, 6), "correction": hit.correction}
            if hit.chunk is not None:
                found["chunk"] = asdict(hit.chunk)
            if hit.explanation is not None:
                found["explanation"] = {**hit.explanation}
            yield {**named, **row, **found}


def _print_hits(answers: Iterable[tuple[str, list[Hit]]], many: bool, options: Options) -> None:
    for query, hits in answers:
        explained = any(hit.explanation for hit in hits)
        columns = (
            "score",
            *(("cosine", "rank by cosine") if explained else ()),
            "lang",
            "id",
            "text",
        )
        rows = [
            (f"{hit.score:.4f}", *_explained(hit), hit.lang, hit.id, _nearest_text(hit))
            for hit in hits
        ]
        if not rows:
            options.say(f"Nothing matches{f' {query!r}' if many else ''}.")
        elif many and not sys.stdout.isatty():
            print_rows(("query", *columns), [(query, *row) for row in rows])
        else:
            print_rows(columns, rows, title=query if many else "")


def _explained(hit: Hit) -> tuple[str, ...]:
    if hit.explanation is None:
        return ()
    return (f"{hit.explanation['cosine']:.4f}", str(hit.explanation["cosine_rank"]))
