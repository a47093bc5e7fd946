"""`xlingual cluster`."""

from __future__ import annotations

import pytest

from xlingual_qdrant import Collection

TEXTS = {
    "en": ("The cat sleeps on the sofa.", "The bank lends money."),
    "de": ("Die Katze schläft auf dem Sofa.", "Die Bank verleiht Geld."),
    "fr": ("Le chat dort sur le canapé.", "La banque prête de l'argent."),
    "es": ("El gato duerme en el sofá.", "El banco presta dinero."),
}


@pytest.fixture
def texts(folder):
    with Collection.open() as collection:
        collection.add(
            {"id": f"{topic}-{lang}", "text": text, "lang": lang}
            for lang, said in TEXTS.items()
            for topic, text in zip(("cat", "money"), said, strict=True)
        )
    return folder


def test_a_pipe_gets_a_line_for_each_cluster(texts, run):
    result = run("cluster", "--count", "2")
    assert result.exit_code == 0, result.stderr
    rows = [line.split("\t") for line in result.stdout.splitlines()]
    assert [(number, size, langs) for number, size, _, langs, _ in rows] == [
        ("1", "4", "de 1, en 1, es 1, fr 1"),
        ("2", "4", "de 1, en 1, es 1, fr 1"),
    ]
    assert result.stderr == "8 documents in 2 clusters, 0 in none.\n"


def test_json_has_the_names_of_python(texts, run, parse):
    found = parse(run("cluster", "--count", "2", "--json", "--quiet").stdout)
    assert list(found[0]) == [
        "number",
        "size",
        "cohesion",
        "languages",
        "unusual",
        "medoid",
        "examples",
    ]
    assert list(found[0]["medoid"]) == ["id", "lang", "text"]
    assert len(found[0]["examples"]) == 3


def test_members_are_ids_with_their_cluster(texts, run, parse):
    lines = run("cluster", "--count", "2", "--members").stdout.splitlines()
    of = {id: number for number, id in (line.split("\t") for line in lines)}
    assert len(of) == 8
    assert len({of[id] for id in of if id.startswith("cat")}) == 1
    assert len(set(of.values())) == 2
    members = parse(run("cluster", "--count", "2", "--members", "--json").stdout)
    assert {(str(row["number"]), row["id"]) for row in members} == {(of[id], id) for id in of}


def test_nothing_is_written_without_apply(texts, run, parse):
    run("cluster", "--count", "2")
    assert not any(row["metadata"] for row in parse(run("export").stdout))
    applied = run("cluster", "--count", "2", "--apply", "topic")
    assert applied.exit_code == 0, applied.stderr
    assert "The field 'topic' was written to 8 documents." in applied.stderr
    assert {row["metadata"]["topic"] for row in parse(run("export").stdout)} == {1, 2}


def test_people_see_examples_below_each_cluster(texts, terminal):
    code, shown = terminal("cluster", "--count", "2")
    assert code == 0
    assert "languages" in shown
    for said in TEXTS.values():
        assert said[0] in shown


def test_faults_are_words(texts, run):
    result = run("cluster", "--count", "50")
    assert result.exit_code == 2
    assert "only 8 documents match" in result.stderr
    nothing = run("cluster", "--langs", "ja")
    assert (nothing.exit_code, nothing.stdout) == (0, "")
    assert "0 documents in 0 clusters" in nothing.stderr
