"""A child with everything a study may hold, and the entities at the edges; no real data."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import replace
from decimal import Decimal

from mappings import Context, load_default_context
from mappings.entities import (
    Answer,
    Answers,
    Component,
    Consent,
    Diagnosis,
    Disposition,
    Event,
    Finding,
    Key,
    Measurement,
    Product,
    Sample,
    SequencingResult,
    Subject,
    SubjectEntity,
    Support,
    Suspect,
    Treatment,
    Visit,
)

CHILD: Key = ("01",)
SITE: Key = ("cqmu",)
STAY: Key = ("01", "stay")


def id_of(resource_type: str, system: str, key: Key) -> str:
    """Ids for tests: stable, and different where any part differs."""
    text = "\x1f".join((resource_type, system, *key))
    return "s" + hashlib.sha256(text.encode()).hexdigest()[:31]


RELEASES = ("R4", "R4B", "R5")


def default_context(
    snomed: str = "all", release: str = "R4", flavours: Collection[str] = ()
) -> Context:
    """The context all mapping tests work in."""
    return load_default_context(
        "NCT05862675", id_of, snomed=snomed, release=release, flavours=flavours
    )


SUBJECT = Subject(
    key=CHILD,
    arm="experimental group",
    sex="female",
    birth_year="2019",
    site=SITE,
    signed_up="2024-02-26",
    screened="2024-02-27",
    enrolled="2024-03-01",
    randomized="2024-03-01T10:00:00+08:00",
    deceased="2024-05-01",
)
DISPOSITION = Disposition(
    key=(*CHILD, "end"),
    subject=CHILD,
    status="withdrawn",
    date="2024-05-01",
    reason="withdrawal-by-guardian",
)
CONSENT = Consent(
    key=(*CHILD, "consent"),
    subject=CHILD,
    date="2024-02-28",
    guardian="mother",
    assent="permit",
    withdrawn="2024-05-01",
    expires="2034-02-28",
    genetics="permit",
    export="permit",
)
VISIT = Visit(
    key=STAY,
    subject=CHILD,
    kind="inpatient",
    start="2024-03-01T08:30:00+08:00",
    end="2024-03-15",
    number="s0123456789",
    reason="pneumonia",
    outcome="home",
    site=("branch",),
)
DIAGNOSIS = Diagnosis(
    key=(*CHILD, "1"),
    subject=CHILD,
    visit=STAY,
    term="pneumonia",
    severity="severe",
    verification="confirmed",
    onset="2024-02-20",
    ended="2024-03-14",
    recorded="2024-03-01",
)
MEASUREMENT = Measurement(
    key=("lab", "1"),
    subject=CHILD,
    visit=STAY,
    code="crp",
    when="2024-03-02T07:15:00+08:00",
    until="2024-03-02T07:20:00+08:00",
    value=Decimal("0.50"),
    comparator="<",
    unit="mg/L",
    low=Decimal("0"),
    high=Decimal("8"),
    age_from=Decimal("1"),
    age_to=Decimal("18"),
    interpretation="high",
    sample=(*CHILD, "serum"),
    support=(*CHILD, "o2"),
    components=(
        Component(code="age", value=Decimal("4"), unit="a"),
        Component(code="fev1-percent-predicted", value=Decimal("82"), unit="%"),
    ),
)
SAMPLE = Sample(
    key=(*CHILD, "serum"),
    subject=CHILD,
    material="serum",
    collected="2024-03-02T07:15:00+08:00",
    received="2024-03-02T08:00:00+08:00",
    method="venipuncture",
    site="antecubital-vein",
    volume=Decimal("3.5"),
    container="sst-gel-tube",
    processing="centrifugation",
    processed="2024-03-02T08:20:00+08:00",
    storage="minus-80",
    condition="hemolyzed",
    accession="s9876543210",
)
ALIQUOT = Sample(
    key=(*CHILD, "serum", "a1"),
    subject=CHILD,
    material="serum",
    volume=Decimal("0.5"),
    container="cryovial",
    parent=SAMPLE.key,
)
TREATMENT = Treatment(
    key=(*CHILD, "dose", "1"),
    subject=CHILD,
    visit=STAY,
    drug="msc-exosome",
    batch="B-7",
    start="2024-03-03T09:00:00+08:00",
    end="2024-03-03T09:30:00+08:00",
    dose=Decimal("1.0"),
    unit="10*9{particles}",
    rate=Decimal("10"),
    rate_unit="mL/h",
    route="nebulized",
    reduced="vomited",
)
SECOND_DOSE = replace(TREATMENT, key=(*CHILD, "dose", "2"), reduced=None)
SUPPORT = Support(
    key=(*CHILD, "o2"),
    subject=CHILD,
    visit=STAY,
    mode="hfnc",
    start="2024-03-01",
    end="2024-03-05",
)
ANSWERS = Answers(
    key=(*CHILD, "follow-up"),
    subject=CHILD,
    form=("follow_up",),
    date="2024-04-15",
    visit=STAY,
    items=(
        Answer(link="cough", code=("1", "Sometimes")),
        Answer(link="fever_days", integer=3),
        Answer(link="weight", value=Decimal("14.50")),
        Answer(link="back_to_school", flag=True),
        Answer(link="last_fever", date="2024-03-20"),
        Answer(link="phoned", date="2024-04-15T10:00:00+08:00"),
        Answer(link="remarks", text="sleeps well"),
        Answer(link="symptoms", code=("1", "Cough")),
        Answer(link="symptoms", code=("2", "Wheeze")),
    ),
)
SEQUENCING = SequencingResult(
    key=(*CHILD, "tngs"),
    subject=CHILD,
    sample=SAMPLE.key,
    visit=STAY,
    date="2024-03-04",
    findings=(
        Finding(target="mycoplasma-pneumoniae", reads=Decimal("12034")),
        Finding(target="rsv-a"),
        Finding(target="influenza-a", reads=Decimal("0"), detected=False),
        Finding(target="rsv-a", reads=Decimal("7")),
        Finding(
            target="rsv-a",
            gene="CFTR",
            gene_id="HGNC:1884",
            coding_change="NM_000492.4:c.1521_1523del",
            protein_change="NP_000483.3:p.Phe508del",
            frequency=Decimal("0.48"),
            depth=Decimal(212),
            source_class="germline",
        ),
    ),
    file="https://hospital.example/sequencing/tngs.gz",
    file_type="application/gzip",
)
EVENT = Event(
    key=(*CHILD, "ae", "1"),
    subject=CHILD,
    visit=STAY,
    term="fever",
    meddra="10016558",
    meddra_term="Pyrexia",
    meddra_version="27.1",
    onset="2024-03-04",
    ended="2024-03-06",
    recorded="2024-03-05",
    severity="moderate",
    grade="2",
    serious=True,
    criteria=("hospitalization", "life-threatening"),
    causality="possible",
    suspect=TREATMENT.key,
    suspects=(Suspect(treatment=SECOND_DOSE.key, causality="unlikely"),),
    outcome="resolved",
    expected=False,
)
PRODUCT = Product(
    key=("msc-exosome", "B-7"),
    term="msc-exosome",
    form="nebulizer-suspension",
    batch="B-7",
    strength=Decimal("10"),
    strength_unit="10*9{particles}",
)

RECORD: tuple[SubjectEntity, ...] = (
    SUBJECT,
    DISPOSITION,
    CONSENT,
    VISIT,
    DIAGNOSIS,
    MEASUREMENT,
    SAMPLE,
    ALIQUOT,
    TREATMENT,
    SECOND_DOSE,
    SUPPORT,
    ANSWERS,
    SEQUENCING,
    EVENT,
)


def measured(
    code: str, value: str | None = None, unit: str | None = None, **more: object
) -> Measurement:
    """A measurement of the child, with what the case needs."""
    return Measurement(
        key=("m", code, str(value), str(unit), *sorted(map(str, more))),
        subject=CHILD,
        code=code,
        when="2024-03-02",
        value=None if value is None else Decimal(value),
        unit=unit,
        **more,  # type: ignore[arg-type]
    )


def edges() -> Sequence[SubjectEntity]:
    """The sparse and the unusual: as little as an entity can hold, and every kind of value."""
    return (
        Subject(key=("02",), arm="control group1", sex="male", enrolled="2024"),
        Consent(key=("02", "c"), subject=("02",), date="2024-01", decision="deny", assent="deny"),
        Consent(
            key=("02", "d"),
            subject=("02",),
            date="2024-02",
            guardian="guardian",
            expires="2034-02",
            genetics="deny",
            export="deny",
        ),
        Visit(key=("02", "v"), subject=("02",), kind="outpatient", start="2024-01-10"),
        Visit(key=("02", "w"), subject=("02",), kind="emergency", start="2024-01"),
        Visit(
            key=("02", "x"),
            subject=("02",),
            kind="inpatient",
            start="2024-01-10",
            end="2024-01-10",
            reason="healthy-control",
            outcome="expired",
        ),
        Diagnosis(key=("02", "d"), subject=("02",), term="asthma", role="comorbidity"),
        Diagnosis(
            key=("02", "e"),
            subject=("02",),
            term="status-asthmaticus",
            role="admission",
            status="remission",
            ended="2023",
        ),
        measured("heart-rate", "120", "/min"),
        measured("respiratory-rate", "40", "/min"),
        measured("body-temperature", "38.5", "Cel"),
        measured("spo2", "94", "%"),
        measured("spo2", absent="not-performed"),
        measured("body-weight", "14.5", "kg"),
        measured("body-weight", "3500", "g"),
        measured("body-height", "98.0", "cm"),
        measured("bmi", "15.1", "kg/m2"),
        measured(
            "blood-pressure",
            components=(
                Component(code="systolic", value=Decimal("98"), unit="mm[Hg]"),
                Component(code="diastolic", value=Decimal("60"), unit="mm[Hg]"),
            ),
        ),
        measured(
            "blood-pressure",
            components=(Component(code="systolic", value=Decimal("98"), unit="mm[Hg]"),),
            corrected=True,
        ),
        measured("blood-pressure", absent="asked-declined"),
        measured("sao2", "96", "%"),
        measured("pao2", "9.5", "kPa"),
        measured("ph", "7.38", "[pH]"),
        measured("creatinine", "0.4", "mg/dL"),
        measured("creatinine", "32", "umol/L", high=Decimal("60")),
        measured("creatinine", absent="error"),
        measured("d-dimer", "0.3", "mg/L{FEU}"),
        measured("respiratory-support-status", term="room-air"),
        measured("respiratory-support-status", term="invasive"),
        measured("oxygen-weaned", flag=False),
        measured("prognosis", term="recovered"),
        measured("supplemental-oxygen-volume", "1440.5", "L", until="2024-03-03"),
        measured("age", "14", "mo"),
        measured("sf-ratio", "250", "1"),
        measured("oxygenation-index", "6.1", "cm[H2O]/mm[Hg]"),
        measured(
            "fev1",
            "1.02",
            "L",
            components=(
                Component(code="fev1-percent-predicted", value=Decimal("82"), unit="%"),
                Component(code="fev1-z-score", value=Decimal("-1.4"), unit="{z-score}"),
                Component(code="fev1-predicted", absent="not-performed"),
            ),
        ),
        measured("tptef-te", "22.1", "%"),
        Sample(key=("02", "s"), subject=("02",), material="balf", state="unsatisfactory"),
        Sample(key=("02", "t"), subject=("02",), material="rna", condition="insufficient"),
        Treatment(key=("02", "t"), subject=("02",), drug="ceftriaxone", start="2024-01"),
        Treatment(
            key=("02", "u"),
            subject=("02",),
            drug="salbutamol",
            batch="X1",
            start="2024-01-02",
            route="inhaled",
            status="stopped",
        ),
        Support(
            key=("02", "p"), subject=("02",), mode="ecmo", start="2024-01", status="in-progress"
        ),
        Answers(key=("02", "q"), subject=("02",), form=("f",), date="2024", status="in-progress"),
        SequencingResult(
            key=("02", "g"),
            subject=("02",),
            date="2024-01-02",
            kind="gene",
            status="partial",
            findings=(Finding(target="rsv-b"),),
        ),
        SequencingResult(key=("02", "h"), subject=("02",), date="2024-01-02"),
        Event(key=("02", "a"), subject=("02",), term="other", onset="2024"),
        Event(
            key=("02", "b"),
            subject=("02",),
            term="death",
            onset="2024-01-05",
            serious=True,
            criteria=("death",),
            causality="not-related",
            outcome="fatal",
            severity="severe",
            grade="5",
            expected=True,
        ),
    )
