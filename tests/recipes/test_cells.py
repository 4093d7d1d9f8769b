"""Numbers and dates as people write them: read as they are meant, or rejected with a reason."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from adapter.recipes.cells import BadCell, Compared, Parser, date, number
from adapter.recipes.formats import loses, precision

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


@pytest.mark.parametrize("cell", ["1.500", "1.5", "<0.5", "1.234.567", "1.234,50"])
def test_with_a_decimal_comma_a_point_is_no_decimal_point(cell: str) -> None:
    with pytest.raises(BadCell, match="decimal ','; thousands are not grouped") as caught:
        number(",")(cell)
    assert caught.value.rule == "not-a-number"


def test_groups_of_thousands_are_told_as_such_beside_a_decimal_point_too() -> None:
    with pytest.raises(BadCell, match=r"decimal '\.'; thousands are not grouped"):
        number()("1,500")


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
        ("2024-03-31 02:30", None),  # clocks went from 02:00 to 03:00
        ("31.03.2024 02:00", "%d.%m.%Y %H:%M"),
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
        ("2024-01-10 08:30 PM", "%Y-%m-%d %I:%M %p", "2024-01-10T20:30:00+01:00"),
        ("12:05 AM 10.01.2024", "%I:%M %p %d.%m.%Y", "2024-01-10T00:05:00+01:00"),
        ("Wed Jan 10 20:30:05 2024", "%c", "2024-01-10T20:30:05+01:00"),
        ("01/10/24 20:30:05", "%x %X", "2024-01-10T20:30:05+01:00"),
        ("2024-07-10 08:30 +0800", "%Y-%m-%d %H:%M %z", "2024-07-10T08:30:00+08:00"),
        ("2024-07-10T08:30Z", "%Y-%m-%dT%H:%M%z", "2024-07-10T08:30:00+00:00"),
        ("01/2024", "%m/%Y", "2024-01"),
        ("Jan 2024", "%b %Y", "2024-01"),
        ("2024", "%Y", "2024"),
        ("2024 060", "%Y %j", "2024-02-29"),
        ("2024-03-31 01:59", None, "2024-03-31T01:59:00+01:00"),
        ("2024-03-31 03:00", None, "2024-03-31T03:00:00+02:00"),
        ("2024-10-27 02:30", None, "2024-10-27T02:30:00+02:00"),  # comes twice: the first
    ],
)
def test_a_date_keeps_its_precision_and_a_time_gets_the_offset_of_its_season(
    cell: str, form: str | None, read: str
) -> None:
    assert date(BERLIN, form)(cell) == read


@pytest.mark.parametrize(
    ("zone", "skipped", "told"),
    [
        ("America/Nuuk", "2024-03-30 23:30", "2024-03-30T22:59:00-02:00"),  # until midnight
        ("America/Sao_Paulo", "2018-11-04 00:30", "2018-11-04T01:00:00-02:00"),  # from midnight
        ("Pacific/Apia", "2011-12-30 12:00", "2011-12-31T00:00:00+14:00"),  # a whole day
        ("Europe/Berlin", "2024-03-31 02:59:59", "2024-03-31T03:00:00+02:00"),
    ],
)
def test_a_time_that_clocks_skipped_is_none_whenever_they_were_changed(
    zone: str, skipped: str, told: str
) -> None:
    parser = date(ZoneInfo(zone))
    assert rule(parser, skipped) == "impossible-date"
    assert parser(told[:16]) == told


def test_no_day_of_a_year_has_another_offset_than_its_zone_gives_it() -> None:
    for zone in map(ZoneInfo, ("Asia/Shanghai", "America/Nuuk", "Australia/Lord_Howe")):
        for hour in range(366 * 24):
            moment = dt.datetime(2024, 1, 1, tzinfo=dt.UTC) + dt.timedelta(hours=hour)
            local = moment.astimezone(zone).replace(fold=0)
            assert date(zone)(f"{local:%Y-%m-%d %H:%M}") == local.isoformat()


@pytest.mark.parametrize(
    ("keep", "kept"), [("year", "2015"), ("month", "2015-03"), ("date", "2015-03-02")]
)
def test_no_more_of_a_date_is_kept_than_is_wanted(keep: str, kept: str) -> None:
    assert date(BERLIN, keep=keep)("2015-03-02 08:30") == kept


@pytest.mark.parametrize(
    ("form", "stated"),
    [("%Y", "year"), ("%m/%y", "month"), ("%d %B %Y", "date"), ("%x", "date"), ("%c", "time"),
     ("%G-W%V-%u", "date"), ("%I:%M %p %d.%m.%y", "time"), ("%Y-%m-%dT%H:%M:%S.%f%z", "time")],
)  # fmt: skip
def test_a_format_says_how_precise_it_is(form: str, stated: str) -> None:
    assert (precision(form), loses(form)) == (stated, False)


@pytest.mark.parametrize("form", ["%d.%m", "%H:%M", "%d %d %Y", "%Y%", "%Q", "YYYY"])
def test_a_format_by_which_no_date_is_read_has_no_precision(form: str) -> None:
    assert precision(form) is None


@pytest.mark.parametrize(
    ("form", "keep", "kept"),
    [
        ("%Y-%m-%d %I:%M", "date", "2024-03-02"),  # morning or evening?
        ("%Y-%m-%d %H:%M %p", "date", "2024-03-02"),  # %p is heeded beside %I alone
        ("%Y-%m-%d %H", "date", "2024-03-02"),  # FHIR has no hour without its minutes
        ("%Y-%m-%d %H:%M %Z", "date", "2024-03-02"),  # strptime reads names, and forgets them
        ("%m/%Y %H:%M", "month", "2024-03"),
        ("%Y W%W", "year", "2024"),
        ("%d %Y", "year", "2024"),
    ],
)
def test_a_format_that_says_more_than_can_be_kept_loses_unless_less_is_wanted(
    form: str, keep: str, kept: str
) -> None:
    assert loses(form)
    assert not loses(form, keep)
    written = dt.datetime(2024, 3, 2, 8, 30, tzinfo=dt.UTC).strftime(form)
    assert date(BERLIN, form, keep)(written) == kept
