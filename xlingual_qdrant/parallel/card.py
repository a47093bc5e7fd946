"""The card of a fine-tuned model: what it was made from, how, and how good it is."""

from __future__ import annotations

import datetime
import json
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from xlingual_qdrant.parallel.words import FIGURES, kept, percent

if TYPE_CHECKING:
    from xlingual_qdrant.parallel.tuning import Tuned

CARD = "README.md"


def write_card(folder: Path, tuned: Tuned, *, files: Sequence[str], licence: str) -> None:
    """Write README.md into a model folder, in place of the card of the model before."""
    lines = [
        "---",
        f"base_model: {json.dumps(tuned.base, ensure_ascii=False)}",
        *([f"license: {json.dumps(licence, ensure_ascii=False)}"] if licence else []),
        "---",
        "",
        f"# {tuned.output.name}",
        "",
        f"{tuned.model}, fine-tuned on pairs of texts by xlingual-qdrant"
        f" {version('xlingual-qdrant')} on {_today()}.",
        *_remark(tuned),
        "",
        "## Data",
        "",
        f"- files: {', '.join(files)}",
        f"- pairs: {tuned.pairs.learned:,} learned from, {tuned.pairs.held_out:,} held out",
        f"- languages: {_languages(tuned)}",
        f"- licence: {licence or 'not stated; give it by --licence'}",
        "",
        "## Figures",
        "",
        "Figures in percent, of the model before and of this one. Held out: pairs of the same"
        f" files that it has not learned from. Guard: {tuned.guard}.",
        "",
        "| | held out, before | after | guard, before | after |",
        "|---|---|---|---|---|",
        *(_row(name, words, tuned) for name, words in FIGURES.items()),
        "",
        "## Recipe",
        "",
        f"- steps: {tuned.steps}; kept is {kept(tuned.best, tuned.recipe)}",
        *([f"- teacher: {tuned.teacher}"] if tuned.teacher else []),
        *(f"- {name}: {json.dumps(value)}" for name, value in tuned.recipe.items()),
        "",
    ]
    (folder / CARD).write_text("\n".join(lines), encoding="utf-8")


def _today() -> str:
    return datetime.datetime.now(tz=datetime.UTC).date().isoformat()


def _remark(tuned: Tuned) -> list[str]:
    if tuned.best:
        return []
    return ["", "Nothing that was learned made it better: the model is as it was."]


def _languages(tuned: Tuned) -> str:
    counts = [f"{name} {count:,}" for name, count in tuned.languages.items()]
    return ", ".join(counts) or "not stated"


def _row(name: str, words: str, tuned: Tuned) -> str:
    figures = (tuned.before, tuned.after, tuned.guard_before, tuned.guard_after)
    return f"| {words} | " + " | ".join(percent(one.get(name)) for one in figures) + " |"
