"""The facts about models: whole, sourced, and no different from what the code knows."""

from __future__ import annotations

import json
import tomllib

import pytest
from xlingual_adapters.embedders.sentence_transformers.prompts import prompts_of
from xlingual_adapters.embedders.static import BUNDLED

from xlingual_qdrant.errors import UnknownName
from xlingual_qdrant.guide.catalogue import Model, catalogue
from xlingual_qdrant.languages import canonical
from xlingual_qdrant.ports import EmbedderPlugin
from xlingual_qdrant.registry import check_settings, plugin

MODELS = catalogue().models
OTHERS = [model for model in MODELS if model.hub]


def named(model: Model) -> str:
    return model.name


def test_names_are_unique() -> None:
    for names in (
        [model.name.casefold() for model in MODELS],
        [model.section for model in MODELS],
        [model.hub for model in OTHERS],
    ):
        assert len(set(names)) == len(names)


@pytest.mark.parametrize("model", MODELS, ids=named)
def test_every_model_has_its_facts_and_their_sources(model: Model) -> None:
    assert model.licence
    assert model.sources
    assert model.note.endswith(".")
    assert set(model.published) | set(model.measured) <= set(catalogue().tasks)
    assert bool(model.measured) == bool(model.measured_as)
    assert [canonical(tag) for tag in model.language_tags.split()] == model.language_tags.split()
    if model.language_tags:
        assert model.languages == str(len(model.language_tags.split()))


@pytest.mark.parametrize("model", MODELS, ids=named)
def test_the_lines_for_the_settings_are_accepted(model: Model) -> None:
    [(name, section)] = tomllib.loads(model.toml())["embedders"].items()
    assert (name, section) == (model.section, model.settings)
    found = plugin("embedder", section.pop("kind"), EmbedderPlugin)
    check_settings(found.settings, section, name)


@pytest.mark.parametrize(
    "model", [m for m in OTHERS if m.kind == "sentence-transformers"], ids=named
)
def test_prompts_are_those_that_the_adapter_uses(model: Model) -> None:
    used = prompts_of([str(model.hub)], own={}, default=None, given={})
    assert {role: prompt for role, prompt in used.items() if prompt} == model.prompts


@pytest.mark.parametrize("model", OTHERS, ids=named)
def test_figures_of_others_are_never_shown_as_ours(model: Model) -> None:
    assert not model.measured
    assert model.name in str(model.hub)


def test_the_bundled_model_is_described_as_it_is() -> None:
    [model] = [model for model in MODELS if model.hub is None]
    config = json.loads((BUNDLED / "config.json").read_text(encoding="utf-8"))
    scores = config["scores"]
    assert model.name == config["name"]
    assert model.dimension == config["dimension"]
    assert model.max_tokens == config["max_tokens"]
    assert model.size_mib == round(sum(file.stat().st_size for file in BUNDLED.iterdir()) / 2**20)
    assert model.measured == {
        "tatoeba": round(100 * scores["tatoeba"]["mean"], 1),
        "sts17_es_en": round(100 * scores["sts"]["pairs"]["es-en"], 1),
    }
    assert set(model.language_tags.split()) == {"en", *scores["tatoeba"]["languages"]}
    assert not model.published


@pytest.mark.parametrize(
    "name", ["LaBSE", "labse", "sentence-transformers/LaBSE", "SENTENCE-TRANSFORMERS/labse"]
)
def test_a_model_is_found_by_any_of_its_names(name: str) -> None:
    assert catalogue().find(name).name == "LaBSE"


def test_a_wrong_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'labse'"):
        catalogue().find("labs")
    with pytest.raises(UnknownName, match="Did you mean 'multilingual-e5-small'"):
        catalogue().find("multilingual-e5-smal")
    with pytest.raises(UnknownName):
        catalogue().find("")
