"""A model of sentence-transformers learns from pairs, and is written as a folder of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xlingual_adapters.embedders.sentence_transformers.embedder import SentenceTransformersEmbedder
from xlingual_adapters.training.trainer import check_installed, save, train
from xlingual_qdrant.finetuning import FinetuneOrder, FinetuneReport, OnEvaluation

if TYPE_CHECKING:
    from xlingual_adapters.embedders.sentence_transformers import SentenceTransformersSettings

LEARNING_RATE = 2e-5
OF_THE_MODEL_BEFORE = {"model", "revision", "offline", "exported", "prompts"}
"""Settings that say nothing of the new folder; prompts are written into it, but empty ones,
which a folder cannot tell from none."""


def finetune(
    settings: SentenceTransformersSettings, order: FinetuneOrder, on_evaluation: OnEvaluation
) -> FinetuneReport:
    """Train the model as torch computes it; its prompts go before the texts, as in use."""
    check_installed()
    plain = settings.model_copy(
        update={"backend": "torch", "precision": "fp32", "processes": 1, "truncate_dim": None}
    )
    prompts = SentenceTransformersEmbedder.open(plain).fingerprint.prompts

    def load() -> Any:
        return SentenceTransformersEmbedder.open(plain).model

    trained = train(
        load, order, on_evaluation, static=False, learning_rate=LEARNING_RATE, prompts=prompts
    )
    model = trained.model
    model.prompts = {**model.prompts, **prompts}
    save(model, order.output)
    kept = settings.model_dump(mode="json", exclude=OF_THE_MODEL_BEFORE, exclude_defaults=True)
    if blank := {role: prompt for role, prompt in settings.prompts.items() if not prompt}:
        kept["prompts"] = blank
    return FinetuneReport(
        trained.best,
        trained.steps,
        trained.evaluations,
        "model",
        settings=kept,
        recipe=dict(trained.recipe),
    )
