"""The model card: written from config.json and SOURCES.tsv, never by hand."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from xlingual_adapters.embedders.static.format import ModelConfig

PREAMBLE = Path(__file__).with_name("card.md")


def write_card(folder: Path, config: ModelConfig, sources: Path) -> None:
    """Write README.md into the model folder; `sources` is the data's SOURCES.tsv."""
    text = PREAMBLE.read_text(encoding="utf-8").format(
        name=config.name,
        revision=config.revision,
        pieces=f"{config.pieces:,}",
        dimension=config.dimension,
        max_tokens=config.max_tokens,
        megabytes=f"{_size(folder) / 1e6:.1f}",
        training=_training(config.training),
        scores=_scores(config.scores),
        sources=_sources(sources),
        **{key: config.training[key] for key in ("pairs", "torch", "date")},
    )
    (folder / "README.md").write_text(text, encoding="utf-8")


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir() if path.name != "README.md")


def _training(record: Mapping[str, Any]) -> str:
    commands = "\n".join(f"    {command}" for command in record["commands"])
    facts = [
        f"seed {record['recipe']['seed']}",
        f"{record['steps_taken']:,} steps of {record['recipe']['schedule']['batch_pairs']:,} pairs",
        f"torch {record['torch']}",
        f"sentencepiece {record['sentencepiece']}",
        f"numpy {record['numpy']}",
        record["date"],
    ]
    checksum = f"sha256 over the data files: `{record['data_sha256']}`"
    return f"{commands}\n\n{', '.join(facts)}; {checksum}."


def _scores(scores: Mapping[str, Any]) -> str:
    if not scores:
        return "Not measured yet: run `python benchmarks/quality.py --help`."
    table = [
        ("task", "figure", "%"),
        *((task, figure, f"{100 * value:.1f}") for task, figure, value in _figures(scores)),
    ]
    parts = [_markdown(table)]
    for title, per_language in (
        ("Tatoeba, accuracy@1 per language", scores["tatoeba"]["languages"]),
        ("STS, Spearman correlation per pair", scores["sts"]["pairs"]),
        ("SIB-200, logistic regression per language", scores["sib200"]["logistic"]["languages"]),
        ("Mining with margin, transferred F1 per pair", scores["mining"]["margin"]["transfer"]),
    ):
        cells = " · ".join(f"{name} {100 * value:.1f}" for name, value in per_language.items())
        parts.append(f"{title}: {cells}.")
    return "\n\n".join(parts)


def _figures(scores: Mapping[str, Any]) -> Iterable[tuple[str, str, float]]:
    xquad, sib = scores["xquad"], scores["sib200"]["logistic"]
    yield "Tatoeba", "accuracy@1, mean of 33 languages", scores["tatoeba"]["mean"]
    yield "XQuAD", "R@1, question and paragraph in one language", xquad["same_R@1"]
    yield "XQuAD", "R@5, in two languages", xquad["cross_R@5"]
    yield "XQuAD scattered", "MRR, own language", xquad["scattered"]["MRR_same"]
    yield "XQuAD scattered", "MRR, other language", xquad["scattered"]["MRR_cross"]
    yield "XQuAD mixed", "mAP", xquad["mixed"]["mAP"]
    yield "STS", "Spearman, mean of 7 sets", scores["sts"]["mean"]
    yield "SIB-200", "logistic, mean of the other languages", sib["mean"]
    yield "SIB-200", "logistic, English", sib["english"]
    yield "Mining", "margin, transferred threshold, F1", scores["mining"]["margin"]["transfer_F1"]


def _sources(path: Path) -> str:
    with path.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
    return _markdown(
        [
            ("source", "licence", "from"),
            *((row["source"], row["licence"], row["repository"]) for row in rows),
        ]
    )


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    """Return a table; the first row is its head."""
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    lines.insert(1, "|" + " --- |" * len(rows[0]))
    return "\n".join(lines)
