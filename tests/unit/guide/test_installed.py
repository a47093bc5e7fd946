"""Models on this machine are found by the folders that hold them."""

from __future__ import annotations

from pathlib import Path

import pytest

from xlingual_qdrant.guide.catalogue import catalogue
from xlingual_qdrant.guide.installed import presence
from xlingual_qdrant.settings import Settings

LABSE = catalogue().find("LaBSE")
SNAPSHOT = "models--sentence-transformers--LaBSE/snapshots/836121a"


def fill(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"0")
    return folder


def test_an_empty_machine_has_the_bundled_model_only(tmp_path: Path) -> None:
    here = [
        model.name
        for model in catalogue().models
        if presence(model, Settings(), {"HF_HOME": str(tmp_path)}).state == "here"
    ]
    assert here == ["xlingual-static-256"]


@pytest.mark.parametrize(
    ("variable", "below"),
    [
        ("HF_HUB_CACHE", ""),
        ("HUGGINGFACE_HUB_CACHE", ""),
        ("HF_HOME", "hub"),
        ("XDG_CACHE_HOME", "huggingface/hub"),
        ("SENTENCE_TRANSFORMERS_HOME", ""),
    ],
)
def test_a_downloaded_model_is_found_where_the_environment_says(
    tmp_path: Path, variable: str, below: str
) -> None:
    folder = fill(tmp_path / below / SNAPSHOT, "config.json", "model.safetensors")
    found = presence(LABSE, Settings(), {"HF_HOME": "/nowhere", variable: str(tmp_path)})
    if variable == "XDG_CACHE_HOME":  # HF_HOME wins over it
        assert found.state == "absent"
        found = presence(LABSE, Settings(), {"HF_HOME": "", variable: str(tmp_path)})
    assert (found.state, found.paths) == ("here", (str(folder),))


def test_an_older_sentence_transformers_had_other_folders(tmp_path: Path) -> None:
    fill(tmp_path / "sentence-transformers_LaBSE", "pytorch_model.bin")
    environ = {"SENTENCE_TRANSFORMERS_HOME": str(tmp_path), "HF_HOME": "/nowhere"}
    assert presence(LABSE, Settings(), environ).state == "here"


def test_a_download_that_did_not_end_is_no_model(tmp_path: Path) -> None:
    folder = fill(tmp_path / SNAPSHOT, "config.json", "1_Pooling/config.json")
    (folder / "model.safetensors").symlink_to(tmp_path / "blobs" / "missing")
    assert presence(LABSE, Settings(), {"HF_HUB_CACHE": str(tmp_path)}).state == "partly"


def test_embedders_that_use_a_model_are_named(tmp_path: Path) -> None:
    folder = fill(tmp_path / "models" / "LaBSE", "model.safetensors")
    settings = Settings(
        embedders={
            "bundled": {"kind": "static"},
            "own": {"kind": "static", "path": "mine"},
            "potion": {"kind": "static", "model": "minishlab/potion-multilingual-128M"},
            "short": {"kind": "sentence-transformers", "model": "LaBSE"},
            "other": {"kind": "sentence-transformers", "model": "someone/LaBSE-en-ru"},
            "odd": {"kind": "openai", "model": 3},
        }
    )
    environ = {"HF_HOME": str(tmp_path)}
    assert presence(LABSE, settings, environ).embedders == ("short",)
    assert presence(LABSE, settings, environ).state == "absent"
    assert presence(catalogue().models[0], settings, environ).embedders == ("bundled",)
    local = Settings(embedders={"disk": {"kind": "sentence-transformers", "model": str(folder)}})
    found = presence(LABSE, local, environ)
    assert (found.state, found.paths, found.embedders) == ("here", (str(folder),), ("disk",))


def test_a_cache_that_cannot_be_looked_into_is_empty(tmp_path: Path) -> None:
    fill(tmp_path / SNAPSHOT, "model.safetensors")
    environ = {"SENTENCE_TRANSFORMERS_HOME": "x" * 5000, "HF_HUB_CACHE": str(tmp_path)}
    assert presence(LABSE, Settings(), environ).state == "here"
    assert presence(LABSE, Settings(), {"HF_HOME": "x" * 5000}).state == "absent"
