"""SequencingResult -> DiagnosticReport and an Observation for each finding.

https://hl7.org/fhir/R4/diagnosticreport.html  https://hl7.org/fhir/R4/observation.html
https://hl7.org/fhir/uv/genomics-reporting (flavour ``genomics-reporting``)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

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
HGNC = "http://www.genenames.org"
HGVS = "http://varnomen.hgvs.org"
# Statuses that reports have and Observations do not.
FINDING_STATUS = {"partial": "preliminary", "appended": "amended"}


def diagnostic_report(
    result: SequencingResult, to: Context, *, site: Key | None = None
) -> list[Resource]:
    """The report of a sequencing run, then its findings; reads are counted in ``{reads}``.

    Raises ValueError for a finding that names neither a target nor a gene.
    """
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
    """Findings by target and variant, so that their order does not matter; repeats are counted."""
    seen: Counter[Key] = Counter()
    for finding in result.findings:
        name = finding.target or finding.gene or finding.gene_id
        if name is None:
            raise ValueError("a finding names neither a target nor a gene")
        variant = finding.coding_change or finding.protein_change
        own = (name, variant) if variant else (name,)
        seen[own] += 1
        again = (str(seen[own]),) if seen[own] > 1 else ()
        yield (*result.key, *own, *again), finding


def _finding(
    finding: Finding, key: Key, result: SequencingResult, to: Context, site: Key | None
) -> Resource:
    category, _, _ = KINDS[result.kind]
    variant = result.kind == "gene" and "genomics-reporting" in to.flavours
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
        **{**found, "component": [*found["component"], *_details(finding, to)]},
    )


def _details(finding: Finding, to: Context) -> Iterator[Resource]:
    """What else is known of a finding: reads, and the variant by the guide's LOINC codes."""
    changes = {"coding-change": finding.coding_change, "protein-change": finding.protein_change}
    for term, change in changes.items():
        if change:
            named = {"coding": [{"system": HGVS, "code": change}], "text": change}
            yield {"code": measured_code(to, term), "valueCodeableConcept": named}
    numbers = {
        "allelic-frequency": (finding.frequency, "1"),
        "allelic-read-depth": (finding.depth, "{reads}"),
        "sequencing-reads": (finding.reads, "{reads}"),
    }
    for term, (value, unit) in numbers.items():
        if value is not None:
            yield {"code": measured_code(to, term), "valueQuantity": quantity(value, unit)}
    if finding.source_class:
        source = to.coded("genomic-source", finding.source_class)
        yield {"code": measured_code(to, "genomic-source-class"), "valueCodeableConcept": source}


def _sought(finding: Finding, to: Context) -> Resource:
    """The target by its term, and the gene as the study names it."""
    target = to.coded("sequencing-target", finding.target) if finding.target else {}
    gene = fields(system=HGNC, code=finding.gene_id, display=finding.gene)
    coding = [*target.get("coding", []), *([gene] if finding.gene_id else [])]
    return fields(coding=coding, text=finding.gene or target.get("text") or finding.gene_id)


def _target(finding: Finding, result: SequencingResult, to: Context) -> Resource:
    """What was found; a target that was not found must not stand where a found one does."""
    _, code, sought = KINDS[result.kind]
    target = _sought(finding, to)
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
        "valueCodeableConcept": _sought(finding, to),
    }
    return {
        "code": measured_code(to, "variant"),
        "valueCodeableConcept": to.coded("result", "present" if finding.detected else "absent"),
        "component": [gene],
    }
