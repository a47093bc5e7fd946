"""Where settings come from, which wins, and what a fault says."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field, PositiveFloat, PositiveInt

from xlingual_qdrant import load_embedder, load_settings, load_store
from xlingual_qdrant.effective import effective
from xlingual_qdrant.errors import SettingsError, UnknownName, UsageError
from xlingual_qdrant.registry import check_settings
from xlingual_qdrant.settings import load_detector


def write(folder: Path, text: str) -> Path:
    file = folder / "xlingual.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_without_anything_the_defaults_hold(tmp_path: Path) -> None:
    settings = load_settings(environ={}, folder=tmp_path)
    assert (settings.collection, settings.store, settings.embedder) == (
        "documents",
        "local",
        "bundled",
    )
    assert settings.stores["local"] == {"kind": "faiss", "path": "xlingual-data"}


def test_a_file_in_a_parent_folder_is_found_and_its_paths_are_its_own(tmp_path: Path) -> None:
    write(tmp_path, '[stores.local]\npath = "data"\n')
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    settings = load_settings(environ={}, folder=deep)
    assert settings.stores["local"] == {"kind": "faiss", "path": str(tmp_path / "data")}


def test_arguments_win_over_variables_over_the_file_over_defaults(tmp_path: Path) -> None:
    file = write(tmp_path, 'collection = "file"\nstore = "memory"\nembedder = "bundled"\n')
    environ = {"XLINGUAL_COLLECTION": "variable", "XLINGUAL_STORE": "local"}
    settings = load_settings(file, environ=environ, overrides={"collection": "argument"})
    assert (settings.collection, settings.store) == ("argument", "local")
    assert settings.origins["collection"] == "argument"
    assert settings.origins["store"] == "XLINGUAL_STORE"
    assert settings.origins["embedder"] == str(file)
    assert settings.origins["stores.local.path"] == "default"


def test_a_variable_reaches_into_a_section_whose_name_has_a_dash(tmp_path: Path) -> None:
    file = write(tmp_path, '[stores.my-place]\nkind = "faiss"\npath = "x"\n')
    settings = load_settings(file, environ={"XLINGUAL_STORES__MY_PLACE__INDEX": "exact"})
    assert settings.stores["my-place"]["index"] == "exact"


def test_another_kind_starts_its_section_afresh(tmp_path: Path) -> None:
    file = write(tmp_path, '[stores.local]\nkind = "memory"\n')
    assert load_settings(file, environ={}).stores["local"] == {"kind": "memory"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('colection = "x"', "Did you mean 'collection'?"),
        ('collection = "a b"', "cannot name a collection"),
        ("collection = 3", "setting 'collection'"),
        ('[fields]\nprice = "number"', "setting 'fields.price'"),
        ("stores = 3", "setting 'stores'"),
        ("[stores]\nlocal = 3", "is not a section"),
        ("collection = ", "is not TOML"),
    ],
)
def test_a_faulty_file_is_refused_with_its_fault(tmp_path: Path, text: str, said: str) -> None:
    file = write(tmp_path, text)
    with pytest.raises(SettingsError, match="(?s)" + said.replace("?", r"\?")) as caught:
        load_settings(file, environ={})
    assert str(file) in str(caught.value) or "collection" in str(caught.value)


def test_a_named_file_that_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot read the settings file"):
        load_settings(tmp_path / "none.toml", environ={})


def test_a_variable_that_is_no_setting_is_refused_and_a_test_variable_is_not() -> None:
    with pytest.raises(SettingsError, match="XLINGUAL_STOER names no setting"):
        load_settings(environ={"XLINGUAL_STOER": "x"})
    load_settings(environ={"XLINGUAL_TEST_QDRANT_URL": "http://127.0.0.1:1"})


def test_an_unknown_key_of_a_section_suggests_the_nearest(tmp_path: Path) -> None:
    file = write(tmp_path, '[stores.local]\nkind = "faiss"\npth = "x"\n')
    with pytest.raises(SettingsError, match=r"stores\.local\.pth.*Did you mean 'path'"):
        load_store("local", settings=load_settings(file, environ={}))


def test_an_unknown_name_and_an_unknown_kind_say_what_there_is() -> None:
    settings = load_settings(environ={})
    with pytest.raises(UnknownName, match=r"no store is called 'locl'\. Did you mean 'local'"):
        load_store("locl", settings=settings)
    with pytest.raises(UsageError, match="no store kind is called 'oracle'"):
        load_store({"kind": "oracle"}, settings=settings)


def test_secrets_are_masked_wherever_settings_are_shown(tmp_path: Path) -> None:
    file = write(tmp_path, '[stores.prod]\nkind = "elsewhere"\napi_key = "s3cret"\n')
    environ = {"XLINGUAL_STORES__PROD__TOKEN": "s3cret"}
    shown = str(effective(load_settings(file, environ=environ)))
    assert "s3cret" not in shown
    assert shown.count("**********") == 2


def test_a_key_of_digits_is_a_key_and_a_number_of_tokens_is_none() -> None:
    given = {
        "stores": {"prod": {"kind": "qdrant", "url": "http://q.example.com", "api_key": 12345678}},
        "embedders": {"mine": {"kind": "openai", "max_tokens": 8191}},
    }
    shown = {name: value for name, value, _ in effective(load_settings(given, environ={}))}
    assert shown["stores.prod.api_key"] == "**********"
    assert shown["embedders.mine.max_tokens"] == 8191


@pytest.mark.parametrize("name", ["passwd", "pwd", "Proxy-Authorization", "credentials"])
def test_what_sounds_like_a_secret_is_masked_of_adapters_that_are_not_installed(name: str) -> None:
    section = {"kind": "elsewhere", name: "s3cret", "headers": {name: "s3cret"}}
    assert "s3cret" not in str(effective(load_settings({"stores": {"prod": section}}, environ={})))


def test_a_dict_stands_for_a_file_and_wins_over_variables() -> None:
    given = {"stores": {"local": {"path": "here"}}, "collection": "mine"}
    settings = load_settings(given, environ={"XLINGUAL_COLLECTION": "variable"})
    assert settings.collection == "mine"
    assert settings.stores["local"] == {"kind": "faiss", "path": "here"}


def test_a_variable_may_name_the_file(tmp_path: Path) -> None:
    file = tmp_path / "elsewhere.toml"
    file.write_text('collection = "there"')
    assert load_settings(environ={"XLINGUAL_CONFIG": str(file)}).collection == "there"


def test_a_tilde_is_the_home_folder(tmp_path: Path) -> None:
    file = write(tmp_path, '[stores.local]\npath = "~/texts"\n')
    home = str(Path("~/texts").expanduser())
    assert load_settings(file, environ={}).stores["local"]["path"] == home
    given = {"stores": {"local": {"path": "~/texts"}}}
    assert load_store(settings=load_settings(given, environ={})).location == home


@pytest.mark.parametrize(
    "url",
    [
        "http://user:geheim123@127.0.0.1:1",
        "https://geheim123@q.example.com",
        "https://:geheim123@q.example.com/prefix",
        "https://user:ge/h?e#i@geheim123@q.example.com",
        "postgresql+psycopg://user:geheim 123@host/db",
        "https://q.example.com/?x=1&api_key=geheim123#top",
    ],
)
def test_what_an_address_says_of_the_user_is_masked(url: str) -> None:
    places = {
        "url": url,
        "hosts": [url, "plain"],
        "nested": {"url": url, "token": "geheim123", "tokens": {"n": 3}},
    }
    given = {"stores": {"prod": {"kind": "elsewhere", **places}}, "store": url}
    rows = {name: value for name, value, _ in effective(load_settings(given, environ={}))}
    assert not any(part in str(rows) for part in ("geheim", "123", "user:"))
    assert "{'n': 3}" in str(rows["stores.prod.nested"])


def test_an_address_without_a_user_is_shown_as_it_is() -> None:
    for url in ("https://q.example.com:6333/a?b=c#d", "me@example.com", "http://[::1]:7000"):
        given = {"stores": {"prod": {"kind": "elsewhere", "url": url}}}
        assert ("stores.prod.url", url, "argument") in effective(load_settings(given, environ={}))


def test_the_rows_below_a_name_are_chosen_by_whole_names() -> None:
    given = {"stores": {"prod": {"kind": "memory"}, "production": {"kind": "memory"}}}
    settings = load_settings(given, environ={})

    def names(within: str) -> list[str]:
        return [name for name, _, _ in effective(settings, within)]

    assert names("store") == ["store"]
    assert names("stores.prod") == ["stores.prod.kind"]
    assert names("stores.prod.kind") == ["stores.prod.kind"]
    assert len(names("stores")) == 4
    assert names("fields") == []
    for wrong, near in [
        ("stor", "store"),
        ("stores.prd", "stores.prod"),
        ("embeders", "embedders"),
    ]:
        with pytest.raises(SettingsError, match=f"'{wrong}' is in force.*Did you mean '{near}'"):
            names(wrong)


class Section(BaseModel):
    text: str = ""


class Wide(BaseModel, extra="forbid"):
    agree: Literal["all", "most"] | PositiveInt | None = None
    share: bool | PositiveFloat = True
    parts: dict[str, Section] = Field(default_factory=dict)
    either: Section | list[str] | None = None
    many: list[Section] | None = None


class Nothing(BaseModel, extra="forbid"):
    pass


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"agree": 0}, "'here.agree': use all, most or a whole number of at least 1"),
        ({"agree": "some"}, "'here.agree': use all, most or a whole number of at least 1"),
        ({"share": -1}, "'here.share': use true or false or a number above 0"),
        ({"parts": {"a.b": {"text": 3}}}, "'here.parts.a.b.text': Input should be a valid string"),
        ({"parts": {3: {}}}, "'here.parts.3': Input should be a valid string"),
        ({"many": [{}, {"text": 3}]}, "'here.many.1.text': Input should be a valid string"),
    ],
)
def test_a_fault_is_told_without_the_inside_of_the_checks(
    values: dict[str, Any], said: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        check_settings(Wide, values, "here")
    assert str(caught.value) == f"setting {said}"


def test_a_choice_that_has_no_plain_words_still_names_the_field_alone() -> None:
    with pytest.raises(SettingsError, match=r"^setting 'here\.either': [^\[]+$"):
        check_settings(Wide, {"either": 3}, "here")


def test_a_kind_without_settings_says_so() -> None:
    with pytest.raises(
        SettingsError, match=r"^unknown setting 'here\.path'; this kind takes none$"
    ):
        check_settings(Nothing, {"path": "x"}, "here")
    with pytest.raises(SettingsError, match="this kind takes none"):
        load_store({"kind": "memory", "path": "x"})


@pytest.mark.parametrize("name", [3, b"local", ["local"], 0, False], ids=str)
@pytest.mark.parametrize("load", [load_store, load_embedder, load_detector])
def test_a_name_of_a_wrong_type_is_told_in_words(load: Any, name: object) -> None:
    with pytest.raises(UsageError, match=f"a value of type {type(name).__name__}; give its name"):
        load(name)


def test_settings_and_kinds_of_a_wrong_type_are_told_in_words() -> None:
    for load in (load_store, load_embedder, load_detector):
        with pytest.raises(UsageError, match="settings is a value of type dict"):
            load("memory", settings={})
    with pytest.raises(UsageError, match="settings are no int; give a file or a mapping"):
        load_settings(3)
    with pytest.raises(SettingsError, match=r"kind' is a value of type int, not a text"):
        load_store({"kind": 3})


def test_a_fault_of_a_field_is_told_with_the_variable_it_came_from(tmp_path: Path) -> None:
    file = write(tmp_path, '[fields]\nn = "integer"\n')
    with pytest.raises(SettingsError, match=r"'fields\.price'.*from XLINGUAL_FIELDS__PRICE"):
        load_settings(file, environ={"XLINGUAL_FIELDS__PRICE": "number"})
