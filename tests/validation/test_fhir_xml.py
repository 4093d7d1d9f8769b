"""FHIR XML read into FHIR JSON's shape, and refused where it is no FHIR XML."""

from __future__ import annotations

import pytest

from adapter.validation.definitions import Definitions
from adapter.validation.issues import Issue
from adapter.validation.xml import parse_xml

R4 = Definitions.shipped("R4")


def patient(body: str, attributes: str = "") -> bytes:
    head = '<?xml version="1.0" encoding="UTF-8"?>\n'
    return f'{head}<Patient xmlns="http://hl7.org/fhir"{attributes}>\n{body}\n</Patient>'.encode()


def observation(value: str) -> bytes:
    return f'<Observation xmlns="http://hl7.org/fhir"><valueQuantity><value value="{value}"/></valueQuantity></Observation>'.encode()  # noqa: E501


SHAPES = {
    '<active value="true"/>': {"active": True},
    '<active value="yes"/>': {"active": "yes"},
    '<multipleBirthInteger value="2"/>': {"multipleBirthInteger": 2},
    '<multipleBirthInteger value="02"/>': {"multipleBirthInteger": "02"},
    '<name><given value="A"/><given value="B"/></name>': {"name": [{"given": ["A", "B"]}]},
    '<birthDate id="b" value="2020"><extension url="urn:x"><valueCode value="c"/></extension></birthDate>': {  # noqa: E501
        "birthDate": "2020",
        "_birthDate": {"id": "b", "extension": [{"url": "urn:x", "valueCode": "c"}]},
    },
    '<name><given value="A"/><given><extension url="urn:x"/></given><given value="C"/></name>': {
        "name": [
            {"given": ["A", None, "C"], "_given": [None, {"extension": [{"url": "urn:x"}]}, None]}
        ]
    },
    '<contained><Organization><id value="o"/></Organization></contained>': {
        "contained": [{"resourceType": "Organization", "id": "o"}]
    },
    '<contact id="c"><name><text value="x"/></name></contact>': {
        "contact": [{"id": "c", "name": {"text": "x"}}]
    },
    '<text><status value="generated"/><div xmlns="http://www.w3.org/1999/xhtml">a &amp; <b class="c">b</b><br/></div></text>': {  # noqa: E501
        "text": {
            "status": "generated",
            "div": '<div xmlns="http://www.w3.org/1999/xhtml">a &amp; <b class="c">b</b><br/></div>',  # noqa: E501
        }
    },
    "<gender/>": {"_gender": {}},
    "<name/>": {"name": [{}]},
}


@pytest.mark.parametrize(("body", "wanted"), SHAPES.items())
def test_xml_becomes_json(body: str, wanted: dict[str, object]) -> None:
    assert parse_xml(patient(body), R4) == ({"resourceType": "Patient", **wanted}, [])


def test_prefixes_are_as_good_as_a_default_namespace() -> None:
    text = b'<f:Patient xmlns:f="http://hl7.org/fhir"><f:gender value="male"/></f:Patient>'
    assert parse_xml(text, R4) == ({"resourceType": "Patient", "gender": "male"}, [])


@pytest.mark.parametrize(
    ("text", "wanted"), [("1", 1), ("1.50", 1.5), ("-0.5", -0.5), (".5", ".5"), ("abc", "abc")]
)
def test_decimals(text: str, wanted: object) -> None:
    resource, _ = parse_xml(observation(text), R4)
    assert resource is not None
    assert resource["valueQuantity"] == {"value": wanted}


def test_elements_defined_elsewhere_in_the_type_nest() -> None:
    text = b'<Questionnaire xmlns="http://hl7.org/fhir"><item><linkId value="1"/><item><linkId value="2"/></item></item></Questionnaire>'  # noqa: E501
    resource, issues = parse_xml(text, R4)
    assert resource is not None
    assert resource["item"] == [{"linkId": "1", "item": [{"linkId": "2"}]}]
    assert issues == []


