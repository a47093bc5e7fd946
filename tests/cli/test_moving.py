"""`xlingual move`, `verify` and `reembed`, also killed on the way."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from xlingual_adapters.embedders.static import BUNDLED
from xlingual_adapters.embedders.static.format import (
    VOCABULARY_FILE,
    read_config,
    read_table,
    write_model,
)

from xlingual_qdrant import Collection

SETTINGS = """\
[stores.prod]
kind = "qdrant"
path = "qdrant"
[stores.edge]
kind = "qdrant-edge"
path = "edge"
[embedders.short]
kind = "static"
path = "short"
"""


@pytest.fixture
def places(filled: Path) -> Path:
    (filled / "xlingual.toml").write_text(SETTINGS, encoding="utf-8")
    return filled


@pytest.mark.parametrize("target", ["prod", "edge", "faiss:copy", "qdrant:elsewhere"])
def test_a_collection_moves_there_and_back(places, run, parse, target):
    there = run("move", "local", target)
    assert there.exit_code == 0, there.stderr
    assert "documents            4" in there.stderr
    assert "written              4" in there.stderr
    assert "checksum" in there.stderr
    assert run("verify", "local", target).exit_code == 0
    again = run("move", "local", target, "--json")
    assert parse(again.stdout)[0]["written"] == 0
    run("drop", "documents", "--yes")
    assert run("move", target, "local").exit_code == 0
    assert parse(run("info", "--json").stdout)[0]["count"] == 4
    assert "Die Katze" in run("search", "the cat sits on the mat").stdout


def test_chunks_are_not_counted_as_documents(places, run, parse):
    text = "Paragraph of old towns and their walls. " * 300
    run("ingest", "--format", "txt", "-", "--long-texts", "chunk", input=text)
    assert parse(run("info", "--json").stdout)[0]["chunks"] > 2
    assert parse(run("collections", "--json").stdout) == [{"name": "documents", "count": 5}]


def test_a_copy_may_have_another_name(places, run, parse):
    assert run("move", "local/documents", "prod/kopie").exit_code == 0
    assert run("verify", "local", "prod/kopie").exit_code == 0
    rows = parse(run("collections", "--store", "prod", "--json").stdout)
    assert [row["name"] for row in rows] == ["kopie"]
    same = run("move", "local", "local")
    assert same.exit_code == 2
    assert "the same collection" in same.stderr


def test_a_folder_of_langchain_is_taken_over_and_embedded_anew(folder, run, parse):
    data = Path(__file__).parents[1] / "unit/stores/langchain_faiss/data/langchain-1"
    moved = run("move", f"langchain-faiss:{data}", "local/support", "--detect-languages")
    assert moved.exit_code == 0, moved.stderr
    asked = run("search", "my parcel is lost", "--collection", "support")
    assert asked.exit_code == 2
    assert "xlingual reembed" in asked.stderr
    assert run("reembed", "--collection", "support").exit_code == 0
    found = run("search", "my parcel is lost", "-k", "2", "--collection", "support", "--json")
    assert {row["lang"] for row in parse(found.stdout)} == {"en", "de"}
    wrong = run("move", f"langchain-faiss:{data}", "local/wrong", "--embedder", "bundled")
    assert wrong.exit_code == 1
    assert "256 dimensions" in wrong.stderr
    assert run("collections").stdout.split()[0] == "support"


def test_verify_tells_what_differs(places, run, parse):
    run("move", "local", "prod")
    run("delete", "cat-de", "--store", "prod")
    differs = run("verify", "local", "prod", "--json")
    assert differs.exit_code == 1
    assert "Error: 1 document is missing: 'cat-de'" in differs.stderr
    assert parse(differs.stdout)[0]["missing"] == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("move", "local", "prud"), "Did you mean 'prod'"),
        (("move", "lokal", "prod"), "Did you mean 'local'"),
        (("move", "local/document", "prod"), "Did you mean 'documents'"),
        (("move", "feiss:there", "prod"), "Did you mean 'faiss'"),
        (("verify", "local", "prod"), "no collection 'documents'"),
        (("move", "local", "prod/a b"), "cannot name a collection"),
        (("move", "local", "qdrant:localhost:6333"), "'qdrant:http://localhost:6333'"),
        (("move", "local", "qdrant://localhost"), "'qdrant:http://localhost'"),
        (("move", "local", "faiss:"), "names no place"),
        (("move", "local", "memory"), "keeps nothing"),
        (("move", "local", "prod", "--store", "edge"), "leave out --store"),
        (("verify", "local", "local"), "the same collection"),
        (("verify", "local", "faiss:../{here}/xlingual-data"), "the same collection"),
        (("reembed", "--collection", "document"), "Did you mean 'documents'"),
    ],
)
def test_what_does_not_fit_is_told(places, run, arguments, message):
    result = run(*(argument.format(here=places.name) for argument in arguments))
    assert result.exit_code in (1, 2)
    assert message in result.stderr
    assert "internal error" not in result.stderr


@pytest.mark.parametrize("target", ["faiss:target", "qdrant-edge:target"])
def test_a_move_may_be_killed_at_any_moment(folder: Path, run, target):
    rng = np.random.default_rng(3)
    vectors = rng.standard_normal((3000, 64), dtype=np.float32)
    rows = [{"id": str(i), "text": f"Zeile {i}", "lang": "de", "n": i} for i in range(3000)]
    with Collection.open(schema={"dimension": 64}) as collection:
        for row in rows:
            row["metadata"] = {"n": row.pop("n")}
        collection.add(rows, vectors=vectors)
    command = [
        sys.executable,
        "-m",
        "xlingual_qdrant",
        "move",
        "local",
        target,
        "--batch-size",
        "50",
    ]
    for wait in (0.5, 0.7, 0.9, 1.1, 1.3):
        process = subprocess.Popen(command, cwd=folder, stderr=subprocess.DEVNULL)
        time.sleep(wait)
        process.send_signal(signal.SIGKILL)
        process.wait()
    last = run("move", "local", target)
    assert last.exit_code == 0, last.stderr
    assert run("verify", "local", target).exit_code == 0


@pytest.fixture
def short(places: Path) -> str:
    """The bundled model with its first 32 dimensions only: another embedder."""
    config = read_config(BUNDLED)
    table, scales = read_table(BUNDLED, config)
    write_model(
        places / "short",
        name="short",
        rows=np.multiply(table[:, :32], scales[:, None], dtype=np.float32),
        vocabulary=(BUNDLED / VOCABULARY_FILE).read_bytes(),
        max_tokens=config.max_tokens,
        training={},
    )
    return "short"


@pytest.mark.parametrize("store", ["local", "prod", "edge"])
def test_a_collection_is_embedded_again_with_another_embedder(places, short, run, parse, store):
    if store != "local":
        run("move", "local", store)
    refused = run("search", "cat", "--store", store, "--embedder", short)
    assert refused.exit_code == 1
    assert "xlingual reembed" in refused.stderr
    done = run("reembed", "--store", store, "--embedder", short, "--json")
    assert done.exit_code == 0, done.stderr
    [report] = parse(done.stdout)
    assert (report["count"], report["embedded"]) == (4, 4)
    assert "(256 dimensions); `xlingual compact`" in done.stderr
    found = run("search", "the cat sits on the mat", "--store", store, "--embedder", short)
    assert "Katze" in found.stdout
    assert run("compact", "--store", store).exit_code == 0
    assert parse(run("info", "--store", store, "--json").stdout)[0]["dimension"] == 32
    assert run("collections", "--store", store).stdout.count("documents") == 1


def test_a_copy_may_lie_beside_the_original(places, run):
    assert run("move", "local", "prod").exit_code == 0
    assert run("move", "prod", "prod/copy").exit_code == 0
    assert run("verify", "prod", "prod/copy").exit_code == 0


def test_a_collection_of_the_same_embedder_is_left_alone(filled, run, parse):
    done = run("reembed", "--json")
    assert done.exit_code == 0
    assert "Nothing to do" in done.stderr
    assert parse(done.stdout)[0]["embedded"] == 0


def test_an_unfinished_re_embedding_can_be_discarded(places, short, run, parse):
    from xlingual_qdrant import load_embedder, load_store

    store = load_store("local")
    schema = store.open("documents").schema
    fingerprint = load_embedder("short").fingerprint
    changed = {"dimension": fingerprint.dimension, "embedder": fingerprint}
    store.begin_replacement(schema.model_copy(update=changed)).close()
    store.close()
    assert run("reembed", "--discard").exit_code == 0
    assert "Katze" in run("search", "the cat sits on the mat").stdout
