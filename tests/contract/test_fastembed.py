"""The promises of the embedder `fastembed`, kept with the real package.

fastembed wants an older huggingface_hub than transformers does, so it is not among the packages
of the development environment: it lies in a folder beside them, `.venv/fastembed`, which `make`
fills, and which only the process of this test sees.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = Path(os.environ.get("XLINGUAL_TEST_FASTEMBED", Path(sys.prefix) / "fastembed"))


@pytest.mark.skipif(
    not (PACKAGES / "fastembed").is_dir(),
    reason=f"fastembed is not in {PACKAGES}; `make .venv/fastembed` puts it there",
)
def test_the_adapter_keeps_its_promises_with_fastembed() -> None:
    environ = {name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"}
    program = [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*program, "tests/contract/fastembed_promises.py"],
        cwd=ROOT,
        env={**environ, "PYTHONPATH": str(PACKAGES), "HF_HUB_OFFLINE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout, done.stdout
