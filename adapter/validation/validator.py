"""Checks resources against their release's definitions and against profiles.

The verdicts are meant to be those of HL7's own validator: https://github.com/hapifhir/org.hl7.fhir.core
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import adapter.validation.packages as fhir_packages
from adapter.errors import UsageError
from adapter.validation.bundles import check_bundle
from adapter.validation.compiler import Compiler
from adapter.validation.contained import check_contained
from adapter.validation.context import Context
from adapter.validation.definitions import CORE, Definitions
from adapter.validation.imposed import imposed_profiles
from adapter.validation.issues import Issue
from adapter.validation.narrative import check_language
from adapter.validation.questionnaires import check_questionnaire
from adapter.validation.reading import parse_json
from adapter.validation.references import RunIndex, Scope
from adapter.validation.resources import check_resource_rules
from adapter.validation.responses import check_response
from adapter.validation.tx_server import choose
from adapter.validation.uris import check_labels

Resource = dict[str, Any]
ERRORS = frozenset({"error", "fatal"})
RESOURCE_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
RESERVED = re.compile(r"(?:^|\.)(?:example(?:\.(?:com|net|org))?|test|invalid|localhost)$")
CONTAINERS = {"contained": "contained", "resource": "entry", "outcome": "outcome"}


class Validator:
    """Validates resources of one FHIR release.

    ``packages`` are files or folders of definitions (FHIR NPM packages, ``.tgz`` too);
    ``terminology`` is ``local``, ``off`` or a terminology server's URL; ``best_practice`` adds
    warnings that HL7 calls best practice; ``run`` holds the resources that references may lead to.
    Raises UsageError for an unknown release, and for a package that cannot be read.
    """

    def __init__(
        self,
        release: str = "R4",
        packages: Iterable[str | Path] = (),
        *,
        terminology: str = "local",
        best_practice: bool = False,
        run: RunIndex | None = None,
    ):
        self.release = release
        self.definitions = Definitions(release)
        for path in packages:
            for needed in fhir_packages.with_dependencies(path):
                for kind, url, load in fhir_packages.index(needed):
                    self.definitions.add_lazily(kind, url, load)
        self.terminology = choose(self.definitions, release, terminology, _cache())
        self.run = run
        self._told: set[str] = set()
        self._above: dict[str, frozenset[str]] = {}
        self._compiler = Compiler(self.definitions, self.terminology, best_practice)

    @property
    def not_evaluated(self) -> dict[str, str]:
        """Constraints met so far that could not be evaluated, with the reason."""
        return self._compiler.invariants.not_evaluated

    def validate(
        self, resource: Resource | bytes | str, profiles: Sequence[str] = ()
    ) -> list[Issue]:
        """All issues of a resource (``str`` and ``bytes``: JSON text).

        Raises UsageError for a profile in ``profiles`` that no definition is known for.
        """
        faults: list[Issue] = []
        if isinstance(resource, bytes | str):
            parsed, faults = parse_json(resource)
            if parsed is None:
                return faults
            resource = parsed
        if not isinstance(resource, dict):
            return [Issue("fatal", "structure", "", "a resource is a JSON object")]
        for url in profiles:
            if self.definitions.structure(url) is None:
                raise UsageError(f"the profile {url} is unknown: give its package")
        kind = resource.get("resourceType")
        if not isinstance(kind, str) or kind not in self.definitions.resource_types:
            return [*faults, _unknown_type(kind)]
        context = self._context(resource)
        try:
            found = self._check(resource, context, list(profiles))
        except RecursionError:
            text = "the resource is nested too deeply to be checked"
            return [Issue("fatal", "too-long", kind, text, resourceType=kind)]
        issues = faults + _distinct(found, kind, resource.get("id")) if found else faults
        return issues if len(self._told) == len(self.not_evaluated) else issues + self._tell(kind)

    def _tell(self, kind: str) -> list[Issue]:
        """What could not be evaluated, each constraint once in the life of the validator."""
        issues = []
        for key, reason in self.not_evaluated.items():
            if key not in self._told:
                self._told.add(key)
                text = f"the constraint {key} was not evaluated: {reason}"
                issue = Issue("information", "not-supported", kind, text, constraint=key)
                issues.append(issue)
        return issues

    def is_valid(self, resource: Resource | bytes | str) -> bool:
        """True when there is no issue of severity error or fatal."""
        return not any(i.severity in ERRORS for i in self.validate(resource))

    def _context(self, resource: Resource) -> Context:
        kind = resource.get("resourceType")
        is_bundle = kind == "Bundle"
        return Context(
            resource,
            resource,
            Scope(resource, self.run),
            self,
            bundle=resource if is_bundle else None,
            language=_language(resource),
            plain=self.run is None and not is_bundle and kind != "Parameters",
        )

    def conforms(self, value: Resource, url: str, context: Context) -> bool | None:
        """Whether a resource that an expression met fits a profile; None for an unknown one."""
        check = self._compiler.structure(url)
        if check is None:
            return None
        return not any(i.severity in ERRORS for i in check(value, None, context) or ())

    def nested(
        self, resource: Resource, outer: Context, name: str, profiles: list[str]
    ) -> list[Issue]:
        """The issues of a resource inside another: contained, or an entry's, a parameter's."""
        kind = resource.get("resourceType")
        if not isinstance(kind, str) or kind not in self.definitions.resource_types:
            return [_unknown_type(kind, "")]
        container = CONTAINERS.get(name, name)
        contained = container == "contained"
        root = outer.root if contained else resource
        bundle = outer.bundle
        full_url = outer.full_url
        if container == "entry" and bundle is not None:
            full_url = outer.scope.full_url(bundle, resource)
        if kind == "Bundle":
            bundle = resource
        context = replace(
            outer,
            resource=resource,
            root=root,
            bundle=bundle,
            full_url=full_url,
            container=container,
            at="",
            ids=set(),
            language=_language(resource),
        )
        wanted = [url for url in profiles if self.definitions.structure(url) is not None]
        return self._check(resource, context, wanted)

    def _check(self, resource: Resource, context: Context, profiles: list[str]) -> list[Issue]:
        kind = resource["resourceType"]
        declared, problems = self._declared(resource, kind, context)
        wanted = [*profiles, *declared, *imposed_profiles(resource)]
        urls = self._most_specific(wanted) or [kind]
        issues = problems + self._identity(resource, context)
        for url in urls:
            check = self._compiler.needed(url)
            context.ids.clear()
            if found := check(resource, None, context):
                issues += found
        issues += self._special(resource, kind)
        issues += check_labels(resource, "")
        if context.language is not None:
            issues += check_language(resource, "")
        if "contained" in resource and context.container != "contained":
            issues += check_contained(resource, "")
        return issues

    def _most_specific(self, urls: list[str]) -> list[str]:
        """The profiles without those that another one is based on, and so checks too."""
        distinct = list(dict.fromkeys(urls))
        if len(distinct) < 2:
            return distinct
        above = {base for url in distinct for base in self._bases(url)}
        return [url for url in distinct if url.partition("|")[0] not in above]

    def _bases(self, url: str) -> frozenset[str]:
        if url not in self._above:
            found, structure = set(), self.definitions.structure(url)
            while structure is not None and (base := structure.get("baseDefinition")):
                found.add(base.partition("|")[0])
                structure = self.definitions.structure(base)
            self._above[url] = frozenset(found)
        return self._above[url]

    def _special(self, resource: Resource, kind: str) -> list[Issue]:
        """The rules of single resource types that no StructureDefinition states."""
        if kind == "Bundle":
            return check_bundle(resource, "", self.release)
        if kind == "Questionnaire":
            return check_questionnaire(resource, "", self._questionnaire)
        if kind == "QuestionnaireResponse":
            named = resource.get("questionnaire")
            known = self._questionnaire(named) if isinstance(named, str) else None
            return check_response(resource, known, "", self.terminology)
        return check_resource_rules(resource, self.release, self.definitions, self.terminology)

    def _questionnaire(self, canonical: str) -> Resource | None:
        return self.definitions.find("Questionnaire", canonical)

    def _declared(
        self, resource: Resource, kind: str, context: Context
    ) -> tuple[list[str], list[Issue]]:
        meta = resource.get("meta")
        listed = meta.get("profile") if isinstance(meta, dict) else None
        if not isinstance(listed, list):
            return [], []
        known, issues = [], []
        for number, url in enumerate(listed):
            if not isinstance(url, str):
                continue
            structure = self.definitions.structure(url) if url else None
            path = f".meta.profile[{number}]"
            if structure is None:
                text = f"the profile '{url}' has not been checked because it could not be found"
                name = "VALIDATION_VAL_PROFILE_UNKNOWN_NOT_POLICY"
                severity = "error" if _nowhere(url) else "warning"
                issues.append(Issue(severity, "not-found", path, text, name))
            elif structure["type"] != kind and structure["type"] not in (
                "Resource",
                "DomainResource",
            ):
                text = f"the profile {url} is of type {structure['type']}, not {kind}"
                name = "Validation_VAL_Profile_WrongType"
                issues.append(Issue("error", "structure", "", text, name))
                issues += self._against_another_type(resource, url, context)
            elif structure["url"] != CORE + kind:
                known.append(url)
        return known, issues

    def _against_another_type(self, resource: Resource, url: str, context: Context) -> list[Issue]:
        """What a profile of another type says: its elements are missed, the others too many."""
        check = self._compiler.structure(url)
        found = check(resource, None, replace(context, ids=set())) if check else None
        return [_not_allowed(one, url) for one in found or ()]

    def _identity(self, resource: Resource, context: Context) -> list[Issue]:
        given, sibling = resource.get("id"), resource.get("_id")
        if isinstance(sibling, dict) and "extension" in sibling:
            text = "a resource's id may not have extensions"
            name = "FHIR_RESOURCE_ID_CANT_BE_EXTENDED"
            return [Issue("error", "business-rule", ".id", text, name)]
        if context.container == "contained" and "id" not in resource:
            text = "a contained resource must have an id"
            return [Issue("error", "invalid", "", text, "Resource_RES_ID_Missing")]
        if not isinstance(given, str) or RESOURCE_ID.fullmatch(given):
            return []
        name = "Resource_RES_ID_Malformed_Chars"
        if not given:
            return []
        if len(given) > 64:
            name = "Resource_RES_ID_Malformed_Length"
        return [Issue("error", "invalid", ".id", "the resource's id is not valid", name)]


def _cache() -> Path:
    """Where a terminology server's answers are kept."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "study-fhir" / "terminology"


