"""`xlingual demo`."""

from __future__ import annotations

import shlex
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

import click
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from xlingual_qdrant.cli.options import Options, common_options, pass_options
from xlingual_qdrant.cli.output import document_row, print_json
from xlingual_qdrant.collection import Collection
from xlingual_qdrant.demo import COLLECTION, Answer, Question, about, ask, corpus
from xlingual_qdrant.documents import CollectionInfo, JsonValue
from xlingual_qdrant.languages import language_name, split_langs
from xlingual_qdrant.settings import load_embedder, load_store

WIDTH = 100
"""Columns of the tables, on a terminal that has as many."""


@click.command(
    epilog="""\b
Examples:
  xlingual demo
  xlingual demo --keep playground"""
)
@click.option(
    "--keep",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Keep the collection in this folder, to go on from there.",
)
@common_options
@pass_options
def command(options: Options, keep: Path | None) -> None:
    """Ask questions in some languages of texts in many others.

    It ingests a small corpus that ships with the library into a folder, removed afterwards
    unless --keep is given, and prints what it finds: everything happens on this machine.
    """
    with _folder(keep) as folder:
        began = perf_counter()
        embedder = load_embedder(None, settings=options.settings())
        store = load_store({"kind": "faiss", "path": str(folder)})
        try:
            with Collection.open(COLLECTION, store=store, embedder=embedder) as collection:
                collection.add(corpus())
                _tell(collection, perf_counter() - began, options, keep)
        finally:
            store.close()


@contextmanager
def _folder(keep: Path | None) -> Generator[Path]:
    if keep is not None:
        yield keep
        return
    with TemporaryDirectory(prefix="xlingual-demo-", ignore_cleanup_errors=True) as made:
        yield Path(made)


def _tell(collection: Collection, seconds: float, options: Options, keep: Path | None) -> None:
    if options.json:
        print_json(_object(answer) for answer in ask(collection))
        return
    console = Console(highlight=False)
    console.width = min(console.width, WIDTH) if console.is_terminal else WIDTH
    if not options.quiet:
        console.print(_introduction(collection.info(), seconds))
    answers: list[Answer] = []
    for number, answer in enumerate(ask(collection), 1):
        answers.append(answer)
        console.print()
        _print_answer(console, number, answer)
    if not options.quiet:
        console.print()
        console.print(_ending(answers, keep))


def _introduction(info: CollectionInfo, seconds: float) -> Text:
    text = Text.assemble(
        (f"{info.count:,} texts in {len(info.languages)} languages", "bold"),
        f", embedded by {info.embedder} and kept in {info.place['path']}.\n",
    )
    text.append(
        f"Loading the model, embedding the texts and storing them took {seconds:.2f} s;"
        " nothing left this machine.",
        style="dim",
    )
    return text


def _print_answer(console: Console, number: int, answer: Answer) -> None:
    question = answer.question
    console.print(Text.assemble((f"{number}. ", "bold cyan"), (question.title, "bold cyan")))
    line = Text.assemble((question.text, "bold"), (f"  {language_name(question.lang)}", "dim"))
    console.print(Padding(line, (0, 0, 0, 3), expand=False))
    if limits := _limits(question):
        console.print(Padding(Text(limits, style="dim"), (0, 0, 0, 3), expand=False))
    table = Table(box=None, show_header=False, padding=(0, 1), pad_edge=False)
    table.add_column("", width=1)
    table.add_column("score", justify="right")
    table.add_column("language", no_wrap=True)
    table.add_column("about", no_wrap=True)
    table.add_column("text", ratio=1, overflow="fold")
    for hit in answer.hits:
        fits = answer.fits(hit)
        table.add_row(
            Text("*" if fits else "", style="green"),
            Text(f"{hit.score:.2f}", style="green" if fits else "yellow"),
            language_name(hit.lang),
            Text(_about(about(hit), hit.metadata.get("price")), style="dim"),
            Text(hit.text),
        )
    console.print(Padding(table, (0, 0, 0, 1), expand=False))


def _about(intent: str, price: JsonValue) -> str:
    words = intent.replace("-", " ")
    return words if price is None else f"{words}, {price} €"


def _limits(question: Question) -> str:
    wanted, unwanted = split_langs(question.langs)
    parts = [
        "only in " + ", ".join(map(language_name, wanted)) if wanted else "",
        "not in " + ", ".join(map(language_name, unwanted)) if unwanted else "",
        f"only where {question.where}" if question.where else "",
    ]
    return "; ".join(part for part in parts if part)


def _ending(answers: list[Answer], keep: Path | None) -> Text:
    hits = [answer.fits(hit) for answer in answers for hit in answer.hits]
    text = Text.assemble(
        ("* ", "green"),
        f"marks what is about the question: {sum(hits)} of {len(hits)}. A question takes about"
        f" {1000 * median(answer.seconds for answer in answers):.1f} ms.\n\n",
        ("Now with your own texts", "bold"),
        " (JSONL, CSV, TSV, TXT, Parquet; also .gz):\n"
        "  xlingual ingest texts.csv --text-field text --lang-field lang\n"
        '  xlingual search "where is my parcel?" --langs fr,de\n'
        "  xlingual info",
    )
    if keep is not None:
        folder = shlex.quote(str(keep.resolve()))
        text.append(f"\n\nThe demo is kept in {keep}. To go on asking:\n", style="bold")
        text.append(
            f"  export XLINGUAL_STORES__LOCAL__PATH={folder} XLINGUAL_COLLECTION={COLLECTION}\n"
            '  xlingual search "my neighbours are loud" --langs "!en"'
        )
    return text


def _object(answer: Answer) -> dict[str, JsonValue]:
    question = answer.question
    return {
        "question": question.text,
        "lang": question.lang,
        "langs": list(question.langs),
        "where": question.where,
        "hits": [
            {**document_row(hit.document), "score": round(hit.score, 6)} for hit in answer.hits
        ],
    }
