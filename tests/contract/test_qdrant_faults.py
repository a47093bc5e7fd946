"""What is written over a bad network arrives, and is counted once. Only where there is a server."""

from __future__ import annotations

import os
from collections.abc import Iterator
from urllib.parse import urlsplit
from uuid import uuid4

import numpy as np
import pytest
from pydantic import SecretStr
from xlingual_adapters.stores.qdrant import QdrantSettings, QdrantStore

from tests.unit.stores.qdrant.proxy import FaultyProxy, Plan
from xlingual_qdrant.documents import Document
from xlingual_qdrant.filters import F
from xlingual_qdrant.ports import Vectors
from xlingual_qdrant.schema import CollectionSchema

URL = os.environ.get("XLINGUAL_TEST_QDRANT_URL", "")
KEY = os.environ.get("XLINGUAL_TEST_QDRANT_KEY")
COUNT = 4000
DIMENSION = 16
PLANS = {
    "resets": Plan(reset_every=3),
    "cut requests": Plan(cut_request_every=3),
    "cut answers": Plan(cut_answer_every=3),
    "all of it, slowly": Plan(reset_every=7, cut_request_every=5, cut_answer_every=3, delay_s=0.01),
}


def documents(version: int) -> list[Document]:
    return [
        Document(text=f"text {n} of version {version}", id=f"{n:05}", lang="de",
                 metadata={"version": version})
        for n in range(COUNT)
    ]  # fmt: skip


def vectors() -> Vectors:
    rows = np.random.default_rng(7).standard_normal((COUNT, DIMENSION)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def settings(url: str, prefix: str) -> QdrantSettings:
    return QdrantSettings(
        url=url,
        api_key=SecretStr(KEY) if KEY else None,
        collection_prefix=prefix,
        timeout_s=10,
    )


# A proxy of bytes leads to a server of http alone: the certificate of another is not its own.
if URL.startswith("http://"):

    @pytest.fixture
    def prefix() -> str:
        return f"xlingual-test-{uuid4().hex[:12]}-"

    @pytest.fixture
    def direct(prefix: str) -> Iterator[QdrantStore]:
        store = QdrantStore(settings(URL, prefix))
        store.create(CollectionSchema(name="texts", dimension=DIMENSION))
        yield store
        store.drop("texts")
        store.close()

    @pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
    def test_a_write_over_a_bad_network_arrives_whole(direct: QdrantStore, plan: Plan) -> None:
        server = urlsplit(URL)
        prefix = direct._settings.collection_prefix
        with FaultyProxy(server.hostname or "", server.port or 6333, plan) as proxy:
            store = QdrantStore(settings(f"http://127.0.0.1:{proxy.number}", prefix))
            collection = store.open("texts")
            rows = vectors()
            # Small writes make many connections, so that there is something to harm.
            receipts = [
                collection.write(documents(1)[start : start + 100], rows[start : start + 100])
                for start in range(0, COUNT, 100)
            ]
            again = collection.write(documents(2), rows)
            store.close()
        assert proxy.harmed > 10
        assert (sum(r.added for r in receipts), sum(r.updated for r in receipts)) == (COUNT, 0)
        assert (again.added, again.updated) == (0, COUNT)
        arrived = direct.open("texts")
        assert arrived.count() == arrived.count(F("version") == 2) == COUNT
        assert arrived.fetch(["00000", f"{COUNT - 1:05}"]) == [documents(2)[0], documents(2)[-1]]
