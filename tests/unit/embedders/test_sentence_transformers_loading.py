"""Which model it is, where it comes from, and what is said when it cannot be loaded."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import torch
from xlingual_adapters.embedders.sentence_transformers import (
    SentenceTransformersEmbedder,
    SentenceTransformersSettings,
)
from xlingual_adapters.embedders.sentence_transformers.faults import ModelUnreachable, translated
from xlingual_adapters.embedders.sentence_transformers.folders import digest
from xlingual_adapters.embedders.sentence_transformers.loading import (
    ModelFromCache,
    ModelUnfinished,
)

from tests.models import tiny_model
from xlingual_qdrant.errors import SettingsError, UnreadableFile, XlingualError
from xlingual_qdrant.registry import check_settings

OLD, NEW = "1" * 40, "2" * 40


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Threads of several test processes wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny_model(tmp_path / "tiny")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The hub's cache with two revisions of one model and one of another, and no network."""
    place = tmp_path / "hub"
    prompts = {"query": "", "document": ""}
    many = place / "models--intfloat--multilingual-e5-small"
    tiny_model(many / "snapshots" / OLD, seed=1, prompts=prompts)
    tiny_model(many / "snapshots" / NEW, seed=2, prompts=prompts)
    (many / "refs").mkdir()
    (many / "refs" / "main").write_text(NEW)
    (many / "refs" / "v1").write_text(OLD)
    own = place / "models--sentence-transformers--all-tiny"
    tiny_model(own / "snapshots" / OLD)
    (own / "refs").mkdir()
    (own / "refs" / "main").write_text(OLD)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(place))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.delenv("SENTENCE_TRANSFORMERS_HOME", raising=False)
    return place


def opened(model: str | Path, **settings: Any) -> SentenceTransformersEmbedder:
    given = SentenceTransformersSettings(model=str(model), device="cpu", **settings)
    return SentenceTransformersEmbedder.open(given)


def test_a_cached_model_is_loaded_offline_with_its_commit(cache: Path) -> None:
    embedder = opened("intfloat/multilingual-e5-small", offline=True)
    assert embedder.fingerprint.kind == "sentence-transformers"
    assert embedder.fingerprint.model == "intfloat/multilingual-e5-small"
    assert embedder.fingerprint.revision == NEW
    assert embedder.fingerprint.prompts == {"query": "query: ", "document": "passage: "}


def test_revisions_are_told_apart(cache: Path) -> None:
    name = "intfloat/multilingual-e5-small"
    newest = opened(name, offline=True).fingerprint
    for revision in ("v1", OLD):
        older = opened(name, offline=True, revision=revision).fingerprint
        assert older.revision == OLD
        assert older.compare(newest).verdict == "different"
    with pytest.raises(SettingsError) as met:
        opened(name, offline=True, revision="v2")
    assert f"has no revision 'v2' in the cache of this machine, which has main, v1, {OLD}" in str(
        met.value
    )


def test_a_name_without_an_organisation_is_one_of_sentence_transformers(cache: Path) -> None:
    embedder = opened("all-tiny", offline=True)
    assert embedder.fingerprint.model == "sentence-transformers/all-tiny"
    assert embedder.fingerprint.revision == OLD


def test_a_snapshot_given_as_a_folder_is_the_same_model(cache: Path) -> None:
    snapshot = cache / "models--sentence-transformers--all-tiny" / "snapshots" / OLD
    assert opened(snapshot).fingerprint == opened("all-tiny", offline=True).fingerprint


def test_the_variable_of_the_hub_means_offline_too(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert opened("all-tiny").fingerprint.revision == OLD
    with pytest.raises(SettingsError, match="HF_HUB_OFFLINE forbids to fetch it"):
        opened("all-large")


def test_a_fresh_process_can_ask_the_hub(tmp_path: Path) -> None:
    # Here the whole of the hub's package has been imported already.
    code = (
        "from xlingual_qdrant import load_embedder;"
        "load_embedder({'kind': 'sentence-transformers', 'model': 'acme/texts'})"
    )
    nowhere = {"HF_HOME": str(tmp_path), "HF_ENDPOINT": "http://127.0.0.1:9", "HF_HUB_OFFLINE": "0"}
    run = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **nowhere},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "ModelUnreachable: model 'acme/texts' is not in the cache" in run.stderr


