"""How well search and its uses do: on a user's labelled files, on shared evaluation files.

`evaluate` measures search with a user's questions, `evaluate_folder` an embedder on shared files,
`diagnose` says without any labels which kind of search fits a collection.
"""

from __future__ import annotations

from xlingual_qdrant.queries.evaluation.diagnosis import Diagnosis, diagnose
from xlingual_qdrant.queries.evaluation.folder import TASKS, evaluate_folder
from xlingual_qdrant.queries.evaluation.questions import Question, read_questions
from xlingual_qdrant.queries.evaluation.report import Evaluated, Evaluation, Figures
from xlingual_qdrant.queries.evaluation.retrieval import evaluate
from xlingual_qdrant.queries.evaluation.searches import SEARCHES, searches_named

__all__ = [
    "SEARCHES",
    "TASKS",
    "Diagnosis",
    "Evaluated",
    "Evaluation",
    "Figures",
    "Question",
    "diagnose",
    "evaluate",
    "evaluate_folder",
    "read_questions",
    "searches_named",
]
