"""`xlingual models bench`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean

import click
from click.exceptions import Exit

from xlingual_qdrant.cli.options import Options, common_options, pass_options
from xlingual_qdrant.cli.output import counted, escaped, print_json, print_rows, print_table
from xlingual_qdrant.documents import JsonValue
from xlingual_qdrant.errors import UnreadableFile
from xlingual_qdrant.guide.bench import Outcome, Plan, candidates, cpus, run
from xlingual_qdrant.guide.machine import machine
from xlingual_qdrant.guide.measuring import Result
from xlingual_qdrant.guide.texts import Evaluation, read_evaluation
from xlingual_qdrant.parallel import read_pairs

MOST_PAIRS = 5_000
"""Own pairs that are measured; more take long and change little."""


@click.command(
    epilog="""\b
Examples:
  xlingual models bench
  xlingual models bench minilm bundled --pairs translations.tsv
  xlingual models bench minilm --variants --threads 1"""
)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option(
    "--pairs",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Measure with your own translations, too: a file as for `xlingual finetune --pairs`.",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Measure with a folder of evaluation files, too: tatoeba.tsv.gz, sts.tsv.gz.",
)
@click.option("--variants", is_flag=True, help="Compare backends and precisions of each model.")
@click.option(
    "--threads",
    type=int,
    metavar="N",
    help="Give each embedder so many threads and CPUs. [default: all there are]",
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=0.01, max=600),
    default=2.0,
    show_default=True,
    help="Take so long for each speed.",
)
@click.option(
    "--sample",
    type=click.IntRange(0, 60),
    default=20,
    show_default=True,
    metavar="N",
    help="Take so many shipped pairs of each of 33 languages; 0 leaves quality out.",
)
@click.option("--download", is_flag=True, help="Fetch models that are not on this machine.")
@common_options
@pass_options
def bench(
    options: Options,
    names: Sequence[str],
    pairs: Path | None,
    data: Path | None,
    variants: bool,
    threads: int | None,
    seconds: float,
    sample: int,
    download: bool,
) -> None:
    """Measure embedders on this machine: loading, speed, memory, and quality.

    NAME is an embedder of the settings, a kind, or a model that `xlingual models` lists; without
    one the embedder in force and the bundled one are measured. Each runs in a process of its own,
    with as many threads as the others. One that cannot be measured gets a line with the reason.

    Columns: seconds to load, milliseconds for a query, sentences, paragraphs (400 characters)
    and pages (2,000) a second, peak memory, and the share of sentences whose English translation
    is the nearest of the shipped ones. --pairs adds how often a translation is found, and the
    other way round; --data Tatoeba and rank correlation with human scores; --variants the least
    and the mean cosine to the first variant. With --json an object a line is printed.
    """
    chosen = candidates(names, options.settings(), variants=variants)
    plan = Plan(
        threads=threads,
        seconds=seconds,
        per_language=sample,
        pairs=_own_pairs(pairs, options) if pairs else [],
        evaluation=read_evaluation(data) if data else Evaluation([], []),
        download=download,
    )
    facts = machine(len(cpus(threads)))
    options.say(_place(facts))
    outcomes: list[Outcome] = []
    measured = _remembered(
        run(chosen, plan, lambda label, doing: options.say(f"{label}: {doing}")), outcomes
    )
    if options.json:
        print_json({**outcome.to_json(), "machine": facts} for outcome in measured)
    else:
        _print([_row(outcome, variants=variants) for outcome in measured])
    if any(outcome.error for outcome in outcomes) and not download:
        options.say("Models that are not on this machine are fetched with --download only.")
    if not any(outcome.result for outcome in outcomes):
        raise Exit(1)


def _own_pairs(file: Path, options: Options) -> list[tuple[str, str]]:
    """Return the pairs of a file; of very many, some, evenly spread."""
    found = read_pairs([file])
    pairs = [(pair.left, pair.right) for pair in found.pairs]
    if len(pairs) < 2:
        raise UnreadableFile(str(file), "empty", f"holds {len(pairs)} usable pairs; bring more")
    if rejected := found.rejected.total():
        options.say(f"{file}: {counted(rejected, 'row')} of {found.read:,} cannot be used.")
    if len(pairs) > MOST_PAIRS:
        options.say(f"{file}: {MOST_PAIRS:,} of {len(pairs):,} pairs are taken, evenly spread.")
        pairs = [pairs[place * len(pairs) // MOST_PAIRS] for place in range(MOST_PAIRS)]
    return pairs


def _remembered(outcomes: Iterator[Outcome], into: list[Outcome]) -> Iterator[Outcome]:
    for outcome in outcomes:
        into.append(outcome)
        yield outcome


def _place(facts: dict[str, JsonValue]) -> str:
    threads = "1 thread" if facts["threads"] == 1 else f"{facts['threads']} threads"
    return (
        f"{facts['date']}, {facts['processor']}, {facts['cpus']} CPUs, {threads} for each,"
        f" Python {facts['python']}, {facts['system']}"
    )


def _print(rows: Sequence[dict[str, str]]) -> None:
    """Print a column for each embedder to people, with notes below; a line to programs."""
    titles = list(dict.fromkeys(title for row in rows for title in row if title != "note"))
    cells = [[row.get(title, "-") for title in titles] for row in rows]
    if not sys.stdout.isatty():
        print_rows(
            [*titles, "note"], [[*cell, row["note"]] for cell, row in zip(cells, rows, strict=True)]
        )
        return
    heading, *lines = zip(titles, *cells, strict=True)
    print_table(heading, lines)
    click.echo()
    for row in rows:
        click.echo(f"{escaped(row['embedder'])}: {escaped(row['note'])}")


def _row(outcome: Outcome, *, variants: bool) -> dict[str, str]:
    result = outcome.result
    if result is None:
        return {"embedder": outcome.candidate.label, "note": outcome.error}
    row = {
        "embedder": outcome.candidate.label,
        "load s": f"{result.load_s:.1f}",
        "query ms": f"{result.query_ms:.2g}" if result.query_ms < 10 else f"{result.query_ms:.0f}",
        **{f"{length} /s": _rate(rate) for length, rate in result.speed.items()},
        "MiB": "-" if result.peak_mib is None else f"{result.peak_mib:.0f}",
        **_quality(result),
    }
    if variants:
        least, mean = outcome.least_cosine, outcome.mean_cosine
        row["least cosine"] = "-" if least is None else f"{least:.5f}"
        row["mean cosine"] = "-" if mean is None else f"{mean:.5f}"
    return {**row, "note": _note(result)}


def _quality(result: Result) -> dict[str, str]:
    row: dict[str, str] = {}
    if result.sample:
        row["sample %"] = _percent(fmean(result.sample.values()))
    if result.pairs:
        row["pairs there %"] = _percent(result.pairs["recall_left"])
        row["and back %"] = _percent(result.pairs["recall_right"])
    if result.tatoeba:
        row["Tatoeba %"] = _percent(fmean(result.tatoeba.values()))
    if result.sts:
        row["STS"] = _percent(fmean(result.sts.values()))
    return row


def _note(result: Result) -> str:
    cut = [f"{share:.0%} of {length}" for length, share in result.cut.items() if share >= 0.005]
    if not cut:
        return f"{result.dimension} dimensions"
    return f"{result.dimension} dimensions, reads only the beginning of {', '.join(cut)}"


def _rate(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.1f}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"
