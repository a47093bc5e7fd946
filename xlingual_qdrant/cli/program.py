"""The program `xlingual`: its commands, loaded when they are run, and how it fails.

Help must come at once, so nothing here imports NumPy, rich or the collection.
"""

from __future__ import annotations

import atexit
import logging
import os
import sys
import threading
import traceback
import warnings
from contextlib import suppress
from importlib import import_module
from typing import Any, NoReturn, TextIO, cast

import click
from click.exceptions import Exit

from xlingual_qdrant.cli.options import ADAPTERS, Options, common_options, note
from xlingual_qdrant.cli.streams import abandon_stdout, flush_stdout, prepare_streams
from xlingual_qdrant.errors import UsageError, XlingualError, XlingualWarning, did_you_mean

COMMANDS = {
    "ingest": "Read files of texts into a collection.",
    "search": "Find the texts nearest in meaning to a question.",
    "get": "Print documents by their ids.",
    "info": "Say what a collection holds, and where it is.",
    "collections": "List the collections of a store.",
    "export": "Write documents out as JSON Lines.",
    "delete": "Delete documents by ids or by a condition.",
    "drop": "Remove a whole collection.",
    "move": "Copy a collection to another store, with its vectors.",
    "verify": "Compare a collection with its copy in another store.",
    "reembed": "Embed a collection again, with another embedder.",
    "repair": "Embed documents again whose vectors are damaged.",
    "compact": "Give back the room of deleted documents.",
    "score": "Say how near texts are in meaning, and whether they say the same.",
    "learn": "Show a collection what people ask, for fairer searches.",
    "calibrate": "Learn which scores mean the same text, for each pair of languages.",
    "dedup": "Find texts that say the same, in one language or across languages.",
    "mine": "Find translations in two sets of texts.",
    "classify": "Sort texts by labels learned in another language.",
    "cluster": "Group texts by topic, across languages.",
    "evaluate": "Measure search and its uses on labelled texts, by pair of languages.",
    "embed": "Turn texts into vectors.",
    "models": "List embedding models, which to take, and how they do on this machine.",
    "finetune": "Train a model on pairs of texts that mean the same.",
    "cache": "Show what the embedding cache holds, or empty it.",
    "config": "Show the settings in force, and where each came from.",
    "plugins": "List the stores, embedders and detectors there are.",
    "demo": "Ask questions across languages, of texts that ship with it.",
}
"""Every command, in the order of the help; each is `command` in the file of its name."""

INTERRUPTED = 130
"""What a shell reports for a program that was ended by Ctrl-C."""


class WrongUsage(click.ClickException):
    """The command line, or the settings that it leads to, do not fit."""

    exit_code = 2


class Cli(click.Group):
    """A group that loads a command when it is run, and turns errors into words and exit codes."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands, in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load a command; None if there is none of this name."""
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"xlingual_qdrant.cli.{cmd_name}")
        return cast(click.Command, module.command)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the arguments name, or suggest the nearest."""
        name = args[0]
        if name not in COMMANDS and not name.startswith("-") and not ctx.resilient_parsing:
            ctx.fail(f"no command is called '{name}'.{did_you_mean(name, COMMANDS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands from the table, without loading any."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; every failure becomes one message and an exit code, here."""
        try:
            result = super().invoke(ctx)
            flush_stdout()
        except (click.ClickException, click.Abort, Exit):
            raise
        except KeyboardInterrupt:
            note("Interrupted.")
            raise Exit(INTERRUPTED) from None
        except BrokenPipeError:
            # Whoever read our output has seen enough, as in `xlingual export | head`.
            abandon_stdout()
            raise Exit(1) from None
        # Nobody at a prompt can use a traceback: a bug ends in a line, too, and says how to
        # see more. Nothing is swallowed, the exit code is that of a failure.
        except Exception as exc:
            if ctx.ensure_object(Options).debug:
                note(traceback.format_exc())
            if isinstance(exc, OSError):
                abandon_stdout()
            raise _in_words(exc) from exc
        return result


def _say_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Write a warning as a sentence: where in the program it arose tells a user nothing."""
    if isinstance(message, XlingualWarning):
        note(f"Warning: {message}")
    else:
        note(warnings.formatwarning(message, category, filename, lineno, line).rstrip())


def _in_words(exc: Exception) -> click.ClickException:
    match exc:
        case UsageError():
            return WrongUsage(str(exc))
        case XlingualError():
            return click.ClickException(str(exc))
        case OSError(strerror=str(reason)):
            place = "" if exc.filename is None else f"{exc.filename}: "
            return click.ClickException(f"{place}{reason}")
        case Exception(__notes__=[str(whose), *_]):
            return click.ClickException(
                f"{whose}: {type(exc).__name__}: {exc}; --debug shows where"
            )
        case _:
            return click.ClickException(
                f"internal error: {type(exc).__name__}: {exc};"
                " run again with --debug for details, and please report it"
            )


@click.group(
    cls=Cli,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Without any settings, texts are kept in the folder xlingual-data of the current"
    " directory, in the collection 'documents'.",
)
@click.version_option(package_name="xlingual-qdrant", message="%(prog)s %(version)s")
@common_options
def xlingual() -> None:
    """Keep texts of many languages, and find them by meaning from any language.

    Data goes to standard output, everything else to standard error. Exit codes: 0 done,
    1 failed, 2 wrong usage.

    \b
    Begin with:
      xlingual demo
      xlingual ingest texts.csv
      xlingual search "where is my parcel?"
    """


def main() -> NoReturn:
    """Run the program with the arguments of the process, and exit."""
    prepare_streams()
    # Notes of libraries to their developers are not for users; -W and PYTHONWARNINGS show them.
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
        warnings.simplefilter("default", XlingualWarning)
    warnings.showwarning = _say_warning
    told = logging.getLogger(ADAPTERS)
    told.addHandler(logging.StreamHandler())
    told.setLevel(logging.INFO)
    told.propagate = False
    code = [0]
    atexit.register(_leave, code)  # before all others, to be called after them
    try:
        xlingual(prog_name="xlingual")
    except SystemExit as exc:
        code[0] = exc.code if isinstance(exc.code, int) else int(exc.code is not None)
        raise
    except KeyboardInterrupt:  # while a command was still being loaded
        code[0] = INTERRUPTED
        sys.exit(INTERRUPTED)
    sys.exit(0)


def _leave(code: list[int]) -> None:
    """End the process now, if a thread still computes that was not waited for.

    The interpreter would stop such a thread on its way out, which aborts the process if that
    thread is within a library's own code, such as torch's.
    """
    if any(thread.daemon for thread in threading.enumerate()):
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        os._exit(code[0])
