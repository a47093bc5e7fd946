"""A matrix as a picture, without a screen."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from xlingual_qdrant.errors import UsageError
from xlingual_qdrant.queries.plots.heatmap import Matrix, save_heatmap

MATRIX = Matrix(
    "cost $ and $", ["de", "fr"], ["de", "en", "fr"], np.array([[1, 0.5, 0], [1, np.nan, 0.3]])
)
BEGINS = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}


@pytest.mark.parametrize("ending", BEGINS)
def test_the_ending_says_the_format_and_the_file_is_always_the_same(
    tmp_path: Path, ending: str
) -> None:
    for name in ("one", "two"):
        save_heatmap(tmp_path / f"{name}{ending}", [MATRIX, MATRIX])
    first, second = ((tmp_path / f"{name}{ending}").read_bytes() for name in ("one", "two"))
    assert first.startswith(BEGINS[ending])
    assert first == second


def test_another_ending_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\.png, \.svg, \.pdf"):
        save_heatmap(tmp_path / "map.bmp", [MATRIX])


def test_without_matplotlib_the_error_says_what_to_install(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "from pathlib import Path\n"
        "import numpy as np\n"
        "from xlingual_qdrant.errors import MissingExtra\n"
        "from xlingual_qdrant.queries.plots.heatmap import Matrix, save_heatmap\n"
        "try: save_heatmap(Path('x.png'), [Matrix('m', ['de'], ['en'], np.ones((1, 1)))])\n"
        "except MissingExtra as exc: print(exc)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert "pip install 'xlingual-qdrant[plots]'" in done.stdout
