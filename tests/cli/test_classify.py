"""`xlingual classify`: learn from a file or a collection, sort texts, report, show."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from xlingual_qdrant import Collection
from xlingual_qdrant.queries.classification.classifier import Classifier
from xlingual_qdrant.queries.classification.files import save_classifier

Run = Callable[..., Any]

LABELLED = """\
text,label
The soup is too salty.,food
Bake the bread for an hour.,food
We had rice and fish for dinner.,food
The train leaves at noon.,travel
Our flight was delayed.,travel
The bus stops at the station.,travel
"""
FOREIGN = [
    {"id": "de", "text": "Die Suppe ist zu salzig.", "lang": "de", "label": "food"},
    {"id": "fr", "text": "Le train part à midi.", "lang": "fr", "label": "travel"},
    {"id": "es", "text": "Nuestro vuelo se retrasó.", "lang": "es", "label": "food"},
]


@pytest.fixture
def files(folder: Path) -> Path:
    (folder / "labelled.csv").write_text(LABELLED, encoding="utf-8")
    lines = [json.dumps(row, ensure_ascii=False) for row in FOREIGN]
    (folder / "foreign.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    rows = [line.rsplit(",", 1) for line in LABELLED.splitlines()[1:]]
    file = tmp_path_factory.mktemp("model") / "m.classifier"
    save_classifier(Classifier.fit([row[0] for row in rows], [row[1] for row in rows]), file)
    return file.read_bytes()


@pytest.fixture
def model(files: Path, fitted: bytes) -> str:
    (files / "m.classifier").write_bytes(fitted)
    return "m.classifier"


def test_a_file_is_learned_from(files: Path, fitted: bytes, run: Run) -> None:
    done = run("classify", "fit", "labelled.csv", "--output", "m.classifier")
    assert done.exit_code == 0, done.output
    assert "Learned 2 labels from 6 texts: m.classifier" in done.stderr
    assert (files / "m.classifier").read_bytes() == fitted


def test_texts_of_the_command_line_get_their_labels(model: str, run: Run) -> None:
    done = run("classify", "predict", model, "Die Suppe ist zu salzig.", "Le train part à midi.")
    cells = [line.split("\t") for line in done.stdout.splitlines()]
    assert [(label, lang) for label, _, lang, _ in cells] == [("food", "de"), ("travel", "fr")]


def test_standard_input_is_read_line_by_line(model: str, run: Run, parse: Any) -> None:
    done = run(
        "classify", "predict", model, "-", "--json", "--lang", "de", input="Suppe\n\nDer Zug\n"
    )
    found = parse(done.stdout)
    assert [(row["text"], row["label"], row["lang"]) for row in found] == [
        ("Suppe", "food", "de"),
        ("Der Zug", "travel", "de"),
    ]
    assert set(found[0]) == {
        "text",
        "lang",
        "label",
        "probability",
        "best",
        "runner_up",
        "runner_up_probability",
    }


def test_texts_of_files_keep_their_ids(model: str, run: Run) -> None:
    done = run("classify", "predict", model, "--file", "foreign.jsonl")
    cells = [line.split("\t") for line in done.stdout.splitlines()]
    assert [(row[0], row[3]) for row in cells] == [
        ("food", "de"),
        ("travel", "fr"),
        ("travel", "es"),
    ]


def test_documents_get_labels_only_with_apply(model: str, run: Run, parse: Any) -> None:
    run("ingest", "foreign.jsonl", "--quiet")
    dry = run("classify", "predict", model, "--documents", "--langs", "!es")
    assert len(dry.stdout.splitlines()) == 2
    assert "Nothing was written" in dry.stderr
    with Collection.open() as collection:
        assert all("kind" not in document.metadata for document in collection.documents())
    done = run("classify", "predict", model, "--documents", "--apply", "kind", "--json")
    [report] = parse(done.stdout)
    assert report == {
        "field": "kind",
        "applied": True,
        "matched": 3,
        "changed": 3,
        "unchanged": 0,
        "abstained": 0,
        "labels": {"travel": 2, "food": 1},
    }
    with Collection.open() as collection:
        kinds = {document.id: document.metadata["kind"] for document in collection.documents()}
    assert kinds == {"de": "food", "fr": "travel", "es": "travel"}
    again = run("classify", "predict", model, "--documents", "--apply", "kind")
    assert "Wrote 'kind' of 0 documents (3 had it already, 0 got none)" in again.stderr


def test_a_collection_can_be_learned_from(files: Path, run: Run) -> None:
    run("ingest", "labelled.csv", "--lang", "en", "--quiet")
    fit = ("classify", "fit", "--documents", "--langs", "en", "--output", "c.classifier")
    for method in ("both", "knn", "logistic"):
        assert run(*fit, "--method", method).exit_code == 0
        done = run("classify", "predict", "c.classifier", "Le train part à midi.")
        assert done.stdout.startswith("travel\t")


def test_descriptions_are_learned_from(files: Path, run: Run) -> None:
    (files / "what.csv").write_text(
        "text,label\ncooking and eating bread,food\ngoing by train or plane,travel\n",
        encoding="utf-8",
    )
    run("classify", "fit", "what.csv", "--method", "zero-shot", "--output", "z.classifier")
    done = run("classify", "predict", "z.classifier", "Le train part à midi.")
    assert done.stdout.startswith("travel\t")


def test_a_report_compares_by_language(model: str, run: Run, parse: Any) -> None:
    done = run("classify", "report", model, "foreign.jsonl")
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert {row[0]: row[2] for row in rows if len(row) > 1} == {
        "de": "100.0",
        "fr": "100.0",
        "es": "0.0",
        "all": "66.7",
    }
    assert "66.7 % right on the mean" in done.stderr
    [found] = parse(run("classify", "report", model, "foreign.jsonl", "--json").stdout)
    assert found["confusion"] == [
        {"label": "food", "given": "food", "n": 1},
        {"label": "food", "given": "travel", "n": 1},
        {"label": "travel", "given": "travel", "n": 1},
    ]


def test_languages_are_detected_where_none_is_declared(model: str, run: Run, parse: Any) -> None:
    [found] = parse(run("classify", "report", model, "labelled.csv", "--json").stdout)
    assert {score["lang"]: score["accuracy"] for score in found["languages"]}["en"] == 1


def test_at_a_terminal_there_are_tables(
    model: str, terminal: Callable[..., tuple[int, str]]
) -> None:
    code, shown = terminal("classify", "report", model, "foreign.jsonl")
    assert code == 0
    assert "macro F1" in shown
    assert "Texts by their label (rows) and the label given (columns):" in shown


def test_show_needs_no_embedder(model: str, run: Run, parse: Any) -> None:
    done = run("classify", "show", model)
    assert "label\tfood: 3 texts" in done.stdout
    [found] = parse(run("classify", "show", model, "--json").stdout)
    assert found["classes"] == ["food", "travel"]
    assert found["thresholds"] == [0, 0]


def test_what_is_not_sure_gets_no_label(model: str, run: Run) -> None:
    done = run("classify", "predict", model, "Suppe", "--threshold", "0.999")
    assert done.stdout.startswith("\t")
    done = run("classify", "predict", model, "Suppe", "--threshold", "1", "--abstain", "other")
    assert done.stdout.startswith("other\t")


def test_a_threshold_is_learned_for_a_precision(files: Path, run: Run, parse: Any) -> None:
    (files / "many.csv").write_text(
        LABELLED + "".join(LABELLED.partition("\n")[2].replace(".", f" {n}.") for n in range(9)),
        encoding="utf-8",
    )
    fit = ("classify", "fit", "many.csv", "--output", "p.classifier", "--precision", "0.8")
    done = run(*fit)
    assert done.exit_code == 0, done.output
    assert "A label is given from a probability of 0." in done.stderr
    [facts] = parse(run(*fit, "--abstain", "none", "--json").stdout)
    assert facts["abstain"] == "none"
    assert 0 < facts["thresholds"][0] < 1


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("fit", "--output", "x"), 2, "give FILEs to learn from, or --documents"),
        (("fit", "labelled.csv", "--output", "x", "--label", "lable"), 2, "Did you mean 'label'?"),
        (("fit", "labelled.csv", "--output", "x", "--label", "x"), 2, "are: 'text', 'label'"),
        (("fit", "labelled.csv", "--output", "x", "--label", "text"), 2, "and no label"),
        (("fit", "labelled.csv", "--output", "x", "--where", "a = 1"), 2, "need --documents"),
        (("fit", "labelled.csv", "--output", "no/x"), 2, "no/x: No such file or directory"),
        (("fit", "missing.csv", "--output", "x"), 2, "there is no such file"),
        (("predict", "m.classifier"), 2, "give TEXTs, or -, or --file, or --documents"),
        (("predict", "m.classifier", "a", "--apply", "x"), 2, "go with --documents"),
        (("predict", "missing", "a"), 2, "missing: there is no such file"),
        (("predict", "labelled.csv", "a"), 1, "this is no classifier, or it is damaged"),
        (("predict", "m.classifier", "  "), 1, "text 0 cannot be classified"),
        (("report", "m.classifier", "labelled.csv", "--label", "x"), 2, "no column 'x'"),
    ],
)
def test_errors_are_words_and_exit_codes(
    model: str, run: Run, arguments: tuple[str, ...], code: int, words: str
) -> None:
    done = run("classify", *arguments)
    assert done.exit_code == code, done.output
    assert words in done.stderr
    assert "Traceback" not in done.output


def test_rows_that_cannot_be_read_are_told_and_left_out(files: Path, run: Run) -> None:
    (files / "bad.csv").write_text(LABELLED + ",travel\nno label,\n", encoding="utf-8")
    done = run("classify", "fit", "bad.csv", "--output", "b.classifier")
    assert done.exit_code == 0
    assert "Warning: bad.csv, line 8:" in done.stderr
    assert "(empty); left out" in done.stderr
    assert "from 6 texts" in done.stderr
