"""What holds for all tests."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

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
