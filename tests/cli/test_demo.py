"""`xlingual demo`."""

from __future__ import annotations

from xlingual_qdrant.demo import corpus, questions
from xlingual_qdrant.validation import to_document


def test_the_corpus_is_many_texts_in_many_languages():
    documents = corpus()
    assert len(documents) >= 120
    assert len({document.lang for document in documents}) >= 12
    assert len({document.id for document in documents}) == len(documents)
    assert [to_document(document) for document in documents] == documents


def test_each_question_has_answers_in_the_corpus():
    intents = {document.metadata["intent"] for document in corpus()}
    assert all(set(question.intents) <= intents for question in questions())


def test_it_answers_across_languages_and_leaves_nothing_behind(folder, run, parse):
    result = run("demo")
    assert result.exit_code == 0
    assert "German" in result.stdout
    assert "xlingual ingest" in result.stdout
    assert "\x1b" not in result.stdout
    assert list(folder.iterdir()) == []
    answers = parse(run("demo", "--json").stdout)
    assert len(answers) == len(questions())
    for answer, question in zip(answers, questions(), strict=True):
        first = answer["hits"][0]
        assert first["metadata"]["intent"] in question.intents
        assert first["lang"] != question.lang


def test_it_can_be_kept(folder, run, parse, monkeypatch):
    assert run("demo", "--keep", "playground", "--quiet").exit_code == 0
    monkeypatch.setenv("XLINGUAL_STORES__LOCAL__PATH", "playground")
    [facts] = parse(run("info", "--collection", "demo", "--json").stdout)
    assert facts["count"] == len(corpus())


def test_at_a_terminal_it_has_colours(terminal):
    code, shown = terminal("demo")
    assert code == 0
    assert "\x1b[" in shown
    assert "parcel" in shown
