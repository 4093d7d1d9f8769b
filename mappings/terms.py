"""What the fields of an entity may hold: terms of which code table, FHIR's own words, dates."""

TERM_TABLES: dict[tuple[str, str], str] = {
    ("Diagnosis", "status"): "condition-clinical",
    ("Diagnosis", "term"): "diagnosis",
    ("Disposition", "reason"): "disposition-reason",
    ("Event", "causality"): "causality",
    ("Event", "criteria"): "seriousness-criterion",
    ("Event", "outcome"): "event-outcome",
    ("Event", "term"): "adverse-event",
    ("Suspect", "causality"): "causality",
    ("Finding", "source_class"): "genomic-source",
    ("Finding", "target"): "sequencing-target",
    ("Consent", "guardian"): "relationship",
    ("Measurement", "code"): "measurement",
    ("Measurement", "interpretation"): "interpretation",
    ("Measurement", "term"): "result",
    ("Sample", "condition"): "specimen-condition",
    ("Sample", "container"): "container",
    ("Sample", "material"): "specimen-type",
    ("Sample", "method"): "collection-method",
    ("Sample", "processing"): "processing",
    ("Sample", "site"): "body-site",
    ("Sample", "storage"): "storage-temperature",
    ("Diagnosis", "verification"): "condition-verification",
    ("Support", "mode"): "respiratory-support",
    ("Treatment", "drug"): "drug",
    ("Treatment", "reduced"): "reduced-dose-reason",
    ("Treatment", "route"): "route",
    ("Visit", "kind"): "visit-class",
    ("Visit", "outcome"): "discharge-disposition",
    ("Visit", "reason"): "visit-reason",
}

# Fields that hold a FHIR date or date-time.
DATE_FIELDS = frozenset(
    "birth_year collected date deceased end ended enrolled expires onset processed randomized "
    "received recorded screened signed_up start until when withdrawn".split()
)

# Fields whose words FHIR itself fixes (required bindings of type code).
WORDS: dict[tuple[str, str], frozenset[str]] = {
    ("Subject", "sex"): frozenset(("male", "female", "other", "unknown")),
    ("Subject", "status"): frozenset(
        (
            "candidate eligible follow-up ineligible not-registered off-study on-study "
            "on-study-intervention on-study-observation pending-on-study potential-candidate "
            "screening withdrawn"
        ).split()
    ),
    ("Disposition", "status"): frozenset(("withdrawn", "off-study", "ineligible")),
    ("Consent", "decision"): frozenset(("permit", "deny")),
    ("Consent", "assent"): frozenset(("permit", "deny")),
    ("Consent", "export"): frozenset(("permit", "deny")),
    ("Consent", "genetics"): frozenset(("permit", "deny")),
    ("Sample", "state"): frozenset(
        ("available", "unavailable", "unsatisfactory", "entered-in-error")
    ),
    ("Measurement", "age_unit"): frozenset(("a", "mo", "wk", "d")),
    ("Event", "severity"): frozenset(("mild", "moderate", "severe")),
    ("Diagnosis", "severity"): frozenset(("mild", "moderate", "severe")),
    ("Diagnosis", "role"): frozenset(("main", "comorbidity", "admission")),
    ("Event", "grade"): frozenset("12345"),
    ("Measurement", "comparator"): frozenset(("<", "<=", ">=", ">")),
    ("SequencingResult", "kind"): frozenset(("pathogen", "gene")),
    ("Treatment", "status"): frozenset(
        "completed entered-in-error in-progress not-done on-hold stopped unknown".split()
    ),
    ("Support", "status"): frozenset(
        (
            "completed entered-in-error in-progress not-done on-hold preparation stopped unknown"
        ).split()
    ),
    ("Answers", "status"): frozenset(
        "amended completed entered-in-error in-progress stopped".split()
    ),
    ("SequencingResult", "status"): frozenset(
        (
            "amended appended cancelled corrected entered-in-error final partial preliminary "
            "registered unknown"
        ).split()
    ),
}
