"""What a step is to make smaller: a text's partner not found, and a distance from a teacher."""

# torch and sentence-transformers are typed only in part
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from sentence_transformers.sentence_transformer.losses import (
    CachedMultipleNegativesRankingLoss,
    MultipleNegativesRankingLoss,
)
from torch import Tensor, nn
from torch.nn.functional import normalize

SCALE = 20.0
"""Of the cosines, before the softmax."""
TEACHING = 2.5
"""Weight of the distance from the teacher beside the pairs."""
AT_ONCE = 32
"""Pairs that pass through a transformer together; larger batches are assembled from these."""
_BOTH_WAYS: Any = {
    "directions": ("query_to_doc", "doc_to_query"),
    "partition_mode": "per_direction",
}


def make_loss(model: Any, *, batch_size: int, static: bool) -> nn.Module:
    """Return the loss of pairs whose labels are the teacher's vectors.

    Each text's partner is told from all others of its batch, both ways. Of a transformer the
    memory is bounded, whatever the batch; a table of vectors needs little.
    """
    if static or batch_size <= AT_ONCE:
        return TaughtPairs(model, scale=SCALE, **_BOTH_WAYS)
    return CachedTaughtPairs(model, scale=SCALE, mini_batch_size=AT_ONCE, **_BOTH_WAYS)


class TaughtPairs(MultipleNegativesRankingLoss):
    """Partners that are not found, and the distance from the teacher."""

    def forward(self, sentence_features: Iterable[dict[str, Tensor]], labels: Tensor) -> Tensor:
        """Return the loss of a batch."""
        embedded = [self.model(features)["sentence_embedding"] for features in sentence_features]
        pairs: Tensor = self.compute_loss_from_embeddings(embedded, labels)
        return pairs + TEACHING * distance(embedded, labels)


class CachedTaughtPairs(CachedMultipleNegativesRankingLoss):
    """The same loss, with the memory of a small batch."""

    def calculate_loss(
        self,
        reps: list[list[Tensor]],
        labels: Tensor | None = None,
        *,
        with_backward: bool = False,
    ) -> Tensor:
        """Return the loss of a batch, and send it back if asked for."""
        assert labels is not None
        pairs = super().calculate_loss(reps, labels, with_backward=with_backward)
        taught = TEACHING * distance([torch.cat(side) for side in reps], labels)
        if with_backward:
            taught.backward()
            taught = taught.detach()
        return pairs + taught


def distance(embedded: Sequence[Tensor], labels: Tensor) -> Tensor:
    """Return how far a batch is from the teacher's vectors, which are its labels.

    Where both have as many dimensions, both texts of a pair are to get the teacher's vector
    (arXiv:2004.09813). Else vectors cannot be compared, but cosines can: each left text is to be
    as near to each right one as the teacher's vectors of the two pairs are.
    """
    left, right = (normalize(side) for side in embedded)
    teacher = normalize(labels.to(left))
    if teacher.shape[1] == left.shape[1]:
        return ((left - teacher) ** 2).sum(1).mean() + ((right - teacher) ** 2).sum(1).mean()
    return ((left @ right.T - teacher @ teacher.T) ** 2).sum(1).mean()
