"""Which items of a Questionnaire a response enables.

https://hl7.org/fhir/R4/questionnaire.html#enableWhen: the answers that count are those in the group
that the two items share.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from adapter.validation.references import items, text

Item = dict[str, Any]
# the items of the Questionnaire that lead to one, each with the response's item that answers it
Trail = Sequence[tuple[Item, Item]]
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
}


def value_of(element: Item, stem: str = "value") -> tuple[str, Any] | None:
    """The type and the value of a choice element such as ``value[x]``."""
    for name, held in element.items():
        if name.startswith(stem) and name != stem:
            kind = name[len(stem) :]
            return (kind if kind in _COMPLEX else kind[0].lower() + kind[1:], held)
    return None


_COMPLEX = frozenset({"Coding", "Quantity", "Reference", "Attachment"})


def find_item(parent: Item, link_id: str | None) -> Item | None:
    """The item with a linkId at any depth of a Questionnaire or of one of its items."""
    for item in items(parent, "item"):
        if item.get("linkId") == link_id:
            return item
        if (found := find_item(item, link_id)) is not None:
            return found
    return None


def is_enabled(item: Item, questionnaire: Item, response: Item, trail: Trail) -> bool:
    """Whether an item's conditions hold for a response."""
    conditions = items(item, "enableWhen")
    if not conditions:
        return True
    results = [_holds(one, item, questionnaire, response, trail) for one in conditions]
    behavior = item.get("enableBehavior")
    if behavior == "any" or len(results) == 1:
        return any(results)
    # without a behavior nobody can tell: the item counts as enabled
    return all(results) if behavior == "all" else True


def _holds(condition: Item, item: Item, questionnaire: Item, response: Item, trail: Trail) -> bool:
    answers = list(_answers(condition, item, questionnaire, response, trail))
    wanted = value_of(condition, "answer")
    if condition.get("operator") == "exists":
        return wanted is not None and bool(wanted[1]) != (not answers)
    return wanted is not None and any(
        _matches(answer, wanted, str(condition.get("operator"))) for answer in answers
    )


def _answers(
    condition: Item, item: Item, questionnaire: Item, response: Item, trail: Trail
) -> Iterator[Item]:
    link_id = text(condition, "question")
    target = find_item(questionnaire, link_id)
    if target is None or link_id is None:
        return
    group = _common_group(questionnaire, item, target)
    if group is None:
        yield from _answers_below(response, link_id)
        return
    for one, answered in reversed(trail):
        if one is group:
            yield from _answers_below(answered, link_id)
            return


def _common_group(parent: Item, one: Item, other: Item) -> Item | None:
    """The innermost item that holds two others."""
    for child in items(parent, "item"):
        if (found := _common_group(child, one, other)) is not None:
            return found
        if _holds_item(child, one) and _holds_item(child, other):
            return child
    return None


def _holds_item(parent: Item, wanted: Item) -> bool:
    return parent is wanted or any(_holds_item(one, wanted) for one in items(parent, "item"))


def _answers_below(focus: Item, link_id: str) -> Iterator[Item]:
    if focus.get("linkId") == link_id:
        yield from items(focus, "answer")
    for item in items(focus, "item"):
        yield from _answers_below(item, link_id)
    for answer in items(focus, "answer"):
        for item in items(answer, "item"):
            yield from _answers_below(item, link_id)


def _matches(answer: Item, wanted: tuple[str, Any], sign: str) -> bool:
    given = value_of(answer)
    compare = _COMPARE.get(sign)
    if given is None or compare is None or given[0] != wanted[0]:
        return False
    kind, expected = wanted
    if kind in ("Coding", "Quantity") and not (
        isinstance(given[1], dict) and isinstance(expected, dict)
    ):
        return False
    if kind == "Coding":
        same = _same_coding(given[1], expected)
        return same if sign == "=" else not same if sign == "!=" else False
    if kind == "Quantity":
        return _ordered(given[1].get("value"), expected.get("value"), compare)
    return _ordered(given[1], expected, compare)


def _same_coding(given: Item, expected: Item) -> bool:
    system = expected.get("system")
    return given.get("code") == expected.get("code") and system in (None, given.get("system"))


def _ordered(given: Any, expected: Any, compare: Callable[[Any, Any], bool]) -> bool:
    try:
        if isinstance(given, bool | str):
            return compare(given, expected)
        return compare(Decimal(str(given)), Decimal(str(expected)))
    except (TypeError, InvalidOperation):
        return False
