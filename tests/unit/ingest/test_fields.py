from __future__ import annotations

import pytest

from xlingual_qdrant.errors import InvalidDocument, UsageError
from xlingual_qdrant.ingest.fields import FieldMapping, typed_cells

ROW = {"text": "t", "lang": "de", "id": "i", "body": "b", "key": "k", "tongue": "fr"}


def test_other_names_leave_the_default_ones_to_the_metadata():
    document = FieldMapping("body", lang="tongue", id="key").reader()(ROW)
    assert (document.text, document.lang, document.id) == ("b", "fr", "k")
    assert document.metadata == {"text": "t", "lang": "de", "id": "i"}


def test_a_default_name_is_free_for_another_part():
    document = FieldMapping("lang").reader()({"lang": "the text"})
    assert (document.text, document.lang) == ("the text", "und")


def test_one_field_cannot_be_two_things():
    with pytest.raises(UsageError, match="two things"):
        FieldMapping("a", lang="a")


@pytest.mark.parametrize("given", [{}, {"lang": None}, {"lang": " "}])
def test_the_default_language_is_for_records_without_one(given):
    document = FieldMapping(default_lang="DE").reader()
    assert document({"text": "x", **given}).lang == "de"
    assert document({"text": "x", "lang": "fr"}).lang == "fr"


def test_an_unknown_default_language_is_wrong_usage():
    with pytest.raises(UsageError, match="language"):
        FieldMapping(default_lang="german")


def test_a_nested_metadata_field_is_merged_if_asked_for():
    row = {"text": "x", "metadata": {"a": 1}, "b": 2}
    assert FieldMapping().reader()(row).metadata == {"metadata": {"a": 1}, "b": 2}
    document = FieldMapping(metadata="metadata").reader()
    assert document(row).metadata == {"a": 1, "b": 2}
    for bad, reason in (({"metadata": [1]}, "type"), ({"metadata": {"b": 1}}, "duplicate")):
        with pytest.raises(InvalidDocument) as caught:
            document({**row, **bad})
        assert caught.value.reason == reason


def test_cells_of_declared_fields_get_their_type_if_they_fit():
    cells = {"n": "007", "f": "1.5", "b": "True", "d": "2024-01-01", "k": "1", "x": "1"}
    declared = {"n": "integer", "f": "float", "b": "bool", "d": "datetime", "k": "keyword"}
    typed = typed_cells(cells, declared)
    assert typed == {"n": 7, "f": 1.5, "b": True, "d": "2024-01-01", "k": "1", "x": "1"}
    odd = {"n": "1.0", "f": "nan", "b": "yes", "d": " "}
    assert typed_cells(odd, declared) == {"n": "1.0", "f": "nan", "b": "yes", "d": None}