def _nowhere(url: str) -> bool:
    """Whether no package can ever define the canonical.

    It is relative, or HL7's own and unknown, or of a host that is reserved (RFC 2606).
    """
    host = re.match(r"(?:https?://([^/:]+)|urn:)", url)
    if host is None or url.startswith(CORE):
        return True
    return host[1] is not None and RESERVED.search(host[1]) is not None


def _language(resource: Resource) -> str | None:
    given = resource.get("language")
    return given if isinstance(given, str) else None


def _not_allowed(issue: Issue, url: str) -> Issue:
    if issue.messageId != "Unrecognised_property_":
        return issue
    key = issue.message.rsplit("'", 2)[1]
    text = f"this element is not allowed by the profile {url}"
    name = "Validation_VAL_Profile_NotAllowed"
    return replace(issue, path=f"{issue.path}.{key}", message=text, messageId=name)


def _unknown_type(kind: Any, path: str | None = None) -> Issue:
    if not isinstance(kind, str):
        text = "a resource needs the property resourceType"
        name = "Unable_to_find_resourceType_property"
        return Issue("fatal", "invalid", path or "", text, name)
    text = "the content cannot be parsed: resourceType names no resource"
    name = "This_content_cannot_be_parsed_unknown_or_unrecognized_resource_name"
    return Issue("fatal", "invalid", kind if path is None else path, text, name)


def _distinct(found: list[Issue], kind: str, given: object) -> list[Issue]:
    """Each issue once, its path seen from the resource, worst first where two say the same."""
    seen: dict[tuple[str, str, str | None], Issue] = {}
    identity = given if isinstance(given, str) else None
    for one in found:
        key = (one.path, one.message, one.messageId)
        if key not in seen or one.severity in ERRORS:
            issue = one.below(kind)
            issue.resourceType, issue.id = kind, identity
            seen[key] = issue
    return list(seen.values())
