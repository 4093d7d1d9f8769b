"""The biobank's inventory: samples and the aliquots made of them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from cohort.children import Child
from cohort.forms import Cells, airway_sample

COLUMNS = (
    "sample_id record_id child_name material collected received volume_ml method tube processing "
    "storage state parent_id"
).split()


def inventory(children: list[Child]) -> Iterator[Cells]:
    """Serum of every child; sputum, or lavage in severe illness; aliquots at -80 °C."""
    for child in children:
        yield from _sample(child, f"CQ{child.record}-S1", "SER", "10:15", 2 if child.sick else 1)
        if child.sick:
            number = airway_sample(child)
            yield from _sample(child, number, "BALF" if "-B" in number else "SPT", "11:30", 1)


def _sample(child: Child, number: str, material: str, time: str, aliquots: int) -> Iterator[Cells]:
    rng = child.rng
    volume = {"SER": 3.0, "SPT": 2.0, "BALF": 8.0}[material] + rng.randrange(0, 5) / 10
    common = {"record_id": child.record, "child_name": child.name, "material": material}
    yield {
        "sample_id": number, **common, "collected": f"{child.enrolled} {time}",
        "received": f"{child.enrolled} {dt.time.fromisoformat(time).hour + 1:02d}:05",
        "volume_ml": f"{volume:.1f}", "method": {"SER": "VP", "SPT": "CS", "BALF": "BAL"}[material],
        "tube": "SST" if material == "SER" else "CUP",
        "processing": "CENT" if material == "SER" else "", "state": "used",
    }  # fmt: skip
    for aliquot in range(1, aliquots + 1):
        yield {
            "sample_id": f"{number}.{aliquot}", **common,
            "received": f"{child.enrolled + dt.timedelta(days=1)} 09:00",
            "volume_ml": f"{0.4 + rng.randrange(0, 3) / 10:.1f}", "tube": "CRYO",
            "processing": "ALQ", "storage": "-80", "state": "stored", "parent_id": number,
        }  # fmt: skip
