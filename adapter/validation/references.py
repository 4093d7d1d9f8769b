"""Where references lead: contained resources, the entries of a Bundle, the resources of a run.

https://hl7.org/fhir/R4/references.html and https://hl7.org/fhir/R4/bundle.html#references
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import orjson

from adapter.validation.issues import Issue
from adapter.validation.uris import is_absolute_url

Resource = dict[str, Any]
_HISTORY = "/_history/"
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_REST = r"(?:https?://(?:[A-Za-z0-9\\.:%$\-_]*/)*?)?(?:{types})/[A-Za-z0-9\-.]{{1,64}}" + (
    r"(?:/_history/[A-Za-z0-9\-.]{{1,64}})?"
)
_ANCHOR = re.compile(r"""\s(?:id\s*=\s*["']([^"']*)["'])""")
_NAMED = re.compile(r"""<a\b[^>]*?\sname\s*=\s*["']([^"']*)["']""")
# what stands in for a real target in documentation
_EXAMPLE = ("example.org", "acme.com")
_BCP_47 = "http://tools.ietf.org/html/bcp47"
_QUERY_NAME = re.compile(r"[_a-zA-Z][_a-zA-Z0-9.:-]*")
_RESPONSES = ("batch-response", "transaction-response")
REQUESTS = ("transaction", "batch")


@cache
def resource_types(release: str) -> frozenset[str]:
    """The names of a release's resource types."""
    from adapter.validation.definitions import Definitions

    return Definitions(release).resource_types


@cache
def _rest_pattern(release: str) -> re.Pattern[str]:
    return re.compile(_REST.format(types="|".join(sorted(resource_types(release)))))


def is_restful(url: str, release: str) -> bool:
    """Whether a URL looks like a resource's on a server: it ends with ``Type/id``."""
    return _rest_pattern(release).fullmatch(url) is not None


def items(element: object, name: str) -> list[dict[str, Any]]:
    """The objects of a repeating element, whatever else the JSON holds there left out."""
    held = element.get(name) if isinstance(element, dict) else None
    return [one for one in held if isinstance(one, dict)] if isinstance(held, list) else []


def text(element: object, name: str) -> str | None:
    """A string of an object, None when it is absent, empty or something else."""
    held = element.get(name) if isinstance(element, dict) else None
    return held if isinstance(held, str) and held else None


def resource_of(entry: dict[str, Any]) -> Resource | None:
    """The resource of an entry or a parameter."""
    held = entry.get("resource")
    return held if isinstance(held, dict) else None


def full_url_of(entry: dict[str, Any]) -> str | None:
    """The fullUrl of an entry, even an empty one."""
    held = entry.get("fullUrl")
    return held if isinstance(held, str) else None


class BundleIndex:
    """The entries of one Bundle by ``fullUrl`` and by ``Type/id``."""

    def __init__(self, bundle: Resource):
        self.kind = text(bundle, "type") or ""
        self.by_url: dict[str, list[Resource]] = {}
        self.by_id: dict[str, list[tuple[int, str | None, Resource]]] = {}
        self.url_of: dict[int, str | None] = {}  # by the identity of an entry's resource
        for number, entry in enumerate(items(bundle, "entry")):
            full_url, resource = full_url_of(entry), resource_of(entry)
            if resource is None:
                continue
            self.url_of[id(resource)] = full_url
            if full_url is not None:
                self.by_url.setdefault(full_url, []).append(resource)
            given = text(resource, "id")
            if given is not None:
                key = f"{resource.get('resourceType')}/{given}"
                self.by_id.setdefault(key, []).append((number, full_url, resource))


class RunIndex:
    """The resources of one run, by type and id, that references may lead to.

    A resource is kept as its compact JSON, or as a callable that reads it again when it is wanted.
    """

    def __init__(self) -> None:
        self._held: dict[str, bytes | Callable[[], Resource]] = {}
        self._last: tuple[str, Resource] | None = None

    def add(self, resource: Resource, load: Callable[[], Resource] | None = None) -> None:
        """Remembers a resource, or how to load it; one without type or id cannot be referred to."""
        kind, given = text(resource, "resourceType"), text(resource, "id")
        if kind and given:
            self._held[f"{kind}/{given}"] = load or orjson.dumps(resource, default=float)

    def get(self, kind: str, given: str) -> Resource | None:
        """The resource with a type and id."""
        key = f"{kind}/{given}"
        if self._last is not None and self._last[0] == key:
            return self._last[1]
        held = self._held.get(key)
        if held is None:
            return None
        found: Resource = orjson.loads(held) if isinstance(held, bytes) else held()
        self._last = (key, found)
        return found

    def __contains__(self, reference: object) -> bool:
        return reference in self._held


