"""FHIRPath's language on small resources."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from adapter.validation.definitions import Definitions
from adapter.validation.fhirpath import (
    Environment,
    EvaluationError,
    NotEvaluated,
    compile_expression,
)

Ask = Callable[..., list[Any]]
PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "p1",
    "extension": [{"url": "http://x/age", "valueAge": {"value": 4, "code": "a"}}],
    "name": [
        {"use": "official", "family": "Li", "given": ["Wei", None]},
        {"use": "usual", "given": ["Mei"], "_given": [{"id": "g"}]},
    ],
    "birthDate": "2015-03-02",
    "_birthDate": {"extension": [{"url": "http://x/time", "valueTime": "08:30:00"}]},
    "deceasedBoolean": False,
    "contact": [{"name": {"family": "Li"}}],
    "managingOrganization": {"reference": "#o"},
    "contained": [{"resourceType": "Organization", "id": "o", "name": "Ward"}],
}


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("name.given", ["Wei", "Mei"]),
        ("Patient.name[1].given.first()", ["Mei"]),
        ("name.where(use = 'official').family", ["Li"]),
        ("name.select(given.count())", [1, 1]),
        ("deceased", [False]),
        ("deceased.ofType(boolean).not()", [True]),
        ("deceased is dateTime", [False]),
        ("birthDate.extension('http://x/time').value", ["08:30:00"]),
        ("name.given.id", ["g"]),
        ("extension.value.ofType(Quantity).value", [4]),
        ("extension.value.type().name", ["Age"]),
        ("managingOrganization.resolve().name", ["Ward"]),
        ("contained.ofType(Organization).name", ["Ward"]),
        ("descendants().where($this is HumanName).count()", [3]),
        ("children().ofType(Reference).reference", ["#o"]),
        ("contact.name | name", [{"family": "Li"}, *PATIENT["name"]]),
        ("name.repeat(given).count()", [2]),
        ("name.select($index)", [0, 1]),
        ("(1 | 2 | 3).aggregate($this + $total, 0)", [6]),
        ("iif(name.count() > 1, 'many', 'one')", ["many"]),
        ("name.given.where(length() > 2 and $this.startsWith('W'))", ["Wei"]),
        ("%resource.id & %context.id", ["p1p1"]),
        ("%`ext-patient-birthTime`", ["http://hl7.org/fhir/StructureDefinition/patient-birthTime"]),
        ("name.first().defineVariable('f', family).select(%f & '!')", ["Li!"]),
        ("birthDate + 1 year < @2016-03-03", [True]),
        ("name.given.combine(name.given).isDistinct()", [False]),
        ("'a,b'.split(',').join('-')", ["a-b"]),
        ("2.5.round(0) + 7 div 2", [Decimal(6)]),
        ("1 'kg' = 1000 'g' and 1 'kg' > 999 'g'", [True]),
    ],
)
def test_expressions(text: str, answer: list[Any], ask: Ask) -> None:
    assert [str(a) if hasattr(a, "precision") else a for a in ask(text, PATIENT)] == answer


def test_nothing_in_the_resource_is_changed(ask: Ask) -> None:
    before = repr(PATIENT)
    ask("(name | contact.name).given.combine(name.given).distinct().sort().skip(1)", PATIENT)
    assert repr(PATIENT) == before


def test_value_sets_and_profiles_are_asked_of_the_environment(ask: Ask) -> None:
    asked: list[Any] = []

    def member(value: Any, url: str) -> bool | None:
        asked.append((value, url))
        return True

    assert ask("name.first().use.memberOf('http://vs')", PATIENT, member_of=member) == [True]
    assert asked == [("official", "http://vs")]
    assert ask("conformsTo('http://p')", PATIENT, conforms_to=lambda _v, _u: False) == [False]
    with pytest.raises(EvaluationError):
        ask("conformsTo('http://p')", PATIENT, conforms_to=lambda _v, _u: None)
    with pytest.raises(NotEvaluated):
        ask("name.first().use.memberOf('http://vs')", PATIENT)


def test_variables_of_the_caller(ask: Ask) -> None:
    assert ask("%limit + 1", PATIENT, variables={"limit": 2}) == [3]
    assert ask("%who.name.family", PATIENT, variables={"who": PATIENT}) == ["Li"]
    assert ask("%unknown", PATIENT) == []


@pytest.mark.parametrize(
    "text", ["name.given1", "Encounter.name", "%unknown", "children().skip(1)", "name.length()"]
)
def test_strict_mode_refuses_what_cannot_be(text: str, r4: Definitions) -> None:
    def run() -> list[Any]:
        evaluate = compile_expression(text, r4, "Patient", strict=True)
        return evaluate(PATIENT, Environment(PATIENT, PATIENT))

    with pytest.raises(NotEvaluated):
        run()


def test_a_backbone_element_is_a_context(r4: Definitions) -> None:
    evaluate = compile_expression("code.text & %resource.status", r4, "Observation.component")
    component = {"code": {"text": "pulse "}}
    observation = {"resourceType": "Observation", "status": "final", "component": [component]}
    assert evaluate(component, Environment(observation, observation)) == ["pulse final"]


def test_without_a_context_the_resource_says_its_type(r4: Definitions) -> None:
    evaluate = compile_expression("name.family", r4, None)
    assert evaluate(PATIENT, Environment(PATIENT, PATIENT)) == ["Li"]


def test_elements_that_refer_to_others_of_the_structure(r4: Definitions) -> None:
    evaluate = compile_expression("item.item.item.linkId", r4, "Questionnaire")
    questionnaire = {
        "resourceType": "Questionnaire",
        "item": [{"linkId": "1", "item": [{"linkId": "2", "item": [{"linkId": "3"}]}]}],
    }
    assert evaluate(questionnaire, Environment(questionnaire, questionnaire)) == ["3"]


def test_json_of_another_shape_is_an_error_of_the_evaluation(ask: Ask) -> None:
    with pytest.raises(EvaluationError):
        ask("name.family", {"resourceType": "Patient", "name": {"family": "Li"}})
