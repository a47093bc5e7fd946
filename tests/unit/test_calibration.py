"""What a calibration says, how it is kept, and when it is not used."""

from __future__ import annotations

import json

import numpy as np
import pytest

from xlingual_qdrant import Collection, load_embedder
from xlingual_qdrant.calibration import (
    ANY,
    SAME,
    STATE,
    Calibration,
    Cut,
    calibration_of,
    embedder_name,
    pair_key,
    read_calibration,
    shipped_calibration,
    write_calibration,
)
from xlingual_qdrant.errors import CalibrationUnused, UsageError


def cut(threshold: float) -> Cut:
    return Cut(threshold=threshold, slope=10, offset=-10 * threshold, pairs=9, method="labels")


def calibration(embedder: str, **cuts: Cut) -> Calibration:
    return Calibration(embedder=embedder, cuts={"cosine": cuts})


@pytest.fixture
def collection():
    with Collection.open(store="memory") as opened:
        yield opened


def test_the_nearest_cut_that_is_known_is_taken() -> None:
    known = Calibration(
        embedder="any",
        cuts={
            "cosine": {
                "de|en": cut(0.5),
                "de-AT|en": cut(0.6),
                "fr|fr": cut(0.7),
                SAME: cut(0.8),
                ANY: cut(0.4),
            }
        },
    )

    def threshold(one: str, other: str) -> float:
        found = known.cut("cosine", one, other)
        assert found is not None
        return found.threshold

    assert threshold("de", "en") == threshold("en", "de") == 0.5
    assert threshold("de-AT", "en") == 0.6
    assert threshold("de-CH", "en-GB") == 0.5
    assert threshold("fr-CA", "fr") == 0.7
    assert threshold("sw", "sw-KE") == 0.8
    assert threshold("sw", "th") == 0.4
    assert threshold("und", "und") == 0.4
    assert known.cut("margin", "de", "en") is None


def test_a_probability_is_half_where_the_curve_crosses_and_stays_finite_far_away() -> None:
    found = cut(0.5).probability(np.array([-1e6, 0.5, 1e6], dtype=np.float32))
    assert found.tolist() == pytest.approx([0, 0.5, 1])


def test_what_is_written_is_read(collection) -> None:
    assert read_calibration(collection.stored) is None
    kept = calibration(embedder_name(collection.stored), **{ANY: cut(0.5)})
    write_calibration(collection.stored, kept)
    assert read_calibration(collection.stored) == kept == calibration_of(collection.stored)
    write_calibration(collection.stored, None)
    assert read_calibration(collection.stored) is None
    assert STATE not in collection.stored.states()


def test_one_of_another_embedder_is_told_and_not_used(collection) -> None:
    write_calibration(collection.stored, calibration("another model", **{ANY: cut(0.9)}))
    assert read_calibration(collection.stored) is None
    with pytest.warns(CalibrationUnused, match="another model.*xlingual calibrate"):
        found = calibration_of(collection.stored)
    assert found == shipped_calibration(embedder_name(collection.stored))


def test_another_embedder_has_no_calibration_of_the_bundled_model() -> None:
    with Collection.open("vectors", store="memory", schema={"dimension": 3}) as collection:
        assert calibration_of(collection.stored) is None


def test_the_one_that_ships_is_for_the_bundled_model_and_its_languages() -> None:
    found = shipped_calibration(str(load_embedder().fingerprint))
    assert found is not None
    for measure in ("cosine", "margin"):
        keys = found.cuts[measure].keys()
        assert {ANY, SAME, pair_key("de", "en"), pair_key("ja", "sw"), "en|en", "ta|ta"} <= keys
        assert len(keys) > 500
    assert all(0.3 < each.threshold < 0.8 for each in found.cuts["cosine"].values())
    assert all(each.f1 and each.f1 > 0.7 for each in found.cuts["cosine"].values())
    assert found.source


@pytest.mark.parametrize(
    ("kept", "says"),
    [
        (b"nonsense", "cannot be read.*xlingual calibrate"),
        (b'{"embedder": "e", "cuts": {}, "surprise": 1}', "cannot be read"),
        (b'{"version": 99, "embedder": "e", "cuts": {}}', "upgrade xlingual-qdrant"),
    ],
)
def test_what_cannot_be_read_is_an_error_with_a_way_out(collection, kept, says) -> None:
    collection.stored.write_state(STATE, kept)
    with pytest.raises(UsageError, match=says):
        calibration_of(collection.stored)


def test_it_is_json_for_other_programs() -> None:
    row = json.loads(calibration("e", **{"de|en": cut(0.5)}).to_bytes())
    assert row["cuts"]["cosine"]["de|en"]["threshold"] == 0.5
