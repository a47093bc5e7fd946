"""The trainer, set up to tell nobody but us what it does, and to keep what is best."""

# transformers and sentence-transformers are typed only in part
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingParameterType=false, reportUnknownParameterType=false

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from sentence_transformers.base.evaluation import BaseEvaluator
from sentence_transformers.base.sampler import BatchSamplers
from transformers import EarlyStoppingCallback, PrinterCallback, TrainerCallback

from xlingual_adapters.training.checkpoints import mark_whole
from xlingual_qdrant.finetuning import Evaluation, FinetuneOrder, OnEvaluation
from xlingual_qdrant.parallel.figures import Encoder, measure

HISTORY = "evaluations.json"
"""In each checkpoint: the evaluations up to it, so that a resumed run knows the first one."""


class Watch(BaseEvaluator):
    """Measures the model on the held-out pairs and on the guard, and remembers the figures."""

    def __init__(
        self, encoder: Encoder, order: FinetuneOrder, on_evaluation: OnEvaluation, *, roles: bool
    ) -> None:
        super().__init__()
        self.evaluations: list[Evaluation] = []
        self.total = 0
        self._encoder, self._order, self._roles = encoder, order, roles
        self._tell = on_evaluation
        self.primary_metric = "score"

    def __call__(
        self, model: Any, output_path: str | None = None, epoch: float = -1, steps: int = -1
    ) -> dict[str, float]:
        """Measure, tell, and return what the trainer decides by."""
        evaluation = self.look(max(steps, 0))
        self.evaluations.append(evaluation)
        self._tell(evaluation)
        return {"score": evaluation.score(self.evaluations[0])}

    def look(self, step: int) -> Evaluation:
        """Measure the model as it is."""
        order = self._order
        return Evaluation(
            step,
            self.total,
            measure(self._encoder, order.held_out, roles=self._roles),
            measure(self._encoder, order.guard, roles=self._roles) if order.guard else {},
        )


class Keeper(TrainerCallback):
    """Puts the evaluations into each checkpoint, and then says that it is whole."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Learn how long it takes; measure the model before, unless a checkpoint tells."""
        self._watch.total = state.max_steps
        if state.global_step:
            path = Path(args.output_dir) / f"checkpoint-{state.global_step}" / HISTORY
            rows = json.loads(path.read_text(encoding="utf-8"))
            self._watch.evaluations[:] = [Evaluation(**row) for row in rows]
        else:
            # The trainer then looks for something better than the model was before.
            state.best_metric = self._watch(None, steps=0)["score"]

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Complete a checkpoint."""
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        rows = [asdict(evaluation) for evaluation in self._watch.evaluations]
        (folder / HISTORY).write_text(json.dumps(rows), encoding="utf-8")
        mark_whole(folder)


class Trainer(SentenceTransformerTrainer):
    """Without the model card of sentence-transformers, which asks a server about the model."""

    def add_model_card_callback(self, default_args_dict: dict[str, Any]) -> None:
        """Add nothing."""

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        """Write the model alone."""
        self.model.save_pretrained(output_dir or str(self.args.output_dir), create_model_card=False)


def make_trainer(
    model: Any,
    pairs: Any,
    loss: Any,
    order: FinetuneOrder,
    watch: Watch,
    *,
    learning_rate: float,
    evaluate_every: int,
    prompts: dict[str, str],
) -> Trainer:
    """Return a trainer that measures, keeps and stops as the order says."""
    given = {column: prompt for column, prompt in prompts.items() if prompt}
    args = SentenceTransformerTrainingArguments(
        output_dir=str(order.work),
        num_train_epochs=order.epochs,
        per_device_train_batch_size=order.batch_size,
        learning_rate=learning_rate,
        weight_decay=0.0,
        warmup_steps=0.1,
        lr_scheduler_type="linear",
        batch_sampler=BatchSamplers.NO_DUPLICATES,
        prompts=given or None,
        eval_strategy="steps",
        eval_steps=evaluate_every,
        save_strategy="steps",
        save_steps=evaluate_every,
        save_total_limit=2,
        load_best_model_at_end=True,
        metric_for_best_model="eval_score",
        greater_is_better=True,
        logging_strategy="no",
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=False,
        seed=order.seed,
        data_seed=order.seed,
    )
    # The first callback, so that a checkpoint is whole before anything else may look at it.
    trainer = Trainer(
        model=model,
        args=args,
        train_dataset=pairs,
        loss=loss,
        evaluator=watch,
        callbacks=[Keeper(watch), EarlyStoppingCallback(early_stopping_patience=order.patience)],
    )
    trainer.remove_callback(PrinterCallback)  # it prints to standard output
    return trainer
