from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from child_record import SAMPLE, SEQUENCING, SITE

from mappings import Context
from mappings.diagnostic_report import diagnostic_report
from mappings.entities import Finding


def test_a_report_names_its_findings(to: Context) -> None:
    report, *findings = diagnostic_report(SEQUENCING, to, site=SITE)
    assert report["category"][0]["coding"][0]["code"] == "MB"
    assert [r["reference"] for r in report["result"]] == [
        f"Observation/{f['id']}" for f in findings
    ]
    assert len({finding["id"] for finding in findings}) == len(SEQUENCING.findings)
    assert report["specimen"] == [to.reference("Specimen", SAMPLE.key)]
    assert report["performer"] == [to.reference("Organization", SITE)]


def test_a_pathogen_with_its_reads(to: Context) -> None:
    _, found, *_ = diagnostic_report(SEQUENCING, to)
    assert found["code"]["coding"][0]["code"] == "targeted-ngs-pathogen"
    assert found["method"]["coding"][0]["code"] == "1304162005"
    assert found["valueCodeableConcept"]["text"] == "Mycoplasma pneumoniae"
    assert [c["coding"][0]["code"] for c in found["category"]] == ["laboratory", "MB"]
    assert found["specimen"] == to.reference("Specimen", SAMPLE.key)
    (reads,) = found["component"]
    assert (reads["valueQuantity"]["value"], reads["valueQuantity"]["code"]) == (
        Decimal(12034),
        "{reads}",
    )


def test_what_was_not_found_is_no_pathogen_identified(to: Context) -> None:
    result = replace(SEQUENCING, findings=(Finding(target="influenza-a", detected=False),))
    _, missed = diagnostic_report(result, to)
    assert missed["valueCodeableConcept"]["text"] == "Not detected"
    (sought,) = missed["component"]
    assert sought["valueCodeableConcept"]["text"] == "Influenza A virus"


def test_ids_do_not_depend_on_the_order_of_findings(to: Context) -> None:
    some = SEQUENCING.findings[:2]
    there = diagnostic_report(replace(SEQUENCING, findings=some), to)
    back = diagnostic_report(replace(SEQUENCING, findings=some[::-1]), to)
    assert {r["id"] for r in there} == {r["id"] for r in back}


def test_genes_are_a_genetics_report(to: Context) -> None:
    report, found = diagnostic_report(
        replace(SEQUENCING, kind="gene", status="partial", findings=(Finding(target="rsv-a"),)), to
    )
    assert report["category"][0]["coding"][0]["code"] == "GE"
    assert report["code"]["coding"][0]["code"] == "51969-4"
    assert (report["status"], found["status"]) == ("partial", "preliminary")


def test_nothing_found_is_a_report_all_the_same(to: Context) -> None:
    (report,) = diagnostic_report(replace(SEQUENCING, findings=()), to)
    assert "result" not in report
