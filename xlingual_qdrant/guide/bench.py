"""Measures embedders on this machine, one after the other, each in a process of its own.

So each pays for its own loading, has its own memory, gets the same CPUs, and one that fails,
or is killed for want of memory, takes nothing else with it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from base64 import b64decode
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from io import BufferedReader, RawIOBase
from tempfile import TemporaryFile
from typing import IO, Any, cast

import numpy as np
from pydantic import BaseModel

from xlingual_qdrant.documents import JsonValue
from xlingual_qdrant.errors import SettingsError, UnknownName, UsageError, XlingualError
from xlingual_qdrant.guide.catalogue import catalogue
from xlingual_qdrant.guide.measuring import Order, Result
from xlingual_qdrant.guide.quality import agreement
from xlingual_qdrant.guide.texts import Evaluation
from xlingual_qdrant.ports import EmbedderPlugin, Vectors
from xlingual_qdrant.registry import check_settings, installed, plugin
from xlingual_qdrant.settings import Section, Settings

_THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "RAYON_NUM_THREADS",
)
"""Variables by which numerical libraries and tokenizers are told how many threads to use."""

OnProgress = Callable[[str, str], None]
"""Takes the label of an embedder, and what is being done with it."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An embedder to be measured. variant: its place among those of its plug-in."""

    label: str
    kind: str
    section: Section
    where: str
    variant: int | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured, the same for every candidate.

    threads: None takes as many as there are CPUs. seconds: how long each speed is measured.
    per_language: pairs of the shipped sample for each language. download: may fetch models.
    """

    threads: int | None = None
    seconds: float = 2.0
    per_language: int = 20
    pairs: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    evaluation: Evaluation = field(default_factory=lambda: Evaluation([], []))
    download: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a candidate: a result, or what went wrong.

    least_cosine, mean_cosine: of its vectors to those of the first variant.
    """

    candidate: Candidate
    result: Result | None = None
    error: str = ""
    least_cosine: float | None = None
    mean_cosine: float | None = None

    def to_json(self) -> dict[str, JsonValue]:
        """Return all that is known, without the vectors."""
        facts = self.result.model_dump(mode="json", exclude={"vectors"}) if self.result else {}
        return {
            "embedder": self.candidate.label,
            "kind": self.candidate.kind,
            "error": self.error or None,
            **facts,
            "least_cosine": self.least_cosine,
            "mean_cosine": self.mean_cosine,
        }


def candidates(names: Sequence[str], settings: Settings, *, variants: bool) -> list[Candidate]:
    """Return what the names mean: embedders of the settings, kinds, or models of the guide.

    Without names: the embedder in force and the bundled one. variants: every one that its
    plug-in names for this machine, instead of the one that is set. Raises UnknownName,
    SettingsError.
    """
    chosen = dict.fromkeys(names or [settings.embedder, "bundled"])
    found = [_candidate(name, settings) for name in chosen]
    return [one for base in found for one in _variants(base)] if variants else found


def _candidate(name: str, settings: Settings) -> Candidate:
    kinds = [there.kind for there in installed() if there.role == "embedder"]
    if name in settings.embedders:
        section = dict(settings.embedders[name])
        kind = section.pop("kind", None)
        if not isinstance(kind, str):
            raise SettingsError(f"setting 'embedders.{name}.kind' is missing")
        return Candidate(name, kind, section, f"embedders.{name}")
    if name in kinds:
        return Candidate(name, name, {}, name)
    try:
        model = catalogue().find(name)
    except UnknownName as exc:
        known = dict.fromkeys([*settings.embedders, *kinds, *exc.known])
        raise UnknownName("embedder", name, list(known)) from None
    section = {key: value for key, value in model.settings.items() if key != "kind"}
    return Candidate(model.name, model.kind, section, f"embedders.{model.section}")


def _variants(base: Candidate) -> Iterator[Candidate]:
    """Yield the variants of a candidate; itself, if it has none or cannot be asked."""
    try:
        found = plugin("embedder", base.kind, EmbedderPlugin)
        if found.variants is None:
            yield base
            return
        known = found.variants(check_settings(found.settings, base.section, base.where))
    except XlingualError:  # measuring it will say what is wrong
        yield base
        return
    for number, settings in enumerate(known):
        label = " ".join([base.label, *_differences(settings, known)])
        yield Candidate(label, base.kind, base.section, base.where, number)


