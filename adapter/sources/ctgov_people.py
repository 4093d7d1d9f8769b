"""Who a ClinicalTrials.gov record names, and where: sponsor, officials, contacts, sites."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from adapter.sources.leaves import Node
from mappings.entities import Party, RegistryTerm, Site


def parties(protocol: Node) -> Iterable[Party]:
    """Everybody with a role in the study, in the order of the record."""
    module = protocol.node("sponsorCollaboratorsModule")
    sponsor = module.node("leadSponsor")
    yield from _organization(sponsor, "lead-sponsor", "name")
    own = protocol.node("identificationModule").node("organization")
    yield from _organization(own, "responsible-organization", "fullName")
    for each in module.nodes("collaborators"):
        yield from _organization(each, "collaborator", "name")
    yield from _responsible(module.node("responsibleParty"), sponsor.text("name"))
    contacts = protocol.node("contactsLocationsModule")
    for each in contacts.nodes("overallOfficials"):
        yield Party(
            role="official",
            name=each.text("name"),
            organization=each.text("affiliation"),
            person=True,
            raw_role=_term("officialRole", each.text("role")),
        )
    for each in contacts.nodes("centralContacts"):
        yield _contact(each, "contact")


def sites(protocol: Node) -> Iterable[Site]:
    """The places of the study. Equal places are told apart by their number among equals."""
    seen: Counter[tuple[str, ...]] = Counter()
    for each in protocol.node("contactsLocationsModule").nodes("locations"):
        words = ("facility", "city", "state", "zip", "country")
        place = tuple(each.text(key) or "" for key in words)
        seen[place] += 1
        point = each.node("geoPoint")
        facility, city, state, postal_code, country = (part or None for part in place)
        yield Site(
            key=("site", *place, *([str(seen[place])] if seen[place] > 1 else [])),
            name=facility,
            city=city,
            state=state,
            postal_code=postal_code,
            country=country,
            latitude=point.decimal("lat"),
            longitude=point.decimal("lon"),
            status=each.text("status"),
            contacts=tuple(_contact(person, "site-contact") for person in each.nodes("contacts")),
        )


def _organization(node: Node, role: str, key: str) -> Iterable[Party]:
    if name := node.text(key):
        yield Party(role=role, name=name, party_class=node.text("class"))


def _responsible(node: Node, sponsor: str | None) -> Iterable[Party]:
    """Old records (before 2011) give name and title in one text, and an organisation beside it."""
    kind = _term("responsiblePartyType", node.text("type"))
    investigator, old = node.text("investigatorFullName"), node.text("oldNameTitle")
    affiliation, old_place = node.text("investigatorAffiliation"), node.text("oldOrganization")
    title = node.text("investigatorTitle")
    role = "responsible-party"
    if investigator or title or affiliation:
        yield Party(
            role=role,
            name=investigator,
            title=title,
            organization=affiliation,
            person=True,
            raw_role=kind,
        )
    if old:
        yield Party(role=role, name=old, organization=old_place, person=True, raw_role=kind)
    elif old_place:
        yield Party(role=role, name=old_place, raw_role=kind)
    elif kind and not investigator:
        yield Party(role=role, name=sponsor, raw_role=kind)


def _contact(node: Node, role: str) -> Party:
    extension = node.text("phoneExt")
    phone = node.text("phone")
    return Party(
        role=role,
        name=node.text("name"),
        person=True,
        phone=f"{phone or ''} ext. {extension}".strip() if extension else phone,
        email=node.text("email"),
        raw_role=_term("contactRole", node.text("role")),
    )


def _term(field: str, word: str | None) -> RegistryTerm | None:
    return RegistryTerm(field=field, value=word) if word else None
