"""Measuring: each embedder in a process of its own, whatever that process does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from textwrap import dedent

import pytest

from xlingual_qdrant.errors import SettingsError, UnknownName, UsageError
from xlingual_qdrant.guide.bench import Candidate, Outcome, Plan, candidates, cpus, run
from xlingual_qdrant.guide.measuring import Order, measure
from xlingual_qdrant.guide.texts import Evaluation, Graded, sample
from xlingual_qdrant.settings import Settings, load_embedder, load_settings

QUICK = Plan(seconds=0.01, per_language=1)

ADAPTER = """
import os, signal, sys, time
import numpy as np
from pydantic import BaseModel
from xlingual_qdrant import load_embedder
from xlingual_qdrant.errors import MissingExtra
from xlingual_qdrant.ports import EmbedderPlugin


class Settings(BaseModel):
    model_config = {"extra": "forbid"}
    does: str = "well"
    api_key: str = ""
    bits: int = 32


class Rounded:
    def __init__(self, bits):
        self.inner, self.bits = load_embedder({"kind": "static"}), bits

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def embed_documents(self, texts):
        vectors = self.inner.embed_documents(texts)
        return vectors if self.bits == 32 else np.sign(vectors) / np.float32(16)

    embed_queries = embed_documents


def open_embedder(settings):
    match settings.does:
        case "ends":
            os.kill(os.getpid(), signal.SIGKILL)
        case "raises":
            raise RuntimeError("the device is on fire")
        case "refuses":
            raise MissingExtra("embedder kind 'odd'", "oddlib", "oddlib")
        case "sleeps":
            time.sleep(600)
        case "talks":
            print("Loading weights...", flush=True)
            os.write(1, b"50 %")
    return Rounded(settings.bits)


def variants(settings):
    if settings.does == "refuses":
        raise MissingExtra("embedder kind 'odd'", "oddlib", "oddlib")
    return [settings.model_copy(update={"bits": bits}) for bits in (32, 1)]