def _differences(settings: Any, among: Sequence[Any]) -> list[str]:
    """Return the values of those settings in which the variants differ."""
    fields: list[str] = [
        name
        for name in cast(BaseModel, settings).__class__.model_fields
        if len({repr(getattr(other, name)) for other in among}) > 1
    ]
    return [str(getattr(settings, name)) for name in fields]


def run(
    chosen: Sequence[Candidate], plan: Plan, on_progress: OnProgress = lambda label, doing: None
) -> Iterator[Outcome]:
    """Measure the candidates in turn, and yield what came of each as soon as it is known."""
    reference: tuple[Candidate, Vectors] | None = None
    for candidate in chosen:
        outcome = _measured(candidate, plan, on_progress)
        vectors = _vectors(outcome.result)
        if candidate.variant == 0:
            reference = None if vectors is None else (candidate, vectors)
        elif vectors is not None and reference and reference[0].where == candidate.where:
            least, mean = agreement(vectors, reference[1])
            outcome = Outcome(candidate, outcome.result, "", least, mean)
        yield outcome


def _vectors(result: Result | None) -> Vectors | None:
    if result is None or result.vectors is None:
        return None
    numbers = np.frombuffer(b64decode(result.vectors), dtype=np.float32)
    return numbers.reshape(-1, result.dimension)


def cpus(threads: int | None) -> list[int]:
    """Return the CPUs that so many threads get: the first of those this process may use."""
    usable = (
        sorted(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else list(range(os.cpu_count() or 1))
    )
    if threads is not None and not 1 <= threads <= len(usable):
        raise UsageError(f"{threads} threads are wanted; this machine has 1 to {len(usable)}")
    return usable[:threads]


def _measured(candidate: Candidate, plan: Plan, on_progress: OnProgress) -> Outcome:
    usable = cpus(plan.threads)
    order = Order(
        kind=candidate.kind,
        section=candidate.section,
        where=candidate.where,
        variant=candidate.variant,
        cpus=usable,
        seconds=plan.seconds,
        per_language=plan.per_language,
        pairs=plan.pairs,
        evaluation=plan.evaluation,
        with_vectors=candidate.variant is not None,
    )
    environ = {**os.environ, **dict.fromkeys(_THREADS, str(len(usable)))}
    if not plan.download:
        environ["HF_HUB_OFFLINE"] = "1"
    with (
        TemporaryFile() as complaints,
        subprocess.Popen(
            [sys.executable, "-c", _program(), "worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            env=environ,
            bufsize=0,  # nothing may be left in a buffer when the process dies
        ) as process,
    ):
        try:
            answer = _converse(process, order, lambda doing: on_progress(candidate.label, doing))
        except BaseException:
            process.kill()
            raise
        process.wait()
        if "result" in answer:
            return Outcome(candidate, Result.model_validate(answer["result"]))
        error = answer.get("error") or _last_words(process.returncode, complaints)
        return Outcome(candidate, error=str(error))


def _program() -> str:
    # The same search path as here, so that it finds the same packages and adapters.
    return (
        f"import sys; sys.path[:] = {list(map(str, sys.path))!r};"
        " from xlingual_qdrant.guide.worker import main; main()"
    )


def _converse(
    process: subprocess.Popen[bytes], order: Order, on_progress: Callable[[str], None]
) -> dict[str, Any]:
    """Hand the order over, pass on what the process is doing, and return its last answer."""
    stdin, stdout = cast(IO[bytes], process.stdin), cast(IO[bytes], process.stdout)
    left = memoryview(order.model_dump_json().encode())
    try:
        while left:
            left = left[stdin.write(left) :]
    except BrokenPipeError:
        return {}  # it died before it read all; what it said last is looked up then
    stdin.close()
    answer: dict[str, Any] = {}
    with BufferedReader(cast(RawIOBase, stdout)) as lines:
        for line in lines:
            if not line.endswith(b"\n"):
                break  # it was ended in the middle of an answer
            answer = cast("dict[str, Any]", json.loads(line))
            if "doing" in answer:
                on_progress(answer["doing"])
    return answer


def _last_words(code: int, complaints: IO[bytes]) -> str:
    """Return why a process ended without an answer."""
    if code < 0:
        hint = "; perhaps the memory was too small" if code == -signal.SIGKILL else ""
        return f"its process was ended by signal {-code}{hint}"
    complaints.seek(0)
    lines = complaints.read().decode("utf-8", "replace").strip().splitlines()
    return f"its process failed: {lines[-1] if lines else f'exit code {code}'}"
