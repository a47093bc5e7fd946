"""How soon the command line answers, against importing what every such tool imports.

    python benchmarks/startup.py

Whole processes in turn; the ratio is the median over the rounds. Report: results/startup.txt.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from statistics import median

import click
from reporting import Bar, report

ROUNDS = 15
BASE = [sys.executable, "-c", "import click, pydantic"]
HELP = [sys.executable, "-m", "xlingual_qdrant", "--help"]
IMPORT = [sys.executable, "-c", "import xlingual_qdrant"]


def seconds(command: list[str]) -> float:
    """Return how long a process runs, from its start to its end."""
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - began


def bars() -> Iterator[Bar]:
    """Yield the figures of all rounds."""
    times = [(seconds(BASE), seconds(HELP), seconds(IMPORT)) for _ in range(ROUNDS)]
    yield Bar("import click, pydantic, ms", 1000 * median(base for base, _, _ in times))
    yield Bar("xlingual --help, ms", 1000 * median(help for _, help, _ in times))
    yield Bar("import xlingual_qdrant, ms", 1000 * median(whole for _, _, whole in times))
    yield Bar("help / import", median(help / base for base, help, _ in times), most=4)


@click.command(help=__doc__)
def main() -> None:
    """Measure and report."""
    report("startup", [f"start of a process, medians of {ROUNDS} rounds"], bars())


if __name__ == "__main__":
    main()
