"""Rules for FHIR's URI types and for ``Identifier.system``.

https://hl7.org/fhir/R4/datatypes.html#uri, and what HL7's validator asks beyond it.
"""

from __future__ import annotations

import re
from typing import Any

from adapter.validation.issues import Issue

# a scheme in lower case, and something without a space behind it
_ABSOLUTE = re.compile(r"(?:[a-z][a-z0-9_\[\]]*|file:):[^ ]+", re.DOTALL)
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_FULL_URI = re.compile(r"(?!file:[^/:]*$)[A-Za-z][A-Za-z0-9_\[\]]*:.*", re.DOTALL)
_OID = re.compile(r"[0-2](?:\.(?:0|[1-9][0-9]*))+")
_SYSTEM_SCHEMES = ("http:", "https:", "urn:", "ldap:")
RFC_3986 = "urn:ietf:rfc:3986"
RFC_4122 = "https://tools.ietf.org/html/rfc4122"
# an old example in HL7's own package that the official validator lets pass
_EXCUSED = (
    "http://www.acme.com/identifiers/patient or urn:ietf:rfc:3986 "
    "if the Identifier.value itself is a full uri"
)


def is_absolute_url(value: object) -> bool:
    """Whether a value has a scheme, such as ``http:``, ``urn:`` or ``tel:``, and no spaces."""
    return isinstance(value, str) and _ABSOLUTE.fullmatch(value) is not None


def is_uuid(value: str) -> bool:
    """Whether a value is a UUID in lower case, without ``urn:uuid:``."""
    return _UUID.fullmatch(value) is not None


def is_oid(value: str) -> bool:
    """Whether a value is an OID, without ``urn:oid:``."""
    return _OID.fullmatch(value) is not None


def check_uri(kind: str, value: str, path: str) -> list[Issue]:
    """Issues of a ``uri``, ``url``, ``canonical``, ``oid`` or ``uuid``."""
    issues: list[Issue] = []

    def error(name: str, text: str) -> None:
        issues.append(Issue("error", "invalid", path, text, name))

    if value.startswith("oid:"):
        error("Type_Specific_Checks_DT_URI_OID", "a URI does not start with oid: but urn:oid:")
    if value.startswith("uuid:"):
        error("Type_Specific_Checks_DT_URI_UUID", "a URI does not start with uuid: but urn:uuid:")
    if (" " in value or value.strip() != value) and value != _EXCUSED:
        error("Type_Specific_Checks_DT_URI_WS", f"a URI has no spaces, unlike '{value}'")
    if kind == "oid" and not value.startswith("urn:oid:"):
        error("Type_Specific_Checks_DT_OID_Start", "an OID starts with urn:oid:")
    if kind == "uuid" and not value.startswith("urn:uuid:"):
        error("Type_Specific_Checks_DT_UUID_Strat", "a UUID starts with urn:uuid:")
    if kind == "canonical" and not (value.startswith("#") or is_absolute_url(value)):
        error("TYPE_SPECIFIC_CHECKS_CANONICAL_ABSOLUTE", f"'{value}' is not an absolute URL")
    if value.startswith("urn:uuid:"):
        held = _without_fragment(kind, value)[len("urn:uuid:") :]
        if not is_uuid(held):
            text = f"'{held}' is not a UUID in lower case"
            error("Type_Specific_Checks_DT_UUID_Valid", text)
    elif value.startswith("urn:oid:"):
        held = value[len("urn:oid:") :]
        if kind == "canonical":
            held = held.partition("|")[0]
        # roots of less than four characters never name anything, 1.3 (ISO's organisations) aside
        if not is_oid(held) or not (held.rfind(".") >= 4 or held.startswith("1.3")):
            error("Type_Specific_Checks_DT_OID_Valid", f"'{held}' is not a valid OID")
    return issues


def _without_fragment(kind: str, value: str) -> str:
    held = value.partition("#")[0]
    return held.rpartition("|")[0] if kind == "canonical" and "|" in held else held


def check_defining_url(value: str, path: str, contained: bool = False) -> list[Issue]:
    """Issues of the ``url`` that a definition, such as a CodeSystem, gives itself."""
    if is_absolute_url(value):
        return []
    name = f"TYPE_SPECIFIC_CHECKS_CANONICAL_{'CONTAINED' if contained else 'ABSOLUTE'}"
    return [Issue("error", "invalid", path, f"'{value}' is not an absolute URL", name)]


def check_identifier(value: dict[str, Any], path: str) -> list[Issue]:
    """Issues of an Identifier: a local system, a value that its system does not allow."""
    system, held = value.get("system"), value.get("value")
    if not isinstance(system, str) or not system:
        return []
    if not system.startswith(_SYSTEM_SCHEMES):
        text = f"Identifier.system is an absolute reference, not the local '{system}'"
        name = "Type_Specific_Checks_DT_Identifier_System"
        return [Issue("error", "code-invalid", path, text, name)]
    if not isinstance(held, str):
        return []
    prefix = "TYPE_SPECIFIC_CHECKS_DT_IDENTIFIER_IETF_SYSTEM_"
    if system == RFC_3986 and not _FULL_URI.fullmatch(held):
        text = f"the value of an identifier of {RFC_3986} is a full URI, unlike '{held}'"
        return [Issue("error", "code-invalid", path, text, prefix + "VALUE")]
    if system == RFC_4122:
        text = f"the system {RFC_4122} does not suit '{held}': use {RFC_3986} and urn:uuid:"
        if held.startswith("urn:uuid:"):
            return [Issue("warning", "code-invalid", path, text, prefix + "WRONG_3")]
        if is_uuid(held):
            return [Issue("warning", "code-invalid", path, text, prefix + "WRONG_2")]
        return [Issue("error", "code-invalid", path, text, prefix + "WRONG_1")]
    return []


def check_labels(resource: dict[str, Any], path: str) -> list[Issue]:
    """Issues of ``meta.security``: a label that is given twice."""
    meta = resource.get("meta")
    labels = meta.get("security") if isinstance(meta, dict) else None
    issues, seen = [], set()
    for number, label in enumerate(labels if isinstance(labels, list) else ()):
        if not isinstance(label, dict):
            continue
        key = f"{label.get('system')}#{label.get('code')}"
        if key in seen:
            at = f"{path}.meta.security[{number}]"
            text = f"the security label {key} is given twice"
            issues.append(Issue("error", "business-rule", at, text, "Meta_RES_Security_Duplicate"))
        seen.add(key)
    return issues
