"""Site, Party -> Organization.

https://hl7.org/fhir/R4/organization.html  https://hl7.org/fhir/R5/organization.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

from mappings.context import Context, Resource, fields
from mappings.entities import Key, Party, Site, Study
from mappings.registry_terms import registry_concept

OrganizationKeys: TypeAlias = Mapping[str, Key]


def organization_keys(study: Study) -> dict[str, Key]:
    """The key of each organisation by its name; sponsor and site of one name are one."""
    keys: dict[str, Key] = {}
    for site in study.sites:
        if site.name:
            keys.setdefault(site.name, site.key)
    for party in study.parties:
        if party.name and not party.person:
            keys.setdefault(party.name, ("organization", party.name))
    return keys


def organizations(study: Study, to: Context) -> Iterator[tuple[Site | Study, Resource]]:
    """The Organizations of sites and of the parties that are no persons, each once."""
    keys = organization_keys(study)
    parties = {p.name: p for p in reversed(study.parties) if not p.person}
    for site in study.sites:
        if site.name:
            own = keys[site.name] == site.key
            yield site, site_organization(site, parties.get(site.name) if own else None, to)
    sites = {site.key for site in study.sites}
    for name, party in parties.items():
        if name and keys[name] not in sites:
            yield (
                study,
                to.resource(
                    "Organization",
                    key=keys[name],
                    active=True,
                    type_=_type(party, to),
                    name=name,
                ),
            )


def site_organization(site: Site, party: Party | None, to: Context) -> Resource:
    """The hospital of a site; ``party`` is its other role in the study, such as sponsor."""
    return to.resource(
        "Organization",
        key=site.key,
        active=True,
        type_=_type(party, to) if party else None,
        name=site.name,
        **(ADDRESS[to.release](address(site)) if address(site) else {}),
    )


def _address_r4(where: Resource) -> Resource:
    return {"address": [where]}


def _address_r5(where: Resource) -> Resource:
    return {"contact": [{"address": where}]}


ADDRESS: Mapping[str, Callable[[Resource], Resource]] = {
    "R4": _address_r4,
    "R4B": _address_r4,
    "R5": _address_r5,
}


def organization_reference(name: str | None, keys: OrganizationKeys, to: Context) -> Resource:
    """A reference to a known organisation; of any other only its name."""
    if name is None:
        return {}
    if name not in keys:
        return {"display": name}
    return {**to.reference("Organization", keys[name]), "display": name}


def address(site: Site) -> Resource:
    """The postal address of a site, as far as it is known."""
    return fields(
        city=site.city, state=site.state, postalCode=site.postal_code, country=site.country
    )


def _type(party: Party, to: Context) -> list[Resource]:
    return [registry_concept(to, "AgencyClass", party.party_class)] if party.party_class else []
