"""Makes the files of the reference study: the same bytes each time, everything in them invented.

python examples/nct05862675/make_cohort.py [--out DIR]
"""

from __future__ import annotations

import argparse
import csv
import datetime as dt
import sys
from collections.abc import Sequence
from pathlib import Path

import xlsxwriter

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from cohort import dictionary, faults, forms, laboratory, samples  # noqa: E402
from cohort.children import make_children  # noqa: E402

SEED = 5862675
MADE = dt.datetime(2026, 1, 15, tzinfo=dt.UTC)


def write_csv(path: Path, columns: Sequence[str], rows: Sequence[dict[str, str]]) -> None:
    """A CSV as the hospital's systems write it."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def write_inventory(path: Path, rows: Sequence[dict[str, str]]) -> None:
    """The inventory as a workbook; numbers are numbers, everything else is text."""
    book = xlsxwriter.Workbook(path)
    book.set_properties({"title": "Biobank inventory", "created": MADE.replace(tzinfo=None)})
    sheet = book.add_worksheet("Inventory")
    sheet.write_row(0, 0, samples.COLUMNS, book.add_format({"bold": True}))
    sheet.freeze_panes(1, 0)
    for line, row in enumerate(rows, start=1):
        for column, name in enumerate(samples.COLUMNS):
            text = row.get(name, "")
            if name == "volume_ml" and text.replace(".", "").isdigit():
                sheet.write_number(line, column, float(text))
            elif text:
                sheet.write_string(line, column, text)
    book.close()


def make_tables() -> tuple[dict[str, list[forms.Cells]], list[faults.Expected]]:
    """The rows of each file, and the rejects that they must cause."""
    children = make_children(SEED)
    tables = {
        faults.FORMS: list(forms.export(children)),
        faults.LAB: list(laboratory.export(children)),
        faults.SAMPLES: list(samples.inventory(children)),
    }
    return tables, faults.Faults(children, *tables.values()).make()


def identifiers() -> set[str]:
    """Every name, number, phone and remark that no output may hold; dates of birth aside."""
    tables, _ = make_tables()
    columns = [field[0] for field in dictionary.FIELDS if "i" in field[8]]
    columns.remove("birth_date")  # its text may also be the date of something else
    return {row[name] for row in tables[faults.FORMS] for name in columns if row.get(name)}


def make(out: Path) -> None:
    """Write every file of the cohort into ``out``."""
    data = out / "data"
    data.mkdir(parents=True, exist_ok=True)
    tables, expected = make_tables()
    with (data / "dictionary.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(dictionary.HEADER)
        writer.writerows(dictionary.rows())
    write_csv(data / "forms.csv", dictionary.columns(), tables[faults.FORMS])
    write_csv(data / "laboratory.csv", laboratory.COLUMNS, tables[faults.LAB])
    write_inventory(data / "samples.xlsx", tables[faults.SAMPLES])
    lines = {id(row): n for rows in tables.values() for n, row in enumerate(rows, start=2)}
    found = sorted(
        (e.file, lines[id(e.row)], e.column, e.rule, e.effect, e.explanation) for e in expected
    )
    with (out / "faulty-rows.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("file", "line", "column", "rule", "effect", "explanation"))
        writer.writerows(found)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=HERE)
    make(parser.parse_args().out)
