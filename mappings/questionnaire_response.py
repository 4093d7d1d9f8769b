"""Answers -> QuestionnaireResponse.

https://hl7.org/fhir/R4/questionnaireresponse.html, https://hl7.org/fhir/R5/questionnaireresponse.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mappings.context import Context, Resource, form_url
from mappings.entities import Answer, Answers
from mappings.questionnaire import choice
from mappings.values import in_study

# R4 has room for one identifier, R5 for several
IDENTIFIER: Mapping[str, Callable[[Resource], Resource | list[Resource]]] = {
    "R4": lambda identifier: identifier,
    "R4B": lambda identifier: identifier,
    "R5": lambda identifier: [identifier],
}


def questionnaire_response(answers: Answers, to: Context) -> Resource:
    """A filled-in form: one item a question, its value typed as the question is."""
    return to.resource(
        "QuestionnaireResponse",
        key=answers.key,
        identifier=IDENTIFIER[to.release](to.identifier("QuestionnaireResponse", answers.key)),
        extension=in_study(to),
        questionnaire=form_url(to, answers.form),
        status=answers.status,
        subject=to.reference("Patient", answers.subject),
        encounter=answers.visit and to.reference("Encounter", answers.visit),
        authored=answers.date,
        item=_items(answers, to),
    )


def _items(answers: Answers, to: Context) -> list[Resource]:
    """One item a question; several answers to one question stand together."""
    found: dict[str, list[Resource]] = {}
    for answer in answers.items:
        found.setdefault(answer.link, []).append(_value(answer, answers, to))
    return [{"linkId": link, "answer": values} for link, values in found.items()]


def _value(answer: Answer, answers: Answers, to: Context) -> dict[str, Any]:
    if answer.code is not None:
        return {"valueCoding": choice(to, answers.form, answer.link, *answer.code)}
    if answer.flag is not None:
        return {"valueBoolean": answer.flag}
    if answer.integer is not None:
        return {"valueInteger": answer.integer}
    if answer.value is not None:
        return {"valueDecimal": answer.value}
    if answer.date is not None:
        return {"valueDateTime" if "T" in answer.date else "valueDate": answer.date}
    return {"valueString": answer.text}
