"""Party -> Practitioner and PractitionerRole.

https://hl7.org/fhir/R4/practitioner.html  https://hl7.org/fhir/R4/practitionerrole.html
https://hl7.org/fhir/R5/practitionerrole.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from mappings.context import Context, Resource, fields
from mappings.entities import Key, Party, Site, Study
from mappings.organization import OrganizationKeys, organization_reference
from mappings.registry_terms import registry_term


def practitioners(
    study: Study, keys: OrganizationKeys, to: Context
) -> Iterator[tuple[Site | Study, Resource]]:
    """Every person of the study as Practitioner, with a PractitionerRole for each role."""
    for party in study.parties:
        if party.person:
            yield from ((study, each) for each in _person(party, None, keys, to))
    for site in study.sites:
        for party in (*site_investigators(study, site), *site.contacts):
            yield from ((site, each) for each in _person(party, site, keys, to))


def site_investigators(study: Study, site: Site) -> tuple[Party, ...]:
    """A site's investigators; one whom the registration names too is the same person."""
    return tuple(_investigator(study, name) for name in site.investigators)


def role_key(party: Party, site: Site | None = None) -> Key:
    """The key of a PractitionerRole: person, role, ways to reach them, and site."""
    raw = party.raw_role.value if party.raw_role else ""
    reach = (party.phone or "", party.email or "")
    return (*practitioner_key(party, site), party.role, raw, *reach, *(site.key if site else ()))


def practitioner_key(party: Party, site: Site | None = None) -> Key:
    """The key of a person: name and affiliation, or name and site."""
    if party.organization is None and site:
        return (party.name or "", *site.key)
    return (party.name or "", party.organization or "")


def role_concept(party: Party, to: Context) -> Resource:
    """What a party does in the study: standard codes, the registry's word, and a text."""
    concept = to.coded("study-party-role", party.role)
    if party.raw_role:
        raw = registry_term(to, party.raw_role, labelled=False)
        text = f"{concept['text']}: {raw['text']}"
        coding = [*concept.get("coding", []), *raw.get("coding", [])]
        return fields(coding=coding, text=text)
    return concept


def telecom(party: Party) -> list[Resource]:
    """The ways to reach a party."""
    reach = (("phone", party.phone), ("email", party.email))
    return [{"system": system, "value": value} for system, value in reach if value]


def _investigator(study: Study, name: str) -> Party:
    for party in study.parties:
        if party.person and party.name and name == party.name.partition(",")[0]:
            return replace(party, role="site-investigator", phone=None, email=None)
    return Party(role="site-investigator", name=name, person=True)


def _person(
    party: Party, site: Site | None, keys: OrganizationKeys, to: Context
) -> Iterator[Resource]:
    person = practitioner_key(party, site)
    if party.name:
        yield to.resource("Practitioner", key=person, name=[{"text": party.name}])
    work = site.name if site else party.organization
    organization = organization_reference(work, keys, to)
    if site and site.name:
        organization = {**to.reference("Organization", site.key), "display": site.name}
    title = fields(text=party.title)
    yield to.resource(
        "PractitionerRole",
        key=role_key(party, site),
        practitioner=to.reference("Practitioner", person) if party.name else None,
        organization=organization,
        code=[role_concept(party, to), *([title] if title else [])],
        location=[to.reference("Location", site.key)] if site else None,
        **(REACH[to.release](telecom(party)) if telecom(party) else {}),
    )


def _reach_r4(ways: list[Resource]) -> Resource:
    return {"telecom": ways}


def _reach_r5(ways: list[Resource]) -> Resource:
    return {"contact": [{"telecom": ways}]}


REACH: Mapping[str, Callable[[list[Resource]], Resource]] = {
    "R4": _reach_r4,
    "R4B": _reach_r4,
    "R5": _reach_r5,
}
