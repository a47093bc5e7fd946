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
