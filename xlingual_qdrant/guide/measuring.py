"""What is measured of an embedder: loading, speed, memory, quality."""

from __future__ import annotations

import sys
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from statistics import fmean, median
from time import perf_counter
from typing import Any

from pydantic import BaseModel, ConfigDict

from xlingual_qdrant.finetuning import TextPair
from xlingual_qdrant.guide.quality import (
    similarity_correlation,
    translations_both_ways,
    translations_found,
)
from xlingual_qdrant.guide.texts import LENGTHS, Evaluation, sample, speed_texts
from xlingual_qdrant.parallel import measure as measure_pairs
from xlingual_qdrant.ports import Embedder

MOST_TEXTS = 50_000
"""Texts that one speed is measured with at most; the quickest embedders need a second for them."""
_QUERIES = 200  # and no longer than the seconds given, but at least
_LEAST_QUERIES = 5

Tell = Callable[[str], None]


class Order(BaseModel):
    """What to measure, of which embedder; read by the process that does it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str
    section: dict[str, Any]
    where: str
    """The dotted name of the section, for messages."""
    variant: int | None = None
    """Which of the variants that the plug-in names."""
    cpus: list[int] = []
    """CPUs that it may use; all if empty."""
    seconds: float
    """How long a speed is measured."""
    per_language: int
    """Pairs of the shipped sample for each language; 0: none."""
    pairs: list[tuple[str, str]] = []
    """Texts that mean the same, brought by the user."""
    evaluation: Evaluation = Evaluation([], [])
    with_vectors: bool = False
    """Return the vectors of some texts, to compare variants."""


class Result(BaseModel):
    """What came of it. Shares are between 0 and 1; what was not measured is None or empty."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    revision: str
    dimension: int
    max_tokens: int | None
    load_s: float
    query_ms: float
    speed: dict[str, float]
    """Documents a second, by their length: sentences, paragraphs, pages."""
    cut: dict[str, float]
    """Share of those texts of which only the beginning is read."""
    peak_mib: float | None
    sample: dict[str, float] = {}
    """By language: sentences whose English translation is the nearest."""
    pairs: dict[str, float] = {}
    """The figures of `parallel.measure` for the user's own pairs."""
    tatoeba: dict[str, float] = {}
    """By language: translations found, mean of both directions."""
    sts: dict[str, float] = {}
    """By group: rank correlation with the scores of people."""
    vectors: str | None = None
    """Base64 of float32 rows."""


def measure(embedder: Embedder, order: Order, load_s: float, tell: Tell) -> Result:
    """Measure an embedder that is loaded; `tell` gets what is being done, in a few words."""
    tell("one query at a time")
    query_ms = 1000 * _query_seconds(embedder, order.seconds)
    speed: dict[str, float] = {}
    cut: dict[str, float] = {}
    first = _QUERIES
    for length, least in LENGTHS.items():
        tell(length)
        speed[length], first = _texts_per_second(embedder, least, order.seconds, first)
        cut[length] = float(embedder.truncated(speed_texts(least, 100, 0)).mean())
    peak = peak_mib()
    result = Result(
        model=embedder.fingerprint.model,
        revision=embedder.fingerprint.revision,
        dimension=embedder.dimension,
        max_tokens=embedder.max_tokens,
        load_s=load_s,
        query_ms=query_ms,
        speed=speed,
        cut=cut,
        peak_mib=peak,
    )
    return result.model_copy(update=_quality(embedder, order, tell))


def _quality(embedder: Embedder, order: Order, tell: Tell) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if order.per_language:
        tell("the sample")
        found["sample"] = translations_found(embedder, sample(order.per_language))
    if order.pairs:
        tell("your pairs")
        roles = any(embedder.fingerprint.prompts.values())
        pairs = [TextPair(left, right) for left, right in order.pairs]
        found["pairs"] = measure_pairs(embedder, pairs, roles=roles)
    if order.evaluation.tatoeba:
        tell("Tatoeba")
        shares = translations_both_ways(embedder, order.evaluation.tatoeba)
        found["tatoeba"] = {lang: fmean(both) for lang, both in shares.items()}
    if order.evaluation.sts:
        tell("degrees of similarity")
        found["sts"] = similarity_correlation(embedder, order.evaluation.sts)
    if order.with_vectors:
        texts = [*speed_texts(0, 150, 0), *speed_texts(400, 10, 0)]
        found["vectors"] = b64encode(embedder.embed_documents(texts).tobytes()).decode()
    return found


def _query_seconds(embedder: Embedder, budget: float) -> float:
    """Return the median time of a single query."""
    times: list[float] = []
    began = perf_counter()
    for text in speed_texts(0, _QUERIES, 0):
        if len(times) >= _LEAST_QUERIES and perf_counter() - began > budget:
            break
        times.append(_seconds(lambda text=text: embedder.embed_queries([text])))
    return median(times)


def _texts_per_second(
    embedder: Embedder, least: int, budget: float, first: int
) -> tuple[float, int]:
    """Return a rate, and the number of the next text that has not been embedded yet.

    It is that of the last and largest of growing batches; what comes before it warms up. A slow
    embedder gets few texts, a quick one many.
    """
    embedder.embed_documents(speed_texts(least, 1, first))
    first, count = first + 1, 1
    while True:
        texts = speed_texts(least, count, first)
        first += count
        seconds = _seconds(lambda texts=texts: embedder.embed_documents(texts))
        if seconds > budget / 2 or count == MOST_TEXTS:
            return count / max(seconds, 1e-9), first
        grown = int(count * 0.8 * budget / max(seconds, 1e-9))
        count = min(max(2 * count, min(grown, 8 * count)), MOST_TEXTS)


def _seconds(work: Callable[[], object]) -> float:
    began = perf_counter()
    work()
    return perf_counter() - began


def peak_mib() -> float | None:
    """Return the most memory that this process has had, or None where nobody counts it."""
    status = Path("/proc/self/status")
    if status.is_file():
        for line in status.read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    if sys.platform == "win32":
        return None
    from resource import RUSAGE_SELF, getrusage

    unit = 1024**2 if sys.platform == "darwin" else 1024
    return getrusage(RUSAGE_SELF).ru_maxrss / unit
