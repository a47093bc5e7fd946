"""Where settings come from, which wins, and what a fault says."""

from __future__ import annotations

from pathlib import Path

import pytest

from xlingual_qdrant import load_settings, load_store
from xlingual_qdrant.errors import SettingsError, UnknownName, UsageError
from xlingual_qdrant.settings import effective


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
