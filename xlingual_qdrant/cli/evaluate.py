"""`xlingual evaluate`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from xlingual_qdrant.cli.options import (
    Options,
    common_options,
    langs_option,
    pass_options,
    where_option,
)
from xlingual_qdrant.cli.output import counted, print_json, print_rows, print_table
from xlingual_qdrant.cli.progress import progress_bar
from xlingual_qdrant.documents import JsonValue

if TYPE_CHECKING:
    from xlingual_qdrant.collection import Collection
    from xlingual_qdrant.queries.evaluation import Evaluated, Evaluation
    from xlingual_qdrant.queries.evaluation.tables import Figures

FIGURES = ("recall", "mrr", "ndcg")
COLUMNS = 14
"""Languages side by side that fit on a screen; of more there are several tables."""


def _words(ctx: click.Context, param: click.Parameter, value: str | None) -> list[str] | None:
    """Return words that are separated by commas; None if none were given."""
    if value is None:
        return None
    words = list(dict.fromkeys(word.strip() for word in value.split(",") if word.strip()))
    if not words:
        raise click.BadParameter("name at least one", ctx=ctx, param=param)
    return words


@click.command(
    epilog="""\b
Examples:
  xlingual evaluate questions.tsv
  xlingual evaluate questions.jsonl --compare plain,neutral,balanced -k 5
  xlingual evaluate questions.csv --heatmap recall.svg --figure recall
  xlingual evaluate --diagnose
  xlingual evaluate --folder eval --tasks tatoeba,sts --json"""
)
@click.argument("questions", type=click.Path(path_type=Path, allow_dash=True), required=False)
@click.option("-k", type=click.IntRange(min=1), metavar="N", help="Look at so many hits [10].")
@click.option(
    "--compare",
    callback=_words,
    metavar="WORDS",
    help="Compare kinds of search: plain, or values of --prefer and --rescore, with commas.",
)
@langs_option
@where_option
@click.option("--exact", is_flag=True, help="Compare with every text; use no approximate index.")
@click.option(
    "--figure",
    type=click.Choice(FIGURES),
    default="mrr",
    show_default=True,
    help="Show this figure by pair of languages.",
)
@click.option(
    "--heatmap",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Draw the figure by pair of languages: FILE ends in .png, .svg or .pdf.",
)
@click.option("--diagnose", is_flag=True, help="Say which kind of search fits; needs no questions.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Measure the embedder on a folder of evaluation files instead.",
)
@click.option("--tasks", callback=_words, metavar="WORDS", help="Only these tasks of the folder.")
@common_options
@pass_options
def command(
    options: Options,
    questions: Path | None,
    k: int | None,
    compare: list[str] | None,
    langs: tuple[str, ...] | None,
    where: str | None,
    exact: bool,
    figure: str,
    heatmap: Path | None,
    diagnose: bool,
    folder: Path | None,
    tasks: list[str] | None,
) -> None:
    """Measure how well a collection answers the questions of a file, by pair of languages.

    QUESTIONS is a CSV, TSV, JSON Lines or Parquet file with the columns query, relevant (the id
    of a document that answers it, or several with | between them), and if there are any lang and
    grade. Several rows may have the same query.

    Printed are, for each kind of search: the share of the relevant documents among the first k
    (recall), the mean of 1 / place of the first one (mrr), the gain of the grades by place (ndcg),
    the share of questions of which all is found (coverage), the share of hits in the question's
    own language beside the share that would be fair, and the pair of languages that fares worst.
    A table of one figure by pair of languages follows. Into a pipe go lines of search, language of
    the questions, of the documents (* for all), number of questions, recall, mrr and ndcg; with
    --json an object for each kind of search.

    With --diagnose the collection's own documents tell which kind of search fits; with --folder
    the embedder is measured on evaluation files: tatoeba, xquad, sts, sib200, mining, dedup.
    """
    if (questions is not None) + diagnose + (folder is not None) != 1:
        raise click.UsageError(
            "give a file of QUESTIONS, or --diagnose, or --folder DIR; one of them"
        )
    if questions is None and (heatmap or compare or langs or where or exact or k):
        raise click.UsageError("-k, --compare, --langs, --where, --exact, --heatmap need QUESTIONS")
    if tasks is not None and folder is None:
        raise click.UsageError("--tasks are those of a --folder")
    if folder is not None:
        _measure_folder(options, folder, tasks)
    elif diagnose:
        _diagnose(options)
    elif questions is not None:
        kinds = _kinds(compare, langs, where, exact)
        _ask(options, questions, k or 10, kinds, figure, heatmap)


def _kinds(
    compare: Sequence[str] | None, langs: tuple[str, ...] | None, where: str | None, exact: bool
) -> dict[str, dict[str, Any]]:
    """Return the options of each kind of search, with what holds for all of them."""
    from xlingual_qdrant.queries.evaluation import searches_named

    common: dict[str, Any] = {}
    if langs is not None:
        common["langs"] = langs
    if where is not None:
        common["where"] = where
    if exact:
        common["exact"] = True
    named = searches_named(compare or ["plain"])
    return {name: {**each, **common} for name, each in named.items()}


@contextmanager
def _opened(
    options: Options, what: str
) -> Generator[tuple[Collection, Callable[[int, int], None] | None]]:
    """Open the collection, and what tells a person at a terminal how far the work is."""
    with options.open() as collection, progress_bar(options) as bar:
        yield collection, partial(bar.count, what) if bar else None


def _ask(
    options: Options,
    file: Path,
    k: int,
    kinds: Mapping[str, Mapping[str, Any]],
    figure: str,
    heatmap: Path | None,
) -> None:
    from xlingual_qdrant.queries.evaluation import evaluate, read_questions
    from xlingual_qdrant.queries.plots.heatmap import checked_picture

    if heatmap is not None:
        checked_picture(heatmap)
    questions = read_questions(file)
    with _opened(options, "asking") as (collection, on_progress):
        found = evaluate(collection, questions, k=k, searches=kinds, on_progress=on_progress)
    if heatmap is not None:
        _draw(heatmap, found.evaluations, figure)
    if options.json:
        print_json(evaluation.to_json() for evaluation in found.evaluations)
    elif sys.stdout.isatty():
        _show(found.evaluations, figure)
    else:
        print_rows((), _lines(found.evaluations))
    _tell_what_is_missing(options, found)


def _show(evaluations: Sequence[Evaluation], figure: str) -> None:
    """Print all kinds of search side by side, and a matrix of languages for each."""
    columns = ("search", *FIGURES, "coverage", "own language", "fair", "spread", "worst pair")
    print_table(columns, [_summary(each) for each in evaluations])
    for each in evaluations:
        asked, answered, values = each.matrix(figure)
        title = f"{each.search}: {figure} in %; languages of questions down, of documents across"
        for first in range(0, len(answered), COLUMNS):
            part = slice(first, first + COLUMNS)
            rows = [
                (lang, *(_percent(value, 0) for value in row), "")
                for lang, row in zip(asked, values[:, part].tolist(), strict=True)
            ]
            click.echo()
            print_table(("", *answered[part], ""), rows, title=title)


def _summary(each: Evaluation) -> tuple[str, ...]:
    shares = (each.coverage, each.own_share, each.fair_share, each.spread)
    overall = (each.overall.recall, each.overall.mrr, each.overall.ndcg)
    worst = f"{'-'.join(each.worst)} {_percent(each.pairs[each.worst].mrr)}"
    return (each.search, *map(_percent, (*overall, *shares)), worst)


def _percent(share: float, digits: int = 1) -> str:
    return "" if share != share else f"{100 * share:.{digits}f}"  # no pair is not a number


def _lines(evaluations: Sequence[Evaluation]) -> Iterator[tuple[object, ...]]:
    for each in evaluations:
        for (one, other), found in ((("*", "*"), each.overall), *each.pairs.items()):
            figures = (f"{getattr(found, name):.4f}" for name in FIGURES)
            yield (each.search, one, other, found.questions, *figures)


def _tell_what_is_missing(options: Options, found: Evaluated) -> None:
    if found.missing:
        some = ", ".join(repr(id) for id in found.missing[:3])
        more = " ..." if len(found.missing) > 3 else ""
        options.say(
            f"Note: left out {counted(len(found.missing), 'id')} that the collection lacks:"
            f" {some}{more}"
        )
    if found.left_out:
        options.say(f"Note: left out {counted(found.left_out, 'question')} without a document.")


def _draw(file: Path, evaluations: Sequence[Evaluation], figure: str) -> None:
    from xlingual_qdrant.queries.plots.heatmap import Matrix, save_heatmap

    save_heatmap(
        file,
        [Matrix(f"{each.search}: {figure}, %", *each.matrix(figure)) for each in evaluations],
    )


def _diagnose(options: Options) -> None:
    from xlingual_qdrant.queries.evaluation import diagnose

    with _opened(options, "looking at") as (collection, on_progress):
        found = diagnose(collection, on_progress=on_progress)
    if options.json:
        print_json([found.to_json()])
    else:
        for line in found.in_words():
            click.echo(line)


def _measure_folder(options: Options, folder: Path, tasks: Sequence[str] | None) -> None:
    from xlingual_qdrant.queries.evaluation import evaluate_folder
    from xlingual_qdrant.settings import load_embedder

    settings = options.settings()
    embedder = load_embedder(None, settings=settings)
    options.say(f"{embedder.fingerprint}")
    measured = evaluate_folder(
        embedder, folder, tasks, on_task=lambda task, _: options.say(f"{task} is done.")
    )
    if options.json:
        print_json([{"task": task, **_as_json(each)} for task, each in measured.items()])
        return
    rows = [
        (task, "/".join(path), value)
        for task, each in measured.items()
        for path, value in _flat(each)
    ]
    if sys.stdout.isatty():
        print_table(("task", "%", "figure"), [(t, _percent(v), path) for t, path, v in rows])
    else:
        print_rows((), [(task, path, f"{value:.6f}") for task, path, value in rows])


def _flat(figures: Figures) -> Iterator[tuple[tuple[str, ...], float]]:
    for name, value in figures.items():
        if isinstance(value, dict):
            yield from (((name, *path), figure) for path, figure in _flat(value))
        else:
            yield (name,), value


def _as_json(figures: Figures) -> dict[str, JsonValue]:
    return {
        name: _as_json(value) if isinstance(value, dict) else round(value, 6)
        for name, value in figures.items()
    }
