"""How benchmarks report: figures against their bars, with machine and date, kept in results/."""

from __future__ import annotations

import datetime
import os
import platform
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np

RESULTS = Path(__file__).with_name("results")


@dataclass(frozen=True, slots=True)
class Bar:
    """A figure, and the least (or most) that it may be; without a limit it only informs."""

    name: str
    value: float
    least: float | None = None
    most: float | None = None

    @property
    def met(self) -> bool:
        """Whether the value is within its limits."""
        return (self.least is None or self.value >= self.least) and (
            self.most is None or self.value <= self.most
        )

    def __str__(self) -> str:
        limit = ""
        if self.least is not None:
            limit = f"at least {self.least:g}"
        if self.most is not None:
            limit = f"at most {self.most:g}"
        verdict = ("pass" if self.met else "FAIL") if limit else ""
        return f"{self.name:<52}{self.value:>10,.2f}  {limit:<16}{verdict}".rstrip()


def machine() -> str:
    """Return the processor's name and the number of cores."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.processor()}, {os.cpu_count()} cores"


def when_and_where() -> str:
    """Return date, machine and versions in one line."""
    now = f"{datetime.datetime.now(tz=datetime.UTC):%Y-%m-%d %H:%M} UTC"
    return f"{now}, {machine()}, Python {platform.python_version()}, NumPy {np.__version__}"


def report(name: str, head: Iterable[str], bars: Iterable[Bar]) -> None:
    """Print the figures, keep them in `results/NAME.txt`, and exit with 1 if a bar is missed."""
    measured = list(bars)
    text = "\n".join([*head, when_and_where(), "", *map(str, measured)]) + "\n"
    click.echo(text, nl=False)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.txt").write_text(text, encoding="utf-8")
    sys.exit(0 if all(bar.met for bar in measured) else 1)
