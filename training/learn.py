"""The contrastive training of the table, resumable from its last checkpoint."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import save_file
from torch.nn import functional

from training.batches import Sampler
from training.pairs import Pairs
from training.recipe import Recipe
from training.vocabulary import Tokens

CHECKPOINT_EVERY = 250  # steps
REPORT_EVERY = 50  # steps


def contrastive_loss(
    foreign: torch.Tensor, english: torch.Tensor, same: torch.Tensor, scale: float
) -> torch.Tensor:
    """Return the symmetric InfoNCE loss of unit rows, shape (pairs, dimension) each.

    `same` (pairs, pairs) marks the rows with the same English text: among them only
    the pair itself counts, as its right answer; the others are no wrong answers.
    """
    scores = scale * foreign @ english.T
    scores = scores.masked_fill(same.fill_diagonal_(False), float("-inf"))
    right = torch.arange(len(scores))
    losses = (functional.cross_entropy(s, right) for s in (scores, scores.T))
    return sum(losses, start=torch.zeros(())) / 2


class Learner:
    """A table, its optimiser, and the number of the next step."""

    def __init__(self, pieces: int, recipe: Recipe) -> None:
        self.recipe = recipe
        self.step = 0
        generator = torch.Generator().manual_seed(recipe.seed)
        values = torch.empty(pieces, recipe.model.dimension)
        values.normal_(std=recipe.model.init_std, generator=generator)
        self.table = values.requires_grad_()
        schedule = recipe.schedule
        self._adam = torch.optim.Adam(
            [self.table], lr=schedule.learning_rate, betas=schedule.betas, fused=True
        )

    def learn(self, foreign: Bags, english: Bags, english_of: NDArray[np.int64]) -> float:
        """Take one step on a batch of pairs; return its loss."""
        schedule = self.recipe.schedule
        for group in self._adam.param_groups:
            group["lr"] = schedule.rate_at(self.step)
        same = torch.from_numpy(english_of[:, None] == english_of[None, :])
        a, b = (functional.normalize(self._sums(bags)) for bags in (foreign, english))
        loss = contrastive_loss(a, b, same, schedule.scale)
        self._adam.zero_grad()
        loss.backward()
        self._adam.step()
        self.step += 1
        return loss.item()

    def _sums(self, bags: Bags) -> torch.Tensor:
        ids, begins = (torch.from_numpy(array.astype(np.int64)) for array in bags)
        return functional.embedding_bag(ids, self.table, begins, mode="sum")

    def save(self, path: Path) -> None:
        """Write a checkpoint; the old one stays whole until the new one is."""
        state = self._adam.state[self.table]
        tensors = {
            "table": self.table.detach(),
            "exp_avg": state["exp_avg"],
            "exp_avg_sq": state["exp_avg_sq"],
        }
        partial = path.with_suffix(".partial")
        save_file(tensors, partial, metadata={"step": str(self.step)})
        partial.replace(path)

    def resume(self, path: Path) -> None:
        """Go on from a checkpoint."""
        with safe_open(path, framework="pt") as file:
            self.step = int(file.metadata()["step"])
            with torch.no_grad():
                self.table.copy_(file.get_tensor("table"))
            self._adam.state[self.table] = {
                "step": torch.tensor(float(self.step)),
                "exp_avg": file.get_tensor("exp_avg"),
                "exp_avg_sq": file.get_tensor("exp_avg_sq"),
            }


Bags = tuple[NDArray[np.int32], NDArray[np.int64]]
"""Pieces of several texts end to end, and where each text begins."""


def train_table(
    pairs: Pairs, foreign: Tokens, english: Tokens, pieces: int, recipe: Recipe, checkpoint: Path
) -> Iterator[str]:
    """Train to the last step, yielding lines of progress; the result is the checkpoint."""
    learner = Learner(pieces, recipe)
    if checkpoint.exists():
        learner.resume(checkpoint)
        yield f"resumed at step {learner.step}"
    sampler = Sampler(pairs, recipe)
    losses: list[float] = []
    began = time.perf_counter()
    while learner.step < recipe.schedule.steps:
        rows = sampler.rows_at(learner.step)
        texts = pairs.english_of[rows]
        losses.append(learner.learn(foreign.take(rows), english.take(texts), texts))
        if learner.step % REPORT_EVERY == 0 or learner.step == recipe.schedule.steps:
            seconds = (time.perf_counter() - began) / len(losses)
            yield f"step {learner.step}  loss {np.mean(losses):.4f}  {seconds:.3f} s/step"
            losses, began = [], time.perf_counter()
        if learner.step % CHECKPOINT_EVERY == 0 or learner.step == recipe.schedule.steps:
            learner.save(checkpoint)


def read_table(checkpoint: Path) -> NDArray[np.float32]:
    """Return the table of a checkpoint, shape (pieces, dimension)."""
    with safe_open(checkpoint, framework="np") as file:
        return file.get_tensor("table")


def steps_taken(checkpoint: Path) -> int:
    """Return the number of steps behind a checkpoint."""
    with safe_open(checkpoint, framework="np") as file:
        return int(file.metadata()["step"])
