"""`xlingual classify report`."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from xlingual_qdrant.cli.labelled import label_options, labelled, open_embedder
from xlingual_qdrant.cli.options import Options, common_options, pass_options
from xlingual_qdrant.cli.output import print_json, print_rows

if TYPE_CHECKING:
    from xlingual_qdrant.queries.classification.labels import Label
    from xlingual_qdrant.queries.classification.transfer_report import LanguageScore, TransferReport

MOST_SHOWN = 12
"""Classes of which the confusion table is shown on a terminal."""


@click.command(
    epilog="""\b
Examples:
  xlingual classify report tickets.classifier labelled.csv
  xlingual classify report tickets.classifier labelled.jsonl --label category --json"""
)
@click.argument("model", type=click.Path(dir_okay=False))
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path())
@label_options
@click.option("--lang", metavar="TAG", help="The language of texts that come without one.")
@common_options
@pass_options
def report(
    options: Options,
    model: str,
    files: tuple[str, ...],
    label: str,
    text_field: str,
    lang_field: str | None,
    format: str | None,
    lang: str | None,
) -> None:
    """Compare what MODEL says with the labels of FILEs, by language.

    The texts are to be others than those that MODEL learned from. "accuracy" is the share of
    right labels, "95 %" says between what it lies, which is a wide range for few texts; "macro F1"
    counts every label the same; "gap" is what is lost against the language of training.

    The languages come first, then, on a terminal or with --json, which labels are taken for
    which. With --json one object is printed.
    """
    from xlingual_qdrant.queries.classification.files import load_classifier
    from xlingual_qdrant.queries.classification.transfer_report import transfer_report
    from xlingual_qdrant.settings import load_detector

    classifier = load_classifier(model, embedder=open_embedder(options))
    classifier.load_detector = lambda: load_detector(None, settings=options.settings())
    texts, labels, tags = labelled(files, label, text_field, lang_field, lang, format)
    if "und" in tags:
        found = classifier.classify(texts)
        tags = [each.lang if tag == "und" else tag for each, tag in zip(found, tags, strict=True)]
    found = classifier.classify(texts, lang=tags)
    made = transfer_report(
        labels,
        [each.label for each in found],
        tags,
        lang=classifier.lang,
        abstain=classifier.abstain,
    )
    if options.json:
        print_json([made.to_json()])
        return
    columns = ("lang", "texts", "accuracy", "95 %", "macro F1", "abstained", "precision", "gap")
    print_rows(columns, [_row(score) for score in (*made.languages, made.total)])
    if made.mean is not None:
        gap = "" if made.gap is None else f", {100 * made.gap:.1f} less than {made.lang}"
        options.say(f"\nOther languages: {100 * made.mean:.1f} % right on the mean{gap}.")
    if sys.stdout.isatty():
        _show_confusion(made, classifier.classes)


def _row(score: LanguageScore) -> tuple[str, ...]:
    return (
        score.lang,
        f"{score.n:,}",
        f"{100 * score.accuracy:.1f}",
        f"{100 * score.low:.1f}-{100 * score.high:.1f}",
        f"{100 * score.macro_f1:.1f}",
        f"{score.abstained:,}",
        "-" if score.precision is None else f"{100 * score.precision:.1f}",
        "-" if score.gap is None else f"{100 * score.gap:.1f}",
    )


def _show_confusion(made: TransferReport, classes: Iterable[Label]) -> None:
    """Print a row for each true label, a column for each given one."""
    known = list(classes)
    if len(known) > MOST_SHOWN:
        click.echo(f"\nThe confusion table of {len(known)} labels is in the output of --json.")
        return
    given: list[Label | None] = [*known, *([None] if made.total.abstained else [])]
    rows = [
        (str(true), *(f"{made.confusion.get((true, column), 0):,}" for column in given))
        for true in dict.fromkeys(true for true, _ in made.confusion)
    ]
    click.echo("\nTexts by their label (rows) and the label given (columns):")
    print_rows(("", *("(none)" if column is None else str(column) for column in given)), rows)