class Scope:
    """What can be resolved from within one root resource; its indexes are made when needed."""

    def __init__(self, root: Resource, run_index: RunIndex | None = None):
        self.root = root
        self.run_index = run_index
        self._bundles: dict[int, BundleIndex] = {}
        self._parameters: dict[str, Resource] | None = None
        self._fragments: dict[int, Counter[str]] = {}

    def index(self, bundle: Resource) -> BundleIndex:
        """The index of a Bundle within the root."""
        found = self._bundles.get(id(bundle))
        if found is None:
            found = self._bundles[id(bundle)] = BundleIndex(bundle)
        return found

    def full_url(self, bundle: Resource, resource: Resource) -> str | None:
        """The fullUrl of the entry that holds a resource."""
        return self.index(bundle).url_of.get(id(resource))

    def resolve(
        self,
        reference: str,
        owner: Resource,
        bundle: Resource | None = None,
        entry_full_url: str | None = None,
    ) -> Resource | None:
        """The resource that a reference leads to; ``owner`` is the one that contains others."""
        if reference.startswith("#"):
            return contained(owner, reference[1:])
        if bundle is not None:
            target = target_url(reference, entry_full_url)
            found = _in_bundle(self.index(bundle), target) if target else []
            if found:
                return found[-1]
        elif (passed := self._passed(reference)) is not None:
            return passed
        return self.of_run(reference)

    def of_run(self, reference: str) -> Resource | None:
        """The resource of the run that ``Type/id`` names."""
        kind, _, given = reference.partition("/")
        return self.run_index.get(kind, given) if self.run_index is not None else None

    def targets(self, resource: Resource, fragment: str) -> int:
        """How many elements of a resource, its narratives included, carry an id."""
        found = self._fragments.get(id(resource))
        if found is None:
            found = self._fragments[id(resource)] = Counter(_ids(resource))
        return found[fragment]

    def _passed(self, reference: str) -> Resource | None:
        if self.root.get("resourceType") != "Parameters":
            return None
        if self._parameters is None:
            self._parameters = {
                f"{one.get('resourceType')}/{one.get('id')}": one for one in _passed(self.root)
            }
        return self._parameters.get(reference)


def _passed(parameters: dict[str, Any]) -> Iterator[Resource]:
    for name in ("parameter", "part"):
        for one in items(parameters, name):
            if (resource := resource_of(one)) is not None:
                yield resource
            yield from _passed(one)


def _ids(element: Any) -> Iterator[str]:
    if isinstance(element, dict):
        for name, held in element.items():
            if name == "id" and isinstance(held, str):
                yield held
            elif name == "div" and isinstance(held, str):
                yield from _ANCHOR.findall(held)
                yield from _NAMED.findall(held)
            else:
                yield from _ids(held)
    elif isinstance(element, list):
        for one in element:
            yield from _ids(one)


def contained(owner: Resource, wanted: str) -> Resource | None:
    """The contained resource with an id; the container itself for the empty id."""
    if not wanted:
        return owner
    for one in items(owner, "contained"):
        if one.get("id") == wanted:
            return one
    return None


class Target:
    """The full URL that a reference in an entry means, and what its text says about it."""

    __slots__ = ("kind", "url", "version")

    def __init__(self, url: str, kind: str | None = None, version: str = ""):
        self.url, self.kind, self.version = url, kind, version


def target_url(reference: str, full_url: str | None) -> Target | None:
    """Where a reference leads, seen from an entry; None when it cannot be told."""
    if reference.startswith(("http:", "urn:")) or is_absolute_url(reference):
        head, history, version = reference.partition(_HISTORY)
        # HL7's validator finds no entry for an absolute reference with a version: nor do we
        return Target(head[:-1], None, version) if history else Target(reference)
    if full_url is None or reference.count("/") not in (1, 3):
        return None
    if full_url.startswith("urn"):
        base = full_url.rpartition(":")[0] + ":"
    else:
        base = "".join(f"{part}/" for part in full_url.rstrip("/").split("/")[:-2])
    head, history, version = reference.partition(_HISTORY)
    kind, _, given = head.partition("/")
    if history:
        return Target(f"{base}{kind}/{given}", kind, version)
    if base.startswith("urn"):
        return Target(base + given.partition("/")[0], kind)
    return Target(base + reference)


def _in_bundle(index: BundleIndex, target: Target) -> list[Resource]:
    found = index.by_url.get(target.url, [])
    if not target.version:
        return found
    return [one for one in found if text(one.get("meta"), "versionId") == target.version]


