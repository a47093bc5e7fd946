"""What figures are called for people."""

from __future__ import annotations

from collections.abc import Mapping

from xlingual_qdrant.documents import JsonValue

FIGURES = {
    "recall_left": "left text finds its right one first",
    "recall_right": "right text finds its left one first",
    "mrr": "MRR@10, both ways",
    "margin": "cosine of partners less that of others",
}
"""By the names of `measure`."""


def percent(value: float | None) -> str:
    """Return a figure from 0 to 1 in percent, with one decimal."""
    return "" if value is None else f"{100 * value:.1f}"


def kept(best: int, recipe: Mapping[str, JsonValue]) -> str:
    """Say which model was kept: "the model after step 40", or what it was mixed with."""
    share = recipe.get("share_of_the_new")
    if not best:
        return "the model as it was before"
    if not isinstance(share, float) or share >= 1:
        return f"the model after step {best}"
    return f"{share:.0%} of the model after step {best} and {1 - share:.0%} of the one before"
