"""`xlingual models`, `xlingual models show` and `xlingual models bench`."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence

import click

from xlingual_qdrant.cli.models_bench import bench
from xlingual_qdrant.cli.options import Options, common_options, pass_options
from xlingual_qdrant.cli.output import print_json, print_rows
from xlingual_qdrant.documents import JsonValue
from xlingual_qdrant.guide.catalogue import Model, catalogue
from xlingual_qdrant.guide.installed import Presence, presence

ADVICE = """\
Which to take:
  no download, any CPU, many texts  xlingual-static-256, the default
  good all round, small             paraphrase-multilingual-MiniLM-L12-v2 (128 tokens)
  search, small                     multilingual-e5-small
  finding translations              LaBSE
  long texts                        bge-m3, gte-multilingual-base (runs code of its authors)
  similarity, topics, with a GPU    Qwen3-Embedding-0.6B
  embeddinggemma-300m comes under terms of its own, the others under MIT or Apache-2.0.
What they do with your texts is what counts: xlingual models bench --pairs FILE."""


class _Models(click.Group):
    """A group that takes what is no command of it for the name of a model."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the arguments name; `show` for any other name."""
        if args[0] not in self.commands and not args[0].startswith("-"):
            args = ["show", *args]
        return super().resolve_command(ctx, args)


@click.group(
    cls=_Models,
    invoke_without_command=True,
    subcommand_metavar="[NAME | COMMAND [ARGS]...]",
    epilog="""\b
Examples:
  xlingual models
  xlingual models LaBSE
  xlingual models show bge-m3 --toml >> xlingual.toml
  xlingual models bench minilm bundled""",
)
@common_options
@click.pass_context
def command(ctx: click.Context) -> None:
    """List embedding models for many languages, and which to take when.

    With a NAME all that is known of that model is shown, and the lines for the settings.

    "reads" says how many tokens of a text; figures are percentages that others have published, a
    star marks those of this library, measured differently; "here" says whether a model is on this
    machine, and which embedders of the settings use it. With --json an object a line is printed,
    with all facts and their sources.
    """
    if ctx.invoked_subcommand is None:
        _list(ctx.ensure_object(Options))


def _list(options: Options) -> None:
    settings = options.settings()
    rows = [(model, presence(model, settings)) for model in catalogue().models]
    if options.json:
        print_json(_object(model, where) for model, where in rows)
        return
    cells = [_cells(model, where) for model, where in rows]
    columns = _columns(list(cells[0]))
    print_rows(columns, [[row[column] for column in columns] for row in cells])
    source = catalogue().published_source
    options.say(f"\nFigures: {source}.\n* measured by this library, differently.\n\n{ADVICE}")


_LEAST = {
    "dim": 87,
    "STS es-en": 99,
    "STS ar-ar": 111,
    "SIB-200": 121,
    "languages": 147,
    "licence": 147,
    "kind": 175,
}
"""The narrowest terminal that has room for a column, beside those above it."""


def _columns(all_columns: list[str]) -> list[str]:
    """Return the columns there is room for; all of them for a program."""
    if not sys.stdout.isatty():
        return all_columns
    width = shutil.get_terminal_size().columns
    return [column for column in all_columns if _LEAST.get(column, 0) <= width]


def _cells(model: Model, where: Presence) -> dict[str, str]:
    return {
        "model": model.name,
        "kind": model.kind,
        "dim": str(model.dimension),
        "reads": _tokens(model),
        "MiB": str(model.size_mib),
        "Tatoeba": _figure(model, "tatoeba"),
        "STS es-en": _figure(model, "sts17_es_en"),
        "STS ar-ar": _figure(model, "sts17_ar_ar"),
        "SIB-200": _figure(model, "sib200"),
        "languages": model.languages,
        "licence": model.licence,
        "here": _here(where),
    }


def _tokens(model: Model) -> str:
    return "all" if model.max_tokens == "unlimited" else str(model.max_tokens)


def _figure(model: Model, task: str) -> str:
    if task in model.published:
        return f"{model.published[task]:.1f}"
    return f"{model.measured[task]:.1f}*" if task in model.measured else "-"


def _here(where: Presence) -> str:
    state = {"here": "yes", "partly": "partly", "absent": "no"}[where.state]
    return f"{state} ({', '.join(where.embedders)})" if where.embedders else state


@click.command(
    epilog="""\b
Examples:
  xlingual models show multilingual-e5-small
  xlingual models show bge-m3 --toml >> xlingual.toml"""
)
@click.argument("name")
@click.option("--toml", is_flag=True, help="Print only the lines for xlingual.toml.")
@common_options
@pass_options
def show(options: Options, name: str, toml: bool) -> None:
    """Show all that is known of the model NAME, and the lines for the settings.

    With --json one object is printed.
    """
    model = catalogue().find(name)
    if toml:
        click.echo(model.toml())
        return
    where = presence(model, options.settings())
    if options.json:
        print_json([_object(model, where)])
        return
    print_rows(("fact", "value"), _facts(model, where))
    options.say("\nIn xlingual.toml, where `embedder` may name it:\n")
    click.echo(model.toml())


def _facts(model: Model, where: Presence) -> Sequence[tuple[str, str]]:
    tasks = catalogue().tasks
    prompts = [(f"{role} prompt", repr(prompt)) for role, prompt in model.prompts.items()]
    facts = [
        ("model", model.hub or model.name),
        ("kind", model.kind),
        ("dimensions", str(model.dimension)),
        ("reads", "all of a text" if _tokens(model) == "all" else f"{model.max_tokens} tokens"),
        ("weights", f"{model.size_mib:,} MiB"),
        ("licence", model.licence),
        ("languages", " ".join(filter(None, (model.languages, _in_brackets(model))))),
        *prompts,
        *((tasks[task], f"{value:.1f} % (published)") for task, value in model.published.items()),
        *((tasks[task], f"{value:.1f} % (measured)") for task, value in model.measured.items()),
        ("here", _here(where)),
        *(("in", path) for path in where.paths),
        ("note", model.note),
    ]
    if model.measured:
        facts.append(("measured", model.measured_as))
    if model.published:
        facts.append(("published", catalogue().published_source))
    return [*facts, *(("source", source) for source in model.sources)]


def _in_brackets(model: Model) -> str:
    return f"({model.language_tags})" if model.language_tags else ""


def _object(model: Model, where: Presence) -> dict[str, JsonValue]:
    source = catalogue().published_source if model.published else None
    return {
        **model.to_json(),
        "published_source": source,
        "state": where.state,
        "paths": list(where.paths),
        "embedders": list(where.embedders),
    }


command.add_command(show)
command.add_command(bench)
