"""An ingestion may be killed at any moment: running it again ends in the same collection."""

from __future__ import annotations

import json
import random
from pathlib import Path

from crash import exported, ingest, ingest_with_kills


def test_a_killed_ingestion_ends_like_an_undisturbed_one(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    langs = ["de", "fr", "ja", "sw"]
    rows = [
        {"id": str(i), "text": f"Zeile {i} von vielen {i * i}", "lang": langs[i % 4], "n": i}
        for i in range(4000)
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    calm, rough = tmp_path / "calm", tmp_path / "rough"
    calm.mkdir()
    rough.mkdir()
    took = ingest(file, calm, "--batch-size", "100")
    ingest_with_kills(file, rough, 6, took, random.Random(), "--batch-size", "100")
    assert len(exported(calm)) == 4000
    assert exported(rough) == exported(calm)
