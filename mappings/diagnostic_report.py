"""SequencingResult -> DiagnosticReport and an Observation for each finding.

https://hl7.org/fhir/R4/diagnosticreport.html  https://hl7.org/fhir/R4/observation.html
https://hl7.org/fhir/uv/genomics-reporting (flavour ``genomics-reporting``)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from mappings.context import Context, Resource, fields
from mappings.document_reference import supporting
from mappings.entities import Finding, Key, SequencingResult
from mappings.observation import measured_code
from mappings.values import concepts, in_study, quantity

# How a kind of sequencing is named: category, code of its findings, code of what was sought.
KINDS = {
    "pathogen": ("microbiology", "targeted-ngs-pathogen", "organism-sought"),
    "gene": ("genetics", "targeted-ngs-gene", "gene-sought"),
}
# The flavour whose shape a kind may take, and its profiles of the report and of a finding.
FLAVOURS = {
    "pathogen": ("microbiology", "microbiology-report", "sequencing-finding"),
    "gene": ("genomics-reporting", "genomics-report", "genomics-variant"),
}
# Statuses that reports have and Observations do not.
FINDING_STATUS = {"partial": "preliminary", "appended": "amended"}


def diagnostic_report(
    result: SequencingResult, to: Context, *, site: Key | None = None
) -> list[Resource]:
    """The report of a sequencing run, then its findings; reads are counted in ``{reads}``."""
    findings = [_finding(each, key, result, to, site) for key, each in _keyed(result)]
    category, _, _ = KINDS[result.kind]
    flavour, profile, _ = FLAVOURS[result.kind]
    report = to.resource(
        "DiagnosticReport",
        key=result.key,
        profile=profile if flavour in to.flavours else "diagnostic-report",
        extension=[*in_study(to), *supporting(result, to)],
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
    category, _, _ = KINDS[result.kind]
    variant = result.kind == "gene" and "genomics-reporting" in to.flavours
    reads = fields(
        code=measured_code(to, "sequencing-reads"), valueQuantity=quantity(finding.reads, "{reads}")
    )
    found = (_variant if variant else _target)(finding, result, to)
    return to.resource(
        "Observation",
        key=key,
        kind="finding",
        profile="genomics-variant" if variant else "sequencing-finding",
        extension=in_study(to),
        status=FINDING_STATUS.get(result.status, result.status),
        category=concepts(to, "observation-category", category),
        **_about(result, to, site),
        method=to.coded("sequencing-method", "gene" if variant else "sequencing"),
        specimen=result.sample and to.reference("Specimen", result.sample),
        **{
            **found,
            "component": [*found["component"], *([reads] if finding.reads is not None else [])],
        },
    )


def _target(finding: Finding, result: SequencingResult, to: Context) -> Resource:
    """What was found; a target that was not found must not stand where a found one does."""
    _, code, sought = KINDS[result.kind]
    target = to.coded("sequencing-target", finding.target)
    missed = {"code": measured_code(to, sought), "valueCodeableConcept": target}
    return {
        "code": measured_code(to, code),
        "valueCodeableConcept": target if finding.detected else to.coded("result", "not-detected"),
        "component": [] if finding.detected else [missed],
    }


def _variant(finding: Finding, _result: SequencingResult, to: Context) -> Resource:
    """The shape of genomics-reporting: was there a variant, and in which gene."""
    gene = {
        "code": measured_code(to, "targeted-ngs-gene"),
        "valueCodeableConcept": to.coded("sequencing-target", finding.target),
    }
    return {
        "code": measured_code(to, "variant"),
        "valueCodeableConcept": to.coded("result", "present" if finding.detected else "absent"),
        "component": [gene],
    }
