"""Rules of a Bundle as a whole: full URLs, links, documents, messages and search sets.

https://hl7.org/fhir/R4/bundle.html, https://hl7.org/fhir/R4/documents.html
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from adapter.validation.issues import Issue
from adapter.validation.references import (
    REQUESTS,
    full_url_of,
    is_restful,
    items,
    resource_of,
    resource_types,
    text,
)
from adapter.validation.uris import is_absolute_url

Element = dict[str, Any]
RESPONSES = ("transaction-response", "batch-response")
_PAGES = ("first", "previous", "next", "last")
_STYLESHEET = "https://hl7.org/fhir/fhir.css"
_NARRATIVE_LINK = "http://hl7.org/fhir/StructureDefinition/narrativeLink"
# Elements of type uri or url that may lead to another entry. Endpoints, systems and the fullUrl
# are of these types too, but name something else.
_URI_NAMES = frozenset(
    "url uri source link policy definition instantiates target resource rendering detail issuer "
    "location artifactUri defaultValueUri definitionUri derivedFromUri eventUri implicitRules "
    "instantiatesUri linkUri moduleUri onlineInformation policyUri sourceUri sourceUrl targetUri "
    "valueUri valueUrl".split()
)


def check_bundle(bundle: Element, path: str, release: str) -> list[Issue]:
    """Issues of a Bundle that no single entry has: its parts must fit each other."""
    check = _BundleCheck(bundle, path, release)
    check.links()
    check.by_type()
    for number, entry in enumerate(check.entries):
        check.entry(number, entry)
    return check.issues


@dataclass(slots=True)
class _Link:
    """A reference or a URL within an entry."""

    reference: str
    source: Element
    narrative: bool


@dataclass(slots=True)
class _Index:
    """Entries by fullUrl and by type and id, each also with its version behind."""

    by_url: dict[str, list[int]] = field(default_factory=dict)
    by_id: dict[str, list[int]] = field(default_factory=dict)


class _BundleCheck:
    def __init__(self, bundle: Element, path: str, release: str):
        self.bundle, self.path, self.release = bundle, path, release
        self.kind = text(bundle, "type") or ""
        self.entries = items(bundle, "entry")
        self.resources = [resource_of(entry) for entry in self.entries]
        self.full_urls = [full_url_of(entry) for entry in self.entries]
        self.issues: list[Issue] = []
        self.types = resource_types(release)
        self._index: _Index | None = None
        self._told: set[int] = set()  # references that have their issue already

    def say(self, severity: str, name: str, at: str, message: str, code: str = "invalid") -> None:
        self.issues.append(Issue(severity, code, self.path + at, message, name))

    # links

    def links(self) -> None:
        relations = [text(link, "relation") for link in items(self.bundle, "link")]
        for number, link in enumerate(items(self.bundle, "link")):
            self._link(link, relations[number], relations[:number], f".link[{number}]")

    def _link(self, link: Element, relation: str | None, before: list[str | None], at: str) -> None:
        if relation is None:
            return
        twice = relation in before
        message = f"only one link may have the relation '{relation}'"
        if self.kind in ("history", "searchset"):
            if twice and relation in (*_PAGES, "self"):
                self.say("error", "BUNDLE_LINK_SEARCH_NO_DUPLICATES", at, message)
            return
        if self.kind not in (
            *REQUESTS,
            *RESPONSES,
            "document",
            "message",
            "collection",
            "subscription-notification",
        ):
            return
        if relation in _PAGES:
            text_ = f"a link '{relation}' belongs to a search set"
            self.say("error", "BUNDLE_LINK_SEARCH_PROHIBITED", at + ".relation", text_)
        if relation == "self" and twice:
            self.say("error", "BUNDLE_LINK_SEARCH_NO_DUPLICATES", at + ".relation", message)
        if relation == "stylesheet" and self.kind == "document":
            self._stylesheet(text(link, "url"), at + ".url")

    def _stylesheet(self, url: str | None, at: str) -> None:
        if url is None or url == _STYLESHEET:
            return
        if not is_absolute_url(url):
            if not any(url == _type_and_id(one) for one in self.resources if one):
                message = f"the stylesheet {url} is not in the bundle"
                self.say("error", "BUNDLE_LINK_STYELSHEET_NOT_FOUND", at, message, "not-found")
            return
        code = "business-rule"
        message = f"stylesheets other than {_STYLESHEET} should not be used"
        self.say("warning", "BUNDLE_LINK_STYELSHEET_EXTERNAL", at, message, code)
        if url.startswith("http://"):
            message = "the stylesheet is not secure: it is fetched without TLS"
            self.say("warning", "BUNDLE_LINK_STYELSHEET_INSECURE", at, message, code)
        if not url.startswith(("http:", "https:", "ftp:")):
            message = "the stylesheet cannot be fetched from its URL"
            self.say("warning", "BUNDLE_LINK_STYELSHEET_LINKABLE", at, message, code)

    # what the type asks

    def by_type(self) -> None:
        if self.kind in ("document", "message"):
            self._first()
        elif self.kind == "searchset" and self.entries:
            self._search_set()

    def _first(self) -> None:
        if not self.entries:
            message = f"a {self.kind} has at least one entry"
            self.say("error", "Bundle_BUNDLE_Entry_NoFirst", "", message)
            return
        first = self.resources[0]
        if first is None:
            message = f"the first entry of a {self.kind} holds a resource"
            self.say("error", "Bundle_BUNDLE_Entry_NoFirstResource", ".entry[0]", message)
        elif self.kind == "document":
            self._document(first)
        else:
            self._message(first)
        if first is not None or self.kind == "document":
            self._interlinked()

    def _document(self, composition: Element) -> None:
        at = ".entry[0].resource"
        if composition.get("resourceType") != "Composition":
            message = "the first entry of a document is a Composition"
            self.say("error", "Bundle_BUNDLE_Entry_Document", at, message)
            return
        for where, reference, name in _composition_references(composition):
            self._must_resolve(reference, at + where, name, composition)

    def _message(self, header: Element) -> None:
        at = ".entry[0].resource"
        if header.get("resourceType") != "MessageHeader":
            message = "the first entry of a message is a MessageHeader"
            self.say("error", "Validation_BUNDLE_Message", at, message)
            return
        for number, focus in enumerate(items(header, "focus")):
            self._must_resolve(focus, f"{at}.focus[{number}]", "MessageHeader.focus", header)

    def _must_resolve(self, value: Element, at: str, name: str, source: Element) -> None:
        reference = text(value, "reference")
        if reference and not reference.startswith("#"):
            link = _Link(reference, value, False)
            self._resolve(link, at, name, self.full_urls[0], source, required=True)

    # resolution by full URL

    @property
    def index(self) -> _Index:
        if self._index is None:
            self._index = _Index()
            for number, resource in enumerate(self.resources):
                self._add(self._index, number, resource)
        return self._index

    def _add(self, index: _Index, number: int, resource: Element | None) -> None:
        url = self.full_urls[number]
        if url:
            index.by_url.setdefault(url, []).append(number)
        if resource is None:
            return
        version = text(resource.get("meta"), "versionId")
        local = _type_and_id(resource) if text(resource, "id") else None
        if local:
            index.by_id.setdefault(local, []).append(number)
        if version and url:
            index.by_url.setdefault(f"{url}/_history/{version}", []).append(number)

    def _resolve(
        self,
        link: _Link,
        at: str,
        name: str,
        full_url: str | None,
        source: Element,
        required: bool = False,
    ) -> int | None:
        """The number of the entry that a reference leads to; says what hinders it."""
        reference, _, fragment = link.reference.partition("#")
        if is_absolute_url(reference):
            found = self.index.by_url.get(reference)
            if found is None:
                self._absent(link, at, f"{reference} is not in the bundle ({name})", required)
                return None
            if len(found) > 1:
                self._several(link, at, found, name)
                return None
            if fragment:
                self._fragment(found[0], reference, fragment, link, at, name)
            return found[0]
        local = _type_and_id(source)
        wanted = None
        known = text(source, "id") is not None
        if known and full_url and full_url.endswith(local) and is_restful(full_url, self.release):
            wanted = full_url[: -len(local)] + reference
            if found := self.index.by_url.get(wanted):
                if len(found) > 1:
                    self._several(link, at, found, name)
                    return None
                return found[0]
        self._not_relative(link, reference, at, name, wanted, full_url, required)
        return None

    def _not_relative(
        self,
        link: _Link,
        reference: str,
        at: str,
        name: str,
        wanted: str | None,
        full_url: str | None,
        required: bool,
    ) -> None:
        parts = reference.split("/")
        if len(parts) < 2 or parts[0] not in self.types:
            return
        near = self.index.by_id.get("/".join(parts[:2]))
        if not near:
            self._absent(link, at, f"{reference} is not in the bundle ({name})", required)
            return
        urls = ", ".join(sorted(self.full_urls[n] or "none" for n in near))
        message = f"{reference} is not in the bundle ({name}): an entry has its type and id, but "
        if wanted is None:
            message += f"its fullUrl {urls} is out of reach from {full_url}"
            self._once(link, "BUNDLE_BUNDLE_ENTRY_NOTFOUND_CANNOT", at, message)
        else:
            message += f"its fullUrl is {urls}, not {wanted}"
            self._once(link, "BUNDLE_BUNDLE_ENTRY_NOTFOUND_APPARENT", at, message)

    def _once(self, link: _Link, name: str, at: str, message: str, severity: str = "error") -> None:
        if id(link.source) not in self._told:
            self._told.add(id(link.source))
            self.say(severity, name, at, message, "not-found" if severity != "error" else "invalid")

    def _absent(self, link: _Link, at: str, message: str, required: bool) -> None:
        severity = "error" if required else "information"
        if not required and is_restful(link.reference, self.release):
            kind = link.reference.rstrip("/").split("/")[-2]
            if kind in _CANONICAL and is_absolute_url(link.reference):
                return
        self._once(link, "Bundle_BUNDLE_Entry_NotFound", at, message, severity)

    def _several(self, link: _Link, at: str, found: list[int], name: str) -> None:
        message = f"{len(found)} entries match '{link.reference}' ({name})"
        self._once(link, "BUNDLE_BUNDLE_ENTRY_FOUND_MULTIPLE", at, message)

    def _fragment(
        self, number: int, reference: str, fragment: str, link: _Link, at: str, name: str
    ) -> None:
        count = _count_ids(self.resources[number], fragment)
        if count == 1:
            return
        self._told.add(id(link.source))
        message = f"{count} elements of {reference} have the id '{fragment}' ({name})"
        if count:
            self.say("error", "BUNDLE_BUNDLE_ENTRY_FOUND_MULTIPLE_FRAGMENT", at, message)
        else:
            severity = "error" if link.narrative else "information"
            self.say(severity, "BUNDLE_BUNDLE_ENTRY_NOTFOUND_FRAGMENT", at, message, "not-found")

    # reachability

    def _interlinked(self) -> None:
        targets = self._targets()
        present = [n for n, resource in enumerate(self.resources) if resource is not None]
        visited: set[int] = set()
        _visit(present[0], targets, visited) if present else None
        visited |= self._linked_by_bundle()
        found = True
        while found:
            found = False
            for number in present:
                if number not in visited and not visited.isdisjoint(targets[number]):
                    self._reverse(number)
                    _visit(number, targets, visited)
                    found = True
        for number in present:
            if number not in visited:
                self._orphan(number)

    def _targets(self) -> dict[int, list[int]]:
        """The entries that each entry leads to."""
        targets: dict[int, list[int]] = {}
        for number, resource in enumerate(self.resources):
            targets[number] = []
            if resource is None:
                continue
            for link in _links(self.entries[number]):
                name = f"{resource.get('resourceType')} of entry {number}"
                at = f".entry[{number}].resource"
                target = self._resolve(link, at, name, self.full_urls[number], resource)
                if target is not None and target != number:
                    targets[number].append(target)
        return targets

    def _linked_by_bundle(self) -> set[int]:
        urls = {
            text(link, "url")
            for link in items(self.bundle, "link")
            if link.get("relation") == "stylesheet"
        }
        return {n for n, one in enumerate(self.resources) if one and _type_and_id(one) in urls}

    def _reverse(self, number: int) -> None:
        resource = self.resources[number]
        if resource is None or resource.get("resourceType") == "Provenance":
            return
        at, url = f".entry[{number}]", self.full_urls[number] or ""
        if self.kind == "message":
            message = f"entry {url} is not reached forwards from the MessageHeader"
            name = "BUNDLE_BUNDLE_ENTRY_REVERSE_MSG"
            self.say("information", name, at, message, "informational")
            return
        message = f"entry {url} is not reached forwards from the Composition"
        if self.release == "R5":
            name = "BUNDLE_BUNDLE_ENTRY_REVERSE_R5"
            self.say("information", name, at, message, "informational")
        else:
            self.say("warning", "BUNDLE_BUNDLE_ENTRY_REVERSE_R4", at, message)

    def _orphan(self, number: int) -> None:
        at, url, code = f".entry[{number}]", self.full_urls[number] or "", "informational"
        message = f"entry {url} is not reached, forwards or backwards, from the "
        if self.kind == "message":
            name = "Bundle_BUNDLE_Entry_Orphan_MESSAGE"
            self.say("warning", name, at, message + "MessageHeader", code)
        else:
            name = "Bundle_BUNDLE_Entry_Orphan_DOCUMENT"
            self.say("error", name, at, message + "Composition", code)

    # search sets

    def _search_set(self) -> None:
        link = next(
            (one for one in items(self.bundle, "link") if one.get("relation") == "self"), {}
        )
        types = _searched_types(text(link, "url"), self.types)
        if not link:
            message = "a search set should have a link 'self' that tells the search"
            self.say("warning", "BUNDLE_SEARCH_NOSELF", "", message)
        elif not types:
            message = "the types searched for cannot be told from the link 'self'"
            self.say("information", "BUNDLE_SEARCH_SELF_NOT_UNDERSTOOD", "", message)
        modes = [text(entry.get("search"), "mode") for entry in self.entries]
        if any(modes):
            for number, mode in enumerate(modes):
                self._match(number, mode, types)
        else:
            self._without_modes(types, bool(link))

    def _match(self, number: int, mode: str | None, types: list[str]) -> None:
        at, resource = f".entry[{number}]", self.resources[number]
        if mode is None:
            message = "an entry of a search set should have a search mode"
            self.say("warning", "BUNDLE_SEARCH_NO_MODE", at, message)
        if resource is None:
            self._no_resource(at)
            return
        at += ".resource"
        kind = resource.get("resourceType")
        if mode in ("match", "include"):
            if not text(resource, "id"):
                message = "what a search finds has an id"
                self.say("error", "BUNDLE_SEARCH_ENTRY_NO_RESOURCE_ID", at, message)
            if mode == "match" and types and kind not in types:
                message = f"the search is for {', '.join(types)}, this is a {kind}"
                self.say("error", "BUNDLE_SEARCH_ENTRY_WRONG_RESOURCE_TYPE_MODE", at, message)
        elif mode is not None and kind != "OperationOutcome":
            message = f"the outcome of a search is an OperationOutcome, not a {kind}"
            self.say("error", "BUNDLE_SEARCH_ENTRY_WRONG_RESOURCE_TYPE_OUTCOME", at, message)

    def _without_modes(self, types: list[str], has_self: bool) -> None:
        doubtful, first = False, None
        for number, resource in enumerate(self.resources):
            at = f".entry[{number}]"
            if resource is None:
                self._no_resource(at)
                continue
            kind = resource.get("resourceType")
            if not types and has_self:
                message = "whether the resource's type suits the search cannot be told"
                name = "BUNDLE_SEARCH_ENTRY_TYPE_NOT_SURE"
                self.say("information", name, at + ".resource", message)
            elif types and kind not in types:
                doubtful = True
                message = f"the search is for {', '.join(types)}, this is a {kind}"
                name = "BUNDLE_SEARCH_ENTRY_WRONG_RESOURCE_TYPE_NO_MODE"
                self.say("warning", name, at, message)
                continue
            doubtful = doubtful or not types
            if kind == "OperationOutcome":
                continue
            if not text(resource, "id"):
                message = "what a search finds has an id"
                name = "BUNDLE_SEARCH_ENTRY_NO_RESOURCE_ID"
                self.say("warning", name, at + ".resource", message)
            doubtful = doubtful or (first is not None and kind != first)
            first = first or kind
        if doubtful:
            message = "the entries of a search set should have search modes"
            self.say("warning", "BUNDLE_SEARCH_NO_MODE", "", message)

    def _no_resource(self, at: str) -> None:
        message = "an entry of a search set has a resource"
        self.say("error", "BUNDLE_SEARCH_ENTRY_NO_RESOURCE", at, message)

    # each entry

    def entry(self, number: int, entry: Element) -> None:
        at = f".entry[{number}]"
        full_url, resource = self.full_urls[number], self.resources[number]
        if full_url is None:
            self._without_url(entry, resource, at)
        elif full_url and not is_absolute_url(full_url):
            message = f"a fullUrl is absolute, unlike '{full_url}'"
            self.say("error", "BUNDLE_ENTRY_URL_ABSOLUTE", at, message)
        elif resource is not None and is_restful(full_url, self.release):
            self._restful(full_url, resource, at)
        url = text(resource, "url")
        if resource is not None and url is not None and url == full_url:
            self._own_url(url, text(resource, "id"), at)

    def _without_url(self, entry: Element, resource: Element | None, at: str) -> None:
        if self.kind not in (*REQUESTS, *RESPONSES) and "fullUrl" not in entry:
            message = "each entry has a fullUrl, those of transactions and batches aside"
            self.say("error", "BUNDLE_BUNDLE_ENTRY_FULLURL_REQUIRED", at, message)
        if self.kind in RESPONSES or resource is None:
            return
        if any(not one.startswith("#") for one in _references(resource)):
            message = "an entry whose resource refers to others has a fullUrl"
            self.say("error", "Bundle_BUNDLE_Entry_NoFullUrl", at, message, "required")

    def _restful(self, full_url: str, resource: Element, at: str) -> None:
        if not text(resource, "id"):
            message = f"the fullUrl '{full_url}' is a server's, but the resource has no id"
            self.say("error", "BUNDLE_ENTRY_URL_MATCHES_NO_ID", at, message)
        elif not full_url.endswith("/" + _type_and_id(resource)):
            message = f"the fullUrl '{full_url}' does not end with /{_type_and_id(resource)}"
            self.say("error", "BUNDLE_ENTRY_URL_MATCHES_TYPE_ID", at, message)

    def _own_url(self, url: str, given: str | None, at: str) -> None:
        if url.startswith(("http://hl7.org/fhir/v3/", "http://hl7.org/fhir/v2/")):
            return
        if not (is_restful(url, self.release) and url.endswith(f"/{given}")):
            message = f"the canonical URL {url} is the fullUrl too, but the id is {given}"
            self.say("error", "Bundle_BUNDLE_Entry_MismatchIdUrl", at, message)


_CANONICAL = frozenset(
    "ActivityDefinition ActorDefinition CapabilityStatement ChargeItemDefinition Citation "
    "CodeSystem CompartmentDefinition ConceptMap ConditionDefinition EventDefinition Evidence "
    "EvidenceReport EvidenceVariable ExampleScenario GraphDefinition ImplementationGuide Library "
    "Measure MessageDefinition NamingSystem ObservationDefinition OperationDefinition "
    "PlanDefinition Questionnaire Requirements ResearchDefinition ResearchElementDefinition "
    "SearchParameter SpecimenDefinition StructureDefinition StructureMap SubscriptionTopic "
    "TerminologyCapabilities TestPlan TestScript ValueSet".split()
)


def _type_and_id(resource: Element) -> str:
    return f"{resource.get('resourceType')}/{resource.get('id')}"


def _visit(start: int, targets: dict[int, list[int]], visited: set[int]) -> None:
    waiting = [start]
    while waiting:
        number = waiting.pop()
        if number not in visited:
            visited.add(number)
            waiting += targets[number]


def _composition_references(composition: Element) -> Iterator[tuple[str, Element, str]]:
    """The references of a Composition that its document must hold: (path, reference, name)."""
    yield from _one(composition, "subject", "", "Composition.subject")
    yield from _many(composition, "author", "", "Composition.author")
    yield from _one(composition, "encounter", "", "Composition.encounter")
    yield from _one(composition, "custodian", "", "Composition.custodian")
    for number, attester in enumerate(items(composition, "attester")):
        yield from _one(attester, "party", f".attester[{number}]", "Composition.attester.party")
    for number, event in enumerate(items(composition, "event")):
        yield from _many(event, "detail", f".event[{number}]", "Composition.event.detail")
    yield from _sections(composition, "")


def _sections(parent: Element, at: str) -> Iterator[tuple[str, Element, str]]:
    for number, section in enumerate(items(parent, "section")):
        where = f"{at}.section[{number}]"
        yield from _many(section, "author", where, "Composition.section.author")
        yield from _one(section, "focus", where, "Composition.section.focus")
        yield from _many(section, "entry", where, "Composition.section.entry")
        yield from _sections(section, where)


def _one(element: Element, name: str, at: str, title: str) -> Iterator[tuple[str, Element, str]]:
    held = element.get(name)
    if isinstance(held, list):  # R5 lets a Composition have several subjects
        yield from list(_many(element, name, at, title))[:1]
    elif isinstance(held, dict):
        yield f"{at}.{name}", held, title


def _many(element: Element, name: str, at: str, title: str) -> Iterator[tuple[str, Element, str]]:
    for number, held in enumerate(items(element, name)):
        yield f"{at}.{name}[{number}]", held, title


def _links(entry: Element) -> list[_Link]:
    """The references and URLs within an entry, each once; those of a Bundle in it left out."""
    found: dict[str, _Link] = {}
    _collect(entry, found)
    return list(found.values())


def _collect(element: Any, found: dict[str, _Link]) -> None:
    if isinstance(element, list):
        for one in element:
            _collect(one, found)
        return
    if not isinstance(element, dict):
        return
    extension = element.get("url")
    for name, held in element.items():
        if isinstance(held, str):
            if name == "reference":
                _add_link(held, element, False, found)
            elif name in _URI_NAMES and not (name == "url" and _is_extension(element)):
                _add_link(held, element, extension == _NARRATIVE_LINK, found)
        elif isinstance(held, list) and name in _URI_NAMES:
            for one in held:
                if isinstance(one, str):
                    _add_link(one, element, False, found)
                else:
                    _collect(one, found)
        elif not (isinstance(held, dict) and held.get("resourceType") == "Bundle"):
            _collect(held, found)


def _is_extension(element: Element) -> bool:
    return "extension" in element or any(name.startswith("value") for name in element)


def _add_link(held: str, source: Element, narrative: bool, found: dict[str, _Link]) -> None:
    if not held.startswith("#") and held not in found:
        found[held] = _Link(held, source, narrative)


def _references(element: Any) -> Iterator[str]:
    """The references within a resource; a Bundle within it aside, which has its own."""
    if isinstance(element, dict):
        for name, held in element.items():
            if name == "reference" and isinstance(held, str):
                yield held
            elif not (isinstance(held, dict) and held.get("resourceType") == "Bundle"):
                yield from _references(held)
    elif isinstance(element, list):
        for one in element:
            yield from _references(one)


def _count_ids(element: Any, wanted: str) -> int:
    if isinstance(element, dict):
        return sum(
            1 if name == "id" and held == wanted else _count_ids(held, wanted)
            for name, held in element.items()
        )
    if isinstance(element, list):
        return sum(_count_ids(one, wanted) for one in element)
    return 0


def _searched_types(url: str | None, types: frozenset[str]) -> list[str]:
    """The resource types that a search URL is about."""
    if url is None:
        return []
    head, _, query = url.partition("?")
    last = head.rstrip("/").rpartition("/")[2]
    if last in types:
        return [last]
    asked = [one[len("_type=") :] for one in query.split("&") if one.startswith("_type=")]
    return [kind for one in asked for kind in one.split(",")]
