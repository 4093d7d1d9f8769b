"""Numbers and dates as people write them: read as they are meant, or rejected with a reason."""

from __future__ import annotations

from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from adapter.recipes.cells import BadCell, Compared, Parser, date, number

BERLIN = ZoneInfo("Europe/Berlin")


def rule(parser: Parser, cell: str) -> str:
    """The rule that a cell breaks; what is said about it does not quote it."""
    with pytest.raises(BadCell) as caught:
        parser(cell)
    assert cell not in caught.value.why
    return caught.value.rule


@pytest.mark.parametrize(
    ("cell", "value", "comparator"),
    [
        ("12.50", "12.50", None),
        (" -0.5 ", "-0.5", None),
        ("+3", "3", None),
        ("<=0.05", "0.05", "<="),
        ("> 1000", "1000", ">"),
    ],
)
def test_a_number_keeps_its_digits(cell: str, value: str, comparator: str | None) -> None:
    found = number()(cell)
    assert (str(found.value), found.comparator) == (value, comparator)


@pytest.mark.parametrize("decimal", [".", ","])
@pytest.mark.parametrize(
    "cell",
    ["١٢", "１２", "½", "1e999", "1E5", "NaN", "Infinity", "1_000", "0x1F", "1 000", "1.234,5",
     "--1", "1.", "5 mg", "≤5", "~5"],
)  # fmt: skip
def test_what_is_no_number_in_plain_digits_is_none(cell: str, decimal: str) -> None:
    assert rule(number(decimal), cell) == "not-a-number"


def test_a_decimal_comma_is_read_where_the_source_says_so() -> None:
    assert number(",")("1,50") == Compared(Decimal("1.50"))
    assert rule(number("."), "1,50") == "not-a-number"


@pytest.mark.parametrize(
    ("cell", "form"),
    [
        ("2023-02-30", None),
        ("2023-02-29", None),
        ("2023-02-30 08:00", None),
        ("30/02/2023", "%d/%m/%Y"),
        ("2024-13", None),
        ("0000", None),
        ("2024-01-10 24:00", None),
        ("02/03/04", None),  # which is the day?
        ("2024-1-5", None),
        ("10.01.2024", "%d/%m/%Y"),
        ("٢٠٢٤-٠١-١٠", None),
    ],
)
def test_a_date_that_does_not_exist_or_is_written_in_another_form_is_rejected(
    cell: str, form: str | None
) -> None:
    assert rule(date(BERLIN, form), cell) == "impossible-date"


@pytest.mark.parametrize(
    ("cell", "form", "read"),
    [
        ("2024", None, "2024"),
        ("2024-02", None, "2024-02"),
        ("2024-02-29", None, "2024-02-29"),
        ("29/02/2024", "%d/%m/%Y", "2024-02-29"),
        ("2024-01-10 08:30", None, "2024-01-10T08:30:00+01:00"),
        ("2024-07-10T08:30:15", None, "2024-07-10T08:30:15+02:00"),
        ("10.07.2024 08:30", "%d.%m.%Y %H:%M", "2024-07-10T08:30:00+02:00"),
    ],
)
def test_a_date_keeps_its_precision_and_a_time_gets_the_offset_of_its_season(
    cell: str, form: str | None, read: str
) -> None:
    assert date(BERLIN, form)(cell) == read


@pytest.mark.parametrize(
    ("keep", "kept"), [("year", "2015"), ("month", "2015-03"), ("date", "2015-03-02")]
)
def test_no_more_of_a_date_is_kept_than_is_wanted(keep: str, kept: str) -> None:
    assert date(BERLIN, keep=keep)("2015-03-02 08:30") == kept
