"""The options that every command has, and what they open.

Everything of the core is imported on use, so that `xlingual --help` stays quick.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from xlingual_qdrant.collection import Collection
    from xlingual_qdrant.settings import Settings

ADAPTERS = "xlingual_adapters"
"""The logger of what adapters tell people: which backend was picked, what a server charged."""

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])


@dataclass(slots=True)
class Options:
    """The common options, given before the command or after it; those after it win."""

    config: Path | None = None
    collection: str | None = None
    store: str | None = None
    embedder: str | None = None
    quiet: bool = False
    json: bool = False
    debug: bool = False

    def settings(self) -> Settings:
        """Return the settings in force."""
        from xlingual_qdrant.settings import load_settings

        return load_settings(
            self.config,
            overrides={
                "collection": self.collection,
                "store": self.store,
                "embedder": self.embedder,
            },
        )

    def open(self, *, create: bool = False) -> Collection:
        """Open the collection with its embedder."""
        from xlingual_qdrant.collection import Collection

        opened = Collection.open(settings=self.settings(), create=create)
        fit = opened.embedder_fit
        if fit is not None and fit.verdict == "compatible":
            self.say(f"Note: another form of the model that made the collection: {fit.differences}")
        return opened

    @contextmanager
    def open_stored(self) -> Generator[Collection]:
        """Open the collection that is there without its embedder, which takes time to load."""
        from xlingual_qdrant.collection import Collection
        from xlingual_qdrant.settings import load_store

        settings = self.settings()
        store = load_store(None, settings=settings)
        try:
            stored = store.open(settings.collection)
        except BaseException:
            store.close()
            raise
        with Collection(stored, store=store, owns_store=True, store_name=settings.store) as opened:
            yield opened

    def say(self, message: str) -> None:
        """Tell people something, unless they asked for quiet."""
        if not self.quiet:
            note(message)


def note(message: str) -> None:
    """Print a message to standard error."""
    click.echo(message, err=True)


def on_terminal() -> bool:
    """Say whether a person can be asked: standard input and standard error are a terminal."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def _remember(ctx: click.Context, param: click.Parameter, value: object) -> None:
    options = ctx.ensure_object(Options)  # made before the command, so that both have the same one
    if value is not None:
        setattr(options, str(param.name), value)
    if options.quiet:
        logging.getLogger(ADAPTERS).setLevel(logging.WARNING)


def _common(*names: str, **attributes: Any) -> Callable[[FunctionT], FunctionT]:
    if attributes.get("is_flag"):
        attributes["default"] = None  # to tell "not given" here from "given" before the command
    return click.option(*names, expose_value=False, callback=_remember, **attributes)


_COMMON = (
    _common(
        "--config",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Read the settings from this file instead of looking for xlingual.toml.",
    ),
    _common("--collection", metavar="NAME", help="Use this collection."),
    _common("--store", metavar="NAME", help="Use this store of the settings, or this kind."),
    _common("--embedder", metavar="NAME", help="Use this embedder of the settings, or this kind."),
    _common("--quiet", is_flag=True, help="Print no progress and no summary, only errors."),
    _common("--json", is_flag=True, help="Print JSON, for programs."),
    _common("--debug", is_flag=True, help="Show the traceback of an error."),
)


def common_options(function: FunctionT) -> FunctionT:
    """Add the common options to a command; their values are in the context's `Options`."""
    for decorate in reversed(_COMMON):
        function = decorate(function)
    return function


pass_options = click.make_pass_decorator(Options, ensure=True)


def _checked_tags(
    _ctx: click.Context, _param: click.Parameter, values: Iterable[str]
) -> tuple[str, ...] | None:
    """Return all tags of a repeatable option that takes several separated by commas, or None."""
    from xlingual_qdrant.errors import UnknownLanguage
    from xlingual_qdrant.languages import split_langs

    tags = [tag.strip() for value in values for tag in value.split(",")]
    try:
        wanted, unwanted = split_langs(tags)
    except UnknownLanguage as exc:
        raise click.BadParameter(str(exc)) from None
    return (*wanted, *(f"!{tag}" for tag in unwanted)) or None


langs_option = click.option(
    "--langs",
    multiple=True,
    callback=_checked_tags,
    metavar="TAGS",
    help="Keep only these languages: fr,de (repeatable). A leading ! leaves one out: '!en'.",
)
where_option = click.option(
    "--where",
    metavar="FILTER",
    help="Keep only documents that match: 'price < 10 and brand in (a, b)'.",
)