def test_a_model_that_is_not_cached_suggests_one_that_is(cache: Path) -> None:
    with pytest.raises(SettingsError) as met:
        opened("intfloat/multilingual-e5-smal", offline=True)
    message = str(met.value)
    assert f"'intfloat/multilingual-e5-smal' is not in the cache of this machine ({cache})" in (
        message
    )
    assert "Did you mean 'intfloat/multilingual-e5-small'?" in message


def test_without_a_network_the_cache_serves_and_says_so(cache: Path) -> None:
    with pytest.warns(ModelFromCache, match=r"hub cannot be reached; all-tiny .*offline = true"):
        assert opened("all-tiny").fingerprint.revision == OLD


def test_without_network_and_copy_the_ways_out_are_named(cache: Path) -> None:
    with pytest.raises(ModelUnreachable) as met:
        opened("intfloat/multilingual-e5-large")
    message = str(met.value)
    assert "'intfloat/multilingual-e5-large' is not in the cache of this machine" in message
    assert "hf download intfloat/multilingual-e5-large --local-dir FOLDER" in message


class Hub(BaseHTTPRequestHandler):
    """A hub that answers every question with the same status and code."""

    status, code = 404, "RepoNotFound"

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.send_header("X-Error-Code", self.code)
        self.send_header("X-Error-Message", "token hf_abcdefgh is not good enough")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (404, "RepoNotFound", "hub has no model 'a/model', or it is private; .* HF_TOKEN"),
        (401, "RepoNotFound", "hub has no model 'a/model', or it is private; .* HF_TOKEN"),
        (403, "GatedRepo", "'a/model' is gated: accept its conditions at .*/a/model, .* HF_TOKEN"),
        (404, "RevisionNotFound", "'a/model' has no revision 'v9'"),
    ],
)
def test_what_the_hub_refuses_is_said_in_words(
    cache: Path, monkeypatch: pytest.MonkeyPatch, status: int, code: str, message: str
) -> None:
    handler = type("Answer", (Hub,), {"status": status, "code": code})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        endpoint = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", endpoint)
        try:
            with pytest.raises(SettingsError, match=message) as met:
                opened("a/model", revision="v9")
        finally:
            server.shutdown()
            thread.join()
    assert "hf_abc" not in str(met.value)


def test_a_folder_has_a_revision_of_its_contents(folder: Path, tmp_path: Path) -> None:
    fingerprint = opened(folder).fingerprint
    assert fingerprint.model == "tiny"
    assert fingerprint.revision == digest(folder)
    moved = tmp_path / "elsewhere" / "tiny"
    shutil.copytree(folder, moved)
    (moved / "README.md").write_text("# Notes")
    (moved / "onnx").mkdir()
    (moved / "onnx" / "model.json").write_text("{}")
    assert opened(moved).fingerprint == fingerprint


def test_other_weights_are_another_revision(tmp_path: Path) -> None:
    # Large enough that the weights are read by samples.
    one = tiny_model(tmp_path / "one", dimension=256, seed=1)
    other = tiny_model(tmp_path / "other", dimension=256, seed=2)
    assert (one / "model.safetensors").stat().st_size > 1 << 20
    assert digest(one) != digest(other)
    assert digest(one) == digest(tiny_model(tmp_path / "again", dimension=256, seed=1))


@pytest.mark.parametrize("missing", ["multilingual tiny", "/no/such/folder", "./tiny", "a/b/c"])
def test_what_is_neither_a_folder_nor_a_name_is_said(missing: str) -> None:
    with pytest.raises(SettingsError, match=r"there is no folder .* or a name of the Hugging Face"):
        opened(missing)


def test_a_folder_with_a_typing_error_is_suggested(folder: Path) -> None:
    with pytest.raises(SettingsError, match="Did you mean 'tiny'"):
        opened(folder.with_name("tinny"))


def test_a_folder_that_is_no_model_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"is no model: it has neither a modules\.json nor"):
        opened(tmp_path)
    with pytest.raises(SettingsError, match='it is a model of kind = "static"'):
        opened(_without_config(tmp_path))
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(SettingsError, match="is a file; name the folder"):
        opened(file)


