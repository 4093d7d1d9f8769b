"""What a clinical study holds, in the field's own words, before it becomes FHIR.

Every entity is a frozen dataclass. ``key`` names it within the study: a tuple of text parts, taken
from the source as it is (nothing trimmed, no case folded). A link to another entity is that
entity's key. Dates are FHIR text: ``YYYY``, ``YYYY-MM``, ``YYYY-MM-DD`` or a full date-time with
offset; quantities are ``Decimal`` in the UCUM unit beside them. Words such as ``sex`` or ``status``
are terms of ``mappings/codes/*.csv``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TypeAlias

Key: TypeAlias = tuple[str, ...]


# --- the study and its registration ------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryTerm:
    """A field of a registration and its raw value; ``mappings/codes/ctgov-field.csv`` labels it."""

    field: str  # the registry's field name, e.g. "isFdaRegulatedDrug"
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyIdentifier:
    """One registry or organisation number of the study; ``kind`` is the registry's own word."""

    value: str
    use: str = "official"  # official | secondary | old
    kind: str | None = None
    label: str | None = None  # what the number is, in words
    assigner: str | None = None
    link: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyDate:
    """A milestone of the registration (``activity``) or of the study itself."""

    activity: str  # start | completion | a term of mappings/codes/study-registration-activity.csv
    date: str
    kind: str | None = None  # ACTUAL | ESTIMATED, as the registry says


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """An organisation or person with a role in the study."""

    role: str  # mappings/codes/study-party-role.csv
    name: str | None = None  # absent where a site gives only a telephone number
    organization: str | None = None  # affiliation of a person
    title: str | None = None
    person: bool = False
    party_class: str | None = None  # registry's agency class, e.g. OTHER, INDUSTRY
    phone: str | None = None
    email: str | None = None
    raw_role: RegistryTerm | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """A group of the study; observational studies have no ``kind``, the registry's arm type."""

    key: Key
    name: str
    kind: str | None = None
    description: str | None = None
    interventions: tuple[str, ...] = ()  # names of the study's interventions


