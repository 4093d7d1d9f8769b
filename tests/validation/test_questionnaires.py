"""Questionnaires, and responses that do not answer them."""

from __future__ import annotations

from typing import Any

import pytest

from adapter.validation.questionnaires import check_questionnaire, check_response

CORE = "http://hl7.org/fhir/StructureDefinition/"
TEXT = {"valueString": "x"}


def item(link_id: str, kind: str, **more: Any) -> dict[str, Any]:
    return {"linkId": link_id, "type": kind, "text": f"Item {link_id}", **more}


def answered(link_id: str, *answers: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"linkId": link_id, **({"answer": list(answers)} if answers else {}), **more}


def extension(name: str, **value: Any) -> list[dict[str, Any]]:
    return [{"url": CORE + name, **value}]


def when(question: str, sign: str = "=", **answer: Any) -> dict[str, Any]:
    one = {"question": question, "operator": sign, **(answer or {"answerBoolean": True})}
    return {"enableWhen": [one]}


def found(
    questions: list[dict[str, Any]],
    answers: list[dict[str, Any]],
    status: str = "completed",
    terminology: Any = None,
    **more: Any,
) -> list[tuple[str, str]]:
    questionnaire = {"resourceType": "Questionnaire", "item": questions, **more}
    response = {
        "resourceType": "QuestionnaireResponse",
        "questionnaire": "http://a.b/q",
        "status": status,
        "item": answers,
    }
    issues = check_response(response, questionnaire, "", terminology)
    return [(one.path, (one.messageId or "").rpartition("_")[2]) for one in issues]


VALUES: dict[str, dict[str, Any]] = {
    "boolean": {"valueBoolean": True},
    "decimal": {"valueDecimal": 1.5},
    "integer": {"valueInteger": 1},
    "date": {"valueDate": "2020-01-01"},
    "dateTime": {"valueDateTime": "2020-01-01"},
    "time": {"valueTime": "10:00:00"},
    "string": TEXT,
    "text": TEXT,
    "url": {"valueUri": "http://a.b"},
    "attachment": {"valueAttachment": {"url": "http://a.b"}},
    "reference": {"valueReference": {"reference": "Patient/1"}},
    "quantity": {"valueQuantity": {"value": 1}},
}


@pytest.mark.parametrize("kind", VALUES)
def test_answers_have_the_type_of_their_question(kind: str) -> None:
    assert found([item("1", kind)], [answered("1", VALUES[kind])]) == []
    wrong = VALUES["boolean" if kind != "boolean" else "integer"]
    assert "WrongType" in [name for _, name in found([item("1", kind)], [answered("1", wrong)])]


@pytest.mark.parametrize(
    ("status", "count"), [("completed", 1), ("amended", 1), ("in-progress", 1)]
)
def test_required_items_are_there(status: str, count: int) -> None:
    question = item("1", "string", required=True)
    assert found([question], [], status) == [("", "Missing")] * count
    assert found([question], [answered("1", TEXT)], status) == []


def test_what_is_missing_from_an_unfinished_response_is_a_warning() -> None:
    response = {"questionnaire": "http://a.b/q", "status": "in-progress"}
    questionnaire = {"item": [item("1", "string", required=True)]}
    assert [one.severity for one in check_response(response, questionnaire, "")] == ["warning"]


@pytest.mark.parametrize(
    ("questions", "answers", "wanted"),
    [
        ([item("1", "group")], [answered("1", TEXT)], [(".item[0]", "Group")]),
        ([item("1", "display")], [answered("1", TEXT)], [(".item[0]", "VALUE")]),
        ([item("1", "string")], [answered("1", TEXT, TEXT)], [(".item[0]", "OnlyOneA")]),
        ([item("1", "string", repeats=True)], [answered("1", TEXT, TEXT)], []),
        ([item("1", "group")], [answered("1"), answered("1")], [("", "OnlyOneI")]),
        ([item("1", "string")], [answered("2", TEXT)], [("", "NotFound")]),
        ([item("1", "string")], [{"text": "x"}], [("", "NoLinkId")]),
        (
            [item("1", "string"), item("2", "string")],
            [answered("2", TEXT), answered("1", TEXT)],
            [("", "Order")],
        ),
        ([item("1", "group", item=[item("2", "string")])], [answered("2", TEXT)], [("", "")]),
        ([item("1", "string")], [answered("1", TEXT, text="else")], [(".item[0]", "Text")]),
        ([item("1", "group", required=True)], [answered("1")], [(".item[0]", "REQUIRED")]),
        (
            [item("1", "string", item=[item("2", "string", required=True)])],
            [answered("1", TEXT)],
            [(".item[0].answer[0]", "Missing")],
        ),
    ],
)
def test_the_items_of_a_response_fit(
    questions: list[Any], answers: list[Any], wanted: list[tuple[str, str]]
) -> None:
    assert found(questions, answers) == wanted


