"""From a checkpoint to a model folder, with the record of how it was made."""

from __future__ import annotations

import datetime
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import sentencepiece
import torch
from xlingual_adapters.embedders.static.embedder import StaticEmbedder
from xlingual_adapters.embedders.static.format import write_config, write_model

from training.learn import read_table, steps_taken
from training.pairs import Pairs
from training.prepare import WorkFolder
from training.recipe import Recipe
from xlingual_qdrant.schema import PROBES, round_probes

MAX_TOKENS = 512  # pieces read of a text in use; training sees the first 96


def write_bundle(
    folder: Path, name: str, pairs: Pairs, data: Path, recipe: Recipe, work: WorkFolder
) -> None:
    """Write the table of the last checkpoint as a model folder, without card and scores."""
    config = write_model(
        folder,
        name=name,
        rows=read_table(work.checkpoint).astype(np.float32),
        vocabulary=work.vocabulary.read_bytes(),
        max_tokens=MAX_TOKENS,
        training=_record(pairs, data, recipe, steps_taken(work.checkpoint)),
    )
    vectors = round_probes(StaticEmbedder(folder, config).embed_documents(PROBES))
    probes = dict(zip(PROBES, vectors, strict=True))
    write_config(folder, config.model_copy(update={"probes": probes}))


def _record(pairs: Pairs, data: Path, recipe: Recipe, steps: int) -> dict[str, Any]:
    rows = np.bincount(pairs.language)
    return {
        "date": datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
        "commands": [
            "python -m training train --data DATA --work WORK",
            "python -m training bundle --data DATA --work WORK",
            "python benchmarks/quality.py --data EVAL --json SCORES",
            "python -m training card --data DATA --scores SCORES",
        ],
        "torch": torch.__version__,
        "sentencepiece": sentencepiece.__version__,
        "numpy": np.__version__,
        "steps_taken": steps,
        "pairs": len(pairs),
        "sources": len(pairs.sources),
        "data_sha256": _checksum(data),
        "pairs_per_language": dict(zip(pairs.languages, rows.tolist(), strict=True)),
        "recipe": recipe.as_dict(),
    }


def _checksum(data: Path) -> str:
    """Return one checksum for all data files: their names and contents, by name."""
    total = hashlib.sha256()
    for path in sorted(data.glob("*.tsv.gz")):
        total.update(f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return total.hexdigest()
