"""What the commands for labelled texts share: their options, and how files are read."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from xlingual_qdrant.cli.options import Options, note
from xlingual_qdrant.ingest.opening import FORMATS

if TYPE_CHECKING:
    from xlingual_qdrant.ingest.records import Rejection
    from xlingual_qdrant.ports import Embedder
    from xlingual_qdrant.queries.classification.labels import Label

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])

_TEXT = (
    click.option(
        "--text-field", metavar="NAME", default="text", help="The field of the text [text]."
    ),
    click.option("--lang-field", metavar="NAME", help="That of the language [lang, if there]."),
    click.option("--format", type=click.Choice(FORMATS), help="The format of the files."),
)
_LABEL = click.option(
    "--label", metavar="NAME", default="label", help="The field of the label [label]."
)


def text_options(function: FunctionT) -> FunctionT:
    """Add the options that say how texts are read from a file."""
    for decorate in reversed(_TEXT):
        function = decorate(function)
    return function


def label_options(function: FunctionT) -> FunctionT:
    """Add the options that say how labelled texts are read from a file."""
    return _LABEL(text_options(function))


def labelled(
    files: Iterable[str],
    label: str,
    text_field: str,
    lang_field: str | None,
    lang: str | None,
    format: str | None,
) -> tuple[list[str], list[Label], list[str]]:
    """Return texts, labels and languages of files; rejected rows are told on standard error."""
    from xlingual_qdrant.ingest.fields import FieldMapping
    from xlingual_qdrant.queries.classification.labelled_files import labelled_texts

    found = labelled_texts(
        list(files),
        label=label,
        mapping=FieldMapping(text_field, lang_field, default_lang=lang),
        format=format,
        on_reject=tell_rejected,
    )
    return found.texts, found.labels, found.langs


def tell_rejected(rejection: Rejection) -> None:
    """Say on standard error which row was left out, and why."""
    where = f"{rejection.file}, line {rejection.line}"
    note(f"Warning: {where}: {rejection.detail} ({rejection.reason}); left out")


def open_embedder(options: Options) -> Embedder:
    """Return the embedder in force."""
    from xlingual_qdrant.settings import load_embedder

    return load_embedder(None, settings=options.settings())
