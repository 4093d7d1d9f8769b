"""Form -> Questionnaire.

https://hl7.org/fhir/R4/questionnaire.html, https://hl7.org/fhir/R5/questionnaire.html

The choices of a question are a code system of the form's own, named after the question.
"""

from __future__ import annotations

from collections.abc import Mapping

from mappings.context import Context, Resource, fields, form_url
from mappings.entities import Form, Key, Question

# R5 renamed the type of a question with choices
TYPES: Mapping[str, Mapping[str, str]] = {"R4": {}, "R4B": {}, "R5": {"choice": "coding"}}


def questionnaire(form: Form, to: Context) -> Resource:
    """A form of the study, as its data dictionary describes it."""
    return to.resource(
        "Questionnaire",
        key=form.key,
        url=form_url(to, form.key),
        title=form.title,
        status="active",
        subjectType=["Patient"],
        item=[_item(question, form, to) for question in form.questions],
    )


def _item(question: Question, form: Form, to: Context) -> Resource:
    return fields(
        linkId=question.link,
        text=question.text,
        type_=TYPES[to.release].get(question.kind, question.kind),
        required=question.required or None,
        answerOption=[
            {"valueCoding": choice(to, form.key, question.link, code, label)}
            for code, label in question.options
        ],
    )


def choice(to: Context, form: Key, link: str, code: str, label: str | None) -> Resource:
    """A choice of a question as a Coding, in the code system of that question's choices."""
    system = f"{to.identifier_base}/forms/{'/'.join(form)}/{link}"
    return fields(system=system, code=code, display=label)
