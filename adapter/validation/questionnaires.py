"""Rules of Questionnaires that reach over several items.

https://hl7.org/fhir/R4/questionnaire.html; for their responses see ``responses``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from adapter.validation.enable_when import Item, find_item
from adapter.validation.issues import Issue
from adapter.validation.references import items, text
from adapter.validation.responses import check_response

__all__ = ["check_questionnaire", "check_response"]

_TYPE_OF_DERIVATION = "http://hl7.org/fhir/StructureDefinition/questionnaire-derivationType"
_DERIVATION = "http://hl7.org/fhir/questionnaire-derivationType"
Find = Callable[[str], dict[str, Any] | None]


def check_questionnaire(
    questionnaire: dict[str, Any], path: str, find: Find | None = None
) -> list[Issue]:
    """Issues of a Questionnaire's conditions, and of what it derives from.

    ``find`` gives a Questionnaire by its canonical; without it derivations are not checked.
    """
    issues: list[Issue] = []
    derivations = _derivations(questionnaire, path, find, issues) if find is not None else []
    _check_items(questionnaire, questionnaire, path, [questionnaire], derivations, issues)
    return issues


def _check_items(
    parent: Item,
    questionnaire: Item,
    path: str,
    parents: list[Item],
    derivations: list[tuple[Item, bool]],
    issues: list[Issue],
) -> None:
    for number, item in enumerate(items(parent, "item")):
        at = f"{path}.item[{number}]"
        for condition in items(item, "enableWhen"):
            issues += _check_condition(condition, item, questionnaire, at, parents)
        for source, extends in derivations:
            issues += _check_derived(item, source, extends, at)
        _check_items(item, questionnaire, at, [item, *parents], derivations, issues)


def _check_condition(
    condition: Item, item: Item, questionnaire: Item, at: str, parents: list[Item]
) -> list[Issue]:
    wanted = text(condition, "question")
    if wanted is None:
        return [_rule(at, "EnableWhen_NoLink", "an enableWhen names its question")]
    if find_item(item, wanted) is not None:
        message = f"the enableWhen depends on '{wanted}', which is within the item itself"
        return [_rule(at, "EnableWhen_IsInner", message)]
    target = find_item(questionnaire, wanted)
    if target is None:
        message = f"the enableWhen depends on '{wanted}', which no item has as its linkId"
        return [_rule(at, "EnableWhen_NoTarget", message)]
    if target is item:
        return [_rule(at, "EnableWhen_Self", "the enableWhen depends on its own item")]
    if not _is_before(item, target, parents):
        message = f"the enableWhen depends on '{wanted}', which comes after the item"
        return [_rule(at, "EnableWhen_After", message, "warning")]
    return []


def _is_before(item: Item, target: Item, parents: list[Item]) -> bool:
    """Whether a target comes before an item, or around it."""
    if any(one is target for one in parents):
        return True
    for parent in parents:
        here, there = _position(parent, item), _position(parent, target)
        if here >= 0 and there >= 0:
            return here > there
    return False


def _position(parent: Item, wanted: Item) -> int:
    for number, item in enumerate(items(parent, "item")):
        if item is wanted or _position(item, wanted) >= 0:
            return number
    return -1


def _rule(at: str, name: str, message: str, severity: str = "error") -> Issue:
    return Issue(severity, "business-rule", at, message, f"Questionnaire_Q_{name}")


# derivation


def _derivations(
    questionnaire: Item, path: str, find: Find, issues: list[Issue]
) -> list[tuple[Item, bool]]:
    """What a Questionnaire derives from, each with whether it may add items of its own."""
    found = []
    listed = questionnaire.get("derivedFrom")
    marks = questionnaire.get("_derivedFrom")
    for number, url in enumerate(listed if isinstance(listed, list) else ()):
        at = f"{path}.derivedFrom[{number}]"
        source = find(url) if isinstance(url, str) else None
        if source is None:
            message = f"the questionnaire {url} is unknown"
            issues.append(_derived("warning", at, "QUESTIONNAIRE_Q_UNKNOWN_DERIVATION", message))
            continue
        mark = marks[number] if isinstance(marks, list) and number < len(marks) else None
        kind = _kind_of_derivation(mark)
        if kind in ("extends", "compliesWith"):
            found.append((source, kind == "extends"))
        elif kind is None:
            message = "the way of derivation is not given: it was not checked"
            issues.append(_derived("warning", at, "QUESTIONNAIRE_Q_NO_DERIVATION_TYPE", message))
    return found


def _kind_of_derivation(mark: object) -> str | None:
    for one in items(mark, "extension"):
        coding = one.get("valueCoding")
        if one.get("url") == _TYPE_OF_DERIVATION and isinstance(coding, dict):
            return text(coding, "code") if coding.get("system") == _DERIVATION else "unknown"
    return None


def _check_derived(item: Item, source: Item, extends: bool, at: str) -> list[Issue]:
    """Whether an item keeps to the item of the same linkId that it derives from."""
    link_id = text(item, "linkId")
    base = find_item(source, link_id)
    prefix = "QUESTIONNAIRE_Q_ITEM_"
    if base is None:
        message = f"there is no item '{link_id}' to derive from"
        return [] if extends else [_derived("error", at, prefix + "NOT_DERIVED", message)]
    issues = []
    if "type" in item and base.get("type") not in (None, item["type"]):
        message = f"the type of '{link_id}' was {base['type']}"
        issues.append(_derived("error", f"{at}.type", prefix + "DERIVED_NC_TYPE", message))
    if item.get("repeats") is True and not base.get("repeats"):
        message = f"'{link_id}' did not repeat"
        issues.append(_derived("error", f"{at}.repeats", prefix + "DERIVED_NC_REPEATS", message))
    if item.get("required") is False and base.get("required"):
        message = f"'{link_id}' was required"
        issues.append(_derived("error", f"{at}.required", prefix + "DERIVED_NC_REQUIRED", message))
    if isinstance(longest := base.get("maxLength"), int):
        own = item.get("maxLength")
        message = f"'{link_id}' had at most {longest} characters"
        if own is None:
            issues.append(_derived("error", at, prefix + "DERIVED_MAXLENGTH", message))
        elif isinstance(own, int) and own > longest:
            where = f"{at}.maxLength"
            issues.append(_derived("error", where, prefix + "DERIVED_NC_MAXLENGTH", message))
    return issues


def _derived(severity: str, at: str, name: str, message: str) -> Issue:
    return Issue(severity, "business-rule", at, message, name)