@pytest.mark.parametrize(
    ("question", "answer", "name"),
    [
        (item("1", "integer", extension=extension("minValue", valueInteger=5)), 4, "MIN"),
        (item("1", "integer", extension=extension("maxValue", valueInteger=3)), 4, "MAX"),
        (item("1", "integer", extension=extension("maxValue", valueInteger=4)), 4, None),
        (item("1", "string", maxLength=2), "abc", "LENGTH"),
        (item("1", "string", extension=extension("minLength", valueInteger=4)), "abc", "LENGTH"),
        (item("1", "string", extension=extension("regex", valueString="[0-9]+")), "abc", "REGEX"),
        (item("1", "string", extension=extension("regex", valueString="[a-z]+")), "abc", None),
        (item("1", "string"), "a\nb", "CHARS"),
        (item("1", "string", answerOption=[TEXT]), "x", None),
        (item("1", "string", answerOption=[TEXT]), "y", "NoString"),
        (item("1", "integer", answerOption=[TEXT]), 4, "NoInteger"),
    ],
)
def test_answers_keep_to_their_limits(question: Any, answer: Any, name: str | None) -> None:
    kind = "valueInteger" if isinstance(answer, int) else "valueString"
    issues = found([question], [answered("1", {kind: answer})])
    assert [one for _, one in issues] == ([name] if name else [])


def coded(code: str, system: str = "http://a.b") -> dict[str, Any]:
    return {"valueCoding": {"system": system, "code": code}}


@pytest.mark.parametrize("kind", ["choice", "open-choice", "coding"])
def test_codes_are_among_the_options(kind: str) -> None:
    question = item("1", kind, answerOption=[coded("a")])
    assert found([question], [answered("1", coded("a"))]) == []
    assert found([question], [answered("1", coded("b"))]) == [(".item[0].answer[0]", "NoCoding")]


class Genders:
    """A terminology with one value set."""

    def member_of(self, value: Any, value_set_url: str) -> bool | None:
        return value["code"] in ("male", "female") if value_set_url == "http://g" else None


def test_codes_are_in_the_value_set() -> None:
    question = item("1", "choice", answerValueSet="http://g")
    issues = found([question], [answered("1", coded("mal"))], terminology=Genders())
    assert issues == [(".item[0].answer[0]", "BadOption")]
    assert found([question], [answered("1", coded("male"))], terminology=Genders()) == []


def test_contained_value_sets_list_their_codes() -> None:
    include = [{"system": "http://a.b", "concept": [{"code": "a"}]}]
    held = [{"resourceType": "ValueSet", "id": "v", "compose": {"include": include}}]
    question = item("1", "choice", answerValueSet="#v")
    assert found([question], [answered("1", coded("a"))], contained=held) == []
    issues = found([question], [answered("1", coded("b"))], contained=held)
    assert issues == [(".item[0].answer[0]", "BadOption")]


@pytest.mark.parametrize(
    ("condition", "answer", "enabled"),
    [
        (when("1"), {"valueBoolean": True}, True),
        (when("1"), {"valueBoolean": False}, False),
        (when("1"), None, False),
        (when("1", "!="), {"valueBoolean": False}, True),
        (when("1", "exists"), {"valueBoolean": False}, True),
        (when("1", "exists", answerBoolean=False), None, True),
        (when("1", ">", answerInteger=5), {"valueInteger": 6}, True),
        (when("1", ">", answerInteger=5), {"valueInteger": 5}, False),
        (when("1", "<=", answerDecimal=5.0), {"valueDecimal": 5}, True),
        (when("1", "=", answerCoding={"system": "http://a.b", "code": "x"}), coded("x"), True),
        (when("1", "=", answerCoding={"system": "http://a.b", "code": "x"}), coded("y"), False),
        (when("1", "=", answerCoding={"code": "x"}), coded("x"), True),
        (when("1", ">", answerQuantity={"value": 5}), {"valueQuantity": {"value": 6}}, True),
    ],
)
def test_items_are_enabled_by_answers(
    condition: dict[str, Any], answer: dict[str, Any] | None, enabled: bool
) -> None:
    kind = {"valueInteger": "integer", "valueDecimal": "decimal", "valueQuantity": "quantity"}
    name = next(iter(answer)) if answer else ""
    first = item("1", kind.get(name, "choice" if name == "valueCoding" else "boolean"))
    second = item("2", "string", required=True, **condition)
    given = [answered("1", answer)] if answer else []

    def names(answers: list[dict[str, Any]]) -> list[str]:
        return [
            one for _, one in found([first, second], answers) if one in ("Missing", "NotEnabled2")
        ]

    assert names([*given, answered("2", TEXT)]) == ([] if enabled else ["NotEnabled2"])
    assert names(given) == (["Missing"] if enabled else [])


