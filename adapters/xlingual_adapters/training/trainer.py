"""One training run: a folder of sentence-transformers learns from pairs."""

# torch, datasets and sentence-transformers are typed only in part
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from xlingual_adapters.training.checkpoints import latest_whole, only_whole
from xlingual_qdrant.documents import JsonValue
from xlingual_qdrant.errors import InvalidInput, MissingExtra
from xlingual_qdrant.finetuning import Evaluation, FinetuneOrder, OnEvaluation, TextPair
from xlingual_qdrant.ports import Vectors

EVALUATIONS = 10
"""How often the model is measured on the way, and kept, at most."""
QUIET = ("sentence_transformers", "transformers", "datasets", "accelerate")


@dataclass(frozen=True, slots=True)
class Trained:
    """What came of it. model: the best one, which is the one before if `best` is 0."""

    model: Any
    best: int
    steps: int
    evaluations: Sequence[Evaluation]
    recipe: dict[str, JsonValue]


def train(
    load: Callable[[], Any],
    order: FinetuneOrder,
    on_evaluation: OnEvaluation,
    *,
    static: bool,
    learning_rate: float,
    prompts: Mapping[str, str] | None = None,
) -> Trained:
    """Train a model; what an interrupted run needs to go on is kept in the order's `work`.

    load: returns a SentenceTransformer, the same one at every call. static: it is a table of
    vectors, not a transformer. learning_rate: if the order names none. prompts: what goes before
    texts, by role, "query" and "document".
    Raises MissingExtra, and InvalidInput for a model whose vectors become infinite.
    """
    check_installed()
    import datasets
    import sentence_transformers
    import torch

    from xlingual_adapters.training import losses
    from xlingual_adapters.training.mixing import mix
    from xlingual_adapters.training.watching import Watch, make_trainer

    with quiet():
        torch.manual_seed(order.seed)
        model = load()
        roles = prompts or {}
        encoder = ModelEncoder(model, roles)
        watch = Watch(encoder, order, on_evaluation, roles=bool(roles))
        pairs = _alternating(order.pairs) if roles else order.pairs
        columns: dict[str, Any] = {
            "left": [pair.left for pair in pairs],
            "right": [pair.right for pair in pairs],
            "label": list(_taught(order, encoder)),
        }
        loss = losses.make_loss(model, batch_size=order.batch_size, static=static)
        rate = order.learning_rate or learning_rate
        trainer = make_trainer(
            model,
            datasets.Dataset.from_dict(columns),
            loss,
            order,
            watch,
            learning_rate=rate,
            evaluate_every=_every(order),
            prompts={"left": roles.get("query", ""), "right": roles.get("document", "")},
        )
        checkpoint = latest_whole(order.work) if order.resume else None
        only_whole(order.work)
        trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
        best = _best(watch.evaluations)
        share = mix(load(), model, watch) if best else 0.0
        return Trained(
            model=model if share else load(),
            best=best if share else 0,
            steps=trainer.state.global_step,
            evaluations=watch.evaluations,
            recipe={
                "loss": type(loss).__name__,
                "scale": losses.SCALE,
                "teaching": losses.TEACHING,
                "learning_rate": rate,
                "epochs": order.epochs,
                "batch_size": order.batch_size,
                "patience": order.patience,
                "share_of_the_new": share,
                "seed": order.seed,
                "torch": str(torch.__version__),
                "sentence-transformers": sentence_transformers.__version__,
            },
        )


def _taught(order: FinetuneOrder, encoder: ModelEncoder) -> Vectors:
    """Return the vectors that both texts of each pair are to stay or to come near to.

    They are the teacher's. Without one the model before is its own teacher, by the direction
    between its vectors of the two texts: what it learns of the pairs then moves the rest less.
    """
    left = [pair.left for pair in order.pairs]
    if order.teacher is not None:
        return order.teacher(left)
    both = encoder.embed_documents(left)
    both += encoder.embed_documents([pair.right for pair in order.pairs])
    return both / np.maximum(np.linalg.norm(both, axis=1, keepdims=True), 1e-12)


def _every(order: FinetuneOrder) -> int:
    """Return after how many steps the model is measured."""
    steps = math.ceil(len(order.pairs) / order.batch_size) * order.epochs
    return max(1, math.ceil(steps / EVALUATIONS))


def _best(evaluations: Sequence[Evaluation]) -> int:
    """Return the step of the best model, the first of equals: what is no gain changes nothing."""
    first = evaluations[0]
    if not all(math.isfinite(one.score(first)) for one in evaluations):
        raise InvalidInput("the model's vectors became infinite; try a smaller --learning-rate")
    return max(evaluations, key=lambda one: (one.score(first), -one.step)).step


def _alternating(pairs: Sequence[TextPair]) -> list[TextPair]:
    """Turn every second pair round, so that both languages ask and both are found."""
    return [
        pair if number % 2 == 0 else TextPair(pair.right, pair.left)
        for number, pair in enumerate(pairs)
    ]


class ModelEncoder:
    """A model that is still learning, as something that is measured."""

    def __init__(self, model: Any, prompts: Mapping[str, str]) -> None:
        self._model = model
        self._prompts = prompts

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """Return unit rows."""
        return self._embed(texts, "document")

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """Return unit rows."""
        return self._embed(texts, "query")

    def _embed(self, texts: Sequence[str], role: str) -> Vectors:
        vectors = self._model.encode(
            list(texts),
            prompt=self._prompts.get(role) or "",
            normalize_embeddings=True,
            show_progress_bar=False,
        )
        return np.ascontiguousarray(vectors, dtype=np.float32)


def check_installed() -> None:
    """Raise MissingExtra unless all packages are there that a training needs."""
    try:
        import accelerate  # noqa: F401  # pyright: ignore[reportUnusedImport]
        import datasets  # noqa: F401  # pyright: ignore[reportUnusedImport]
        import sentence_transformers  # noqa: F401  # pyright: ignore[reportUnusedImport]
    except ModuleNotFoundError as exc:
        raise MissingExtra("fine-tuning", exc.name or "?", "xlingual-qdrant[train]") from exc


def save(model: Any, target: Path) -> None:
    """Write a model as a folder of sentence-transformers, without a card."""
    with quiet():
        model.save_pretrained(str(target), create_model_card=False)


@contextmanager
def quiet() -> Generator[None]:
    """Keep libraries from talking to people who do not know them; errors still come as errors."""
    import datasets
    from transformers.utils import logging as transformers_logging

    loggers = [logging.getLogger(name) for name in QUIET]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    data_bars = not datasets.are_progress_bars_disabled()
    model_bars = transformers_logging.is_progress_bar_enabled()
    datasets.disable_progress_bars()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        if data_bars:
            datasets.enable_progress_bars()
        if model_bars:
            transformers_logging.enable_progress_bar()
