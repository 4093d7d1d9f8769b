"""Hypothesis strategies: any study as a registry may have it, its sites, forms and cohorts."""

from __future__ import annotations

import dataclasses
from typing import Any

from entity_strategies import DATES, KEYS, TEXTS, TO, entities, later
from hypothesis import strategies as st

from mappings import entities as e

URLS = st.sampled_from(
    ["https://clinicaltrials.gov/study/1", "http://registry.invalid/b c", "no address"]
)
ANYBODY = st.none() | TEXTS
NAMES = st.lists(TEXTS, unique=True, max_size=2).map(tuple)


def words(enum: str) -> st.SearchStrategy[str]:
    """A word of a registry's enum, or one that it has added since."""
    return st.sampled_from([*TO.tables[f"ctgov-{enum}"].terms, "ADDED_SINCE"])


def terms(table: str) -> st.SearchStrategy[str]:
    return st.sampled_from(sorted(TO.tables[table].terms))


def some(part: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(part, max_size=2).map(tuple)


@st.composite
def registry_terms(draw: st.DrawFn) -> e.RegistryTerm:
    """A field of a registration and a value that it may have."""
    field = draw(terms("ctgov-field"))
    enum = TO.tables["ctgov-field"].rows(field)[0].system.rpartition("/ctgov-")[2]
    flags = st.sampled_from(["true", "false"]) if enum else TEXTS
    values = words(enum) if f"ctgov-{enum}" in TO.tables else flags
    return e.RegistryTerm(field=field, value=draw(values))


PARTIES = st.builds(
    e.Party,
    role=terms("study-party-role"),
    name=ANYBODY,
    organization=ANYBODY,
    title=ANYBODY,
    person=st.booleans(),
    party_class=st.none() | words("AgencyClass"),
    phone=ANYBODY,
    email=ANYBODY,
    raw_role=st.none() | registry_terms(),
)
SITES = st.builds(
    e.Site,
    key=KEYS,
    name=ANYBODY,
    city=ANYBODY,
    state=ANYBODY,
    postal_code=ANYBODY,
    country=st.none() | terms("study-country") | TEXTS,
    latitude=st.none() | st.decimals(-90, 90, places=4),
    longitude=st.none() | st.decimals(-180, 180, places=4),
    status=st.none() | words("Status"),
    contacts=some(PARTIES),
    investigators=NAMES,
)
INTERVENTIONS = st.builds(
    e.Intervention,
    name=TEXTS,
    kind=words("InterventionType"),
    description=ANYBODY,
    other_names=NAMES,
    arms=NAMES,
)
ARMS = TEXTS.flatmap(
    lambda name: st.builds(
        e.Arm,
        key=st.just((*TO.study, name)),
        name=st.just(name),
        kind=st.none() | words("ArmGroupType"),
        description=ANYBODY,
        interventions=NAMES,
    )
)
AGES = st.none() | st.sampled_from(["1 Year", "18 Years", "6 Months"]) | TEXTS
ELIGIBILITIES = st.builds(
    e.Eligibility,
    criteria=ANYBODY,
    inclusion=NAMES,
    exclusion=NAMES,
    minimum_age=AGES,
    maximum_age=AGES,
    sex=st.none() | words("Sex"),
    healthy_volunteers=st.none() | st.booleans(),
    gender_based=st.none() | st.booleans(),
    gender_description=ANYBODY,
    standard_ages=some(words("StandardAge")),
    population=ANYBODY,
).map(lambda who: grown(who))
DOCUMENTS = st.builds(
    e.RelatedDocument,
    kind=st.sampled_from(["citation", "documentation"]),
    label=ANYBODY,
    display=ANYBODY,
    citation=ANYBODY,
    url=st.none() | URLS,
    file=ANYBODY,
    date=st.none() | DATES,
    size=st.none() | st.integers(0, 2**31 - 1),
)
IDENTIFIERS = st.builds(
    e.StudyIdentifier,
    value=TEXTS,
    use=st.sampled_from(["official", "secondary", "old"]),
    kind=st.none() | words("SecondaryIdType"),
    label=ANYBODY,
    assigner=ANYBODY,
    link=st.none() | URLS,
)
STUDY_DATES = st.builds(
    e.StudyDate,
    activity=st.sampled_from(["start", "completion"]) | terms("study-registration-activity"),
    date=DATES,
    kind=st.sampled_from([None, "ACTUAL", "ESTIMATED"]),
)
OUTCOMES = st.builds(
    e.Outcome,
    kind=words("OutcomeMeasureType"),
    measure=TEXTS,
    description=ANYBODY,
    time_frame=ANYBODY,
)
MESHES = st.builds(
    e.MeshTerm,
    about=st.sampled_from(["condition", "intervention"]),
    id=st.sampled_from(["D008171", "D000086382"]),
    term=TEXTS,
)


def grown(who: e.Eligibility) -> e.Eligibility:
    """Nobody is asked to be older than they may be: ages that can be read are one and the same."""
    both = {who.minimum_age, who.maximum_age} <= {"1 Year", "18 Years", "6 Months"}
    return dataclasses.replace(who, minimum_age="6 Months", maximum_age="1 Year") if both else who


def ordered(study: e.Study) -> e.Study:
    """The study with no completion before its start."""
    starts = [each.date for each in study.dates if each.activity == "start"]
    dates = tuple(
        dataclasses.replace(each, date=later(max(starts), each.date))
        if starts and each.activity == "completion"
        else each
        for each in study.dates
    )
    return dataclasses.replace(study, dates=dates)


STUDIES = st.builds(
    e.Study,
    key=st.just(TO.study),
    title=TEXTS,
    official_title=ANYBODY,
    acronym=ANYBODY,
    identifiers=some(IDENTIFIERS),
    status=words("Status"),
    present_status=st.none() | words("Status"),
    last_known_status=st.none() | words("Status"),
    why_stopped=ANYBODY,
    dates=st.lists(STUDY_DATES, max_size=3, unique_by=lambda date: date.activity).map(tuple),
    summary=ANYBODY,
    description=ANYBODY,
    conditions=NAMES,
    keywords=NAMES,
    meshes=some(MESHES),
    design=some(registry_terms()),
    phases=some(words("Phase")),
    primary_purpose=st.none() | words("PrimaryPurpose"),
    enrollment=st.none() | st.integers(0, 10**6),
    enrollment_kind=st.sampled_from([None, "ACTUAL", "ESTIMATED"]),
    arms=st.lists(ARMS, max_size=2, unique_by=lambda arm: arm.name).map(tuple),
    interventions=some(INTERVENTIONS),
    outcomes=some(OUTCOMES),
    eligibility=st.none() | ELIGIBILITIES,
    parties=some(PARTIES),
    sites=st.lists(SITES, max_size=2, unique_by=lambda site: site.key).map(tuple),
    documents=some(DOCUMENTS),
    terms=some(registry_terms()),
    notes=NAMES,
).map(ordered)

KINDS = "string text integer decimal date dateTime boolean choice".split()
OPTIONS = st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=3, unique_by=lambda o: o[0])
QUESTIONS = st.sampled_from(KINDS).flatmap(
    lambda kind: st.builds(
        e.Question,
        link=TEXTS,
        text=TEXTS,
        kind=st.just(kind),
        options=OPTIONS.map(tuple) if kind == "choice" else st.just(()),
        required=st.booleans(),
    )
)
FORMS = st.builds(
    e.Form,
    key=KEYS,
    title=TEXTS,
    questions=st.lists(QUESTIONS, min_size=1, max_size=3, unique_by=lambda each: each.link).map(
        tuple
    ),
)
COHORTS = st.builds(e.Cohort, arm=TEXTS, members=st.lists(KEYS, unique=True, max_size=3).map(tuple))
WHOLES: dict[type, st.SearchStrategy[Any]] = {
    e.Study: STUDIES,
    e.Site: SITES,
    e.Form: FORMS,
    e.Cohort: COHORTS,
}


def any_of(kind: type) -> st.SearchStrategy[Any]:
    """Any entity of a class, of the study or of a subject."""
    return WHOLES[kind] if kind in WHOLES else entities(kind)
