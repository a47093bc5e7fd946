"""A fine-tuning from files to a folder that any embedder setting can name."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from time import perf_counter
from typing import Any

from xlingual_qdrant.demo import corpus
from xlingual_qdrant.documents import JsonValue
from xlingual_qdrant.errors import InvalidInput, NotSupported, UsageError, XlingualError
from xlingual_qdrant.finetuning import (
    Evaluation,
    FinetuneOrder,
    FinetuneReport,
    OnEvaluation,
    TextPair,
)
from xlingual_qdrant.parallel.card import write_card
from xlingual_qdrant.parallel.figures import measure
from xlingual_qdrant.parallel.folders import model_settings
from xlingual_qdrant.parallel.reading import PairColumns, PairsRead, languages_of, read_pairs
from xlingual_qdrant.parallel.splitting import MOST_HELD_OUT, split, without_repetition
from xlingual_qdrant.parallel.work import WorkFolder
from xlingual_qdrant.ports import Embedder
from xlingual_qdrant.settings import NameOrSettings, Settings, embedder_plugin, load_embedder

File = str | os.PathLike[str]


@dataclass(frozen=True, slots=True)
class Learning:
    """How it learns; see `FinetuneOrder`."""

    epochs: int = 3
    batch_size: int = 64
    learning_rate: float | None = None
    patience: int = 3
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "patience"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} is {getattr(self, name)}; it is at least 1")
        if self.batch_size < 2:
            raise UsageError("a batch of 1 has nothing to tell apart; take 16 or more")
        if self.learning_rate is not None and not 0 < self.learning_rate < 1:
            raise UsageError(f"learning_rate is {self.learning_rate}; it is between 0 and 1")


@dataclass(frozen=True, slots=True)
class PairCounts:
    """What became of the rows of the files: `read` is the sum of all others."""

    read: int
    rejected: dict[str, int]
    identical: int
    repeated: int
    shared: int
    held_out: int
    learned: int


@dataclass(frozen=True, slots=True)
class Tuned:
    """A finished fine-tuning. before, after: figures on the held-out pairs, by the embedders
    themselves; guard_before, guard_after: on the guard. best: the step that was kept, 0 if the
    model is as it was. told_apart: a collection of the model before refuses the new one; where
    too little of the fingerprint's sentences changed, nothing does. settings: the section that
    names the new model.
    """

    before: dict[str, float]
    after: dict[str, float]
    guard_before: dict[str, float]
    guard_after: dict[str, float]
    best: int
    steps: int
    told_apart: bool
    pairs: PairCounts
    languages: dict[str, int]
    model: str
    base: str
    guard: str
    teacher: str | None
    output: Path
    settings: dict[str, Any]
    recipe: dict[str, JsonValue]
    seconds: float

    def to_json(self) -> dict[str, JsonValue]:
        """Return the facts as a JSON object."""
        counts = self.pairs
        return {
            "before": {**self.before},
            "after": {**self.after},
            "guard": self.guard,
            "guard_before": {**self.guard_before},
            "guard_after": {**self.guard_after},
            "best": self.best,
            "steps": self.steps,
            "told_apart": self.told_apart,
            "pairs": {
                "read": counts.read,
                "rejected": {**counts.rejected},
                "identical": counts.identical,
                "repeated": counts.repeated,
                "shared": counts.shared,
                "held_out": counts.held_out,
                "learned": counts.learned,
            },
            "languages": {**self.languages},
            "model": self.model,
            "teacher": self.teacher,
            "output": str(self.output),
            "settings": {name: str(value) for name, value in self.settings.items()},
            "recipe": {**self.recipe},
            "seconds": round(self.seconds, 1),
        }


def finetune(
    files: Sequence[File],
    output: File,
    *,
    model: NameOrSettings = "bundled",
    settings: Settings | None = None,
    columns: PairColumns | None = None,
    held_out: float = 0.1,
    guard: Sequence[File] = (),
    teacher: NameOrSettings | None = None,
    learning: Learning | None = None,
    licence: str = "",
    resume: bool = False,
    on_read: Callable[[PairCounts], None] | None = None,
    on_evaluation: OnEvaluation | None = None,
) -> Tuned:
    """Train a model on pairs of texts that mean the same, and write it to a new folder.

    model: a name of the settings, a kind, its settings, or a folder. held_out: a share, or a
    number. guard: files of pairs of other matters; the texts of the demo if there are none.
    teacher: a model, named in the same way, whose vectors of the left texts are imitated as well.
    Raises UsageError and its kind for what does not fit, InvalidInput for data that do not,
    NotSupported for an embedder that cannot learn, MissingExtra.
    """
    began = perf_counter()
    how = learning or Learning()
    work = WorkFolder(Path(output))
    work.check_free(resume=resume)
    plugin, checked, section = embedder_plugin(model_settings(model), settings=settings)
    if plugin.finetune is None:
        raise NotSupported(
            f"embedder kind '{section['kind']}'",
            "learn from pairs",
            "fine-tune a model of the kind 'static' or 'sentence-transformers'",
        )
    embedder = plugin.open(checked)
    tutor = None
    if teacher is not None:
        tutor = load_embedder(model_settings(teacher), settings=settings)
    pairs, test, counts = _pairs(files, columns, held_out)
    if on_read is not None:
        on_read(counts)
    safe, guard_name = _guard(guard, columns, {*test, *pairs})
    roles = bool(any(embedder.fingerprint.prompts.values()))
    facts: dict[str, JsonValue] = {
        "model": _identity(embedder),
        "teacher": None if tutor is None else _identity(tutor),
        "pairs": _digest(pairs),
        "held-out pairs": _digest(test),
        "guard": _digest(safe),
        "--epochs": how.epochs,
        "--batch-size": how.batch_size,
        "--learning-rate": how.learning_rate,
        "--patience": how.patience,
        "--seed": how.seed,
    }
    with work.held(facts) as begun:
        before = measure(embedder, test, roles=roles)
        guard_before = measure(embedder, safe, roles=roles) if safe else {}
        order = FinetuneOrder(
            pairs=pairs,
            held_out=test,
            guard=safe,
            output=work.model,
            work=work.train,
            teacher=None if tutor is None else tutor.embed_documents,
            epochs=how.epochs,
            batch_size=how.batch_size,
            learning_rate=how.learning_rate,
            patience=how.patience,
            seed=how.seed,
            resume=begun,
        )
        try:
            report = plugin.finetune(checked, order, on_evaluation or _unseen)
        except XlingualError:
            work.clean()  # it cannot be gone on with as it was asked for
            raise
        trained = load_embedder(_section(section["kind"], report, work.model), settings=settings)
        verdict = embedder.fingerprint.compare(trained.fingerprint).verdict
        tuned = Tuned(
            before=before,
            after=measure(trained, test, roles=roles),
            guard_before=guard_before,
            guard_after=measure(trained, safe, roles=roles) if safe else {},
            best=report.best,
            steps=report.steps,
            told_apart=verdict == "different",
            pairs=counts,
            languages=languages_of([*pairs, *test]),
            model=str(embedder.fingerprint),
            base=embedder.fingerprint.model,
            guard=guard_name,
            teacher=None if tutor is None else str(tutor.fingerprint),
            output=work.output,
            settings=_section(section["kind"], report, work.output),
            recipe=report.recipe,
            seconds=perf_counter() - began,
        )
        write_card(work.model, tuned, files=[Path(file).name for file in files], licence=licence)
        work.finish()
    work.clean()
    return tuned


def _unseen(_: Evaluation) -> None:
    return


def _section(kind: str, report: FinetuneReport, folder: Path) -> dict[str, Any]:
    """Return the settings of the new model, in a folder, of the same kind."""
    return {"kind": kind, report.folder_setting: str(folder), **report.settings}


def _pairs(
    files: Sequence[File], columns: PairColumns | None, held_out: float
) -> tuple[list[TextPair], list[TextPair], PairCounts]:
    found = read_pairs(files, columns)
    if not found.pairs:
        raise InvalidInput(f"there is no usable pair in {_names(files)}{_why(found)}")
    distinct = without_repetition(found.pairs)
    divided = split(distinct, held_out)
    counts = PairCounts(
        read=found.read,
        rejected=dict(found.rejected.most_common()),
        identical=found.identical,
        repeated=len(found.pairs) - len(distinct),
        shared=divided.shared,
        held_out=len(divided.held_out),
        learned=len(divided.learned),
    )
    return divided.learned, divided.held_out, counts


def _guard(
    files: Sequence[File], columns: PairColumns | None, used: set[TextPair]
) -> tuple[list[TextPair], str]:
    """Return pairs on which the model is not to get worse, none of them learned from."""
    if not files:
        return general_pairs(), "texts of the demo"
    found = read_pairs(files, columns)
    kept = [pair for pair in without_repetition(found.pairs) if pair not in used]
    if not kept:
        raise InvalidInput(
            f"there is no usable pair in {_names(files)} that is not also in --pairs{_why(found)}"
        )
    if len(kept) > MOST_HELD_OUT:
        kept = split(kept, MOST_HELD_OUT).held_out
    return kept, _names(files)


def general_pairs() -> list[TextPair]:
    """Return the texts of the demo as pairs, each with the next one on the same matter."""
    by_matter: dict[str, list[Any]] = {}
    for document in corpus():
        by_matter.setdefault(str(document.metadata["intent"]), []).append(document)
    return [
        TextPair(one.text, other.text, one.lang, other.lang)
        for matter in by_matter.values()
        for one, other in pairwise(matter)
    ]


def _names(files: Sequence[File]) -> str:
    return ", ".join(os.fspath(file) for file in files)


def _why(found: PairsRead) -> str:
    first = found.first_rejection
    if first is None:
        same = f": {found.identical:,} have the same text on both sides" if found.identical else ""
        return f" ({found.read:,} rows{same})"
    return f" ({found.read:,} rows); the first: line {first.line}, {first.detail} ({first.reason})"


def _identity(embedder: Embedder) -> str:
    """Return a name that changes with the vectors, not with the place of the model."""
    fingerprint = embedder.fingerprint
    probes = hashlib.sha256(repr(fingerprint.probes).encode()).hexdigest()[:12]
    return f"{fingerprint} probes {probes}"


def _digest(pairs: Sequence[TextPair]) -> str:
    """Return the number of pairs and a checksum of their texts, in their order."""
    total = hashlib.sha256()
    for pair in pairs:
        total.update(f"{len(pair.left)} {pair.left}{len(pair.right)} {pair.right}".encode())
    return f"{len(pairs):,} ({total.hexdigest()[:12]})"
