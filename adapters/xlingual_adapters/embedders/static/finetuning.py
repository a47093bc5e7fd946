"""A model folder learns from pairs: as one of sentence-transformers, and back."""

# sentence-transformers is typed only in part
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np

from xlingual_adapters.embedders.static.embedder import StaticEmbedder
from xlingual_adapters.embedders.static.export import export
from xlingual_adapters.embedders.static.format import (
    TABLE_FILE,
    VOCABULARY_FILE,
    read_config,
    write_config,
    write_model,
)
from xlingual_adapters.training.trainer import Trained, check_installed, save, train
from xlingual_qdrant.finetuning import FinetuneOrder, FinetuneReport, OnEvaluation
from xlingual_qdrant.schema import PROBES, round_probes

LEARNING_RATE = 1.5e-2
SUFFIX = "-finetuned"


def finetune(folder: Path, order: FinetuneOrder, on_evaluation: OnEvaluation) -> FinetuneReport:
    """Train the model of a folder; only rows of pieces that occur in the pairs change.

    A folder of this library gives another one. A folder of sentence-transformers or Model2Vec
    gives one of sentence-transformers, which the embedder `static` reads as well.
    """
    check_installed()
    own = (folder / TABLE_FILE).exists()
    base = _exported(folder, order.work) if own else folder
    trained = train(
        lambda: _load(base), order, on_evaluation, static=True, learning_rate=LEARNING_RATE
    )
    if trained.best == 0:
        shutil.copytree(folder, order.output)
    elif own:
        _write(trained, folder, order.output)
    else:
        save(trained.model, order.output)
    return FinetuneReport(
        trained.best, trained.steps, trained.evaluations, "path", recipe=dict(trained.recipe)
    )


def _exported(folder: Path, work: Path) -> Path:
    """Return the model as one of sentence-transformers, made once."""
    base = work / "base"
    if not base.exists():
        partial = work / "base.partial"
        shutil.rmtree(partial, ignore_errors=True)
        export(partial, folder)
        partial.rename(base)
    return base


def _load(folder: Path) -> Any:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, StaticEmbedding

    # A table of vectors is no faster on an accelerator than on the processor.
    if (folder / "modules.json").exists():
        return SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    modules: list[Any] = [StaticEmbedding.from_model2vec(str(folder)), Normalize()]
    return SentenceTransformer(modules=modules, device="cpu")


def _write(trained: Trained, folder: Path, target: Path) -> None:
    """Write the trained table with the vocabulary of the model before."""
    before = read_config(folder)
    rows = trained.model[0].embedding.weight.detach().cpu().numpy()
    config = write_model(
        target,
        name=before.name if before.name.endswith(SUFFIX) else before.name + SUFFIX,
        rows=np.ascontiguousarray(rows, dtype=np.float32),
        vocabulary=(folder / VOCABULARY_FILE).read_bytes(),
        max_tokens=before.max_tokens,
        training={"finetuned": dict(trained.recipe), "from": before.revision},
    )
    vectors = round_probes(StaticEmbedder(target, config).embed_documents(PROBES))
    probes = dict(zip(PROBES, vectors, strict=True))
    write_config(target, config.model_copy(update={"probes": probes}))
