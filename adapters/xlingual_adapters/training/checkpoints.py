"""Checkpoints that may be used: a process can be killed while it writes one."""

from __future__ import annotations

import shutil
from pathlib import Path

WHOLE = "whole"
"""A file that is written into a checkpoint as the last one."""


def mark_whole(checkpoint: Path) -> None:
    """Say that all of a checkpoint is written."""
    (checkpoint / WHOLE).touch()


def latest_whole(work: Path) -> Path | None:
    """Return the last checkpoint that is complete, None if there is none."""
    whole = [path for path in _checkpoints(work) if (path / WHOLE).exists()]
    return max(whole, key=step_of, default=None)


def only_whole(work: Path) -> None:
    """Remove what was being written when the process was killed."""
    for path in _checkpoints(work):
        if not (path / WHOLE).exists():
            shutil.rmtree(path)


def step_of(checkpoint: Path) -> int:
    """Return the step after which a checkpoint was written."""
    return int(checkpoint.name.rpartition("-")[2])


def _checkpoints(work: Path) -> list[Path]:
    return [path for path in work.glob("checkpoint-*") if path.name.rpartition("-")[2].isdigit()]
