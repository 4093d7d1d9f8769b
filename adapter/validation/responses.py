"""QuestionnaireResponses against their Questionnaire.

https://hl7.org/fhir/R4/questionnaireresponse.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Protocol

from adapter.validation.attachments import is_base64
from adapter.validation.enable_when import Item, find_item, is_enabled, value_of
from adapter.validation.issues import Issue
from adapter.validation.references import contained, items, text

_CORE = "http://hl7.org/fhir/StructureDefinition/"
_SDC = "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-"
_UPPER = "QUESTIONNAIRE_QR_ITEM_"
_CHOICE = ("Coding", "date", "time", "integer", "string")
_TYPES = {
    **{kind: (kind,) for kind in "boolean decimal integer date dateTime time string".split()},
    "text": ("string",),
    "url": ("uri",),
    "attachment": ("Attachment",),
    "reference": ("Reference",),
    "quantity": ("Quantity",),
    "choice": _CHOICE,
    "open-choice": _CHOICE,
    "coding": _CHOICE,
}
_CHOICES = frozenset({"choice", "open-choice", "coding"})
_COMPLETE = ("completed", "amended")
_OPTIONS = {
    "date": ("date", "NoOptionsDate", "NoDate"),
    "dateTime": ("date", "NoOptionsDate", "NoDate"),
    "time": ("time", "NoOptionsTime", "NoTime"),
    "string": ("string", "NoOptionsString", "NoString"),
    "integer": ("integer", "NoOptionsInteger", "NoInteger"),
    "decimal": (
        "decimal",
        "QUESTIONNAIRE_QR_ITEM_NOOPTIONSDECIMAL",
        "QUESTIONNAIRE_QR_ITEM_NODECIMAL",
    ),
}


class Membership(Protocol):
    """What knows the members of value sets."""

    def member_of(self, value: Any, value_set_url: str, /) -> bool | None:
        """Whether a Coding is in a value set; None when that is not known."""


def check_response(
    response: dict[str, Any],
    questionnaire: dict[str, Any] | None,
    path: str,
    terminology: Membership | None = None,
) -> list[Issue]:
    """Issues of a response; ``questionnaire`` is None when it could not be found.

    A Questionnaire that the response contains is found without.
    """
    named = text(response, "questionnaire")
    if named is None:
        message = "no questionnaire is named, so the answers are not checked against one"
        return [Issue("information", "required", path, message, "Questionnaire_QR_Q_None")]
    if named.startswith("#"):
        questionnaire = contained(response, named[1:])
    if questionnaire is None:
        example = named.startswith(("http://example.org", "https://example.org"))
        message = f"the questionnaire '{named}' is unknown, so the answers are not checked"
        severity = "information" if example else "warning"
        return [Issue(severity, "required", path, message, "Questionnaire_QR_Q_NotFound")]
    check = _Response(response, questionnaire, terminology)
    check.authored(path)
    check.items(items(questionnaire, "item"), response, path, [])
    return check.issues


class _Response:
    def __init__(self, response: Item, questionnaire: Item, terminology: Membership | None):
        self.response = response
        self.questionnaire = questionnaire
        self.terminology = terminology
        self.complete = response.get("status") in _COMPLETE
        self.issues: list[Issue] = []

    def say(
        self, name: str, at: str, message: str, severity: str = "error", code: str = "invariant"
    ) -> None:
        name = name if name.startswith("QUESTIONNAIRE") else f"Questionnaire_QR_Item_{name}"
        self.issues.append(Issue(severity, code, at, message, name))

    def authored(self, path: str) -> None:
        period, authored = self.questionnaire.get("effectivePeriod"), self.response.get("authored")
        at = f"{path}.authored"
        for name, limit, low in (
            ("QUESTIONNAIRE_QR_AUTHOR_END", text(period, "end"), False),
            ("QUESTIONNAIRE_QR_AUTHOR_START", text(period, "start"), True),
        ):
            if limit is None or not isinstance(authored, str):
                continue
            if _beyond(authored, limit, low):
                message = f"{authored} is outside the questionnaire's effective period"
                self.say(name, at, message, "warning", "business-rule")

    # the tree

    def items(
        self, expected: list[Item], parent: Item, at: str, trail: list[tuple[Item, Item]]
    ) -> None:
        """Checks the items of a response, or of one of its items or answers."""
        places: dict[str | None, int] = {}
        for number, one in enumerate(expected):
            places.setdefault(text(one, "linkId"), number)
        found: dict[str | None, list[tuple[int, Item]]] = {}
        last = -1
        for number, item in enumerate(items(parent, "item")):
            link_id = text(item, "linkId")
            if link_id is None:
                self.say("NoLinkId", at, "an item has no linkId", code="required")
                continue
            place = places.get(link_id)
            if place is None:
                self._elsewhere(item, link_id, at, number, trail)
                continue
            if place < last:
                self.say("Order", at, f"the item '{link_id}' is out of order", code="structure")
            last = place
            found.setdefault(link_id, []).append((number, item))
        for one in expected:
            self._expected(one, found.get(text(one, "linkId"), []), at, trail)

    def _elsewhere(
        self, item: Item, link_id: str, at: str, number: int, trail: list[tuple[Item, Item]]
    ) -> None:
        question = find_item(self.questionnaire, link_id)
        if question is None:
            message = f"the questionnaire has no item '{link_id}'"
            self.say("NotFound", at, message, code="not-found")
            return
        message = f"the item '{link_id}' is in the wrong place"
        self.issues.append(Issue("error", "structure", at, message))
        self._item(question, item, f"{at}.item[{number}]", [*trail, (question, item)])

    def _expected(
        self,
        question: Item,
        given: list[tuple[int, Item]],
        at: str,
        trail: list[tuple[Item, Item]],
    ) -> None:
        enabled = is_enabled(question, self.questionnaire, self.response, trail)
        link_id = question.get("linkId")
        if not given:
            if enabled and question.get("required") is True:
                self._missing(link_id, at)
            return
        if len(given) > 1 and question.get("repeats") is not True:
            message = f"there are {len(given)} items '{link_id}', which does not repeat"
            self.say("OnlyOneI", at, message, code="invalid")
        for number, item in given:
            where = f"{at}.item[{number}]"
            if not enabled and ("answer" in item or "item" in item):
                message = f"the item '{link_id}' has an answer, but is not enabled"
                self.say("NotEnabled2", where, message, code="invalid")
            self._item(question, item, where, [*trail, (question, item)], enabled)

    def _missing(self, link_id: Any, at: str) -> None:
        severity = "error" if self.complete else "warning"
        self.say("Missing", at, f"the required item '{link_id}' is missing", severity, "required")

    def _item(
        self,
        question: Item,
        item: Item,
        at: str,
        trail: list[tuple[Item, Item]],
        enabled: bool = True,
    ) -> None:
        kind, answers = question.get("type"), items(item, "answer")
        self._form(question, item, answers, at, enabled)
        for number, answer in enumerate(answers):
            where = f"{at}.answer[{number}]"
            if kind in ("group", "display"):
                name = "Group" if kind == "group" else "QUESTIONNAIRE_QR_ITEM_DISPLAY_NO_VALUE"
                self.say(name, at, f"an item of type {kind} has no answers", code="structure")
            else:
                self._answer(question, answer, where, len(answers))
            if kind != "group":
                self.items(items(question, "item"), answer, where, trail)
        if kind == "group":
            if question.get("required") is True and not items(item, "item"):
                message = "a required group has no items"
                self.say("QUESTIONNAIRE_QR_ITEM_GROUP_REQUIRED", at, message)
            self.items(items(question, "item"), item, at, trail)
        elif kind is not None and items(item, "item"):
            name = "Display" if kind == "display" else "GroupAnswer"
            message = f"an item of type {kind} has items within its answers only"
            self.say(name, at, message, code="structure")

    def _form(
        self, question: Item, item: Item, answers: list[Item], at: str, enabled: bool
    ) -> None:
        link_id, kind = question.get("linkId"), question.get("type")
        shown = text(item, "text")
        if shown is not None and shown != question.get("text"):
            message = f"the text is not that of the questionnaire's item '{link_id}'"
            self.say("Text", at, message, code="invalid")
        needed = question.get("required") is True and kind != "group" and not answers
        if needed and (enabled or not self.complete):
            self._missing(link_id, at)
        if len(answers) > 1 and question.get("repeats") is not True:
            self.say("OnlyOneA", at, f"the item '{link_id}' has one answer only", code="invalid")
        count = len(answers)
        most = _extension(question, _CORE + "questionnaire-maxOccurs")
        if isinstance(most, int) and count > most >= 0:
            message = f"there are {count} answers, {most} at most are allowed"
            self.say("QUESTIONNAIRE_QR_ITEM_MAX_OCCURS", at, message, code="invalid")
        least = _extension(question, _CORE + "questionnaire-minOccurs")
        if isinstance(least, int) and count < least:
            message = f"there are {count} answers, {least} at least are wanted"
            self.say("QUESTIONNAIRE_QR_ITEM_MIN_OCCURS", at, message, code="invalid")

    # answers

    def _answer(self, question: Item, answer: Item, at: str, count: int) -> None:
        kind, given = question.get("type"), value_of(answer)
        allowed = _TYPES.get(kind) if isinstance(kind, str) else None
        if given is None or allowed is None or kind is None:
            return
        actual, value = given
        where = f"{at}.value.ofType({actual})"
        if actual not in allowed:
            message = f"the answer is of type {' or '.join(allowed)}, not {actual}"
            self.say("WrongType", where, message)
            if actual not in ("date", "dateTime", "time", "string"):
                return
        if kind in _CHOICES:
            if actual in allowed:
                self._choice(question, actual, value, at, count)
            return
        self._value(kind, question, value, where)

    def _value(self, kind: str, question: Item, value: Any, at: str) -> None:
        if kind in ("date", "dateTime"):
            self._limits(question, value, at, "DATE", _Moment)
        elif kind == "time":
            self._limits(question, value, at, "TIME", str)
        elif kind in ("decimal", "integer"):
            self._limits(question, value, at, kind.upper(), _number)
            self._decimals(question, value, at)
        elif kind == "string" and isinstance(value, str):
            self._string(question, value, at)
        elif kind == "attachment" and isinstance(value, dict):
            self._attachment(question, value, at)
        elif kind == "quantity" and isinstance(value, dict):
            self._quantity(question, value, at)
        if kind in _OPTIONS and items(question, "answerOption"):
            self._among_options(kind, question, value, at)

    def _limits(self, question: Item, value: Any, at: str, name: str, read: Any) -> None:
        for low, which in ((True, "minValue"), (False, "maxValue")):
            limit = _extension(question, _CORE + which)
            if limit is None:
                continue
            try:
                one, other = read(value), read(limit)
                outside = one < other if low else other < one
            except (TypeError, ValueError, InvalidOperation):
                continue
            if outside:
                message = f"{value} is {'less' if low else 'more'} than {limit}"
                self.say(f"QUESTIONNAIRE_QR_ITEM_{name}_{'MIN' if low else 'MAX'}", at, message)

    def _decimals(self, question: Item, value: Any, at: str) -> None:
        most = _extension(question, _CORE + "maxDecimalPlaces")
        if isinstance(most, int) and len(str(value).partition(".")[2]) > most:
            message = f"{value} has more than {most} decimal places"
            self.say("QUESTIONNAIRE_QR_ITEM_DECIMAL_MAX_DECIMALS", at, message)

    def _string(self, question: Item, value: str, at: str) -> None:
        least = _extension(question, _CORE + "minLength")
        if isinstance(least, int) and len(value) < least:
            message = f"the answer has fewer than {least} characters"
            self.say("QUESTIONNAIRE_QR_ITEM_STRING_MIN_LENGTH", at, message)
        most = question.get("maxLength")
        if isinstance(most, int) and len(value) > most:
            message = f"the answer has more than {most} characters"
            self.say("QUESTIONNAIRE_QR_ITEM_STRING_MAX_LENGTH", at, message)
        pattern = _extension(question, _CORE + "regex")
        if isinstance(pattern, str) and _mismatch(pattern, value):
            shown = _extension(question, _CORE + "entryFormat")
            name = "QUESTIONNAIRE_QR_ITEM_STRING_REGEX" + ("_EF" if shown else "")
            self.say(name, at, f"the answer does not match {shown or pattern}")
        if "\n" in value or "\r" in value:
            message = "the answer should have one line"
            self.say("QUESTIONNAIRE_QR_ITEM_STRING_ILLEGAL_CHARS", at, message, "warning")

    def _attachment(self, question: Item, value: Item, at: str) -> None:
        at = at.rpartition(".value")[0]
        kinds = [one for one in _extensions(question, _CORE + "mimeType") if isinstance(one, str)]
        given = text(value, "contentType")
        if kinds and given is None:
            message = "the attachment has no MIME type"
            name = "QUESTIONNAIRE_QR_ITEM_NOT_ATTACHMENT_MIMETYPE"
            self.say(name, at, message, code="required")
        elif kinds and not any(str(given).startswith(one) for one in kinds):
            message = f"the attachment is {given}, not {' or '.join(kinds)}"
            name = "QUESTIONNAIRE_QR_ITEM_BAD_ATTACHMENT_MIMETYPE"
            self.say(name, at, message, code="required")
        most, data = _extension(question, _CORE + "maxSize"), value.get("data")
        if isinstance(most, int | float | Decimal) and isinstance(data, str) and is_base64(data):
            size = len("".join(data.split())) * 3 // 4 - data.count("=")
            if 0 < most <= size:
                message = f"the attachment has {size} bytes, {most} are too many"
                name = "QUESTIONNAIRE_QR_ITEM_BAD_ATTACHMENT_LENGTH"
                self.say(name, at, message, code="required")

    def _quantity(self, question: Item, value: Item, at: str) -> None:
        for low, which in ((True, "minQuantity"), (False, "maxQuantity")):
            limit = _extension(question, _SDC + which)
            if isinstance(limit, dict):
                self._quantity_limit(value, limit, low, at)
        self._decimals(question, value.get("value", ""), at)
        units = list(_extensions(question, _CORE + "questionnaire-unitOption"))
        if units and not any(isinstance(one, dict) and _is_unit(value, one) for one in units):
            message = f"the unit {value.get('unit') or value.get('code')} is not allowed"
            self.say("QUESTIONNAIRE_QR_ITEM_DECIMAL_INVALID_UNITS", at, message)

    def _quantity_limit(self, value: Item, limit: Item, low: bool, at: str) -> None:
        end = "MIN" if low else "MAX"
        parts = (value.get("system"), value.get("code"), limit.get("system"), limit.get("code"))
        if None in parts:
            message = "without units the quantity cannot be compared with its limit"
            self.say(f"QUESTIONNAIRE_QR_ITEM_DECIMAL_CANNOT_COMPARE_{end}_UNITS", at, message)
        elif parts[:2] == parts[2:]:
            try:
                one, other = _number(value.get("value")), _number(limit.get("value"))
            except (InvalidOperation, ValueError):
                return
            if one < other if low else other < one:
                message = f"{one} is {'less' if low else 'more'} than {other}"
                self.say(f"QUESTIONNAIRE_QR_ITEM_QUANTITY_{end}", at, message)
        elif parts[0] != parts[2]:
            message = "the quantity and its limit have units of different systems"
            self.say(f"QUESTIONNAIRE_QR_ITEM_DECIMAL_CANNOT_COMPARE_{end}", at, message)

    # options

    def _among_options(self, kind: str, question: Item, value: Any, at: str) -> None:
        wanted, none, missing = _OPTIONS[kind]
        options = list(_options(question, None if wanted in ("integer", "decimal") else wanted))
        if not options:
            self.say(none, at, f"no option is of type {wanted}")
        elif str(value) not in [str(one) for one in options]:
            self.say(missing, at, f"{value} is not one of the options")

    def _choice(self, question: Item, kind: str, value: Any, at: str, count: int) -> None:
        if kind == "Coding":
            if isinstance(value, dict):
                self._coding(question, value, at, count)
            return
        is_open = question.get("type") == "open-choice" or (
            question.get("answerConstraint") == "optionsOrString"
        )
        if not items(question, "answerOption"):
            name = {"integer": "Int"}.get(kind, kind.capitalize()) + "NoOptions"
            self.say(name, at, f"there are no options to compare the {kind} with", "information")
            return
        options = list(_options(question, kind))
        capital = kind.capitalize()
        if kind == "string" and is_open:
            self._not_a_code(question, value, at)
        elif not options and not is_open:
            self.say(f"NoOptions{capital}", at, f"no option is of type {kind}")
        elif value not in options:
            self.say(f"No{capital}", at, f"{value} is not one of the options")

    def _not_a_code(self, question: Item, value: Any, at: str) -> None:
        said = str(value).lower()
        for coding in _options(question, "Coding"):
            shown = (coding.get("display"), coding.get("code")) if isinstance(coding, dict) else ()
            if said in [str(one).lower() for one in shown if one is not None]:
                message = f"the text '{value}' is one of the coded options"
                name = "QUESTIONNAIRE_QR_ITEM_STRING_IN_CODING"
                self.say(name, at, message, "warning")
                return

    def _coding(self, question: Item, value: Item, at: str, count: int) -> None:
        if not items(question, "answerOption"):
            self._in_value_set(question, value, at)
            return
        options = [one for one in _options(question, "Coding") if isinstance(one, dict)]
        key = (value.get("system"), value.get("code"))
        if not options:
            self.say("NoOptionsCoding", at, "no option is of type Coding")
        elif key not in [(one.get("system"), one.get("code")) for one in options]:
            self.say("NoCoding", at, f"the code {key[1]} of {key[0]} is not one of the options")
        elif count > 1 and key in _exclusive(question):
            message = f"the option {key[1]} excludes others"
            self.say("QUESTIONNAIRE_QR_ITEM_EXCLUSIVE", at, message)

    def _in_value_set(self, question: Item, value: Item, at: str) -> None:
        url = text(question, "answerValueSet")
        if url is None:
            self.say("NoOptions", at, "there are neither options nor a value set", "information")
            return
        if url.startswith("#"):
            held = contained(self.questionnaire, url[1:])
            member = _listed(held, value) if held is not None else None
        else:
            member = self.terminology.member_of(value, url) if self.terminology else None
        if member is False:
            message = f"the code {value.get('code')} is not in the value set {url}"
            self.say("BadOption", at, message, code="code-invalid")


class _Moment:
    """A date or dateTime that can be compared with another; a part stands for its beginning."""

    def __init__(self, value: str):
        parts = value if len(value) > 10 else (value + "-01-01"[len(value) - 4 :])[:10]
        if len(value) == 7:
            parts = value + "-01"
        moment = datetime.fromisoformat(parts)
        self.moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)

    def __lt__(self, other: _Moment) -> bool:
        return self.moment < other.moment


def _beyond(value: str, limit: str, low: bool) -> bool:
    try:
        one, other = _Moment(value), _Moment(limit)
    except ValueError:
        return False
    return one < other if low else other < one


def _number(value: Any) -> Decimal:
    return Decimal(str(value))


def _mismatch(pattern: str, value: str) -> bool:
    """Whether a value fails a pattern; one that Python cannot read is passed over."""
    try:
        return re.fullmatch(pattern, value[:4096]) is None
    except re.error:
        return False


def _extensions(element: Item, url: str) -> Iterator[Any]:
    for one in items(element, "extension"):
        if one.get("url") == url and (given := value_of(one)) is not None:
            yield given[1]


def _extension(element: Item, url: str) -> Any:
    return next(_extensions(element, url), None)


def _options(question: Item, kind: str | None) -> Iterator[Any]:
    for option in items(question, "answerOption"):
        given = value_of(option)
        if given is not None and (kind is None or given[0] == kind):
            yield given[1]


def _exclusive(question: Item) -> list[tuple[Any, Any]]:
    found = []
    for option in items(question, "answerOption"):
        given = value_of(option)
        if given and _extension(option, _CORE + "questionnaire-optionExclusive") is True:
            coding = given[1] if isinstance(given[1], dict) else {}
            found.append((coding.get("system"), coding.get("code")))
    return found


def _is_unit(quantity: Item, unit: Item) -> bool:
    pairs = (("system", "system"), ("code", "code"), ("display", "unit"))
    return all(one not in unit or unit[one] == quantity.get(other) for one, other in pairs)


def _listed(value_set: Item, coding: Item) -> bool | None:
    """Whether a contained value set lists a code; None when it does not list all it has."""
    compose = value_set.get("compose")
    parts = items(compose, "include")
    if not parts or items(compose, "exclude"):
        return None
    for part in parts:
        concepts = items(part, "concept")
        if not concepts or "valueSet" in part:
            return None
        if part.get("system") == coding.get("system") and any(
            one.get("code") == coding.get("code") for one in concepts
        ):
            return True
    return False
