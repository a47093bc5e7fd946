"""`xlingual classify fit`, `predict`, `report` and `show`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from xlingual_qdrant.cli.classify_predict import predict
from xlingual_qdrant.cli.classify_report import report
from xlingual_qdrant.cli.labelled import label_options, labelled, open_embedder
from xlingual_qdrant.cli.options import (
    Options,
    common_options,
    langs_option,
    pass_options,
    where_option,
)
from xlingual_qdrant.cli.output import counted, print_json, print_rows
from xlingual_qdrant.documents import JsonValue
from xlingual_qdrant.errors import UsageError

if TYPE_CHECKING:
    from xlingual_qdrant.queries.classification.classifier import Classifier, Method
    from xlingual_qdrant.queries.classification.labels import Label

HELD_OUT = 5
"""With --precision every fifth text is held out."""


@click.group(
    subcommand_metavar="COMMAND [ARGS]...",
    epilog="""\b
Examples:
  xlingual classify fit labelled.csv --output tickets.classifier
  xlingual classify predict tickets.classifier "Wo bleibt mein Paket?"
  xlingual classify report tickets.classifier labelled-in-all-languages.csv""",
)
@common_options
def command() -> None:
    """Sort texts by labels that were learned in one language, in all others.

    What is learned is a file, the model. It belongs to the embedder that it was made with.
    """


@click.command(
    epilog="""\b
Examples:
  xlingual classify fit labelled.csv --label category --output tickets.classifier
  xlingual classify fit labelled.jsonl --method knn --precision 0.9 --output tickets.classifier
  xlingual classify fit --documents --label category --langs en --output tickets.classifier
  xlingual classify fit descriptions.csv --method zero-shot --output topics.classifier"""
)
@click.argument("files", nargs=-1, metavar="[FILE]...", type=click.Path())
@click.option(
    "--documents",
    is_flag=True,
    help="Learn from the collection's documents, by the vectors they have, instead of files.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    metavar="MODEL",
    help="Write what is learned to this file.",
)
@label_options
@click.option(
    "--method",
    type=click.Choice(("both", "logistic", "knn", "zero-shot")),
    default="both",
    help="Logistic regression, the vote of the nearest texts, or the mean of the two; or nearness"
    " to descriptions: then the texts of the files describe their labels [both].",
)
@click.option("--lang", metavar="TAG", help="The language of texts that come without one [en].")
@click.option(
    "--strength",
    type=click.FloatRange(0, min_open=True),
    default=1.0,
    metavar="C",
    help="How far logistic regression follows the examples; more fits them closer [1].",
)
@click.option(
    "--balanced",
    is_flag=True,
    help="In logistic regression a class weighs the same with few examples as with many.",
)
@click.option(
    "-k", type=click.IntRange(min=1), metavar="N", help="So many of the nearest texts vote [30]."
)
@click.option(
    "--precision",
    type=click.FloatRange(0, 1, min_open=True),
    metavar="SHARE",
    help="Hold out every fifth text, and give no label below the probability from which on this"
    " share of the labels is right.",
)
@click.option("--abstain", metavar="LABEL", help="The label of texts that get none otherwise.")
@langs_option
@where_option
@common_options
@pass_options
def fit(
    options: Options,
    files: tuple[str, ...],
    documents: bool,
    output: Path,
    label: str,
    text_field: str,
    lang_field: str | None,
    format: str | None,
    method: str,
    lang: str | None,
    strength: float,
    balanced: bool,
    k: int | None,
    precision: float | None,
    abstain: str | None,
    langs: tuple[str, ...] | None,
    where: str | None,
) -> None:
    """Learn from labelled texts in FILEs, or in the collection with --documents.

    Files are read as by `xlingual ingest`; the label is in a field of its own. Texts without a
    label are left out.
    """
    from xlingual_qdrant.queries.classification.files import save_classifier

    if documents == bool(files):
        raise click.UsageError("give FILEs to learn from, or --documents for the collection's")
    if documents and precision is not None:
        raise click.UsageError("--precision needs labelled FILEs, of which it holds some out")
    if documents and method == "zero-shot":
        raise click.UsageError("zero-shot needs FILEs with descriptions of the labels")
    if files and (langs or where):
        raise click.UsageError("--langs and --where choose documents; they need --documents")
    if documents:
        made = _of_collection(options, label, langs, where, method, strength, balanced, k)
    else:
        made = _of_files(
            options,
            labelled(files, label, text_field, lang_field, lang or "en", format),
            method,
            strength,
            balanced,
            k,
            precision,
        )
    if abstain is not None:
        made.abstain = _as_label(abstain, made.classes)
    save_classifier(made, output)
    facts = {"output": str(output), **_facts(made)}
    if options.json:
        print_json([facts])
        return
    total = counted(sum(made.learned), "text")
    options.say(f"Learned {counted(len(made.classes), 'label')} from {total}: {output}")
    if precision is not None:
        _tell_thresholds(options, made, precision)


def _of_collection(
    options: Options,
    label: str,
    langs: tuple[str, ...] | None,
    where: str | None,
    method: str,
    strength: float,
    balanced: bool,
    k: int | None,
) -> Classifier:
    from xlingual_qdrant.queries.classification.classifier import NEIGHBOURS, Classifier

    with options.open() as collection:
        return Classifier.from_collection(
            collection,
            label=label,
            langs=langs,
            where=where,
            method=_method(method),
            strength=strength,
            balanced=balanced,
            k=k or NEIGHBOURS,
            copied=True,
        )


def _of_files(
    options: Options,
    given: tuple[list[str], list[Label], list[str]],
    method: str,
    strength: float,
    balanced: bool,
    k: int | None,
    precision: float | None,
) -> Classifier:
    from xlingual_qdrant.queries.classification.classifier import NEIGHBOURS, Classifier

    texts, labels, tags = given
    embedder = open_embedder(options)
    held = [number % HELD_OUT == HELD_OUT - 1 for number in range(len(texts))]
    learn = [number for number in range(len(texts)) if precision is None or not held[number]]
    if method == "zero-shot":
        if precision is not None:
            raise click.UsageError("--precision needs labelled texts, not descriptions")
        described: dict[Label, list[str]] = {}
        for text, each in zip(texts, labels, strict=True):
            described.setdefault(each, []).append(text)
        return Classifier.from_descriptions(described, embedder=embedder)
    made = Classifier.fit(
        [texts[row] for row in learn],
        [labels[row] for row in learn],
        lang=[tags[row] for row in learn],
        method=_method(method),
        embedder=embedder,
        strength=strength,
        balanced=balanced,
        k=k or NEIGHBOURS,
    )
    if precision is not None:
        kept_back = [row for row in range(len(texts)) if held[row]]
        if not kept_back:
            raise UsageError(f"--precision holds out every fifth text; there are {len(texts)}")
        made.learn_thresholds(
            [texts[row] for row in kept_back],
            [labels[row] for row in kept_back],
            precision=precision,
        )
    return made


def _method(name: str) -> Method:
    from xlingual_qdrant.queries.classification.classifier import METHODS

    return next(method for method in METHODS if method == name)


def _tell_thresholds(options: Options, made: Classifier, precision: float) -> None:
    from xlingual_qdrant.queries.classification.thresholds import NEVER

    least = max(made.thresholds.values())
    if least >= NEVER:
        options.say(
            f"No probability is high enough for {precision:.0%} right: no label will be given."
        )
    else:
        options.say(f"A label is given from a probability of {least:.3f} on.")


def _as_label(text: str, classes: Iterable[Label]) -> Label:
    """Return the label that is written so, or the text where none is."""
    return next((label for label in classes if str(label) == text), text)


@click.command(
    epilog="""\b
