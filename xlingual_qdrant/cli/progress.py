"""The progress bar of an ingestion, for a person at a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

from xlingual_qdrant.cli.options import Options
from xlingual_qdrant.cli.output import escaped
from xlingual_qdrant.ingest.report import Progress

Watcher = Callable[[Progress], None]


@contextmanager
def progress_bar(options: Options) -> Generator[Watcher | None]:
    """Show a bar on standard error, with rate and time left; None where nobody watches."""
    if options.quiet or not sys.stderr.isatty():
        yield None
        return
    # Importing rich takes as long as embedding some thousand texts: only who sees it pays.
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rate]}", markup=False),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("starting", total=None, rate="")
        began = monotonic()

        def watch(progress: Progress) -> None:
            per_second = progress.read / max(monotonic() - began, 1e-3)
            bar.update(
                task,
                description=escaped(Path(progress.file).name),
                total=progress.bytes_total,
                completed=progress.bytes_read,
                rate=f"{progress.read:,} read, {per_second:,.0f}/s",
            )

        yield watch
