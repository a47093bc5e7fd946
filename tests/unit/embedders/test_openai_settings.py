"""Settings of OpenAI-compatible servers: addresses, keys, and what does not fit together."""

from __future__ import annotations

import pytest
from xlingual_adapters.embedders.openai import OpenAISettings, plugin

from xlingual_qdrant import load_embedder, load_settings
from xlingual_qdrant.effective import effective
from xlingual_qdrant.errors import SettingsError
from xlingual_qdrant.registry import check_settings


def settings_for(**values: object) -> OpenAISettings:
    return check_settings(plugin.settings, {"model": "m", **values}, "embedders.x")


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("https://api.openai.com/v1", "https://api.openai.com/v1/embeddings"),
        ("https://api.openai.com", "https://api.openai.com/v1/embeddings"),
        ("http://localhost:11434/", "http://localhost:11434/v1/embeddings"),
        ("http://localhost:11434/v1/", "http://localhost:11434/v1/embeddings"),
        ("http://localhost:11434/v1/embeddings", "http://localhost:11434/v1/embeddings"),
        ("http://[::1]:8080", "http://[::1]:8080/v1/embeddings"),
        ("https://team.example.com/tei", "https://team.example.com/tei/embeddings"),
        (
            "https://r.openai.azure.com/openai/deployments/d?api-version=2024-10-21",
            "https://r.openai.azure.com/openai/deployments/d/embeddings?api-version=2024-10-21",
        ),
    ],
)
def test_the_address_is_completed(url: str, endpoint: str) -> None:
    settings = settings_for(url=url)
    assert settings.endpoint == endpoint
    assert settings.models_url == endpoint.replace("/embeddings", "/models")
    assert "?" not in settings.where


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"url": "localhost:11434"}, "url has to be like https://"),
        ({"url": "ftp://x"}, "url has to be like https://"),
        ({"url": "https://x:99999"}, "url has to be like https://"),
        ({"url": "https://user:hunter2@x"}, "no user and password"),
        ({"url": "https://x/v1?api_key=hunter2"}, "belongs into api_key"),
        ({"url": "https://x/v1#hunter2"}, "belongs into api_key"),
        ({"url": "http://x.example.com", "api_key": "hunter2"}, "could be read on the way"),
        ({"url": "http://x.example.com", "headers": {"A": "hunter2"}}, "could be read on the"),
        ({"url": "http://x.example.com", "api_key_env": "K"}, "could be read on the way"),
        ({"dimensions": 5, "truncate_dim": 5}, "not both"),
        ({"fields": {"query": {"model": "x"}}}, "fields cannot set model"),
        ({"prompts": {"passage": "x"}}, "unknown setting 'embedders.x.prompts.passage'"),
        ({"modle": "x"}, "Did you mean 'model'"),
        ({"model": ""}, "embedders.x.model"),
        ({"batch_size": 0}, "embedders.x.batch_size"),
    ],
)
def test_what_does_not_fit_is_refused_without_repeating_it(
    values: dict[str, object], words: str
) -> None:
    with pytest.raises(SettingsError, match=words) as caught:
        settings_for(**values)
    assert "hunter2" not in str(caught.value)


def test_plain_http_with_a_key_is_for_this_computer_or_the_brave() -> None:
    settings_for(url="http://127.0.0.1:8080", api_key="k")
    settings_for(url="http://tei:8080", api_key="k", allow_plain_http=True)
    settings_for(url="http://tei:8080")


@pytest.mark.parametrize(
    ("url", "is_sent"),
    [
        ("https://api.openai.com/v1", True),
        ("https://eu.api.openai.com/v1", True),
        ("https://api.openai.com.example.com/v1", False),
        ("https://notapi.openai.com/v1", False),
        ("https://r.openai.azure.com/openai/v1", False),
        ("http://api.openai.com/v1", False),
        ("http://localhost:11434", False),
    ],
)
def test_openais_key_goes_to_openai_alone(
    url: str, is_sent: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-openai")
    assert settings_for(url=url).key() == ("sk-openai" if is_sent else None)
    assert settings_for(url="https://other.example.com", api_key="k").key() == "k"


def test_a_variable_that_is_named_wins_and_has_to_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-openai")
    monkeypatch.setenv("TEAM_KEY", "sk-team")
    assert settings_for(api_key_env="TEAM_KEY").key() == "sk-team"
    with pytest.raises(SettingsError, match="the variable NO_KEY is not set"):
        settings_for(api_key_env="NO_KEY").key()
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(SettingsError, match="the variable OPENAI_API_KEY is not set; set it, or"):
        load_embedder({"kind": "openai", "model": "text-embedding-3-small"})


def test_the_models_of_openai_have_a_known_limit() -> None:
    assert settings_for(model="text-embedding-3-small").limit == 8191
    assert settings_for(model="text-embedding-3-small", max_tokens=100).limit == 100
    assert settings_for(model="bge-m3").limit is None


def test_the_settings_in_force_show_no_secret() -> None:
    section = {
        "kind": "openai",
        "model": "m",
        "api_key": "hunter2",
        "headers": {"Authorization": "Basic hunter2", "X-Any": "hunter2"},
        "url": "https://user:hunter2@example.com/v1?api_key=hunter2",
    }
    shown = str(effective(load_settings({"embedders": {"x": section}})))
    assert "hunter2" not in shown
    assert "'m'" in shown
