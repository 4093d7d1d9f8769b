"""Quick answers to the invariants that stand on nearly every element.

An answer of True is certain; False means: ask the FHIRPath engine. Keyed by the expressions as
R4, R4B and R5 print them, so that another invariant of the same key is never mistaken for one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Quick = Callable[[Any], bool]


def _no_contained(value: Any) -> bool:
    return "contained" not in value


def _value_or_extensions(value: Any) -> bool:
    nested = "extension" in value
    for key in value:
        if key.startswith(("value", "_value")):
            return not nested
    return nested


def _not_local(value: Any) -> bool:
    reference = value.get("reference")
    return reference is None or (type(reference) is str and not reference.startswith("#"))


def _has(*names: str) -> Quick:
    return lambda value: any(name in value for name in names)


def _implies(left: str, right: str) -> Quick:
    """Where ``left`` is there, ``right`` is too."""
    return lambda value: left not in value or right in value


def _lacks(*names: str) -> Quick:
    """At least one is not there."""
    return lambda value: any(name not in value for name in names)


def _in_order(value: Any) -> bool:
    start, end = value.get("start"), value.get("end")
    if start is None or end is None:
        return True
    if type(start) is not str or type(end) is not str:
        return False
    size = min(len(start), len(end))
    if len(start) != len(end):
        return max(len(start), len(end)) <= 10 and start[:size] < end[:size]
    same_zone = size <= 10 or (start[-1] == "Z" == end[-1]) or _offset(start) == _offset(end) != ""
    return same_zone and start <= end


def _offset(moment: str) -> str:
    return moment[-6:] if len(moment) > 16 and moment[-6] in "+-" and moment[-3] == ":" else ""


def _no_value(value: Any) -> bool:
    return not any(key.startswith(("value", "_value")) for key in value)


def _one_result(value: Any) -> bool:
    return "dataAbsentReason" not in value or _no_value(value)


def _own_component_codes(value: Any) -> bool:
    if "component" not in value or _no_value(value):
        return True
    own = _codes(value)
    each = [_codes(one) for one in value["component"]] if type(value["component"]) is list else None
    return (
        own is not None
        and each is not None
        and all(codes is not None and own.isdisjoint(codes) for codes in each)
    )


def _codes(value: Any) -> frozenset[Any] | None:
    """The codes of an element's ``code``; None where its JSON has another shape."""
    code = value.get("code") if type(value) is dict else None
    codings = code.get("coding") if type(code) is dict else None
    if type(codings) is not list or any(
        type(one) is not dict or type(one.get("code")) is not str for one in codings
    ):
        return None
    return frozenset(one["code"] for one in codings)


def _has_result(value: Any) -> bool:
    return "dataAbsentReason" in value or not _no_value(value)


def _has_result_or_parts(value: Any) -> bool:
    return "component" in value or "hasMember" in value or _has_result(value)


_REF_1 = (
    "reference.startsWith('#').not() or (reference.substring(1).trace('url') in "
    "%rootResource.contained.id.trace('ids'))"
)
_REF_1_B = f"{_REF_1} or (reference='#' and %rootResource!=%resource)"
_DIVISIONS = "start.hasValue().not() or end.hasValue().not() or "

QUICK: dict[str, Quick] = {
    "contained.contained.empty()": _no_contained,
    "contained.meta.versionId.empty() and contained.meta.lastUpdated.empty()": _no_contained,
    "contained.meta.security.empty()": _no_contained,
    "extension.exists() != value.exists()": _value_or_extensions,
    _REF_1: _not_local,
    _REF_1_B: _not_local,
    f"reference.exists()  implies ({_REF_1_B})": _not_local,
    "reference.exists() or identifier.exists() or display.exists() or extension.exists()": _has(
        "reference", "identifier", "display", "extension"
    ),
    _DIVISIONS + "(start <= end)": _in_order,
    _DIVISIONS + "(start.lowBoundary() <= end.highBoundary())": _in_order,
    "code.empty() or system.exists()": _implies("code", "system"),
    "value.empty() or system.exists()": _implies("value", "system"),
    "data.empty() or contentType.exists()": _implies("data", "contentType"),
    "dataAbsentReason.empty() or value.empty()": _one_result,
    "value.empty() or component.code.where(coding.intersect(%resource.code.coding)"
    ".exists()).empty()": _own_component_codes,
    "value.exists() or dataAbsentReason.exists()": _has_result,
    "(component.empty() and hasMember.empty()) implies (dataAbsentReason.exists() or "
    "value.exists())": _has_result_or_parts,
    "comparator.empty()": _lacks("comparator"),
    "low.exists() or high.exists() or text.exists()": _has("low", "high", "text"),
    "low.empty() or high.empty() or (low <= high)": _lacks("low", "high"),
    "bodySite.exists() implies bodyStructure.empty()": _lacks("bodySite", "bodyStructure"),
    "name.exists() or telecom.exists() or address.exists() or organization.exists()": _has(
        "name", "telecom", "address", "organization"
    ),
}
