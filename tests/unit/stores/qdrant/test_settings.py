"""There is one way to say where, and the key is never shown or sent in the open."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from xlingual_adapters.stores.qdrant import QdrantSettings

from xlingual_qdrant.errors import SettingsError
from xlingual_qdrant.registry import check_settings

KEY = "very-secret-key"


def settings(**values: Any) -> QdrantSettings:
    return check_settings(QdrantSettings, values, "stores.prod")


@pytest.mark.parametrize(
    ("values", "where"),
    [
        ({"url": "http://localhost"}, "http://localhost:6333"),
        ({"url": "https://q.example.com:443/prefix"}, "https://q.example.com:443"),
        ({"url": "http://[::1]:7000"}, "http://[::1]:7000"),
        ({"location": ":memory:"}, ":memory:"),
        ({"path": "/data/qdrant"}, "/data/qdrant"),
    ],
)
def test_the_place_is_shown_without_its_path_on_the_server(
    values: dict[str, Any], where: str
) -> None:
    assert settings(**values).where == where


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"url": "http://localhost", "path": "data"},
        {"path": "data", "location": ":memory:"},
        {"location": "elsewhere"},
        {"path": "data", "api_key": KEY},
        {"url": "localhost:6333"},
        {"url": "ftp://localhost"},
        {"url": "http://"},
        {"url": "http://localhost:99999"},
        {"url": f"https://user:{KEY}@q.example.com"},
        {"url": f"https://q.example.com?api_key={KEY}"},
        {"url": "http://localhost", "timeout_s": 0},
        {"url": "http://localhost", "oversampling": 0.5},
        {"url": "http://localhost", "quantisation": "quantum"},
        {"url": "http://localhost", "collection_prefix": "a/b"},
        {"url": "http://localhost", "ulr": "x"},
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused_and_no_secret_repeated(values: dict[str, Any]) -> None:
    with pytest.raises(SettingsError) as caught:
        settings(**values)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("host", ["q.example.com", "10.0.0.1", "0.0.0.0", "localhost.example.com"])
def test_a_key_is_not_sent_in_the_open_to_another_computer(host: str) -> None:
    with pytest.raises(SettingsError, match="allow_plain_http"):
        settings(url=f"http://{host}:6333", api_key=KEY)
    assert settings(url=f"https://{host}:6333", api_key=KEY).api_key
    assert settings(url=f"http://{host}:6333", api_key=KEY, allow_plain_http=True).api_key
    assert settings(url=f"http://{host}:6333").api_key is None


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.8.8", "[::1]"])
def test_a_key_may_go_to_this_computer(host: str) -> None:
    assert settings(url=f"http://{host}:6333", api_key=KEY).api_key


def test_the_key_is_never_shown(tmp_path: Path) -> None:
    made = settings(url="https://q.example.com", api_key=KEY)
    assert KEY not in f"{made!r} {made} {made.model_dump()} {made.model_dump_json()} {made.where}"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("allow_plain_http", True),
        ("prefer_grpc", True),
        ("grpc_port", 7000),
        ("timeout_s", 5),
        ("retry_for_s", 0),
        ("parallel", 8),
        ("consistency", "all"),
    ],
)
def test_how_requests_are_made_is_not_said_of_local_mode(name: str, value: object) -> None:
    for place in ({"path": "data"}, {"location": ":memory:"}):
        with pytest.raises(SettingsError) as caught:
            settings(**place, **{name: value})
        assert str(caught.value) == (
            f"setting 'stores.prod': {name} belongs to a url; leave it out with {next(iter(place))}"
        )
    assert settings(url="http://localhost", **{name: value})


@pytest.mark.parametrize("value", [0, -1, "some", 1.5, [], ""], ids=str)
def test_what_consistency_may_be_is_told_in_words(value: object) -> None:
    with pytest.raises(SettingsError) as caught:
        settings(url="http://localhost", consistency=value)
    assert str(caught.value) == (
        "setting 'stores.prod.consistency':"
        " use majority, quorum, all or a whole number of at least 1"
    )


def test_faults_of_an_adoption_are_told_in_its_own_terms() -> None:
    for given, said in [
        ({"txt": "a"}, "unknown setting 'stores.prod.adopt.old.txt'. Did you mean 'text'?"),
        ({"url": "a"}, "There are: layout, text, id, lang, metadata, vector, collection"),
        ({}, "setting 'stores.prod.adopt.old': say where the text is"),
        ({"text": "a..b"}, "setting 'stores.prod.adopt.old': 'a..b' is no path"),
    ]:
        with pytest.raises(SettingsError) as caught:
            settings(path="data", adopt={"old": given})
        assert said in str(caught.value)
        assert "Value error" not in str(caught.value)
