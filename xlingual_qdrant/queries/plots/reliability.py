"""The reliability plot of a calibration, as a picture: do probabilities hold?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from xlingual_qdrant.calibration import Bin, Calibration, Measure
from xlingual_qdrant.errors import MissingExtra, UsageError

FORMATS = (".png", ".svg")


def check_plot(path: Path) -> None:
    """Raise UsageError for a file that is no picture, MissingExtra without matplotlib."""
    if path.suffix.lower() not in FORMATS:
        raise UsageError(f"a plot is a .png or an .svg file, and {path} is neither; rename it")
    try:
        import matplotlib as _  # noqa: F401
    except ImportError:
        raise MissingExtra("a plot", "matplotlib", "xlingual-qdrant[plots]") from None


def plot_reliability(calibration: Calibration, path: Path) -> None:
    """Draw predicted probabilities against the shares that were met; `.png` or `.svg`.

    Raises UsageError if the calibration was learned without labels, MissingExtra.
    """
    check_plot(path)
    drawn = calibration.reliability
    if not any(drawn.values()):
        raise UsageError(
            "this calibration was learned without labels, so nothing is known about how well its"
            " probabilities hold; calibrate with labelled pairs to see"
        )
    _draw(drawn, calibration, path)


def _draw(drawn: Mapping[Measure, Sequence[Bin]], calibration: Calibration, path: Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    svg = path.suffix.lower() == ".svg"
    figure = Figure(figsize=(5, 5), layout="constrained")
    (FigureCanvasSVG if svg else FigureCanvasAgg)(figure)
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], linestyle=":", color="0.5", label="perfect")
    for measure, bins in drawn.items():
        axes.plot(
            [each.predicted for each in bins],
            [each.observed for each in bins],
            marker="o",
            label=measure,
        )
    axes.set_xlabel("predicted probability")
    axes.set_ylabel("share of pairs that are the same")
    axes.set_title(calibration.embedder, fontsize=9)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_aspect("equal")
    axes.grid(alpha=0.3)
    axes.legend()
    # Without a date and with fixed ids, the same calibration makes the same file.
    metadata = {"Date": None} if svg else {"Software": None}
    import matplotlib

    with matplotlib.rc_context({"svg.hashsalt": "xlingual"}):
        figure.savefig(path, dpi=150, metadata=metadata)
