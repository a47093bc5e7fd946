"""`xlingual config` and `plugins`."""

from __future__ import annotations

SETTINGS = """
collection = "support"
[stores.prod]
kind = "memory"
api_key = "from-the-file"
"""


def test_each_value_comes_with_its_origin(folder, run, parse, monkeypatch):
    (folder / "xlingual.toml").write_text(SETTINGS)
    monkeypatch.setenv("XLINGUAL_STORE", "prod")
    [shown] = parse(run("config", "--json", "--embedder", "bundled").stdout)
    assert shown["collection"] == {"value": "support", "origin": str(folder / "xlingual.toml")}
    assert shown["store"] == {"value": "prod", "origin": "XLINGUAL_STORE"}
    assert shown["embedder"] == {"value": "bundled", "origin": "argument"}
    assert shown["stores.local.path"] == {"value": "xlingual-data", "origin": "default"}


def test_secrets_are_masked(folder, run, monkeypatch):
    (folder / "xlingual.toml").write_text(SETTINGS)
    monkeypatch.setenv("XLINGUAL_STORES__OTHER__KIND", "memory")
    monkeypatch.setenv("XLINGUAL_STORES__OTHER__API_KEY", "from-the-variable")
    for arguments in (("config",), ("config", "--json"), ("info", "--store", "prod", "--debug")):
        result = run(*arguments)
        assert "from-the" not in result.output
    assert "stores.prod.api_key\t**********\t" in run("config").stdout


def test_a_password_in_an_address_is_masked(run, monkeypatch):
    monkeypatch.setenv("XLINGUAL_STORES__S__URL", "http://user:geheim123@127.0.0.1:1")
    for arguments in (("config",), ("config", "--json"), ("config", "stores.s.url")):
        assert "geheim123" not in run(*arguments).output
    assert "stores.s.url\thttp://**********@127.0.0.1:1\t" in run("config").stdout


def test_a_key_chooses_the_rows_that_are_shown(run, parse):
    assert run("config", "store").stdout == "store\tlocal\tdefault\n"
    assert run("config", "stores.local").stdout == (
        "stores.local.kind\tfaiss\tdefault\nstores.local.path\txlingual-data\tdefault\n"
    )
    [shown] = parse(run("config", "collection", "--json").stdout)
    assert shown == {"collection": {"value": "documents", "origin": "default"}}
    assert run("config", "fields").stdout == ""


def test_a_key_that_nothing_is_called_is_2(run):
    for key in ("stor", "stores.locl", "", "stores.", "store.x", "a\x1b[31mb"):
        result = run("config", key)
        assert result.exit_code == 2
        assert result.stdout == ""
        assert "is in force." in result.stderr
    assert "Did you mean 'stores.local'?" in run("config", "stores.locl").stderr


def test_a_typo_in_the_settings_is_2(folder, run):
    (folder / "xlingual.toml").write_text('colection = "x"')
    result = run("config")
    assert result.exit_code == 2
    assert "Did you mean 'collection'?" in result.stderr


def test_plugins_are_listed_with_what_they_are(run, parse):
    rows = parse(run("plugins", "--json").stdout)
    kinds = {(row["role"], row["kind"]) for row in rows}
    assert {("store", "faiss"), ("store", "memory"), ("embedder", "static")} <= kinds
    assert all(row["summary"] and row["package"] and row["target"] for row in rows)
    assert not any(row["summary"].startswith("cannot be used") for row in rows)
    assert "store\tmemory\txlingual-qdrant\t" in run("plugins").stdout


def test_a_broken_plugin_does_not_hide_the_others(run, monkeypatch):
    from xlingual_qdrant.cli import plugins

    real = plugins.plugin

    def broken(role, kind, expected):
        if kind == "memory":
            raise ImportError("no module named 'nothing'")
        return real(role, kind, expected)

    monkeypatch.setattr(plugins, "plugin", broken)
    result = run("plugins")
    assert result.exit_code == 0
    assert "cannot be used: no module named 'nothing'" in result.stdout
    assert "embedder\tstatic" in result.stdout
