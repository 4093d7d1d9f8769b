"""SequencingResult -> DiagnosticReport and an Observation for each finding.

https://hl7.org/fhir/R4/diagnosticreport.html, https://hl7.org/fhir/R4/observation.html
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from mappings.context import Context, Resource, fields
from mappings.entities import Finding, Key, SequencingResult
from mappings.observation import measured_code
from mappings.values import concepts, in_study, quantity

# How a kind of sequencing is named: category, code of its findings, code of what was sought.
KINDS = {
    "pathogen": ("microbiology", "targeted-ngs-pathogen", "organism-sought"),
    "gene": ("genetics", "targeted-ngs-gene", "gene-sought"),
}
# Statuses that reports have and Observations do not.
FINDING_STATUS = {"partial": "preliminary", "appended": "amended"}


def diagnostic_report(
    result: SequencingResult, to: Context, *, site: Key | None = None
) -> list[Resource]:
    """The report of a sequencing run, then its findings; reads are counted in ``{reads}``."""
    findings = [_finding(each, key, result, to, site) for key, each in _keyed(result)]
    category, _, _ = KINDS[result.kind]
    report = to.resource(
        "DiagnosticReport",
        key=result.key,
        extension=in_study(to),
        status=result.status,
        category=concepts(to, "observation-category", category)[1:],  # MB or GE
        code=to.coded("sequencing-report", result.kind),
        **_about(result, to, site),
        specimen=[to.reference("Specimen", result.sample)] if result.sample else None,
        result=[{"reference": f"Observation/{each['id']}"} for each in findings],
    )
    return [report, *findings]


def _about(result: SequencingResult, to: Context, site: Key | None) -> Resource:
    """What a report and its findings have in common."""
    return {
        "subject": to.reference("Patient", result.subject),
        "encounter": result.visit and to.reference("Encounter", result.visit),
        "effectiveDateTime": result.date,
        "performer": [to.reference("Organization", site)] if site else None,
    }


def _keyed(result: SequencingResult) -> Iterable[tuple[Key, Finding]]:
    """Findings by target, so that their order does not matter; a repeated target is counted."""
    seen: Counter[str] = Counter()
    for finding in result.findings:
        seen[finding.target] += 1
        again = (str(seen[finding.target]),) if seen[finding.target] > 1 else ()
        yield (*result.key, finding.target, *again), finding


def _finding(
    finding: Finding, key: Key, result: SequencingResult, to: Context, site: Key | None
) -> Resource:
    category, code, sought = KINDS[result.kind]
    target = to.coded("sequencing-target", finding.target)
    missed = not finding.detected
    reads = fields(
        code=measured_code(to, "sequencing-reads"), valueQuantity=quantity(finding.reads, "{reads}")
    )
    return to.resource(
        "Observation",
        key=key,
        kind="finding",
        profile="sequencing-finding",
        extension=in_study(to),
        status=FINDING_STATUS.get(result.status, result.status),
        category=concepts(to, "observation-category", category),
        code=measured_code(to, code),
        **_about(result, to, site),
        # a target that was not found must not stand where a found one does
        valueCodeableConcept=to.coded("result", "not-detected") if missed else target,
        method=to.coded("sequencing-method", "sequencing"),
        specimen=result.sample and to.reference("Specimen", result.sample),
        component=[
            *([{"code": measured_code(to, sought), "valueCodeableConcept": target}] * missed),
            *([reads] if finding.reads is not None else []),
        ],
    )
