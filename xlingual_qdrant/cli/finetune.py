"""`xlingual finetune`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from xlingual_qdrant.cli.options import Options, common_options, note, pass_options
from xlingual_qdrant.cli.output import counted, print_json
from xlingual_qdrant.errors import UsageError

if TYPE_CHECKING:
    from xlingual_qdrant.finetuning import Evaluation
    from xlingual_qdrant.parallel import PairCounts, Tuned

FEW = 100
"""Held-out pairs below which the figures are hardly more than luck."""


@click.command(
    epilog="""\b
Examples:
  xlingual finetune --pairs pairs.tsv --output mine
  xlingual finetune --pairs pairs.tsv --model minilm --output mine --guard others.tsv
  xlingual finetune --pairs pairs.tsv --output mine --resume"""
)
@click.option(
    "--pairs",
    multiple=True,
    required=True,
    metavar="FILE",
    help="A table of texts that mean the same: CSV, TSV, JSONL, Parquet, also .gz (repeatable).",
)
@click.option(
    "--model",
    metavar="NAME",
    help="The model to begin with: an embedder of the settings, a kind, or a folder"
    " [the embedder in force].",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    metavar="DIR",
    help="Write the model to this folder, which must be new or empty.",
)
@click.option("--left", metavar="COLUMN", help="The column of the one text [left, source, first].")
@click.option(
    "--right", metavar="COLUMN", help="The column of the other text [right, target, second]."
)
@click.option("--left-lang", metavar="TAG", help="The language of the left texts, for the card.")
@click.option("--right-lang", metavar="TAG", help="The language of the right texts.")
@click.option(
    "--held-out",
    metavar="SHARE",
    default="0.1",
    help="Measure on this share of the pairs, or this number of them; never learn from them [0.1].",
)
@click.option(
    "--guard",
    multiple=True,
    metavar="FILE",
    help="Pairs of other matters, on which the model must not get worse (repeatable)"
    " [texts of the demo].",
)
@click.option(
    "--teacher",
    metavar="NAME",
    help="Imitate this model's vectors of the left texts as well; named like --model.",
)
@click.option("--epochs", type=click.IntRange(min=1), default=3, metavar="N", help="Passes [3].")
@click.option(
    "--batch-size",
    type=click.IntRange(min=2),
    default=64,
    metavar="N",
    help="Pairs that are told apart in a step [64].",
)
@click.option(
    "--learning-rate",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    metavar="RATE",
    help="How far a step goes [what suits the model].",
)
@click.option(
    "--patience",
    type=click.IntRange(min=1),
    default=3,
    metavar="N",
    help="Stop after so many measurements without a gain [3].",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="Decides the order of pairs [0].",
)
@click.option(
    "--licence", metavar="TEXT", default="", help="The licence of the data, for the card."
)
@click.option(
    "--resume", is_flag=True, help="Go on where an interrupted run of this output stopped."
)
@common_options
@pass_options
def command(
    options: Options,
    pairs: tuple[str, ...],
    model: str | None,
    output: Path,
    left: str | None,
    right: str | None,
    left_lang: str | None,
    right_lang: str | None,
    held_out: str,
    guard: tuple[str, ...],
    teacher: str | None,
    epochs: int,
    batch_size: int,
    learning_rate: float | None,
    patience: int,
    seed: int,
    licence: str,
    resume: bool,
) -> None:
    """Train a model on pairs of texts that mean the same, such as translations.

    Some pairs are held out; figures on them, before and after, are printed. What is kept is the
    best model on the way, the one before included: the result is never worse on those pairs.

    The new model has vectors of its own: collections that are there need `xlingual reembed`.
    """
    from xlingual_qdrant.parallel import Learning, PairColumns, finetune

    settings = options.settings()
    watch = _Watch(options)
    try:
        tuned = finetune(
            pairs,
            output,
            model=model or settings.embedder,
            settings=settings,
            columns=PairColumns(left, right, left_lang, right_lang),
            held_out=_held_out(held_out),
            guard=guard,
            teacher=teacher,
            learning=Learning(
                epochs=epochs,
                batch_size=batch_size,
                learning_rate=learning_rate,
                patience=patience,
                seed=seed,
            ),
            licence=licence,
            resume=resume,
            on_read=watch.read,
            on_evaluation=watch.evaluated,
        )
    except KeyboardInterrupt:
        options.say("\nThe last measured state is kept; the same command with --resume goes on.")
        raise
    if options.json:
        print_json([tuned.to_json()])
        return
    for line in _summary(tuned):
        click.echo(line)


def _held_out(given: str) -> float:
    try:
        value = float(given)
    except ValueError:
        value = 0.0
    if value <= 0 or (value >= 1 and value != int(value)):
        raise UsageError(
            f"--held-out is {given!r}; give a share such as 0.1, or a number of pairs such as 500"
        )
    return value


class _Watch:
    """Tells people how far it is, on standard error."""

    def __init__(self, options: Options) -> None:
        self._options = options

    def read(self, counts: PairCounts) -> None:
        """Say what became of the rows."""
        say = self._options.say
        say(
            f"Read {counted(counts.read, 'row')}: {counts.learned:,} to learn from,"
            f" {counts.held_out:,} held out."
        )
        left_out = {
            **counts.rejected,
            "repeated": counts.repeated,
            "same text on both sides": counts.identical,
            "shares a text with a held-out pair": counts.shared,
        }
        if words := ", ".join(f"{name} {count:,}" for name, count in left_out.items() if count):
            say(f"  left out: {words}")
        if counts.held_out < FEW:
            note(
                f"Warning: {counted(counts.held_out, 'pair')} held out are few; differences of"
                f" some percent between the figures may be luck. 500 or more tell."
            )

    def evaluated(self, evaluation: Evaluation) -> None:
        """Say how good the model is now."""
        from xlingual_qdrant.parallel.words import percent

        figures = evaluation.figures
        guarded = f", guard {percent(evaluation.guard['mrr'])}" if evaluation.guard else ""
        self._options.say(
            f"  step {evaluation.step:>5} of {evaluation.steps}: MRR@10"
            f" {percent(figures['mrr'])}{guarded}"
        )


def _summary(tuned: Tuned) -> Iterator[str]:
    """Say what was gained, and how to use it."""
    from xlingual_qdrant.parallel.words import FIGURES, kept, percent

    yield f"{'':<42}{'before':>8}{'after':>8}"
    yield f"{tuned.pairs.held_out:,} held-out pairs, percent"
    for name, words in FIGURES.items():
        yield f"  {words:<40}{percent(tuned.before[name]):>8}{percent(tuned.after[name]):>8}"
    if tuned.guard_before:
        yield f"guard: {tuned.guard}"
        words = FIGURES["mrr"]
        before, after = tuned.guard_before["mrr"], tuned.guard_after["mrr"]
        yield f"  {words:<40}{percent(before):>8}{percent(after):>8}"
    yield ""
    if tuned.best:
        yield (
            f"Kept in {tuned.output}: {kept(tuned.best, tuned.recipe)} ({tuned.steps} steps,"
            f" {tuned.pairs.learned:,} pairs, {tuned.seconds:.0f} s)."
        )
    else:
        yield (
            f"Nothing that was learned in {counted(tuned.steps, 'step')} made it better:"
            f" {tuned.output} is the model as it was."
        )
    yield "To use it, put this into xlingual.toml:"
    yield ""
    yield "  [embedders.mine]"
    for name, value in tuned.settings.items():
        yield f"  {name} = {_toml(value)}"
    if tuned.best:
        yield ""
        yield "Collections that are there already need: xlingual reembed --embedder mine"
    if tuned.best and not tuned.told_apart:
        yield (
            "Take care: the two models agree on the sentences by which a collection tells its"
            " embedder, so that none refuses the new one before it is embedded again."
        )


def _toml(value: object) -> str:
    if isinstance(value, bool | int | float | str):
        return json.dumps(value, ensure_ascii=False)
    return json.dumps(str(value), ensure_ascii=False)
