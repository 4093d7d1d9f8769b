"""Answers -> QuestionnaireResponse.  https://hl7.org/fhir/R4/questionnaireresponse.html"""

from __future__ import annotations

from typing import Any

from mappings.context import Context, Resource, fields, form_url
from mappings.entities import Answer, Answers
from mappings.values import in_study


def questionnaire_response(answers: Answers, to: Context) -> Resource:
    """A filled-in form: one item a question, its value typed as the question is."""
    return to.resource(
        "QuestionnaireResponse",
        key=answers.key,
        identifier=to.identifier("QuestionnaireResponse", answers.key),
        extension=in_study(to),
        questionnaire=form_url(to, answers.form),
        status=answers.status,
        subject=to.reference("Patient", answers.subject),
        encounter=answers.visit and to.reference("Encounter", answers.visit),
        authored=answers.date,
        item=_items(answers),
    )


def _items(answers: Answers) -> list[Resource]:
    """One item a question; several answers to one question stand together."""
    found: dict[str, list[Resource]] = {}
    for answer in answers.items:
        found.setdefault(answer.link, []).append(_value(answer))
    return [{"linkId": link, "answer": values} for link, values in found.items()]


def _value(answer: Answer) -> dict[str, Any]:
    if answer.code is not None:
        code, label = answer.code
        return {"valueCoding": fields(code=code, display=label)}
    if answer.flag is not None:
        return {"valueBoolean": answer.flag}
    if answer.integer is not None:
        return {"valueInteger": answer.integer}
    if answer.value is not None:
        return {"valueDecimal": answer.value}
    if answer.date is not None:
        return {"valueDateTime" if "T" in answer.date else "valueDate": answer.date}
    return {"valueString": answer.text}