Examples:
  xlingual classify show tickets.classifier
  xlingual classify show tickets.classifier --json"""
)
@click.argument("model", type=click.Path(dir_okay=False))
@common_options
@pass_options
def show(options: Options, model: str) -> None:
    """Show what MODEL knows: its labels, what it learned from, its embedder."""
    from xlingual_qdrant.queries.classification.files import read_classifier

    card, _ = read_classifier(model)
    thresholds = dict(zip(map(str, card.classes), card.thresholds, strict=True))
    if options.json:
        facts: dict[str, JsonValue] = {
            "method": card.method,
            "lang": card.lang,
            "embedder": str(card.embedder),
            "classes": [*card.classes],
            "learned": [*card.learned],
            "thresholds": [*card.thresholds],
            "abstain": card.abstain,
            "centres": None if card.centres is None else [*card.centres],
        }
        print_json([facts])
        return
    rows = [
        ("method", card.method),
        ("language", card.lang),
        ("embedder", str(card.embedder)),
        *(("centred", tag) for tag in card.centres or ()),
    ]
    if card.abstain is not None:
        rows.append(("abstains as", str(card.abstain)))
    for label, count in zip(card.classes, card.learned, strict=True):
        least = thresholds[str(label)]
        sure = f", from a probability of {least:.3f} on" if least else ""
        rows.append(("label", f"{label}: {counted(count, 'text')}{sure}"))
    print_rows(("fact", "value"), rows)


def _facts(made: Classifier) -> dict[str, JsonValue]:
    return {
        "method": made.method,
        "lang": made.lang,
        "classes": [*made.classes],
        "learned": [*made.learned],
        "thresholds": [*made.thresholds.values()],
        "abstain": made.abstain,
    }


for part in (fit, predict, report, show):
    command.add_command(part)