def _without_config(tmp_path: Path) -> Path:
    place = tmp_path / "static"
    place.mkdir()
    (place / "table.safetensors").touch()
    return place


def test_a_model_that_embeds_no_texts_is_refused(tmp_path: Path) -> None:
    cross = tiny_model(tmp_path / "cross")
    saved = cross / "config_sentence_transformers.json"
    saved.write_text(json.dumps({"model_type": "CrossEncoder"}))
    with pytest.raises(SettingsError, match="is a CrossEncoder: it scores or labels texts"):
        opened(cross)
    old = tiny_model(tmp_path / "old")
    (old / "modules.json").unlink()
    _change(old / "config.json", architectures=["XLMRobertaForSequenceClassification"])
    with pytest.raises(SettingsError, match="is a XLMRobertaForSequenceClassification"):
        opened(old)


def test_a_bare_transformer_is_averaged_with_a_warning(folder: Path) -> None:
    (folder / "modules.json").unlink()
    with pytest.warns(ModelUnfinished, match=r"has no modules\.json, so that the mean"):
        assert opened(folder).dimension == 32


def test_code_of_the_models_own_is_not_run_unasked(folder: Path) -> None:
    modules = json.loads((folder / "modules.json").read_text())
    modules[0]["type"] = "own_code.Transformer"
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "own_code.py").write_text("raise SystemExit('it was run')\n")
    with pytest.raises(SettingsError, match=r"would run with your rights; .* trust_remote_code ="):
        opened(folder)


@pytest.mark.parametrize("file", ["model.safetensors", "config.json", "tokenizer.json"])
def test_a_damaged_file_is_an_error_of_the_model(folder: Path, file: str) -> None:
    (folder / file).write_bytes((folder / file).read_bytes()[:200])
    with pytest.raises(UnreadableFile, match=str(folder)):
        opened(folder)


def test_a_device_that_is_not_there_is_said(folder: Path) -> None:
    for device in ("gpu", "cuda:99", "mps:x"):
        with pytest.raises(SettingsError, match=f"torch has no device '{device}' here; there are"):
            SentenceTransformersEmbedder.open(
                SentenceTransformersSettings(model=str(folder), device=device)
            )


def test_without_the_extra_the_command_that_brings_it_is_named(folder: Path) -> None:
    code = (
        "import sys; sys.modules['sentence_transformers'] = None\n"
        "from xlingual_qdrant import load_embedder\n"
        "from xlingual_qdrant.errors import MissingExtra\n"
        "try: load_embedder({'kind': 'sentence-transformers', 'model': sys.argv[1]})\n"
        "except MissingExtra as exc: print(exc)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True
    )
    assert "needs the package 'sentence_transformers', which is not installed" in run.stdout
    assert "pip install 'xlingual-qdrant[sentence-transformers]'" in run.stdout


def test_a_revision_of_a_folder_is_refused(folder: Path) -> None:
    with pytest.raises(SettingsError, match="is a folder, which has no revision 'main'"):
        opened(folder, revision="main")


def test_a_setting_that_is_unknown_suggests_the_nearest() -> None:
    with pytest.raises(SettingsError, match="batch_size"):
        check_settings(SentenceTransformersSettings, {"model": "x", "batchsize": 1}, "embedders.x")
    with pytest.raises(SettingsError, match="model"):
        check_settings(SentenceTransformersSettings, {}, "embedders.x")


def test_an_error_within_another_is_found() -> None:
    try:
        try:
            raise TimeoutError("timed out, token hf_secret123")
        except TimeoutError as exc:
            raise OSError("We couldn't connect to the hub") from exc
    except OSError as exc:
        fault: XlingualError = translated(exc, "a/model", None)
    assert isinstance(fault, ModelUnreachable)
    assert "hf_secret" not in str(fault)


def test_the_command_line_shows_nothing_of_the_vendors(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "xlingual.toml").write_text(
        'embedder = "mine"\n[embedders.mine]\nkind = "sentence-transformers"\n'
        f'model = {json.dumps(str(folder))}\ndevice = "cpu"\n'
    )
    run = subprocess.run(
        [sys.executable, "-m", "xlingual_qdrant", "embed"],
        input="Hello\n",
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""
    assert len(json.loads(run.stdout)["vector"]) == 32


def _change(file: Path, **values: Any) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))
