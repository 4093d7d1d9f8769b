"""What a server cannot hold is left out for it, and nothing else."""

from __future__ import annotations

import copy
from collections import Counter
from typing import Any

import pytest

from adapter.fhir.omit import Omission, without

LATER = "http://hl7.org/fhir/5.0/"
OMITTED = Omission((LATER,))
EXTENSION = {"url": f"{LATER}StructureDefinition/extension-ResearchStudy.label"}


@pytest.mark.parametrize(
    ("resource", "left"),
    [
        ({"extension": [EXTENSION], "title": "x"}, {"title": "x"}),
        ({"extension": [EXTENSION, {"url": "u"}]}, {"extension": [{"url": "u"}]}),
        ({"extension": [{"url": "u", "extension": [EXTENSION]}]}, {"extension": [{"url": "u"}]}),
        ({"status": "active", "_status": {"extension": [EXTENSION]}}, {"status": "active"}),
        (
            {"given": ["A", "B"], "_given": [None, {"extension": [EXTENSION]}]},
            {"given": ["A", "B"]},
        ),
        (
            {"given": ["A", "B"], "_given": [{"id": "1"}, {"extension": [EXTENSION]}, None]},
            {"given": ["A", "B"], "_given": [{"id": "1"}, None, None]},
        ),
        ({"contact": [{"extension": [EXTENSION]}, {"name": "x"}]}, {"contact": [{"name": "x"}]}),
    ],
)
def test_only_the_named_extensions_go(resource: dict[str, Any], left: dict[str, Any]) -> None:
    counts: Counter[str] = Counter()
    before = copy.deepcopy(resource)
    assert without(resource, OMITTED, counts) == left
    assert counts == {EXTENSION["url"]: 1}
    assert resource == before


def test_what_has_none_stays_the_very_same() -> None:
    resource = {"extension": [{"url": "http://hl7.org/fhir/StructureDefinition/x"}], "meta": {}}
    counts: Counter[str] = Counter()
    assert without(resource, OMITTED, counts) is resource
    assert not counts


def test_profiles_go_where_a_server_does_not_know_them() -> None:
    counts: Counter[str] = Counter()
    resource = {"id": "1", "meta": {"profile": ["p"], "tag": [{"code": "t"}]}}
    bare = {"id": "1", "meta": {"profile": ["p"]}}
    omission = Omission(meta_profile=True)
    assert without(resource, omission, counts) == {"id": "1", "meta": {"tag": [{"code": "t"}]}}
    assert without(bare, omission, counts) == {"id": "1"}
    assert counts == {"meta.profile": 2}


def test_of_a_concept_the_text_is_left_where_a_server_knows_other_codes() -> None:
    counts: Counter[str] = Counter()
    system = "http://terminology.hl7.org/CodeSystem/adverse-event-seriousness"
    coded = {"coding": [{"system": system, "code": "serious"}], "text": "Serious"}
    kept = {"coding": [{"system": "http://snomed.info/sct", "code": "1"}]}
    omission = Omission(codings=(system,))
    resource = {"seriousness": coded, "event": kept}
    assert without(resource, omission, counts) == {
        "seriousness": {"text": "Serious"},
        "event": kept,
    }
    assert counts == {system: 1}
