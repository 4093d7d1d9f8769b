"""Quantities in different units, dates of different precision."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.validation.fhirpath.boundaries import of_decimal, of_temporal
from adapter.validation.fhirpath.quantities import Quantity, comparable, measure, read_quantity
from adapter.validation.fhirpath.temporal import Temporal, add, compare, equal, read


def moment(text: str, kind: str = "dateTime") -> Temporal:
    found = read(text, kind)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1 'kg'", "1000 'g'"),
        ("1 '[lb_av]'", "16 '[oz_av]'"),
        ("1 'mmol/L'", "1 'mol/m3'"),
        ("60 'km/h'", "1 'km/min'"),
        ("7 days", "1 week"),
        ("1 'mm[Hg]'", "133.322 'Pa'"),
        ("5 '%'", "50 '[ppth]'"),
        ("3 '{cells}/uL'", "3 '/mm3'"),
    ],
)
def test_the_same_in_another_unit(one: str, other: str) -> None:
    first, second = read_quantity(one), read_quantity(other)
    assert first is not None
    assert second is not None
    assert measure(first) == measure(second)


def test_what_measures_something_else_or_nothing() -> None:
    assert not comparable("cm", "s")
    assert not comparable("cm", "furlongs")
    assert measure(Quantity(Decimal(1), "Cel")) is None  # a scale with an offset
    assert measure(Quantity(Decimal(1), "m" + "9" * 40)) is None


@pytest.mark.parametrize(
    ("one", "other", "answer"),
    [
        ("2024-01", "2024-02", -1),
        ("2024-01", "2024-01-15", None),
        ("2024-01-01T10:00:00Z", "2024-01-01T12:00:00+02:00", 0),
        ("2024-01-01T10:00:00.5Z", "2024-01-01T10:00:00Z", 1),
        ("2024-01-01T10:00Z", "2024-01-01T10:00:30Z", None),
    ],
)
def test_order_of_dates(one: str, other: str, answer: int | None) -> None:
    assert compare(moment(one), moment(other)) == answer


def test_a_time_without_zone_may_be_any_within_a_day() -> None:
    assert equal(moment("2024-01-01T10:00:00"), moment("2024-01-01T12:00:00Z")) is None
    assert equal(moment("2024-01-01T10:00:00"), moment("2024-02-01T12:00:00Z")) is False


@pytest.mark.parametrize("text", ["2024-13", "2023-02-29", "2024-01-01T25:00:00Z", "24", "x"])
def test_what_is_no_date(text: str) -> None:
    assert read(text, "dateTime") is None


def test_a_month_later_is_still_in_the_calendar() -> None:
    assert str(add(moment("2024-01-31", "date"), Quantity(Decimal(1), "month", True), 1)) == (
        "2024-02-29"
    )


@given(st.dates(), st.integers(-500, 500))
def test_days_come_and_go(day: date, days: int) -> None:
    start = moment(day.isoformat(), "date")
    step = Quantity(Decimal(days), "days", True)
    if date.min.toordinal() + 500 < day.toordinal() < date.max.toordinal() - 500:
        assert str(add(add(start, step, 1), step, -1)) == day.isoformat()


@given(st.decimals(-(10**12), 10**12, allow_nan=False, places=4))
def test_a_number_lies_within_its_bounds(number: Decimal) -> None:
    low, high = of_decimal(number, 8, False), of_decimal(number, 8, True)
    assert low is not None
    assert high is not None
    assert low < number < high


@given(st.dates(min_value=date(2, 1, 1)), st.sampled_from([4, 7, 10]))
def test_a_date_lies_within_its_bounds(day: date, length: int) -> None:
    vague = moment(day.isoformat()[:length])
    low, high = of_temporal(vague, None, False), of_temporal(vague, None, True)
    exact = moment(f"{day.isoformat()}T12:00:00Z")
    assert compare(low, exact) == -1
    assert compare(exact, high) == -1
