from __future__ import annotations

from decimal import Decimal

import pytest
from child_record import ANSWERS, STAY

from mappings import Context, map_entity
from mappings.entities import Answer, Form, Question
from mappings.questionnaire_response import questionnaire_response


def test_answers_belong_to_their_form(to: Context) -> None:
    resource = questionnaire_response(ANSWERS, to)
    form = Form(key=ANSWERS.form, title="Follow-up", questions=())
    (questionnaire,) = map_entity(form, to)
    assert resource["questionnaire"] == questionnaire["url"]
    assert resource["authored"] == "2024-04-15"
    assert resource["encounter"] == to.reference("Encounter", STAY)
    assert isinstance(resource["identifier"], dict)  # 0..1 in R4


@pytest.mark.parametrize(
    ("answer", "element", "value"),
    [
        (Answer(link="q", text="well"), "valueString", "well"),
        (Answer(link="q", integer=0), "valueInteger", 0),
        (Answer(link="q", value=Decimal("1.50")), "valueDecimal", Decimal("1.50")),
        (Answer(link="q", flag=False), "valueBoolean", False),
        (Answer(link="q", date="2024-03-20"), "valueDate", "2024-03-20"),
        (
            Answer(link="q", date="2024-03-20T10:00:00+08:00"),
            "valueDateTime",
            "2024-03-20T10:00:00+08:00",
        ),
    ],
)
def test_each_kind_of_answer(answer: Answer, element: str, value: object, to: Context) -> None:
    answers = type(ANSWERS)(
        key=("a",), subject=ANSWERS.subject, form=ANSWERS.form, date="2024", items=(answer,)
    )
    assert questionnaire_response(answers, to)["item"] == [
        {"linkId": "q", "answer": [{element: value}]}
    ]


def test_the_choices_of_each_question_have_a_code_system_of_their_own(to: Context) -> None:
    answers = type(ANSWERS)(
        key=("a",), subject=ANSWERS.subject, form=("f", "baseline"), date="2024",
        items=(Answer(link="q", code=("1", "Yes")),),
    )  # fmt: skip
    [item] = questionnaire_response(answers, to)["item"]
    assert item["answer"] == [
        {"valueCoding": {"system": f"{to.identifier_base}/forms/f/baseline/q", "code": "1",
                         "display": "Yes"}}
    ]  # fmt: skip


def test_a_choice_is_the_option_of_its_questionnaire(to: Context) -> None:
    question = Question(link="cough", text="Cough?", kind="choice", options=(("1", "Sometimes"),))
    (form,) = map_entity(Form(key=ANSWERS.form, title="F", questions=(question,)), to)
    (item, *_) = questionnaire_response(ANSWERS, to)["item"]
    assert item["answer"][0]["valueCoding"] == form["item"][0]["answerOption"][0]["valueCoding"]


def test_a_question_ticked_twice_is_one_item(to: Context) -> None:
    items = {i["linkId"]: i["answer"] for i in questionnaire_response(ANSWERS, to)["item"]}
    assert [answer["valueCoding"]["code"] for answer in items["symptoms"]] == ["1", "2"]
