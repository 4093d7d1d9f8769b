"""The official invariants: all can be evaluated, and mean what HL7's validator makes of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from adapter.validation.definitions import Definitions
from adapter.validation.fhirpath import Environment, NotEvaluated, compile_invariant

Json = dict[str, Any]
Holds = Callable[..., bool]


@pytest.mark.parametrize("release", ["R4", "R4B", "R5"])
def test_every_official_invariant_is_compiled(release: str) -> None:
    definitions = Definitions.shipped(release)
    contexts: dict[str, tuple[str, str]] = {}
    for url in definitions.urls("StructureDefinition"):
        structure = definitions.structure(url) or {}
        for element in structure.get("snapshot", {}).get("element", ()):
            for constraint in element.get("constraint", ()):
                if expression := constraint.get("expression"):
                    contexts.setdefault(expression, (element["path"], constraint["key"]))
    for expression, (path, key) in contexts.items():
        compile_invariant(expression, definitions, path, key)
    assert len(contexts) > 200


def constraint(definitions: Definitions, path: str, key: str) -> str:
    structure = definitions.needed(path.partition(".")[0])
    found = next(e for e in structure["snapshot"]["element"] if e["path"] == path)
    return str(next(c["expression"] for c in found["constraint"] if c["key"] == key))


QUANTITY = {"value": 2, "unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg"}
CODE_A, CODE_B = {"system": "urn:s", "code": "a"}, {"system": "urn:s", "code": "b"}
CASES: list[tuple[str, str, Any, bool]] = [
    ("Observation", "obs-6", {"valueString": "x"}, True),
    ("Observation", "obs-6", {"valueString": "x", "dataAbsentReason": {"text": "?"}}, False),
    ("Observation", "obs-6", {"valueQuantity": {}, "dataAbsentReason": {"text": "?"}}, True),
    (
        "Observation",
        "obs-7",
        {"code": {"coding": [CODE_A]}, "valueInteger": 1, "component": [{"code": {}}]},
        True,
    ),
    (
        "Observation",
        "obs-7",
        {
            "code": {"coding": [CODE_A]},
            "valueInteger": 1,
            "component": [{"code": {"coding": [CODE_B, CODE_A]}}],
        },
        False,
    ),
    ("Period", "per-1", {"start": "2024-01-01", "end": "2024-01-01"}, True),
    ("Period", "per-1", {"start": "2024-01-02", "end": "2024-01-01"}, False),
    ("Period", "per-1", {"start": "2024-01-02"}, True),
    # whether a day is before a moment of it cannot be said
    ("Period", "per-1", {"start": "2024-01-02", "end": "2024-01-02T08:00:00Z"}, False),
    (
        "Period",
        "per-1",
        {"start": "2024-01-02T01:00:00+02:00", "end": "2024-01-01T23:30:00Z"},
        True,
    ),
    ("Reference", "ref-1", {"reference": "Patient/1"}, True),
    ("Reference", "ref-1", {"reference": "#"}, True),
    ("Reference", "ref-1", {"reference": "#gone"}, False),
    ("Reference", "ref-1", {"display": "somebody"}, True),
    ("Quantity", "qty-3", QUANTITY, True),
    ("Quantity", "qty-3", {"value": 1, "code": "mg"}, False),
    ("Extension", "ext-1", {"url": "http://x", "valueBoolean": False}, True),
    ("Extension", "ext-1", {"url": "http://x"}, False),
    ("Extension", "ext-1", {"url": "http://x", "_valueString": {"id": "a"}}, True),
    ("Range", "rng-2", {"low": QUANTITY, "high": {**QUANTITY, "value": 10}}, True),
    ("Range", "rng-2", {"low": QUANTITY, "high": {**QUANTITY, "value": 1}}, False),
    ("Range", "rng-2", {"low": QUANTITY, "high": {**QUANTITY, "unit": "g", "code": "g"}}, True),
    ("Bundle", "bdl-7", {"type": "collection", "entry": [{"fullUrl": "urn:a"}] * 2}, False),
    ("Bundle", "bdl-7", {"type": "history", "entry": [{"fullUrl": "urn:a"}] * 2}, True),
    ("Bundle.entry", "bdl-8", {"request": {}}, True),
    ("Bundle.entry", "bdl-8", {"fullUrl": "http://s/Patient/1/_history/2"}, False),
    ("Timing.repeat", "tim-9", {"offset": 30, "when": ["ACM", "PCM"]}, True),
    ("Timing.repeat", "tim-9", {"offset": 30, "when": ["C"]}, False),
    ("Questionnaire.item.enableWhen", "que-7", {"operator": "exists", "answerBoolean": True}, True),
    ("Questionnaire.item.enableWhen", "que-7", {"operator": "exists", "answerInteger": 1}, False),
    ("RiskAssessment.prediction", "ras-2", {"probabilityDecimal": 100.5}, False),
    ("RiskAssessment.prediction", "ras-2", {"probabilityRange": {}}, True),
    ("Count", "cnt-3", {"value": 1.5, "code": "1", "system": "http://unitsofmeasure.org"}, False),
    ("ElementDefinition", "eld-2", {"min": 2, "max": "1"}, False),
    ("ElementDefinition", "eld-2", {"min": 2, "max": "*"}, True),
]


@pytest.mark.parametrize(("path", "key", "value", "answer"), CASES)
def test_what_an_invariant_of_r4_means(
    path: str, key: str, value: Json, answer: bool, r4: Definitions
) -> None:
    test = compile_invariant(constraint(r4, path, key), r4, path, key)
    assert test(value, None, Environment(value, value)) is answer


def test_an_r5_period_may_be_as_vague_as_its_texts(r5: Definitions) -> None:
    test = compile_invariant(constraint(r5, "Period", "per-1"), r5, "Period")
    vague = {"start": "2024-01-02", "end": "2024-01-02T08:00:00Z"}
    assert test(vague, None, Environment(vague, vague))


def test_any_resource_may_be_the_root(r4: Definitions) -> None:
    test = compile_invariant("%rootResource is DomainResource", r4, "Reference")
    patient, bundle = {"resourceType": "Patient"}, {"resourceType": "Bundle"}
    assert test({}, None, Environment(patient, patient))
    assert not test({}, None, Environment(patient, bundle))


def test_a_fragment_is_found_among_the_contained(r4: Definitions) -> None:
    test = compile_invariant(constraint(r4, "Reference", "ref-1"), r4, "Reference")
    root = {"resourceType": "Observation", "contained": [{"resourceType": "Patient", "id": "p"}]}
    assert test({"reference": "#p"}, None, Environment(root, root))


@pytest.mark.parametrize(
    ("value", "sibling", "answer"),
    [
        ("", None, False),
        ("x", None, True),
        (None, {"extension": [{"url": "http://x"}]}, True),
        (None, {"id": "only"}, False),
    ],
)
def test_a_primitive_has_a_value_or_extensions(
    value: Any, sibling: Any, answer: bool, holds: Holds
) -> None:
    ele_1 = "hasValue() or (children().count() > id.count())"
    assert holds(ele_1, "string", value, sibling) is answer


def test_nothing_is_false_and_an_error_too(holds: Holds) -> None:
    patient = {"resourceType": "Patient", "name": [{"family": "A"}, {"family": "B"}]}
    assert not holds("name.where(family = 'C').family = 'C'", "Patient", patient)
    assert not holds("name.single().exists()", "Patient", patient)
    assert holds("name.family", "Patient", patient)


def test_json_of_another_shape_is_left_to_others(holds: Holds) -> None:
    assert holds("name.family.startsWith('A')", "Patient", {"name": {"family": 5}})
    assert holds("contact.name.exists()", "Patient", {"contact": ["x"]})


def test_a_choice_is_known_by_its_json(holds: Holds) -> None:
    vital = "($this as dateTime).toString().length() >= 8"
    assert holds(vital, "Observation.effective[x]", "2024-01-01")
    assert not holds(vital, "Observation.effective[x]", "2024")
    assert holds("$this is Period", "Observation.effective[x]", {"start": "2024"})


def test_resolved_resources_have_their_type(r4: Definitions) -> None:
    test = compile_invariant("subject.resolve() is Patient", r4, "Observation")
    observation = {"resourceType": "Observation", "subject": {"reference": "Patient/1"}}

    def around(target: Json | None) -> Environment:
        return Environment(observation, observation, resolve=lambda _reference: target)

    assert test(observation, None, around({"resourceType": "Patient"}))
    assert not test(observation, None, around({"resourceType": "Group"}))
    assert not test(observation, None, around(None))
    with pytest.raises(NotEvaluated):
        test(observation, None, Environment(observation, observation))


@pytest.mark.parametrize("text", ["name.", "name.nowhere()", "'open", "name['", "1 +", "a b"])
def test_what_is_no_fhirpath_is_refused_while_compiling(text: str, r4: Definitions) -> None:
    with pytest.raises(NotEvaluated):
        compile_invariant(text, r4, "Patient")


def test_endless_numbers_end_an_evaluation(holds: Holds) -> None:
    from decimal import Decimal

    huge = {"value": Decimal("1e999999999"), "code": "1", "system": "http://unitsofmeasure.org"}
    assert not holds("value + 1 > value", "Quantity", huge)
    assert holds("value.toString().length() < 100", "Quantity", huge)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("value.hasValue()", True),  # an object has a text
        ("value >= 1 's'", True),  # numbers in base units compare, whatever they measure
        ("value.lowBoundary() <= value.highBoundary()", True),
        ("value.type().name = 'Quantity' and status.type().name = 'Code'", True),
        ("status.ofType(string).empty() and status is string", True),
        ("note.text.first().startsWith('a')", False),  # a string that has an extension only
        ("%unheard.exists()", False),
        ("focus.exists()", False),  # it holds nothing
    ],
)
def test_invariants_answer_as_hl7s_validator(text: str, answer: bool, holds: Holds) -> None:
    observation = {
        "resourceType": "Observation",
        "status": "final",
        "valueQuantity": {**QUANTITY, "value": 2000},
        "note": [{"_text": {"extension": [{"url": "http://x", "valueCode": "unknown"}]}}],
        "focus": [{}],
    }
    assert holds(text, "Observation", observation) is answer


def test_deep_json_ends(holds: Holds) -> None:
    deep: dict[str, Any] = {}
    for _ in range(100_000):
        deep = {"extension": [deep]}
    assert holds("extension.exists()", "Extension", deep)
    while deep:  # taken apart by hand, since Python's own way down is as deep
        deep = deep["extension"][0]