@dataclass(frozen=True, slots=True, kw_only=True)
class Intervention:
    """What is done in a study's arms."""

    name: str
    kind: str
    description: str | None = None
    other_names: tuple[str, ...] = ()
    arms: tuple[str, ...] = ()  # names of the study's arms


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """An outcome measure of the study."""

    kind: str  # PRIMARY | SECONDARY | OTHER_PRE_SPECIFIED
    measure: str
    description: str | None = None
    time_frame: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Eligibility:
    """Who may take part, as text and as the registry's structured fields."""

    criteria: str | None = None
    inclusion: tuple[str, ...] = ()
    exclusion: tuple[str, ...] = ()
    minimum_age: str | None = None  # as registered, e.g. "1 Year"
    maximum_age: str | None = None
    sex: str | None = None
    healthy_volunteers: bool | None = None
    gender_based: bool | None = None
    gender_description: str | None = None
    standard_ages: tuple[str, ...] = ()
    population: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MeshTerm:
    """A heading of the Medical Subject Headings that the registry derived."""

    about: str  # condition | intervention
    id: str
    term: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RelatedDocument:
    """A publication, page or file about the study."""

    kind: str  # related-artifact-type: citation | documentation
    label: str | None = None
    display: str | None = None
    citation: str | None = None
    url: str | None = None
    file: str | None = None  # name of a file; url leads to it
    date: str | None = None
    size: int | None = None  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A hospital that takes part: becomes an Organization and a Location."""

    key: Key
    name: str | None = None
    city: str | None = None
    state: str | None = None
    postal_code: str | None = None
    country: str | None = None  # mappings/codes/study-country.csv: ISO 3166-1 alpha-2, or a name
    latitude: Decimal | None = None  # WGS 84 degrees
    longitude: Decimal | None = None
    status: str | None = None
    contacts: tuple[Party, ...] = ()
    investigators: tuple[str, ...] = ()  # names of the study's investigators who work there


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """A study as registered, with what the study folder adds."""

    key: Key
    title: str
    official_title: str | None = None
    acronym: str | None = None
    identifiers: tuple[StudyIdentifier, ...] = ()
    status: str  # the registry's word as posted, e.g. NOT_YET_RECRUITING
    present_status: str | None = None  # the study folder's word, when it has moved on
    last_known_status: str | None = None  # beside a posted UNKNOWN
    why_stopped: str | None = None
    dates: tuple[StudyDate, ...] = ()
    summary: str | None = None
    description: str | None = None
    conditions: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    meshes: tuple[MeshTerm, ...] = ()
    design: tuple[RegistryTerm, ...] = ()  # studyType, observationalModel, allocation ...
    phases: tuple[str, ...] = ()
    primary_purpose: str | None = None
    enrollment: int | None = None
    enrollment_kind: str | None = None  # ESTIMATED | ACTUAL
    arms: tuple[Arm, ...] = ()
    interventions: tuple[Intervention, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    eligibility: Eligibility | None = None
    parties: tuple[Party, ...] = ()
    sites: tuple[Site, ...] = ()
    documents: tuple[RelatedDocument, ...] = ()
    terms: tuple[RegistryTerm, ...] = ()  # what is left: oversight booleans, IPD sharing ...
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """An investigational product; its batches are named by the treatments that use them."""

    key: Key
    term: str  # mappings/codes/product.csv
    form: str | None = None
    batch: str | None = None
    strength: Decimal | None = None  # of the active substance in 1 mL
    strength_unit: str | None = None  # UCUM


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One item of a form, as its data dictionary describes it."""

    link: str  # the field name
    text: str
    kind: str  # FHIR item type: string, text, integer, decimal, date, dateTime, boolean, choice
    options: tuple[tuple[str, str], ...] = ()  # (code, label)
    required: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A questionnaire of the study: becomes a Questionnaire."""

    key: Key
    title: str
    questions: tuple[Question, ...]


# --- a subject and what happens to it ----------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Disposition:
    """How a subject's participation ended."""

    key: Key
    subject: Key
    status: str  # research-subject-status: withdrawn, off-study, ...
    date: str
    reason: str | None = None  # mappings/codes/disposition-reason.csv


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A participant: becomes a pseudonymous Patient and a ResearchSubject."""

    key: Key
    arm: str  # name of the arm
    sex: str  # administrative-gender
    birth_year: str | None = None
    site: Key | None = None
    signed_up: str | None = None  # dates of what went before, and of the randomisation
    screened: str | None = None
    enrolled: str
    randomized: str | None = None
    status: str = "on-study"  # research-subject-status
    deceased: str | None = None
    disposition: Disposition | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """Informed consent by a guardian, and the child's assent where asked.

    ``genetics`` and ``export`` may be excluded from what is permitted: sequencing, and sending
    data out at all.
    """

    key: Key
    subject: Key
    date: str
    decision: str = "permit"  # permit | deny
    guardian: str | None = None  # relationship: mother, father, parent, guardian
    assent: str | None = None  # permit | deny, when the child was asked
    withdrawn: str | None = None  # date
    expires: str | None = None  # the last date on which it holds
    genetics: str | None = None  # permit | deny, when it was asked for apart
    export: str | None = None  # permit | deny


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """A stay in hospital or an outpatient visit: becomes an Encounter."""

    key: Key
    subject: Key
    kind: str  # mappings/codes/visit-class.csv: inpatient, outpatient
    start: str
    end: str | None = None
    number: str | None = None  # pseudonym of the hospitalization number
    reason: str | None = None  # mappings/codes/visit-reason.csv
    outcome: str | None = None  # mappings/codes/discharge-disposition.csv
    site: Key | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """A diagnosis of a subject: becomes a Condition, and a diagnosis of its visit."""

    key: Key
    subject: Key
    visit: Key | None = None
    term: str  # mappings/codes/diagnosis.csv
    role: str = "main"  # main | comorbidity | admission
    status: str = "active"  # condition-clinical
    verification: str | None = None  # confirmed | provisional | refuted
    severity: str | None = None  # mild | moderate | severe
    onset: str | None = None
    ended: str | None = None
    recorded: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One measured or assessed value: becomes an Observation.

    Exactly one of ``value``, ``term``, ``flag`` and ``absent`` is set, unless ``components`` are.
    """

    key: Key
    subject: Key
    visit: Key | None = None
    code: str  # mappings/codes/measurement.csv
    when: str  # effective date or date-time
    until: str | None = None  # end, when the value is about a period
    value: Decimal | None = None
    comparator: str | None = None  # < <= >= >
    unit: str | None = None  # UCUM
    term: str | None = None  # coded result, mappings/codes/result.csv
    flag: bool | None = None
    absent: str | None = None  # data-absent-reason
    components: tuple[Component, ...] = ()
    low: Decimal | None = None  # reference range, same unit
    high: Decimal | None = None
    age_from: Decimal | None = None  # the ages that the range holds for
    age_to: Decimal | None = None
    age_unit: str = "a"  # UCUM: a, mo, wk, d
    interpretation: str | None = None  # mappings/codes/interpretation.csv
    sample: Key | None = None
    support: Key | None = None  # the respiratory support it belongs to
    corrected: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """A part of a measurement, such as systolic pressure or percent predicted."""

    code: str  # mappings/codes/measurement.csv
    value: Decimal | None = None
    unit: str | None = None
    absent: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Material taken from a subject; an aliquot names its parent. Becomes a Specimen."""

    key: Key
    subject: Key
    material: str  # mappings/codes/specimen-type.csv
    collected: str | None = None
    received: str | None = None
    method: str | None = None  # mappings/codes/collection-method.csv
    site: str | None = None  # mappings/codes/body-site.csv
    volume: Decimal | None = None  # mL
    container: str | None = None  # mappings/codes/container.csv
    processing: str | None = None  # mappings/codes/processing.csv
    processed: str | None = None
    storage: str | None = None  # mappings/codes/storage-temperature.csv
    condition: str | None = None  # mappings/codes/specimen-condition.csv
    state: str = "available"  # specimen-status
    parent: Key | None = None
    accession: str | None = None  # pseudonym of the laboratory's own number


@dataclass(frozen=True, slots=True, kw_only=True)
class Treatment:
    """One administration or course of a drug: becomes a MedicationAdministration."""

    key: Key
    subject: Key
    visit: Key | None = None
    drug: str  # mappings/codes/drug.csv; an investigational product has a Medication of its own
    batch: str | None = None
    start: str
    end: str | None = None
    dose: Decimal | None = None
    unit: str | None = None  # UCUM
    rate: Decimal | None = None
    rate_unit: str | None = None
    route: str | None = None  # mappings/codes/route.csv
    status: str | None = None  # medication-admin-status; None: completed
    reduced: str | None = None  # mappings/codes/reduced-dose-reason.csv: why not the full dose


@dataclass(frozen=True, slots=True, kw_only=True)
class Support:
    """A period of respiratory support: becomes a Procedure."""

    key: Key
    subject: Key
    visit: Key | None = None
    mode: str  # mappings/codes/respiratory-support.csv
    start: str
    end: str | None = None
    status: str | None = None  # event-status; None: completed with an end, else in progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The answer to one question; exactly one of the values is set."""

    link: str  # the field name
    text: str | None = None
    value: Decimal | None = None
    integer: int | None = None  # of a question of kind integer
    flag: bool | None = None
    date: str | None = None
    code: tuple[str, str] | None = None  # (option code, label)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """A filled-in form: becomes a QuestionnaireResponse."""

    key: Key
    subject: Key
    form: Key
    date: str
    items: tuple[Answer, ...] = ()
    visit: Key | None = None
    status: str = "completed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One target found by sequencing: an organism, or a gene and the variant found in it.

    It has a ``target``, or a ``gene`` (or its id), or both.
    """

    target: str | None = None  # mappings/codes/sequencing-target.csv
    reads: Decimal | None = None
    detected: bool = True
    gene: str | None = None  # symbol by the HUGO Gene Nomenclature Committee, such as CFTR
    gene_id: str | None = None  # its number there, such as HGNC:1884
    coding_change: str | None = None  # HGVS with its transcript, such as NM_000492.4:c.1521_1523del
    protein_change: str | None = None  # HGVS, such as NP_000483.3:p.Phe508del
    frequency: Decimal | None = None  # share of the reads with the variant: 0 to 1
    depth: Decimal | None = None  # reads that cover its place
    source_class: str | None = None  # mappings/codes/genomic-source.csv: germline, somatic


@dataclass(frozen=True, slots=True, kw_only=True)
class SequencingResult:
    """Targeted sequencing of a sample: a DiagnosticReport, its Observations and its data file."""

    key: Key
    subject: Key
    sample: Key | None = None
    visit: Key | None = None
    date: str
    kind: str = "pathogen"  # pathogen | gene
    findings: tuple[Finding, ...] = ()
    status: str = "final"
    file: str | None = None  # the URL of its data, or their name where they are kept
    file_type: str | None = None  # MIME type


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """A treatment suspected of an adverse event, and what it is thought to have to do with it."""

    treatment: Key | None = None  # without one, it is the intervention of the study
    causality: str | None = None  # mappings/codes/causality.csv


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An adverse event: becomes an AdverseEvent.

    ``suspect`` and ``causality`` are those of the only treatment suspected, or of the first.
    """

    key: Key
    subject: Key
    visit: Key | None = None
    term: str  # mappings/codes/adverse-event.csv
    meddra: str | None = None  # MedDRA code, passed on as it is
    meddra_term: str | None = None
    meddra_version: str | None = None
    onset: str
    ended: str | None = None
    recorded: str | None = None
    severity: str | None = None  # mild | moderate | severe
    grade: str | None = None  # CTCAE 1..5
    serious: bool | None = None  # None: not known, unless a criterion says so
    criteria: tuple[str, ...] = ()  # mappings/codes/seriousness-criterion.csv
    causality: str | None = None  # mappings/codes/causality.csv
    suspect: Key | None = None  # the treatment held responsible
    suspects: tuple[Suspect, ...] = ()  # others, each with a causality of its own
    outcome: str | None = None  # mappings/codes/event-outcome.csv
    expected: bool | None = None


SubjectEntity: TypeAlias = (
    Subject
    | Consent
    | Visit
    | Diagnosis
    | Measurement
    | Sample
    | Treatment
    | Support
    | Answers
    | SequencingResult
    | Event
    | Disposition
)
Entity: TypeAlias = SubjectEntity | Study | Site | Product | Form


@dataclass(frozen=True, slots=True, kw_only=True)
class Cohort:
    """The subjects of one arm, in the order of their ids: becomes a Group."""

    arm: str
    members: tuple[Key, ...] = field(default=())
