"""The line of an element, as an editor counts it."""

from __future__ import annotations

import json

import pytest

from adapter.validation.positions import line_of, lines_of, steps, xml_lines_of

BUNDLE = """\
{
  "resourceType": "Bundle",
  "entry": [
    {
      "fullUrl": "urn:uuid:1",
      "resource": {
        "resourceType": "Observation",
        "id": "o",
        "text": {"div": "<div> \\"value\\": [{ \\\\</div>"},
        "valueQuantity": {
          "value": 1
        },
        "status": "final",
        "_status" : {
          "extension" : [
            {"url": "a"},
            {"url": "b",
             "valueString": "x"}
          ]
        },
        "note": [{"text": "a"},
                 {"text": "b"}]
      }
    },
    {
      "resource": {"resourceType": "Patient"}
    }
  ]
}
"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("Bundle", 1),
        ("Bundle.entry", 3),
        ("Bundle.entry[0]", 4),
        ("Bundle.entry[0].fullUrl", 5),
        ("Bundle.entry[0].resource/*Observation/o*/", 6),
        ("Bundle.entry[0].resource/*Observation/o*/.value.ofType(Quantity).value", 11),
        ("Bundle.entry[0].resource.valueQuantity", 10),
        ("Bundle.entry[0].resource.value[x].value", 11),
        ("Bundle.entry[0].resource.status", 13),
        ("Bundle.entry[0].resource.status.extension[1].value.ofType(string)", 18),
        ("Bundle.entry[0].resource.note[1].text", 22),
        ("Bundle.entry[1].resource/*Patient/null*/", 26),
        ("Bundle.entry[1].resource/*Patient/null*/.name", 26),  # missing: its parent's line
        ("Bundle.entry[7]", 3),
        ("$", 1),
    ],
)
def test_line_of_an_element(path: str, line: int) -> None:
    assert json.loads(BUNDLE)
    assert line_of(BUNDLE, path) == line


def test_many_lines_in_one_pass() -> None:
    paths = ["Bundle.entry[1]", "Bundle.entry[0].fullUrl", "Bundle"]
    assert lines_of(BUNDLE, paths) == {
        "Bundle": 1,
        "Bundle.entry[0].fullUrl": 5,
        "Bundle.entry[1]": 25,
    }


def test_text_may_start_on_a_later_line() -> None:
    assert line_of('{"resourceType": "Patient"}', "Patient.name", 17) == 17


def test_text_that_breaks_off_has_the_lines_until_then() -> None:
    assert line_of('{"a": 1,\n"b": {\n"c": "x', "X.b.c") == 3
    assert line_of("", "X.a") is None


def test_steps_of_a_path() -> None:
    path = "Observation.component[1].value.ofType(CodeableConcept).coding[0].code"
    assert list(steps(path)) == ["component", 1, "valueCodeableConcept", "coding", 0, "code"]


XML = b"""\
<?xml version="1.0"?>
<Bundle xmlns="http://hl7.org/fhir">
  <entry>
    <resource>
      <Patient>
        <name>
          <given value="a"/>
          <given value="b"/>
        </name>
        <deceasedBoolean value="true"/>
      </Patient>
    </resource>
  </entry>
  <entry/>
</Bundle>
"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("Bundle.entry[0].resource/*Patient/null*/.name[0].given[1]", 8),
        ("Bundle.entry[0].resource/*Patient/null*/.deceased.ofType(boolean)", 10),
        ("Bundle.entry[0].resource.birthDate", 5),
        ("Bundle.entry[1]", 14),
        ("Bundle.type", 2),
    ],
)
def test_line_of_an_xml_element(path: str, line: int) -> None:
    assert xml_lines_of(XML, [path]) == {path: line}