def check_reference(
    value: dict[str, Any],
    path: str,
    owner: Resource,
    scope: Scope,
    bundle: Resource | None,
    full_url: str | None,
    release: str,
    in_contained: bool = True,
) -> list[Issue]:
    """Issues of one Reference: its form, and whether what it names is where it must be.

    ``owner`` contains the resources that fragments name; ``in_contained`` tells whether the
    reference stands in one of them, where ``#`` alone means the owner.
    """
    reference = value.get("reference")
    if not isinstance(reference, str) or not reference:
        return _check_display(value, path)
    if reference == _BCP_47:
        return []
    issues: list[Issue] = []
    if any(char.isspace() for char in reference.strip() or reference):
        name = "REFERENCE_REF_INVALID_REF"
        issues.append(Issue("error", "invalid", path, f"'{reference}' holds white space", name))
    target: Resource | None = None
    stopped = False
    if reference.startswith("#"):
        if reference != "#" or in_contained:
            target = contained(owner, reference[1:])
    elif bundle is not None:
        index = scope.index(bundle)
        if full_url is not None and _cut_off(reference, full_url, index.kind, release):
            stopped = True
        else:
            if full_url is not None or owner is not bundle or is_absolute_url(reference):
                target = _follow(reference, full_url, index, path, release, issues)
    else:
        target = scope.resolve(reference, owner)
    issues += _check_found(reference, target, stopped, scope, bundle, path, release)
    issues += _check_type(value, reference, target or scope.of_run(reference), path, release)
    return issues


def _check_display(value: dict[str, Any], path: str) -> list[Issue]:
    identifier = value.get("identifier")
    if text(identifier, "system") or text(identifier, "value") or text(value, "display"):
        return []
    message = "a Reference without reference or identifier should have a display"
    return [Issue("warning", "structure", path, message, "Reference_REF_NoDisplay")]


def _cut_off(reference: str, full_url: str, kind: str, release: str) -> bool:
    """Since R5 a relative reference means nothing in an entry without a server's URL."""
    return (
        release == "R5"
        and kind not in REQUESTS
        and not is_absolute_url(reference)
        and not is_restful(full_url, "R5")
    )


def _follow(
    reference: str,
    full_url: str | None,
    index: BundleIndex,
    path: str,
    release: str,
    issues: list[Issue],
) -> Resource | None:
    """What a reference leads to in a Bundle; adds what is wrong with the way there."""
    target = target_url(reference, full_url)
    if target is None:
        issues += _check_form(reference, full_url, index.kind, path, release)
        return None
    candidates = index.by_url.get(target.url, [])
    found = _in_bundle(index, target)
    if target.version and not all(text(one.get("meta"), "versionId") for one in candidates):
        message = f"references ask for a version: {target.url} should have a meta.versionId"
        name = "Bundle_BUNDLE_FullUrl_NeedVersion"
        issues.append(Issue("warning", "required", path, message, name))
    if len(found) > 1:
        message = f"{len(found)} entries match the reference {reference}"
        issues.append(Issue("error", "forbidden", path, message, "Bundle_BUNDLE_MultipleMatches"))
    if not found:
        issues += _missing(reference, target, index, path, release)
        return None
    kind = found[-1].get("resourceType")
    if target.kind is not None and kind != target.kind:
        message = f"{reference} leads to a resource of type {kind}"
        issues.append(Issue("error", "required", path, message, "Reference_REF_ResourceType"))
    return found[-1]


def _check_form(
    reference: str, full_url: str | None, kind: str, path: str, release: str
) -> list[Issue]:
    if full_url is None:
        if kind in _RESPONSES:
            return []
        message = "a relative reference stands in an entry without fullUrl"
        return [Issue("error", "required", path, message, "Bundle_BUNDLE_FullUrl_Missing")]
    if kind in REQUESTS:
        if is_search_url(reference, release):
            return []
        message = f"'{reference}' is neither [type]/[id] nor a search"
        return [Issue("error", "invalid", path, message, "Reference_REF_Format1")]
    message = f"'{reference}' is not of the form [type]/[id]"
    return [Issue("error", "invalid", path, message, "Reference_REF_Format2")]