def test_conditions_look_at_their_own_group() -> None:
    inner = [item("1", "boolean"), item("2", "string", **when("1"))]
    group = item("g", "group", repeats=True, item=inner)
    answers = [
        answered("g", item=[answered("1", {"valueBoolean": one}), answered("2", TEXT)])
        for one in (True, False)
    ]
    assert found([group], answers) == [(".item[1].item[1]", "NotEnabled2")]


@pytest.mark.parametrize(("behavior", "count"), [("any", 0), ("all", 1)])
def test_several_conditions_are_joined(behavior: str, count: int) -> None:
    both = {"enableWhen": [*when("1")["enableWhen"], *when("2")["enableWhen"]]}
    third = item("3", "string", enableBehavior=behavior, **both)
    answers = [
        answered("1", {"valueBoolean": True}),
        answered("2", {"valueBoolean": False}),
        answered("3", TEXT),
    ]
    assert len(found([item("1", "boolean"), item("2", "boolean"), third], answers)) == count


@pytest.mark.parametrize(
    ("url", "severity"),
    [(None, "information"), ("http://a.b/c", "warning"), ("http://example.org/c", "information")],
)
def test_an_unknown_questionnaire_is_told(url: str | None, severity: str) -> None:
    response = {"questionnaire": url} if url else {}
    assert [one.severity for one in check_response(response, None, "")] == [severity]


def test_a_contained_questionnaire_is_found() -> None:
    held = {"resourceType": "Questionnaire", "id": "q", "item": [item("1", "string")]}
    response = {"questionnaire": "#q", "contained": [held], "item": [answered("2", TEXT)]}
    names = [one.messageId for one in check_response(response, None, "")]
    assert names == ["Questionnaire_QR_Item_NotFound"]


@pytest.mark.parametrize(
    ("questions", "wanted"),
    [
        ([item("1", "boolean"), item("2", "string", **when("1"))], []),
        ([item("2", "string", **when("1")), item("1", "boolean")], ["After"]),
        ([item("2", "string", **when("2"))], ["Self"]),
        ([item("2", "string", **when("9"))], ["NoTarget"]),
        ([item("g", "group", item=[item("1", "boolean")], **when("1"))], ["IsInner"]),
        ([item("1", "boolean", item=[item("2", "string", **when("1"))])], []),
        ([item("2", "string", enableWhen=[{"operator": "="}])], ["NoLink"]),
    ],
)
def test_conditions_depend_on_earlier_items(questions: list[Any], wanted: list[str]) -> None:
    issues = check_questionnaire({"item": questions}, "Questionnaire")
    assert [(one.messageId or "").rpartition("_")[2] for one in issues] == wanted


def test_derived_items_keep_to_their_source() -> None:
    source = {"item": [item("1", "string", required=True, maxLength=5), item("2", "string")]}
    mark = {
        "url": CORE + "questionnaire-derivationType",
        "valueCoding": {
            "system": "http://hl7.org/fhir/questionnaire-derivationType",
            "code": "compliesWith",
        },
    }
    derived = {
        "derivedFrom": ["http://a.b/source"],
        "_derivedFrom": [{"extension": [mark]}],
        "item": [
            item("1", "text", required=False, maxLength=9),
            item("2", "string", repeats=True),
            item("3", "string"),
        ],
    }
    issues = check_questionnaire(derived, "", lambda _: source)
    assert [(one.messageId or "").rpartition("_")[2] for one in issues] == [
        "TYPE",
        "REQUIRED",
        "MAXLENGTH",
        "REPEATS",
        "DERIVED",
    ]
    assert check_questionnaire(derived, "", lambda _: None)[0].severity == "warning"


@pytest.mark.parametrize("held", [3, [3], [{"linkId": ["x"]}], [{"linkId": "1", "answer": [3]}]])
def test_malformed_responses_do_not_stop_the_checks(held: Any) -> None:
    questionnaire = {"item": [item("1", "string"), {"linkId": ["x"]}, 3]}
    response = {"questionnaire": "http://a.b/q", "item": held}
    assert isinstance(check_response(response, questionnaire, ""), list)
