"""Write a small FAISS folder with whatever LangChain is installed; see README.md beside this.

Usage: python make_folder.py FOLDER
"""

from __future__ import annotations

import sys
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import PurePosixPath
from uuid import UUID

import numpy as np

try:
    from langchain_community.vectorstores import FAISS
except ImportError:
    from langchain.vectorstores import FAISS
try:
    from langchain_core.embeddings import Embeddings
except ImportError:
    from langchain.embeddings.base import Embeddings

TEXTS = ["Wo ist mein Paket?", "Mon colis n'est pas arrivé.", "My parcel is lost.", "包裹在哪里？"]
METADATA = [
    {"language": "de", "source": "a.pdf", "page": 1, "bbox": (0.5, 1.5)},
    {"language": "fr", "source": "a.pdf", "page": 2, "score": float("nan")},
    {
        "language": "en",
        "created": datetime(2024, 2, 29, 23, 59, 58, 123456, timezone(timedelta(hours=2))),
        "day": date(2024, 2, 29),
        "price": Decimal("19.90"),
        "tags": {"b", "a"},
        "key": UUID("12345678-1234-5678-1234-567812345678"),
        "path": PurePosixPath("/data/b.txt"),
        "count": np.int64(7),
        "weight": np.float32(0.5),
        "raw": b"\x00\xff",
    },
    {"language": "Chinese", "source": "c.txt"},
]


class Lengths(Embeddings):
    """Vectors of length 2 along the axes, in the order in which texts are first seen."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return [2.0 if text == known else 0.0 for known in TEXTS]


if __name__ == "__main__":
    FAISS.from_texts(TEXTS, Lengths(), METADATA).save_local(sys.argv[1])
