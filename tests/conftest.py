"""What holds for all tests."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

# The suite runs on all cores already; threads of torch beside it only wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Derandomised, so that a failure is the same for everyone; `--hypothesis-profile=search`
# looks for new ones.
settings.register_profile(
    "suite",
    max_examples=60,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.register_profile(
    "search", parent=settings.get_profile("suite"), max_examples=2000, derandomize=False
)
settings.load_profile("suite")

_NEEDED = {"qdrant-server": "XLINGUAL_TEST_QDRANT_URL"}
"""Stores that are tested only where they are, and the variables that say where."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--stores",
        action="append",
        default=[],
        choices=sorted(_NEEDED),
        help="a store that must be tested: it is an error, not a skip, if it is not there",
    )


def pytest_configure(config: pytest.Config) -> None:
    for store in config.getoption("--stores"):
        if not os.environ.get(_NEEDED[store]):
            raise pytest.UsageError(f"--stores {store} needs the variable {_NEEDED[store]}")
