"""A mean of the model before and the trained one forgets less than the trained one alone.

See arXiv:2109.01903: most of what was learned comes with part of the way.
"""

# torch is typed only in part
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from typing import Any

from xlingual_adapters.training.watching import Watch

SHARES = (0.3, 0.5, 0.7, 1.0)
"""Of the trained model, in the mixtures that are tried."""


def mix(before: Any, trained: Any, watch: Watch) -> float:
    """Make the trained model the best of some mixtures with the one before; return its share.

    0 if none is better than the model before; `trained` is then of no use.
    """
    old = before.state_dict()
    new = {name: value.clone() for name, value in trained.state_dict().items()}
    first = watch.evaluations[0]
    best, kept = first.score(first), 0.0
    for share in SHARES:
        trained.load_state_dict(_between(old, new, share))
        if (score := watch.look(0).score(first)) > best:
            best, kept = score, share
    trained.load_state_dict(_between(old, new, kept))
    return kept


def _between(old: dict[str, Any], new: dict[str, Any], share: float) -> dict[str, Any]:
    """Return numbers between two states; what is no fraction, such as a position, is the new."""
    return {
        name: old[name].to(value).lerp(value, share) if value.is_floating_point() else value
        for name, value in new.items()
    }