def _missing(
    reference: str, target: Target, index: BundleIndex, path: str, release: str
) -> list[Issue]:
    if reference.startswith("urn"):
        message = f"the Bundle holds no entry {reference}"
        return [Issue("warning", "required", path, message, "Bundle_BUNDLE_Not_Local")]
    if is_absolute_url(reference):
        return []
    kind, _, given = reference.partition("/")
    given = given.partition("/")[0]
    if kind not in resource_types(release) or not _ID.fullmatch(given):
        return []
    near = index.by_id.get(f"{kind}/{given}", [])
    issues = []
    if len(near) > 1:
        message = f"{len(near)} entries have the type and id of {reference}, none its full URL"
        issues.append(Issue("warning", "required", path, message, "BUNDLE_POSSSIBLE_MATCHES"))
    for number, full_url, _ in near:
        missing = full_url is None
        name = f"BUNDLE_BUNDLE_POSSIBLE_MATCH_{'NO' if missing else 'WRONG'}_FU"
        message = (
            f"entry {number} has the type and id of {reference}, but its fullUrl "
            f"{full_url or ''} is not {target.url}"
        )
        issues.append(Issue("warning", "required", path, message, name))
    return issues


def _check_found(
    reference: str,
    target: Resource | None,
    stopped: bool,
    scope: Scope,
    bundle: Resource | None,
    path: str,
    release: str,
) -> list[Issue]:
    head, question, _ = reference.partition("?")
    if question and head in resource_types(release):
        return _check_conditional(reference, bundle, path, release)
    if stopped:
        message = f"{reference} has no meaning: the fullUrl of its entry is no server's URL"
        return [
            Issue("information", "informational", path, message, "REFERENCE_REF_REL_UNSOLVEABLE")
        ]
    if target is not None or any(name in reference for name in _EXAMPLE):
        return []
    if not reference.startswith("#") and (scope.run_index is None or reference in scope.run_index):
        return []
    message = f"the reference '{reference}' leads to no resource"
    return [Issue("error", "structure", path, message, "Reference_REF_CantResolve")]


def _check_conditional(
    reference: str, bundle: Resource | None, path: str, release: str
) -> list[Issue]:
    issues = []
    if not is_search_url(reference, release):
        message = f"'{reference}' holds no valid query"
        issues.append(Issue("error", "invalid", path, message, "REFERENCE_REF_QUERY_INVALID"))
    if bundle is None or bundle.get("type") != "transaction":
        message = f"'{reference}' is a conditional reference: only a transaction may hold one"
        name = "REFERENCE_REF_QUERY_NOT_TRANSACTION"
        issues.append(Issue("error", "invalid", path, message, name))
    return issues


def is_search_url(reference: str, release: str) -> bool:
    """Whether a reference is a search for one resource: ``Patient?identifier=x|1``."""
    kind, question, query = reference.partition("?")
    if not question or kind not in resource_types(release):
        return False
    pairs = [one for one in re.split("[&;]", query) if one]
    if not pairs:
        return False
    for pair in pairs:
        name, equals, held = pair.partition("=")
        if not equals or not _QUERY_NAME.fullmatch(name) or "=" in held:
            return False
    return True


def _check_type(
    value: dict[str, Any], reference: str, target: Resource | None, path: str, release: str
) -> list[Issue]:
    stated = text(value, "type")
    if stated is None:
        return []
    actual = target.get("resourceType") if target is not None else _implied(reference, release)
    if actual is None or actual == stated:
        return []
    message = f"Reference.type is {stated}, but the reference leads to a {actual}"
    return [Issue("error", "structure", path, message, "Reference_REF_BadTargetType")]


def _implied(reference: str, release: str) -> str | None:
    """The type that a reference's text tells."""
    head, question, _ = reference.partition("?")
    types = resource_types(release)
    if question and head in types:
        return head
    parts = reference.rstrip("/").split("/")
    if len(parts) == 1:
        return None
    at = -4 if parts[-2] == "_history" and len(parts) >= 4 else -2
    kind = parts[0] if len(parts) == 2 else parts[at]
    return kind if kind in types else None


def check_internal(
    kind: str, value: str, path: str, scope: Scope, owner: Resource, bundle: Resource | None = None
) -> list[Issue]:
    """Issues of a ``canonical``, ``uri`` or ``url`` that starts with ``#`` and names nothing."""
    wanted = value[1:]
    if scope.targets(owner, wanted) or (bundle is not None and scope.targets(bundle, wanted)):
        return []
    message = f"'{value}' names nothing within the resource"
    if kind == "canonical":
        name = "TYPE_SPECIFIC_CHECKS_DT_URL_INTERNAL"
        return [Issue("error", "invalid", path, message, name)]
    name = "TYPE_SPECIFIC_CHECKS_DT_URL_INTERNAL_WARN"
    return [Issue("warning", "invalid", path, message, name)]
