"""`xlingual classify predict`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

import click

from xlingual_qdrant.cli.input import lines_of_stdin
from xlingual_qdrant.cli.labelled import open_embedder, tell_rejected, text_options
from xlingual_qdrant.cli.options import (
    Options,
    common_options,
    langs_option,
    pass_options,
    where_option,
)
from xlingual_qdrant.cli.output import counted, print_json, print_rows
from xlingual_qdrant.cli.progress import progress_bar
from xlingual_qdrant.documents import Document, JsonValue

if TYPE_CHECKING:
    from xlingual_qdrant.queries.classification.classifier import Classifier, Prediction
    from xlingual_qdrant.queries.classification.labelling import LabelReport

AT_ONCE = 1024
"""Texts that are classified together."""

Predicted = tuple[Document, "Prediction"]


@click.command(
    epilog="""\b
Examples:
  xlingual classify predict tickets.classifier "Wo bleibt mein Paket?" "Merci beaucoup !"
  xlingual classify predict tickets.classifier - < texts.txt > labels.tsv
  xlingual classify predict tickets.classifier --file tickets.csv --json > labels.jsonl
  xlingual classify predict tickets.classifier --documents --where 'category is missing'
  xlingual classify predict tickets.classifier --documents --apply category"""
)
@click.argument("model", type=click.Path(dir_okay=False))
@click.argument("texts", nargs=-1, metavar="[TEXT]...")
@click.option(
    "--file", "files", multiple=True, metavar="FILE", help="Classify the texts of this file."
)
@click.option("--documents", is_flag=True, help="Classify the documents of the collection.")
@click.option(
    "--apply",
    metavar="FIELD",
    help="Write the labels into this metadata field of the documents; without it nothing is"
    " written.",
)
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1),
    metavar="P",
    help="Give no label that is less probable [the model's].",
)
@click.option("--abstain", metavar="LABEL", help="The label of texts that get none otherwise.")
@click.option("--lang", metavar="TAG", help="The language of the texts [detected].")
@text_options
@langs_option
@where_option
@common_options
@pass_options
def predict(
    options: Options,
    model: str,
    texts: tuple[str, ...],
    files: tuple[str, ...],
    documents: bool,
    apply: str | None,
    threshold: float | None,
    abstain: str | None,
    lang: str | None,
    langs: tuple[str, ...] | None,
    where: str | None,
    text_field: str,
    lang_field: str | None,
    format: str | None,
) -> None:
    """Say which label each TEXT has by MODEL; - reads texts from standard input, one a line.

    On a terminal a table is printed, into a pipe lines of label, probability, language and text
    with tabs between them (of files and documents the id before the text), with --json an object
    a line. A text without a label has an empty one.
    """
    if bool(texts) + bool(files) + documents != 1:
        raise click.UsageError("give TEXTs, or -, or --file, or --documents")
    if not documents and (apply is not None or langs or where):
        raise click.UsageError("--apply, --langs and --where go with --documents")
    if documents:
        _of_documents(options, model, apply, threshold, abstain, langs, where)
        return
    classifier = _loaded(options, model, threshold, abstain)
    if files:
        given = _of_files(files, text_field, lang_field, format)
    else:
        lines = lines_of_stdin() if texts == ("-",) else iter(texts)
        given = (Document(line) for line in lines)
    _print(_predicted(classifier, given, lang), options, with_ids=bool(files))


def _loaded(
    options: Options, model: str, threshold: float | None, abstain: str | None
) -> Classifier:
    from xlingual_qdrant.queries.classification.files import load_classifier
    from xlingual_qdrant.settings import load_detector

    classifier = load_classifier(model, embedder=open_embedder(options))
    classifier.load_detector = lambda: load_detector(None, settings=options.settings())
    _set(classifier, threshold, abstain)
    return classifier


def _set(classifier: Classifier, threshold: float | None, abstain: str | None) -> None:
    if threshold is not None:
        classifier.thresholds = threshold
    if abstain is not None:
        known = {str(label): label for label in classifier.classes}
        classifier.abstain = known.get(abstain, abstain)


def _of_files(
    files: Iterable[str], text_field: str, lang_field: str | None, format: str | None
) -> Iterator[Document]:
    from xlingual_qdrant.ingest.fields import FieldMapping
    from xlingual_qdrant.ingest.opening import checked_format
    from xlingual_qdrant.ingest.windows import WindowReader

    mapping = FieldMapping(text_field, lang_field)
    reader = WindowReader(list(files), mapping, format=checked_format(format))
    reader.check()
    for window in reader.windows():
        for rejection in window.rejections:
            tell_rejected(rejection)
        yield from window.documents
    for outcome in reader.outcomes:
        if outcome.error is not None:
            raise outcome.error


def _predicted(
    classifier: Classifier, given: Iterator[Document], lang: str | None
) -> Iterator[Predicted]:
    while batch := list(islice(given, AT_ONCE)):
        texts = [document.text for document in batch]
        declared = [document.declared_lang for document in batch]
        tags = declared if lang is None and all(declared) else lang
        yield from zip(batch, classifier.classify(texts, lang=tags), strict=True)


def _of_documents(
    options: Options,
    model: str,
    apply: str | None,
    threshold: float | None,
    abstain: str | None,
    langs: tuple[str, ...] | None,
    where: str | None,
) -> None:
    from xlingual_qdrant.queries.classification.files import load_classifier
    from xlingual_qdrant.queries.classification.labelling import (
        classify_collection,
        label_collection,
    )

    with options.open() as collection, progress_bar(options) as bar:
        classifier = load_classifier(model, collection=collection)
        _set(classifier, threshold, abstain)

        def tell(done: int, total: int) -> None:
            if bar:
                bar.count("classifying", done, total)

        if apply is None:
            found = classify_collection(
                classifier, collection, langs=langs, where=where, on_progress=tell
            )
            _print(found, options, with_ids=True)
            options.say("Nothing was written; --apply FIELD writes the labels.")
            return
        report = label_collection(
            classifier,
            collection,
            apply,
            apply=True,
            langs=langs,
            where=where,
            on_progress=tell,
        )
    if options.json:
        print_json([_report(report)])
    else:
        _tell(options, report)


def _report(report: LabelReport) -> dict[str, JsonValue]:
    return {
        "field": report.field,
        "applied": report.applied,
        "matched": report.matched,
        "changed": report.changed,
        "unchanged": report.unchanged,
        "abstained": report.abstained,
        "labels": {str(label): count for label, count in report.labels.most_common()},
    }


def _tell(options: Options, report: LabelReport) -> None:
    given = ", ".join(f"{label} {count:,}" for label, count in report.labels.most_common())
    options.say(
        f"Wrote '{report.field}' of {counted(report.changed, 'document')}"
        f" ({report.unchanged:,} had it already, {report.abstained:,} got none): {given or 'none'}"
    )


def _print(predicted: Iterable[Predicted], options: Options, *, with_ids: bool) -> None:
    if options.json:
        print_json(_object(document, found, with_ids) for document, found in predicted)
        return
    columns = ("label", "probability", "lang", *(("id",) if with_ids else ()), "text")
    rows = (
        (
            "" if found.label is None else found.label,
            f"{found.probability:.4f}",
            found.lang,
            *((document.id,) if with_ids else ()),
            document.text,
        )
        for document, found in predicted
    )
    print_rows(columns, rows)


def _object(document: Document, found: Prediction, with_ids: bool) -> dict[str, JsonValue]:
    named: dict[str, JsonValue] = {"id": document.id} if with_ids else {}
    return {
        **named,
        "text": document.text,
        "lang": found.lang,
        "label": found.label,
        "probability": round(found.probability, 6),
        "best": found.best,
        "runner_up": found.runner_up,
        "runner_up_probability": round(found.runner_up_probability, 6),
    }
