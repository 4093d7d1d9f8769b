"""Form -> Questionnaire.  https://hl7.org/fhir/R4/questionnaire.html"""

from __future__ import annotations

from mappings.context import Context, Resource, fields, form_url
from mappings.entities import Form, Question


def questionnaire(form: Form, to: Context) -> Resource:
    """A form of the study, as its data dictionary describes it."""
    return to.resource(
        "Questionnaire",
        key=form.key,
        url=form_url(to, form.key),
        title=form.title,
        status="active",
        subjectType=["Patient"],
        item=[_item(question) for question in form.questions],
    )


def _item(question: Question) -> Resource:
    return fields(
        linkId=question.link,
        text=question.text,
        type_=question.kind,
        required=question.required or None,
        answerOption=[
            {"valueCoding": fields(code=code, display=label)} for code, label in question.options
        ],
    )