plugin = EmbedderPlugin(Settings, open_embedder, "odd", variants=variants)
"""


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A package that provides the embedder kind `odd`, installed for these tests alone."""
    folder = tmp_path_factory.mktemp("packages")
    (folder / "odd.py").write_text(ADAPTER)
    info = folder / "odd-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: odd\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        dedent("""\
        [xlingual_qdrant.embedders]
        odd = odd:plugin
        """)
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield folder


def odd(**section: object) -> Candidate:
    return Candidate("odd", "odd", dict(section), "embedders.odd")


def only(outcomes: Iterator[Outcome]) -> Outcome:
    [outcome] = outcomes
    return outcome


def test_the_bundled_model_is_measured() -> None:
    doing: list[str] = []
    pairs = [(pair.text, pair.translation) for pair in sample(1)]
    graded = [Graded(a.text, b.translation, float(a is b), "x") for a, b in pairwise(sample(1))]
    plan = Plan(
        threads=1,
        seconds=0.01,
        per_language=2,
        pairs=pairs,
        evaluation=Evaluation(sample(1), [*graded, Graded("one", "one", 5, "x")]),
    )
    chosen = candidates(
        ["bundled"], Settings(embedders={"bundled": {"kind": "static"}}), variants=False
    )
    outcome = only(run(chosen, plan, lambda label, what: doing.append(f"{label}: {what}")))
    result = outcome.result
    assert result is not None, outcome.error
    assert (result.model, result.dimension, result.max_tokens) == ("xlingual-static-256", 256, 512)
    assert list(result.speed) == ["sentences", "paragraphs", "pages"]
    assert result.speed["sentences"] > result.speed["pages"] > 0
    assert result.cut["sentences"] == 0 < result.cut["pages"]
    assert result.load_s > 0
    assert result.query_ms > 0
    assert result.peak_mib is None or result.peak_mib > 30
    assert len(result.sample) == len(result.tatoeba) == 33
    assert result.pairs["recall_left"] > 0.8
    assert 0 < result.sts["x"] <= 1
    assert doing[:2] == ["bundled: loading", "bundled: one query at a time"]
    assert outcome.to_json()["embedder"] == "bundled"
    assert "vectors" not in outcome.to_json()


def test_one_that_fails_is_a_line_and_not_the_end(adapter: Path) -> None:
    chosen = [
        odd(does="refuses"),
        odd(does="ends"),
        odd(does="raises", api_key="secret-1"),
        odd(does="talks"),
        odd(colour="red", api_key="secret-2"),
        Candidate("gone", "no-such-kind", {}, "embedders.gone"),
    ]
    refused, killed, raised, talked, wrong, gone = run(chosen, Plan(seconds=0.01, per_language=0))
    assert "pip install 'oddlib'" in refused.error
    assert killed.error == "its process was ended by signal 9; perhaps the memory was too small"
    assert raised.error == "its process failed: RuntimeError: the device is on fire"
    assert talked.error == ""
    assert talked.result is not None
    assert talked.result.sample == {}
    assert "embedders.odd.colour" in wrong.error
    assert "no embedder kind is called 'no-such-kind'" in gone.error
    assert "secret" not in "".join(outcome.error for outcome in (refused, killed, raised, wrong))


def test_variants_are_compared_with_the_first(adapter: Path) -> None:
    settings = Settings(embedders={"mine": {"kind": "odd"}})
    chosen = candidates(["mine"], settings, variants=True)
    assert [one.label for one in chosen] == ["mine 32", "mine 1"]
    first, second = run(chosen, QUICK)
    assert first.result is not None
    assert first.least_cosine is None
    assert second.result is not None, second.error
    assert second.least_cosine is not None
    assert second.mean_cosine is not None
    assert 0.3 < second.least_cosine < second.mean_cosine < 0.95


def test_one_whose_variants_cannot_be_asked_for_is_measured_as_it_is(adapter: Path) -> None:
    settings = Settings(embedders={"mine": {"kind": "odd", "does": "refuses"}})
    [chosen] = candidates(["mine"], settings, variants=True)
    assert (chosen.label, chosen.variant) == ("mine", None)
    [bundled] = candidates(["static"], settings, variants=True)
    assert bundled.variant is None


def test_an_interruption_ends_the_process(adapter: Path) -> None:
    def interrupt(label: str, doing: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):  # at once, and not in ten minutes
        only(run([odd(does="sleeps")], QUICK, interrupt))


def test_names_are_embedders_kinds_or_models_of_the_guide() -> None:
    settings = load_settings({"embedders": {"mine": {"kind": "static", "path": "m"}}}, environ={})
    chosen = candidates(["mine", "static", "LaBSE", "mine"], settings, variants=False)
    assert [(one.label, one.kind, one.section) for one in chosen] == [
        ("mine", "static", {"path": "m"}),
        ("static", "static", {}),
        ("LaBSE", "sentence-transformers", {"model": "LaBSE"}),
    ]
    assert [one.label for one in candidates([], settings, variants=False)] == ["bundled"]
    used = load_settings(settings, overrides={"embedder": "mine"})
    assert [one.label for one in candidates([], used, variants=False)] == ["mine", "bundled"]
    with pytest.raises(UnknownName, match="Did you mean 'mine'"):
        candidates(["mina"], settings, variants=False)
    with pytest.raises(SettingsError, match=r"embedders\.x\.kind"):
        candidates(["x"], Settings(embedders={"x": {"model": "y"}}), variants=False)


def test_every_embedder_gets_the_same_cpus() -> None:
    usable = cpus(None)
    assert cpus(1) == usable[:1]
    for wrong in (0, -1, len(usable) + 1):
        with pytest.raises(UsageError, match=f"this machine has 1 to {len(usable)}"):
            cpus(wrong)


class Counting:
    """The bundled model, counting what it is asked for."""

    def __init__(self) -> None:
        self.inner = load_embedder()
        self.texts: list[str] = []

    def __getattr__(self, name: str) -> object:
        return getattr(self.inner, name)

    def embed_documents(self, texts: Sequence[str]) -> object:
        self.texts += texts
        return self.inner.embed_documents(texts)

    def embed_queries(self, texts: Sequence[str]) -> object:
        return self.embed_documents(texts)


def test_no_text_is_timed_twice() -> None:
    embedder = Counting()
    order = Order(kind="x", section={}, where="x", seconds=0.02, per_language=0)
    measure(embedder, order, 0.0, lambda doing: None)
    assert len(embedder.texts) == len(set(embedder.texts))