FAULTS = {
    '<birthDate value="2020"/>\n<gender value="male"/>': (
        "Patient.gender", 4, "Validation_VAL_Profile_OutOfOrder"),
    '<name><given value="x"/><family value="y"/></name>': (
        "Patient.name[0].family", 3, "Validation_VAL_Profile_OutOfOrder"),
    '<gender value="male"/><gender value="male"/>': (
        "Patient", 2, "Validation_VAL_Profile_Maximum"),
    '<name><foo value="x"/></name>': ("Patient.name[0]", 3, "Undefined_element_"),
    '<gender value="male" foo="x"/>': (
        "Patient.gender", 3, "Undefined_attribute__on__for_type__properties__"),
    '<gender xmlns="urn:x" value="male"/>': ("Patient.gender", 3, "Wrong_namespace__expected_"),
    '<gender value="male"/>hello': ("Patient", 2, "Text_should_not_be_present"),
    "<gender>male</gender>": ("Patient.gender", 3, "Text_should_not_be_present"),
    '<?x y?><gender value="male"/>': ("Patient", 2, "Node_type__is_not_allowed"),
    "<contained><Foo/></contained>": (
        "Patient.contained[0]", 3,
        "Contained_resource_does_not_appear_to_be_a_FHIR_resource_unknown_name_"),
    '<contained><Patient><id value="p"/><foo/></Patient></contained>': (
        "Patient.contained[0]/*Patient/p*/", 3, "Undefined_element_"),
}  # fmt: skip


@pytest.mark.parametrize(("body", "wanted"), FAULTS.items())
def test_what_json_could_not_show_is_an_issue(body: str, wanted: tuple[str, int, str]) -> None:
    resource, issues = parse_xml(patient(body), R4)
    assert resource is not None
    assert [(i.path, i.line, i.messageId) for i in issues if i.severity == "error"] == [wanted]


def fatal(text: bytes) -> Issue:
    resource, issues = parse_xml(text, R4)
    assert resource is None
    assert issues[-1].severity == "fatal"
    return issues[-1]


DTD = """<?xml version="1.0"?>
<!DOCTYPE x [{}]>
<Patient xmlns="http://hl7.org/fhir"><gender value="&e;"/></Patient>"""


@pytest.mark.parametrize(
    "declaration",
    [
        "",
        '<!ENTITY a "aaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;"><!ENTITY e "&b;&b;&b;&b;">',
        '<!ENTITY e SYSTEM "file:///etc/passwd">',
        '<!ENTITY % p SYSTEM "http://127.0.0.1/x"> %p;',
    ],
)
def test_document_types_and_entities_are_refused(declaration: str) -> None:
    found = fatal(DTD.format(declaration).encode())
    assert ("DOCTYPE" in found.message, found.line) == (True, 2)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{}",
        patient('<gender value="male"/>')[:-8],
        patient('<gender value="&nbsp;"/>'),
        patient("<contact>" * 100_000),
        b'<Patient><id value="a"/></Patient>',
        b'<Patient xmlns="urn:x"/>',
        b'<Foo xmlns="http://hl7.org/fhir"/>',
        b'<HumanName xmlns="http://hl7.org/fhir"/>',
        b'<?xml version="1.0" encoding="rot13"?><Patient xmlns="http://hl7.org/fhir"/>',
        b'<Patient xmlns="http://hl7.org/fhir"><gender value="\xff"/></Patient>',
    ],
    ids=lambda text: text[:40].decode(errors="replace"),
)
def test_what_is_no_fhir_xml_is_fatal(text: bytes) -> None:
    assert fatal(text).line


@pytest.mark.parametrize("encoding", ["ISO-8859-1", "UTF-16"])
def test_other_encodings_are_an_error_and_still_read(encoding: str) -> None:
    text = patient('<name><family value="Müller"/></name>').decode().replace("UTF-8", encoding)
    resource, issues = parse_xml(text.encode(encoding), R4)
    assert resource is not None
    assert resource["name"] == [{"family": "Müller"}]
    assert [issue.messageId for issue in issues] == ["xml_encoding_invalid"]
