"""Pairs of texts that mean the same: read from files, held out, learned from, measured on."""

from xlingual_qdrant.parallel.figures import measure
from xlingual_qdrant.parallel.reading import PairColumns, read_pairs
from xlingual_qdrant.parallel.splitting import split, without_repetition
from xlingual_qdrant.parallel.tuning import Learning, PairCounts, Tuned, finetune

__all__ = [
    "Learning",
    "PairColumns",
    "PairCounts",
    "Tuned",
    "finetune",
    "measure",
    "read_pairs",
    "split",
    "without_repetition",
]
