"""Eligibility and Cohort -> Group.

https://hl7.org/fhir/R4/group.html  https://hl7.org/fhir/R5/group.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal

from mappings.context import Context, Resource, fields
from mappings.entities import Cohort, Eligibility, RegistryTerm, Study
from mappings.registry_terms import field_concept, registry_term
from mappings.values import quantity

DESCRIPTION = "http://hl7.org/fhir/StructureDefinition/artifact-description"
AGE = {"system": "http://loinc.org", "code": "30525-0", "display": "Age"}
UCUM_AGES = {"year": "a", "month": "mo", "week": "wk", "day": "d", "hour": "h", "minute": "min"}

# Whether members are listed, or a rule says who they would be.
_ACTUAL: Mapping[bool, Resource] = {True: {"actual": True}, False: {"actual": False}}
_BASIS: Mapping[bool, Resource] = {
    True: {"membership": "enumerated"},
    False: {"membership": "definitional"},
}
MEMBERSHIP = {"R4": _ACTUAL, "R4B": _ACTUAL, "R5": _BASIS}


def _as_extension(text: str) -> Resource:
    return {"extension": [{"url": DESCRIPTION, "valueMarkdown": text}]}


def _as_element(text: str) -> Resource:
    return {"description": text}


DESCRIBED: Mapping[str, Callable[[str], Resource]] = {
    "R4": _as_extension,
    "R4B": _as_extension,
    "R5": _as_element,
}


def eligibility_group(study: Study, to: Context) -> Resource | None:
    """Who may take part, as a Group that is defined and not counted; None when nobody said."""
    if study.eligibility is None:
        return None
    criteria = study.eligibility.criteria
    return to.resource(
        "Group",
        key=study.key,
        kind="eligibility",
        **(DESCRIBED[to.release](criteria) if criteria else {}),
        active=True,
        type_="person",
        **MEMBERSHIP[to.release][False],
        name=f"Eligible for {study.key[0]}",
        quantity=study.enrollment,
        characteristic=list(_characteristics(study.eligibility, to)),
    )


def cohort_group(cohort: Cohort, to: Context) -> Resource:
    """The subjects of one arm, as a Group of Patients."""
    return to.resource(
        "Group",
        key=(cohort.arm,),
        active=True,
        type_="person",
        **MEMBERSHIP[to.release][True],
        name=cohort.arm,
        quantity=len(cohort.members),
        characteristic=[
            {
                "code": field_concept(to, "arm"),
                "valueCodeableConcept": {"text": cohort.arm},
                "exclude": False,
            }
        ],
        member=[{"entity": to.reference("Patient", key)} for key in cohort.members],
    )


def _characteristics(who: Eligibility, to: Context) -> Iterator[Resource]:
    yield from _ages(who, to)
    terms = [RegistryTerm(field="sex", value=who.sex)] if who.sex else []
    terms += [RegistryTerm(field="stdAges", value=age) for age in who.standard_ages]
    for term in terms:
        value = registry_term(to, term, labelled=False)
        yield _characteristic(to, term.field, valueCodeableConcept=value)
    if who.healthy_volunteers is not None:
        yield _characteristic(to, "healthyVolunteers", valueBoolean=who.healthy_volunteers)
    if who.gender_based is not None:
        yield _characteristic(to, "genderBased", valueBoolean=who.gender_based)
    texts = [("genderDescription", who.gender_description), ("studyPopulation", who.population)]
    texts += [("inclusionCriterion", each) for each in who.inclusion]
    texts += [("exclusionCriterion", each) for each in who.exclusion]
    for field, text in texts:
        if text:
            yield _characteristic(to, field, valueCodeableConcept={"text": text})


def _characteristic(to: Context, field: str, **value: object) -> Resource:
    exclude = field == "exclusionCriterion"
    return {"code": field_concept(to, field), **value, "exclude": exclude}


def _ages(who: Eligibility, to: Context) -> Iterator[Resource]:
    low, high = _age(who.minimum_age), _age(who.maximum_age)
    if low or high:
        said = ", ".join(filter(None, (who.minimum_age, who.maximum_age)))
        code = {"coding": [AGE, *field_concept(to, "age")["coding"]], "text": f"Age: {said}"}
        yield {"code": code, "valueRange": fields(low=low, high=high), "exclude": False}
    unread = [("minimumAge", who.minimum_age, low), ("maximumAge", who.maximum_age, high)]
    for field, text, read in unread:
        if text and not read:
            yield _characteristic(to, field, valueCodeableConcept={"text": text})


def _age(text: str | None) -> Resource | None:
    """``14 Years`` in UCUM; the unit's text is its code, for HAPI compares texts of a range."""
    match = re.fullmatch(r"(\d+) (\w+?)s?", text or "")
    unit = UCUM_AGES.get(match[2].lower()) if match else None
    if not match or not unit:
        return None
    return quantity(Decimal(match[1]), unit)
