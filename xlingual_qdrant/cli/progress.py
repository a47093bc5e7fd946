"""The progress bar of an ingestion, for a person at a terminal."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from xlingual_qdrant.cli.options import Options
from xlingual_qdrant.cli.output import escaped
from xlingual_qdrant.ingest.report import Progress

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress


@contextmanager
def progress_bar(options: Options) -> Generator[ProgressBar | None]:
    """Show a bar on standard error, with rate and time left; None where nobody watches."""
    if options.quiet or not sys.stderr.isatty():
        yield None
        return
    # Importing rich takes as long as embedding some thousand texts: only who sees it pays.
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as RichProgress

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rate]}", markup=False),
        TimeRemainingColumn(),
    )
    with RichProgress(*columns, console=Console(stderr=True), transient=True) as shown:
        yield ProgressBar(shown)


class ProgressBar:
    """A line that says what is done, how far, and how fast."""

    def __init__(self, shown: RichProgress) -> None:
        self._shown = shown
        self._task = shown.add_task("starting", total=None, rate="")
        self._doing = ""
        self._began = monotonic()
        self._done_before = 0

    def watch(self, progress: Progress) -> None:
        """Show how far the reading of files is."""
        per_second = progress.read / max(monotonic() - self._began, 1e-3)
        self._shown.update(
            self._task,
            description=escaped(Path(progress.file).name),
            total=progress.bytes_total,
            completed=progress.bytes_read,
            rate=f"{progress.read:,} read, {per_second:,.0f}/s",
        )

    def count(self, what: str, done: int, total: int) -> None:
        """Show how much is done, of whatever is counted; another `what` begins a new count."""
        if what != self._doing:
            self._doing, self._began, self._done_before = what, monotonic(), done
        per_second = (done - self._done_before) / max(monotonic() - self._began, 1e-3)
        self._shown.update(
            self._task,
            description=what,
            total=total,
            completed=done,
            rate=f"{done:,} of {total:,}, {per_second:,.0f}/s",
        )

    def wait_for(self, what: str) -> None:
        """Show that something of unknown length is done now."""
        self._shown.update(self._task, description=what, total=None)
