"""The choice of a backend: what is ordered is obeyed, what is left open is measured."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from torch import nn

from xlingual_adapters.embedders.sentence_transformers.runtimes import identity, measuring
from xlingual_adapters.embedders.sentence_transformers.runtimes.candidates import (
    Backend,
    Candidate,
    Precision,
    candidates,
    faults_of,
    is_lowered,
    lowered,
    ready,
)
from xlingual_adapters.embedders.sentence_transformers.runtimes.exchange import Place, find
from xlingual_adapters.embedders.sentence_transformers.runtimes.exporting import first_line
from xlingual_adapters.embedders.sentence_transformers.runtimes.kept import Kept, default_folder
from xlingual_adapters.embedders.sentence_transformers.runtimes.measuring import (
    Measured,
    Reached,
    Runtime,
)
from xlingual_adapters.embedders.sentence_transformers.runtimes.sample import SAMPLE
from xlingual_adapters.embedders.sentence_transformers.runtimes.verdict import (
    FAITHFUL,
    Verdict,
    in_words,
)
from xlingual_qdrant.errors import InvalidInput, UsageError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Accelerated:
    """What computes the vectors now.

    summary: what was picked and why, in words. measured: all that was, none if nothing was open
    and nothing could go wrong.
    """

    backend: Runtime
    precision: Reached
    summary: str
    measured: tuple[Measured, ...] = ()


def accelerate(
    model: SentenceTransformer,
    *,
    backend: Backend = "auto",
    precision: Precision = "auto",
    folder: Path | None = None,
    min_cosine: float = 0.999,
) -> Accelerated:
    """Let another backend, or another precision, compute the model's forward pass, in place.

    `backend` and `precision` are obeyed where they are named. Where one is "auto", what is
    installed is measured, and the fastest taken; where the precision is, only of those whose
    vectors have a cosine of at least `min_cosine` to those of torch fp32 on every text of the
    sample. folder: where exported files and verdicts are kept; None: in the user's cache.

    Raises MissingExtra; UsageError for what cannot be had here; InvalidInput if nothing is near
    enough; FileUnavailable if the folder cannot be written.
    """
    place = find(model)
    if isinstance(place, str):
        if backend in ("auto", "torch") and precision in ("auto", "fp32"):
            return Accelerated("torch", "fp32", f"torch fp32; nothing to choose: {place}")
        raise UsageError(
            f"backend '{backend}' with precision '{precision}' cannot be had for this model:"
            f' {place}; use backend = "torch" and precision = "fp32"'
        )
    found, absent = candidates(backend, precision, place.device.type)
    [first, *others] = found
    if not others and is_lowered(first, place):
        place.put(lowered(place.original, first.precision))
        return Accelerated(
            first.backend, first.precision, f"{first}, the precision of the model's own files"
        )
    place.original.float()  # folders may hold weights of 16 bits
    if not others and first == ("torch", "fp32"):
        return Accelerated(
            first.backend, first.precision, in_words(Verdict(first, (), absent), min_cosine)
        )
    return _Choice(model, place, found, absent, precision, folder, min_cosine).made()


@dataclass
class _Choice:
    """One choice among candidates, from what is remembered or by measuring."""

    model: SentenceTransformer
    place: Place
    found: list[Candidate]
    absent: dict[str, str]
    precision: Precision
    folder: Path | None
    min_cosine: float
    refused: dict[str, str] = field(default_factory=dict[str, str])

    @cached_property
    def kept(self) -> Kept:
        """The folder of this model."""
        folder = self.folder or default_folder()
        return Kept(folder.expanduser() / identity.of_model(self.model, self.place))

    @property
    def texts(self) -> Sequence[str]:
        """What vectors are compared on: for an order, a third of the sample shows its cosine."""
        return SAMPLE if len(self.found) > 1 else SAMPLE[::3]

    def made(self) -> Accelerated:
        """Put the choice into the model's place."""
        bar = self.min_cosine if self.precision == "auto" else None
        order = [str(candidate) for candidate in self.found]
        name = f"verdict-{identity.of_measuring(self.model, self.place, order, bar)}.json"
        known = Verdict.from_json(self.kept.read(name))
        if known is not None and known.chosen in self.found:
            try:
                module = ready(known.chosen, self.place, self.kept)
            except UsageError as exc:
                _log.warning("%s was chosen, and fails now (%s): measured again", known.chosen, exc)
            else:
                return self._put(known, module, self.kept.folder / name)
        verdict, module = self._measure(bar)
        self.kept.write(name, verdict.to_json())
        return self._put(verdict, module, None)

    def _put(self, verdict: Verdict, module: nn.Module, remembered: Path | None) -> Accelerated:
        self.place.put(module.eval())
        summary = in_words(verdict, self.min_cosine, remembered)
        _log.log(logging.INFO if remembered is None else logging.DEBUG, "%s", summary)
        return Accelerated(
            verdict.chosen.backend, verdict.chosen.precision, summary, verdict.measured
        )

    def _measure(self, bar: float | None) -> tuple[Verdict, nn.Module]:
        reference = measuring.encode(self.model, self.texts)
        best: tuple[Measured, nn.Module] | None = None
        measured: list[Measured] = []
        for candidate in self.found:
            try:
                module = ready(candidate, self.place, self.kept)
                to_beat = best[0].speed or 0 if best else 0
                one = self._compare(candidate, module, reference, bar, to_beat)
            except UsageError as exc:
                if len(self.found) == 1:
                    raise
                self.refused[str(candidate)] = str(exc)
                continue
            measured.append(one)
            near = bar is None or one.least_cosine >= bar
            if near and (best is None or (one.speed or 0) > (best[0].speed or 0)):
                best = (one, module)
        if best is None:
            raise InvalidInput(self._nothing(measured, bar))
        chosen = Candidate(best[0].backend, best[0].precision)
        return Verdict(chosen, tuple(measured), {**self.refused, **self.absent}), best[1]

    def _compare(
        self,
        candidate: Candidate,
        module: nn.Module,
        reference: measuring.Vectors,
        bar: float | None,
        to_beat: float,
    ) -> Measured:
        """Return how near and how fast a candidate is; raises UsageError for a wrong one."""
        alone = len(self.found) == 1
        if candidate == ("torch", "fp32"):
            return Measured(*candidate, 1.0, 1.0, 1.0)
        try:
            with self.place.holding(module):
                vectors = measuring.encode(self.model, self.texts)
        except faults_of(candidate) as exc:
            raise UsageError(
                f"{candidate} fails on this model ({first_line(exc)}); use another backend"
            ) from exc
        one = Measured(*candidate, *measuring.cosines(vectors, reference))
        if candidate.precision == "fp32" and one.least_cosine < FAITHFUL:
            raise UsageError(
                f"{candidate} gives other vectors than torch (least cosine"
                f' {one.least_cosine:.3f}): it cannot compute this model; use backend = "torch"'
            )
        if alone or (bar is not None and one.least_cosine < bar):
            return one
        return replace(one, speed=measuring.speed(self.model, self.place, module, to_beat=to_beat))

    def _nothing(self, measured: list[Measured], bar: float | None) -> str:
        near = [f"{one.label} has {one.least_cosine:.4f}" for one in measured]
        failed = [f"{label}: {why}" for label, why in self.refused.items()]
        return (
            f"nothing that was ordered has cosines of at least {bar} to torch fp32:"
            f" {'; '.join(near + failed)}. Set a lower min_cosine, name the precision, or use"
            ' backend = "auto"'
        )
