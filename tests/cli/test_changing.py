"""`xlingual delete`, `drop`, `repair` and `compact`."""

from __future__ import annotations


def count(run, parse):
    return parse(run("info", "--json").stdout)[0]["count"]


def test_delete_by_ids(filled, run, parse):
    result = run("delete", "--json", "cat-de", "nobody")
    assert (result.exit_code, parse(result.stdout)) == (0, [{"deleted": 1}])
    assert "Deleted 1" in result.stderr
    assert count(run, parse) == 3


def test_delete_by_a_condition_wants_a_yes(filled, run, parse):
    refused = run("delete", "--langs", "de")
    assert refused.exit_code == 2
    assert "2 of 4 documents" in refused.stderr
    assert "--yes" in refused.stderr
    assert count(run, parse) == 4
    assert run("delete", "--langs", "de", "--where", "n = 1", "--yes").exit_code == 0
    assert count(run, parse) == 3


def test_delete_takes_ids_or_a_condition(filled, run):
    assert run("delete", "cat-de", "--langs", "de").exit_code == 2


def test_delete_asks_at_a_terminal(filled, run, parse, terminal):
    code, shown = terminal("delete", "--where", "n >= 2", typed="n\n")
    assert "2 of 4 documents" in shown
    assert (code, count(run, parse)) == (1, 4)
    assert terminal("delete", "--where", "n >= 2", typed="y\n")[0] == 0
    assert count(run, parse) == 2


def test_drop_wants_a_yes(filled, run):
    refused = run("drop", "documents")
    assert refused.exit_code == 2
    assert "4 documents" in refused.stderr
    assert run("info").exit_code == 0
    assert run("drop", "documents", "--yes").exit_code == 0
    assert run("info").exit_code == 1


def test_drop_asks_for_the_name_at_a_terminal(filled, run, terminal):
    assert terminal("drop", "documents", typed="document\n")[0] == 1
    assert run("info").exit_code == 0
    assert terminal("drop", "documents", typed="documents\n")[0] == 0
    assert run("info").exit_code == 1


def test_drop_of_two_names_is_2(filled, run):
    assert run("drop", "documents", "--collection", "other", "--yes").exit_code == 2


def test_repair_mends_damaged_vectors(filled, run, parse):
    before = run("search", "-k", "2", "a cat").stdout
    assert parse(run("repair", "--json").stdout) == [{"repaired": 0}]
    files = list((filled / "xlingual-data").rglob("*.f32"))
    for file in files:
        damaged = bytearray(file.read_bytes())
        damaged[-5] ^= 0xFF
        file.write_bytes(damaged)
    [repaired] = parse(run("repair", "--json").stdout)
    assert repaired["repaired"] >= len(files) == 3  # the block around a byte is in doubt
    assert run("search", "-k", "2", "a cat").stdout == before


def test_compact_keeps_every_document(filled, run):
    run("delete", "cat-de")
    before = run("export", "--vectors").stdout
    result = run("compact")
    assert result.exit_code == 0
    assert "3 documents" in result.stderr
    assert run("export", "--vectors").stdout == before
