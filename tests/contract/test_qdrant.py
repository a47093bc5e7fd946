"""The Qdrant store keeps the contract of all stores, in local mode and on a server."""

from __future__ import annotations

import os
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path

import pytest
from pydantic import SecretStr
from qdrant_client import QdrantClient
from xlingual_adapters.stores.qdrant import QdrantSettings, QdrantStore

from xlingual_qdrant.ports import Store
from xlingual_qdrant.testing import StoreContract, store_machine

URL = os.environ.get("XLINGUAL_TEST_QDRANT_URL")
KEY = os.environ.get("XLINGUAL_TEST_QDRANT_KEY")
GRPC_PORT = os.environ.get("XLINGUAL_TEST_QDRANT_GRPC_PORT")
PREFIX = "xlingual-test-"


def open_on_server(place: Path, **settings: object) -> QdrantStore:
    """Open a part of the server that belongs to this place alone."""
    name = blake2b(str(place).encode(), digest_size=6).hexdigest()
    values = {"url": URL, "api_key": KEY, "collection_prefix": f"{PREFIX}{name}-", **settings}
    return QdrantStore(QdrantSettings.model_validate(values))


@pytest.fixture(scope="module", autouse=True)
def _swept() -> Iterator[None]:
    """Remove what the tests leave on the server; nothing else is touched."""
    yield
    if URL:
        settings = QdrantSettings(url=URL, api_key=SecretStr(KEY) if KEY else None)
        client = QdrantClient(url=settings.url, api_key=KEY, check_compatibility=False)
        for collection in client.get_collections().collections:
            if collection.name.startswith(PREFIX):
                client.delete_collection(collection.name)
        client.close()


class TestInAFolder(StoreContract):
    def open_store(self, place: Path) -> Store:
        return QdrantStore(QdrantSettings(path=place / "qdrant"))


TestInAFolderBesideTheJudge = store_machine(
    lambda place: QdrantStore(QdrantSettings(path=place / "qdrant"))
).TestCase

# Only where there is a server: a thousand skipped tests would hide the one that matters.
if URL:

    class TestOnAServer(StoreContract):
        def open_store(self, place: Path) -> Store:
            return open_on_server(place)

    TestOnAServerBesideTheJudge = store_machine(open_on_server).TestCase

    if GRPC_PORT:

        class TestOnAServerByGrpc(StoreContract):
            def open_store(self, place: Path) -> Store:
                return open_on_server(place, prefer_grpc=True, grpc_port=GRPC_PORT)
