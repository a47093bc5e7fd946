"""The promises of stores, embedders and detectors as test suites, for adapters to inherit.

    class TestMyStore(StoreContract):
        def open_store(self, place: Path) -> Store:
            return MyStore(place)

    TestMyStoreBesideTheJudge = store_machine(MyStore).TestCase

Needs pytest and hypothesis; nothing else of the library imports them.
"""

import pytest

# Before the suites are imported, so that their failures show values as in any test file.
pytest.register_assert_rewrite(
    *(
        f"{__name__}.{module}"
        for module in (
            "agreement",
            "detectors",
            "embedders",
            "machine",
            "store_documents",
            "store_keeping",
            "store_searching",
        )
    )
)

from xlingual_qdrant.testing.detectors import DetectorContract  # noqa: E402
from xlingual_qdrant.testing.embedders import EmbedderContract  # noqa: E402
from xlingual_qdrant.testing.machine import store_machine  # noqa: E402
from xlingual_qdrant.testing.stores import StoreContract  # noqa: E402

__all__ = [
    "DetectorContract",
    "EmbedderContract",
    "StoreContract",
    "store_machine",
]
