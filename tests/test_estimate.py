"""Arithmetic, printing and records of estimates."""

import json
import math

import numpy as np
import pytest
from registry.estimators import ESTIMATORS

from gibbsite.core import Estimate, Evidence, Status, concise, exact


def lower(value=1.0, stderr=0.1):
    return Estimate(value, stderr, evidence=Evidence.LOWER)


def test_a_minus_sign_turns_a_bound_over():
    assert (-lower()).evidence is Evidence.UPPER
    assert (lower() * 2.0).evidence is Evidence.LOWER
    assert (lower() / -2.0).evidence is Evidence.UPPER
    assert (3.0 - lower()).evidence is Evidence.UPPER
    assert (3.0 - lower()).value == 2.0
    skew = Estimate(1.0, 0.1, lo=0.0, hi=math.inf)
    assert ((-skew).lo, (-skew).hi) == (-math.inf, -0.0)


@pytest.mark.parametrize(
    ("first", "second", "total"),
    [
        (Evidence.EXACT, Evidence.UNBIASED, Evidence.UNBIASED),
        (Evidence.EXACT, Evidence.LOWER, Evidence.LOWER),
        (Evidence.INTERVAL, Evidence.UNBIASED, Evidence.INTERVAL),
        (Evidence.LOWER, Evidence.LOWER, Evidence.LOWER),
        (Evidence.LOWER, Evidence.UPPER, Evidence.NOT_ESTABLISHED),
        (Evidence.IMPLICIT, Evidence.LOWER, Evidence.NOT_ESTABLISHED),
    ],
)
def test_the_weaker_evidence_decides(first, second, total):
    assert (Estimate(1.0, 0.1, evidence=first) + Estimate(1.0, 0.1, evidence=second)).evidence is total
    assert (Estimate(1.0, 0.1, evidence=second) + Estimate(1.0, 0.1, evidence=first)).evidence is total


def test_upper_minus_lower_bounds_the_gap_and_lower_minus_lower_nothing():
    upper = -lower(-3.0)
    assert (upper - lower()).evidence is Evidence.UPPER
    assert (lower() - lower()).evidence is Evidence.NOT_ESTABLISHED


def test_independent_errors_add_in_squares_and_ends_with_them():
    total = Estimate(1.0, 0.3, ess=50) + Estimate(2.0, 0.4, ess=20)
    assert total.value == 3.0
    assert total.stderr == pytest.approx(0.5)
    assert total.hi == pytest.approx(3.0 + 1.959964 * 0.5, rel=1e-6)
    assert total.ess == 20
    open_ended = Estimate(1.0, 0.3, hi=math.inf) + Estimate(2.0, 0.4)
    assert open_ended.hi == math.inf
    assert open_ended.lo == pytest.approx(3.0 - 1.959964 * 0.5, rel=1e-6)


def test_one_source_is_refused_without_its_covariance():
    e = Estimate(1.0, 0.1)
    for other in (e, -e, e * 2.0 + 1.0, e + Estimate(5.0, 1.0)):
        with pytest.raises(ValueError, match="correlated"):
            e + other
    doubled = e.plus(e, covariance=0.01)
    assert doubled.stderr == pytest.approx(0.2)
    assert doubled.hi == pytest.approx((e * 2.0).hi)
    assert e.plus(-e, covariance=-0.01).stderr == pytest.approx(0.0, abs=1e-7)


def test_the_first_bad_status_and_missing_values_stay():
    bad = Estimate(1.0, 0.1, status=Status.LOW_ESS)
    assert (exact(1.0) + bad).status is Status.LOW_ESS
    none = Estimate(None, None, status=Status.NO_OVERLAP, evidence=Evidence.NOT_ESTABLISHED)
    total = 2.0 * (none + exact(1.0)) + 1.0
    assert total.value is None
    assert total.status is Status.NO_OVERLAP
    assert str(total) == "not established"


def test_numbers_and_arrays_on_either_side():
    e = np.float64(2.0) * (np.float32(1.0) + Estimate(1.0, 0.1))
    assert isinstance(e, Estimate)
    assert e.value == 4.0
    masses = np.array([1.0, 2.0]) + Estimate(np.zeros(2), np.array([0.1, 0.2]))
    assert isinstance(masses, Estimate)
    np.testing.assert_allclose(masses.hi, [1 + 0.1959964, 2 + 2 * 0.1959964], rtol=1e-6)
    assert str(masses) == "array(2,), largest stderr 0.2"
    assert str(Estimate(np.zeros(2), None)) == "array(2,), no error bar"
    assert len({masses, e}) == 2


@pytest.mark.parametrize(
    ("value", "stderr", "text"),
    [
        (-1.234, 0.005, "-1.234(5)"),
        (1.2345, 0.0123, "1.234(12)"),
        (1.2345, 0.0199, "1.23(2)"),
        (12345.0, 250.0, "12345(250)"),
        (60.1418, 0.5, "60.1(5)"),
        (60.1417808, 0.0, "60.14178"),
        (2.5, None, "2.5"),
        (math.nan, 0.1, "nan(0.1)"),
    ],
)
def test_printing(value, stderr, text):
    assert concise(value, stderr) == text
    assert str(Estimate(value, stderr)) == text


def test_records_are_plain_json():
    estimates = [
        Estimate(np.float32(1.5), np.float64(0.1), ess=np.float64(3)),
        Estimate(math.nan, math.inf),
        Estimate(None, None, status=Status.NO_OVERLAP),
        Estimate(np.arange(3.0), np.ones(3)),
        Estimate(1.0, 0.1, hi=math.inf),
    ]
    records = [json.loads(json.dumps(e.record(), allow_nan=False)) for e in estimates]
    assert records[0]["value"] == 1.5
    assert records[1]["value"] is None
    assert records[2]["status"] == "no_overlap"
    assert records[3]["value"] == [0.0, 1.0, 2.0]
    assert records[4]["hi"] is None
    assert set(records[0]) == {"value", "stderr", "lo", "hi", "level", "ess", "status", "evidence"}


@pytest.mark.parametrize("name", ESTIMATORS)
def test_law_of_estimators(name):
    ESTIMATORS[name]()
