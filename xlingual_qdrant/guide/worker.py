"""The process in which one embedder is measured; `bench.py` starts it.

It reads an order from standard input, and writes JSON Lines: what it is doing, and at the end
the result or what is wrong.
"""

from __future__ import annotations

import json
import os
import sys
from time import perf_counter
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from xlingual_qdrant.guide.measuring import Order
    from xlingual_qdrant.ports import Embedder


def main() -> None:
    """Measure what the order asks for."""
    answers = _own_stdout()
    data = sys.stdin.buffer.read()
    cpus = json.loads(data)["cpus"]
    if cpus and hasattr(os, "sched_setaffinity"):
        # Before anything counts the CPUs: not every library heeds the variables for threads.
        os.sched_setaffinity(0, cpus)

    from xlingual_qdrant.errors import XlingualError
    from xlingual_qdrant.guide.measuring import Order, measure

    order = Order.model_validate_json(data)

    def tell(doing: str) -> None:
        _answer(answers, {"doing": doing})

    try:
        tell("loading")
        began = perf_counter()
        embedder = _open(order)
        embedder.embed_queries(["Where is the station?"])
        result = measure(embedder, order, perf_counter() - began, tell)
    except XlingualError as exc:
        _answer(answers, {"error": str(exc)})
        return
    _answer(answers, {"result": result.model_dump(mode="json")})


def _open(order: Order) -> Embedder:
    """Return the embedder itself: no cache of the settings may stand before it."""
    from xlingual_qdrant.ports import EmbedderPlugin
    from xlingual_qdrant.registry import check_settings, plugin

    found = plugin("embedder", order.kind, EmbedderPlugin)
    settings = check_settings(found.settings, order.section, order.where)
    if order.variant is not None and found.variants is not None:
        settings = found.variants(settings)[order.variant]
    return found.open(settings)


def _own_stdout() -> BinaryIO:
    """Return what was standard output; whatever libraries print goes to standard error."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return answers


def _answer(answers: BinaryIO, row: dict[str, object]) -> None:
    answers.write(json.dumps(row).encode() + b"\n")
    answers.flush()
