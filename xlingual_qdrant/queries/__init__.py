"""Questions to texts in many languages, one room for each kind of question.

Each is a function that takes a `Collection` (or, where it says so, texts or vectors); in asyncio
programs `AsyncCollection.run` calls it.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xlingual_qdrant.queries.classification.classifier import Classifier
    from xlingual_qdrant.queries.classification.files import load_classifier, save_classifier
    from xlingual_qdrant.queries.duplicates.finding import delete_duplicates, find_duplicates
    from xlingual_qdrant.queries.evaluation.diagnosis import diagnose
    from xlingual_qdrant.queries.evaluation.questions import read_questions
    from xlingual_qdrant.queries.evaluation.retrieval import evaluate
    from xlingual_qdrant.queries.mining.mining import mine
    from xlingual_qdrant.queries.scores.calibrating import calibrate
    from xlingual_qdrant.queries.scores.scoring import score, score_pairs
    from xlingual_qdrant.queries.topics.clusters import cluster

__all__ = [
    "Classifier",
    "calibrate",
    "cluster",
    "delete_duplicates",
    "diagnose",
    "evaluate",
    "find_duplicates",
    "load_classifier",
    "mine",
    "read_questions",
    "save_classifier",
    "score",
    "score_pairs",
]

_HOMES = {
    "classification.classifier": ("Classifier",),
    "classification.files": ("load_classifier", "save_classifier"),
    "duplicates.finding": ("delete_duplicates", "find_duplicates"),
    "evaluation.diagnosis": ("diagnose",),
    "evaluation.questions": ("read_questions",),
    "evaluation.retrieval": ("evaluate",),
    "mining.mining": ("mine",),
    "scores.calibrating": ("calibrate",),
    "scores.scoring": ("score", "score_pairs"),
    "topics.clusters": ("cluster",),
}


def __getattr__(name: str) -> object:
    """Import a question when it is first asked for: each brings rooms that others do not need."""
    for home, names in _HOMES.items():
        if name in names:
            value = globals()[name] = getattr(import_module(f"{__name__}.{home}"), name)
            return value
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
