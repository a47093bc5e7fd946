"""What came out of measuring, as it is kept and as it is told."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch

from xlingual_adapters.embedders.sentence_transformers.runtimes.candidates import Candidate
from xlingual_adapters.embedders.sentence_transformers.runtimes.measuring import Measured
from xlingual_adapters.embedders.sentence_transformers.runtimes.sample import SAMPLE

FAITHFUL = 0.999
"""An exported model in fp32 below it is a wrong one, whatever was ordered."""


class Verdict(NamedTuple):
    """What was chosen, from what.

    absent: what could not be measured, and why, by its label.
    """

    chosen: Candidate
    measured: tuple[Measured, ...]
    absent: dict[str, str]

    def to_json(self) -> dict[str, Any]:
        """Return it as an object of JSON."""
        return {
            "chosen": list(self.chosen),
            "measured": [one.to_json() for one in self.measured],
            "absent": self.absent,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any] | None) -> Verdict | None:
        """Return what `to_json` has made; None for anything else."""
        if value is None:
            return None
        try:
            measured = tuple(Measured.from_json(one) for one in value["measured"])
            return cls(Candidate(*value["chosen"]), measured, dict(value["absent"]))
        except (KeyError, TypeError, ValueError):
            return None


def in_words(verdict: Verdict, min_cosine: float, remembered: Path | None = None) -> str:
    """Return a sentence for what was chosen, and one for what was not and why."""
    chosen = next((one for one in verdict.measured if one.label == str(verdict.chosen)), None)
    parts = [str(verdict.chosen)]
    if chosen is None:
        parts[0] += ", as ordered" if not verdict.absent else ", the only one there is"
    elif verdict.chosen == ("torch", "fp32"):
        parts[0] += f": the fastest on {_conditions()}"
    elif chosen.speed is None:
        parts[0] += f", as ordered: {_near(chosen, 'torch fp32')}"
    else:
        parts[0] += f": {_fast(chosen)} on {_conditions()}, {_near(chosen)}"
    others = [one for one in verdict.measured if one is not chosen]
    slower = sorted((one for one in others if one.speed), key=lambda one: -(one.speed or 0))
    if slower:
        parts.append("slower: " + ", ".join(f"{one.label} {one.speed:.2f}" for one in slower))
    far = [
        f"{one.label} (least cosine {one.least_cosine:.4f}, wanted {min_cosine:g})"
        for one in others
        if one.speed is None
    ]
    if far:
        parts.append("refused: " + ", ".join(far))
    if verdict.absent:
        told = (f"{label} ({why})" for label, why in verdict.absent.items())
        parts.append("not measured: " + ", ".join(told))
    if remembered is not None:
        parts.append(f"measured earlier, remembered in {remembered}")
    return "; ".join(parts)


def _conditions() -> str:
    threads = torch.get_num_threads()
    return f"{len(SAMPLE)} texts with {threads} thread{'s' if threads > 1 else ''}"


def _fast(one: Measured) -> str:
    return f"{one.speed:.2f} times as fast as torch fp32"


def _near(one: Measured, model: str = "it") -> str:
    return f"cosines to {model} {one.least_cosine:.5f} at least, {one.mean_cosine:.5f} on average"
