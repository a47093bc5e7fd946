"""An ingestion killed at random moments, and run again each time, against an undisturbed one.

    python benchmarks/crash.py FILE [--kills 20] [--seed 0]

Both must end with the same collection: ids, texts, languages, metadata, vectors, counts.
Report: results/crash.txt.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import click
from reporting import Bar, report

XLINGUAL = [sys.executable, "-m", "xlingual_qdrant"]


def ingest(file: Path, folder: Path, *options: str) -> float:
    """Ingest a file into the folder, undisturbed; return the seconds that it took."""
    began = time.perf_counter()
    command = [*XLINGUAL, "ingest", str(file), "--quiet", *options]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return time.perf_counter() - began


def ingest_with_kills(
    file: Path, folder: Path, kills: int, within: float, dice: random.Random, *options: str
) -> list[int]:
    """Kill ingestions within so many seconds of their start; return the counts seen after each.

    A last one is left to end.
    """
    counts: list[int] = []
    for _ in range(kills):
        command = [*XLINGUAL, "ingest", str(file), "--quiet", *options]
        process = subprocess.Popen(command, cwd=folder, stderr=subprocess.DEVNULL)
        time.sleep(dice.uniform(0, within))
        process.send_signal(signal.SIGKILL)
        process.wait()
        counts.append(len(exported(folder)))
    ingest(file, folder, *options)
    return counts


def exported(folder: Path) -> list[bytes]:
    """Return the collection as lines with vectors, in the order of the ids; [] if there is none."""
    command = [*XLINGUAL, "export", "--vectors"]
    done = subprocess.run(command, cwd=folder, capture_output=True, check=False)
    if done.returncode and b"no collection" not in done.stderr:
        raise RuntimeError(done.stderr.decode())
    return done.stdout.splitlines()


def bars(file: Path, kills: int, seed: int) -> Iterator[Bar]:
    """Yield what was seen, and whether the two collections are equal."""
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        took = ingest(file, Path(first), "--batch-size", "128")
        dice = random.Random(seed)
        counts = ingest_with_kills(file, Path(second), kills, took, dice, "--batch-size", "128")
        wanted, got = exported(Path(first)), exported(Path(second))
    yield Bar("Documents", len(wanted))
    yield Bar("Kills", kills)
    yield Bar("Different states seen after a kill", len(set(counts)))
    yield Bar("Documents that differ in the end", len(set(wanted) ^ set(got)), most=0)
    yield Bar("Documents there twice", len(got) - len(set(got)), most=0)


@click.command(help=__doc__)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--kills", default=20)
@click.option("--seed", default=0)
def main(file: Path, kills: int, seed: int) -> None:
    """Measure and report."""
    head = f"ingest of {file.name}, killed {kills} times, seed {seed}"
    report("crash", [head], bars(file.resolve(), kills, seed))


if __name__ == "__main__":
    main()
