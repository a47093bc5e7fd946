"""A matrix of figures by languages as a picture; needs matplotlib, no screen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xlingual_qdrant.errors import MissingExtra, UsageError

FORMATS = (".png", ".svg", ".pdf")


@dataclass(frozen=True, slots=True)
class Matrix:
    """What one panel shows. values: shape (len(rows), len(columns)), 0 to 1; nan stays empty."""

    title: str
    rows: Sequence[str]
    columns: Sequence[str]
    values: NDArray[np.float64]


def checked_picture(file: Path) -> Path:
    """Return the name of a picture; raises UsageError unless its ending says a known format."""
    if file.suffix.lower() not in FORMATS:
        raise UsageError(f"{file}: a picture ends in one of {', '.join(FORMATS)}")
    return file


def save_heatmap(
    file: Path,
    matrices: Sequence[Matrix],
    *,
    row_label: str = "questions in",
    column_label: str = "documents in",
) -> None:
    """Draw matrices side by side on one scale of colours, with the figures in percent.

    file: its ending says the format. Raises UsageError for another ending, MissingExtra.
    """
    checked_picture(file)
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError as exc:
        raise MissingExtra("a heat map", "matplotlib", "xlingual-qdrant[plots]") from exc
    side = 0.55  # inches of a cell
    widths = [max(len(matrix.columns), 2) * side + 1.6 for matrix in matrices]
    height = max(max(len(matrix.rows) for matrix in matrices), 2) * side + 1.4
    # A Figure made without pyplot needs no screen, and is not remembered by anyone.
    # The same figures give the same file: no date, no random names in it.
    with mpl.rc_context({"svg.hashsalt": "xlingual", "svg.fonttype": "path"}):
        figure = Figure(figsize=(sum(widths) + 0.6, height), layout="constrained")
        panels = figure.subplots(1, len(matrices), squeeze=False, width_ratios=widths)[0]
        image = None
        for panel, matrix in zip(panels, matrices, strict=True):
            image = panel.imshow(matrix.values, vmin=0, vmax=1, cmap="viridis", aspect="auto")
            panel.set_title(_literal(matrix.title))
            panel.set_xticks(
                range(len(matrix.columns)), [_literal(each) for each in matrix.columns]
            )
            panel.set_yticks(range(len(matrix.rows)), [_literal(each) for each in matrix.rows])
            panel.set_xlabel(column_label)
            panel.set_ylabel(row_label)
            for (row, column), value in np.ndenumerate(matrix.values):
                if not np.isnan(value):
                    colour = "white" if value < 0.6 else "black"
                    panel.text(
                        column, row, f"{100 * value:.0f}", ha="center", va="center", color=colour
                    )
        if image is not None:
            figure.colorbar(image, ax=list(panels))
        dated = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
        figure.savefig(file, metadata=dated.get(file.suffix.lower()))


def _literal(text: str) -> str:
    return text.replace("$", r"\$")  # matplotlib would read a formula
