"""ImplementationGuide: dependencies are named fully, HL7's own guides say who is responsible."""

from __future__ import annotations

import re

from adapter.validation.issues import Issue
from adapter.validation.resources.common import Json, Sources, children, error, extensions, text

HL7 = "http://hl7.org/fhir/"
SD = HL7 + "StructureDefinition/"
REQUIRED = {
    SD + "structuredefinition-standards-status": "IG_HL7_STANDARDS_STATUS_REQUIRED",
    SD + "structuredefinition-wg": "IG_HL7_WG_REQUIRED",
}
PACKAGE = re.compile(r"[a-zA-Z][\w\-]*(?:\.[\w\-]+)+", re.ASCII)


def check(guide: Json, _sources: Sources) -> list[Issue]:
    """Errors of the dependencies, and of what HL7 demands of guides under its own URL."""
    issues = []
    for path, dependency in children(guide, "dependsOn"):
        issues += _check_dependency(dependency, path)
    if (text(guide, "url") or "").startswith(HL7):
        for url, name in REQUIRED.items():
            if not extensions(guide, url):
                issues.append(error("", f"a guide of HL7 needs the extension {url}", name))
    return issues


def _check_dependency(dependency: Json, path: str) -> list[Issue]:
    issues = []
    uri, version = text(dependency, "uri"), text(dependency, "version")
    if uri is not None:
        url, bar, stated = uri.partition("|")
        direct = "/ImplementationGuide/" in url
        if bar and (name := _version_fault(stated, version, direct)):
            issues.append(error(path, f"the version in {uri} is not that of the dependency", name))
        if not direct:
            message = f"{url} does not name an ImplementationGuide resource"
            issues.append(error(path, message, "IG_DEPENDENCY_DIRECT"))
    package = text(dependency, "packageId")
    if package is not None and not PACKAGE.fullmatch(package):
        message = f"{package} is not the name of a package"
        issues.append(error(path, message, "IG_DEPENDENCY_INVALID_PACKAGEID"))
    return issues


def _version_fault(stated: str, version: str | None, direct: bool) -> str | None:
    if not stated:
        return "IG_DEPENDENCY_CAN_VERSION_NONE"
    if version is None:
        return "IG_DEPENDENCY_CAN_VERSION_ALONE"
    # HL7's validator takes two versions for a fault only where the URL is one already
    return "IG_DEPENDENCY_CAN_VERSION_ERROR" if stated != version and not direct else None
