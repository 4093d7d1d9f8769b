"""Mutants of official examples, one random fault each, the same for the same seed.

    python tests/official/mutate.py --release R4 --packages DIR [DIR...] --seed 1 --count 2000 \
        --out FILE.ndjson

A package is an unpacked npm folder or a ``.tgz``; one of them must hold the StructureDefinitions.
Beside ``FILE.ndjson`` lies ``FILE.meta.ndjson``: line, type, source, class and path of each.
"""

from __future__ import annotations

import argparse
import base64
import json
import random
import tarfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

MAX_BYTES = 60_000
ORIGINALS = 0.08
FEW = {"StructureDefinition": 5}  # the official validator takes a second for each
CONFORMANCE = (
    "ValueSet CodeSystem CapabilityStatement SearchParameter ConceptMap OperationDefinition "
    "NamingSystem CompartmentDefinition StructureMap ImplementationGuide"
).split()
CONFORMANCE_MOST = 12  # of each, in a run
PRIMITIVES = set(
    "base64Binary boolean canonical code date dateTime decimal id instant integer integer64 "
    "markdown oid positiveInt string time unsignedInt uri url uuid xhtml".split()
)
SYSTEM_TYPES = {
    "http://hl7.org/fhirpath/System.String": "string",
    "http://hl7.org/fhirpath/System.Boolean": "boolean",
    "http://hl7.org/fhirpath/System.Integer": "integer",
    "http://hl7.org/fhirpath/System.Decimal": "decimal",
    "http://hl7.org/fhirpath/System.Date": "date",
    "http://hl7.org/fhirpath/System.DateTime": "dateTime",
    "http://hl7.org/fhirpath/System.Time": "time",
}
BASE = "http://hl7.org/fhir/StructureDefinition/"

BAD: dict[str, list[Any]] = {
    "base64Binary": [
        "abc",
        "%%%2@()()",
        "YWJj=",
        "Y W J j",
        "YWJj\nYWJj",
        "====",
        "YW-_",
        "YWJjZA",
    ],
    "boolean": ["true", "maybe", 1, 0, "False"],
    "canonical": [
        "not a uri",
        "ValueSet/x",
        "#nofragment",
        "http://example.org/ValueSet/a|",
        "|1.0",
        "http://example.org/x y",
        "http://hl7.org/fhir/ValueSet/none-such",
        "urn:oid:1.2.x",
        "urn:uuid:123",
    ],
    "code": ["no such", " lead", "trail ", "two  spaces", "Xx-unknown-xX", "tab\there", "a\nb"],
    "date": [
        "2020-13-01",
        "2020-02-30",
        "20200101",
        "2020-1-1",
        "2020-01-01T10:00:00Z",
        "01/02/2020",
        "0000-01-01",
        "2020-00-10",
        "yesterday",
        "20",
        "1700-01-01",
        "2500-01-01",
        "2020-01-01Z",
    ],
    "dateTime": [
        "2020-13-01",
        "2021-02-29",
        "2020-01-01T10:00:00",
        "2020-01-01T25:00:00Z",
        "2020-01-01T10:00Z",
        "2020-01-01 10:00:00Z",
        "2020-01-01T10:00:00+15:00",
        "2020-01-01T10:00:60Z",
        "2020-01-01T24:00:00Z",
        "2020-01-01T10:00:00.1234567890123Z",
        "2020-01-01T10:00:00z",
        "now",
        "0800-01-01",
        "9999-12-31",
        "2020-01-01T10:61:00Z",
    ],
    "decimal": ["1.0", "x", 1e10, 1.0e-10, "NaN"],
    "id": ["a b", "under_score", "x" * 65, "é", "a/b", "#a", ""],
    "instant": [
        "2020-01-01",
        "2020-01-01T10:00:00",
        "2020-01-01T10:00Z",
        "2020-02-30T10:00:00Z",
        "2020-01-01T10:00:00.5+25:00",
        "2020",
    ],
    "integer": [1.5, "1", 2147483648, -2147483649, 1.0, "x"],
    "integer64": ["1.5", 5, "x", "9223372036854775808", "-1"],
    "markdown": ["", " ", 5, "<script>alert(1)</script>", "a\u0001b"],
    "oid": ["urn:oid:", "1.2.3", "urn:oid:3.1", "urn:oid:1.02.3", "urn:oid:1.2.", "urn:uuid:x"],
    "positiveInt": [0, -1, 1.5, "1", 2147483648],
    "string": ["", " ", 5, True, "\t", " lead", "trail ", "a\u0000b", "a\u0001b", "<b>html</b>"],
    "time": ["24:00:00", "10:00", "10:00:00Z", "T10:00:00", "10:60:00", "10:00:61", "noon"],
    "unsignedInt": [-1, 1.5, "0", 2147483648],
    "uri": [
        "a b",
        "",
        " http://x.org",
        "urn:oid:1.2.x",
        "urn:uuid:XYZ",
        "http://x.org/a b",
        "%%%",
        "urn:uuid:C757873D-EC9A-4326-A141-556F43239520",
        "urn:oid:9.9",
        "OID:1.2",
        "http:/x",
    ],
    "url": ["a b", "urn:oid:1.2.x", "http://x y", "//x", "C:\\x", "mailto:a@b.org"],
    "uuid": [
        "urn:uuid:",
        "c757873d-ec9a-4326-a141-556f43239520",
        "urn:uuid:XYZ",
        "urn:uuid:C757873D-EC9A-4326-A141-556F43239520",
        "urn:oid:1.2.3",
    ],
    "xhtml": ["x"],
}
ODD: dict[str, list[Any]] = {  # unusual, most of it right
    "base64Binary": ["YWJj", "YQ==", "YWI="],
    "canonical": [
        "http://example.org/x|1.0",
        "http://example.org/x#frag",
        "urn:oid:1.2.3",
        "urn:uuid:c757873d-ec9a-4326-a141-556f43239520",
    ],
    "code": ["a b"],
    "date": ["2020", "2020-02", "2020-02-29", "1900-01-01", "2100-12-31"],
    "dateTime": [
        "2020",
        "2020-02",
        "2020-02-29",
        "2020-01-01T10:00:00-12:00",
        "2020-01-01T10:00:00.123456Z",
        "2020-12-31T23:59:60Z",
        "2020-01-01T00:00:00+14:00",
    ],
    "decimal": [0, -0.0, 1e-3, 123456789.123456, 0.000000001, -5],
    "id": ["A.b-1", "x" * 64, "1"],
    "instant": ["2020-01-01T10:00:00Z", "2020-01-01T10:00:00.001+08:00"],
    "integer": [0, -5, 2147483647],
    "integer64": ["5", "-5"],
    "markdown": ["# x\n\n* y", "a < b", "a\u00a0b"],
    "oid": ["urn:oid:1.2.3", "urn:oid:2.16.840.1.113883"],
    "positiveInt": [1, 2147483647],
    "string": ["a\nb", "日本語", "😀", "a\tb", "x" * 3000, "a < b", "\u00a0x"],
    "time": ["10:00:00", "10:00:00.5", "23:59:59"],
    "unsignedInt": [0, 2147483647],
    "uri": [
        "urn:oid:1.2.3",
        "urn:x",
        "x",
        "#x",
        "http://example.org/x?y=z#w",
        "urn:iso:std:iso:1",
        "urn:uuid:c757873d-ec9a-4326-a141-556f43239520",
        "tel:123",
        "http://例え.jp",
    ],
    "url": ["http://example.org", "ftp://x.org/a", "file:///a"],
    "uuid": ["urn:uuid:c757873d-ec9a-4326-a141-556f43239520"],
}
NARRATIVES = [
    "<div>no namespace</div>",
    '<div xmlns="http://www.w3.org/1999/xhtml"></div>',
    '<div xmlns="http://www.w3.org/1999/xhtml"> </div>',
    '<div xmlns="http://www.w3.org/1999/xhtml"><script>alert(1)</script></div>',
    '<div xmlns="http://www.w3.org/1999/xhtml"><p onclick="x()">a</p></div>',
    '<div xmlns="http://www.w3.org/1999/xhtml"><form>a</form></div>',
    '<div xmlns="http://www.w3.org/1999/xhtml"><p>a</div>',
    '<div xmlns="http://www.w3.org/1999/xhtml"><p>a</p>',
    '<div xmlns="http://www.w3.org/1999/xhtml">a & b</div>',
    '<div xmlns="http://www.w3.org/1999/xhtml">a &nbsp; b</div>',
    '<div xmlns="http://www.w3.org/1999/xhtml">a &unknown; b</div>',
    '<div xmlns="http://www.w3.org/1999/xhtml">a < b</div>',
    '<p xmlns="http://www.w3.org/1999/xhtml">a</p>',
    '<div xmlns="http://www.w3.org/1999/xhtml"><img src="x.png" alt="x"/></div>',
    '<div xmlns="http://www.w3.org/1999/xhtml"><img src="#nope" alt="x"/></div>',
    '<div xmlns="http://www.w3.org/1999/xhtml"><a href="javascript:x()">a</a></div>',
    '<div xmlns="http://www.w3.org/1999/xhtml"><a href="#nope">a</a></div>',
    '<div xmlns="http://www.w3.org/1999/xhtml"><a href="http://x.org">a</a><a name="b">b</a></div>',
    '<div xmlns="http://www.w3.org/1999/xhtml"><font color="red">a</font></div>',
    '<div xmlns="http://www.w3.org/1999/xhtml"><iframe src="x"/></div>',
    '<div xmlns="http://www.w3.org/1999/xhtml"><style>p{}</style><p style="color:red">a</p></div>',
    '<div xmlns="http://www.w3.org/1999/xhtml"><table><tr><td colspan="2">a</td></tr></table>'
    "</div>",
    '<div xmlns="http://www.w3.org/1999/xhtml"><!-- x --></div>',
    '<div xmlns="http://www.w3.org/1999/xhtml"><b>a</b> &#169; &lt; &copy; <br/> ok</div>',
    '<!DOCTYPE html><div xmlns="http://www.w3.org/1999/xhtml">a</div>',
    '<div xmlns="http://www.w3.org/1999/xhtml" lang="de" xml:lang="en">a</div>',
    '<div xmlns="http://www.w3.org/1999/xhtml"><p><table><tr><td>a</td></tr></table></p></div>',
    '<div xmlns="http://www.w3.org/1999/xhtml"><a id="n1">a</a><a id="n1">b</a></div>',
    "plain",
    "",
    5,
]
EXTENSIONS: list[Any] = [
    {"url": "http://example.org/unknown", "valueString": "x"},
    {"url": "http://nowhere.test/StructureDefinition/unknown", "valueString": "x"},
    {"valueString": "x"},
    {"url": "relative", "valueString": "x"},
    {"url": "http://hl7.org/fhir/StructureDefinition/none-such", "valueString": "x"},
    {"url": BASE + "data-absent-reason", "valueCode": "unknown"},
    {"url": BASE + "data-absent-reason", "valueCode": "no-such"},
    {"url": BASE + "data-absent-reason", "valueString": "unknown"},
    {"url": BASE + "data-absent-reason"},
    {
        "url": BASE + "data-absent-reason",
        "valueCode": "unknown",
        "extension": [{"url": "x", "valueString": "y"}],
    },
    {"url": BASE + "patient-birthPlace", "valueAddress": {"city": "x"}},
    {"url": BASE + "patient-birthPlace", "valueString": "x"},
    {"url": BASE + "rendering-markdown", "valueMarkdown": "x"},
    {
        "url": BASE + "translation",
        "extension": [{"url": "lang", "valueCode": "de"}, {"url": "content", "valueString": "x"}],
    },
    {"url": BASE + "translation", "extension": [{"url": "lang", "valueCode": "de"}]},
    {"url": BASE + "translation", "extension": [{"url": "other", "valueCode": "de"}]},
    {
        "url": BASE + "patient-nationality",
        "extension": [{"url": "code", "valueCodeableConcept": {"text": "x"}}],
    },
    {
        "url": "http://hl7.org/fhir/5.0/StructureDefinition/extension-Patient.name",
        "valueString": "x",
    },
    {"url": BASE + "data-absent-reason|4.0.1", "valueCode": "unknown"},
    {"url": BASE + "originalText", "valueString": "x"},
    {"url": BASE + "originalText", "valueBoolean": "x"},
    {"url": "http://example.org/unknown", "valueFoo": "x"},
    {"url": "http://example.org/unknown", "extension": [{"url": "a", "valueInteger": "x"}]},
    {},
    "x",
]
PROFILES = [
    "http://example.org/StructureDefinition/unknown",
    BASE + "none-such",
    "relative/profile",
    BASE + "Patient",
    BASE + "vitalsigns",
    BASE + "bodyweight",
    BASE + "bp",
    BASE + "shareablevalueset",
    BASE + "cholesterol",
    BASE + "actualgroup",
    BASE + "Patient|4.0.1",
    BASE + "Patient|9.9",
    "#x",
    "",
]
REFERENCES: list[Any] = [
    {"reference": "#nofragment"},
    {"reference": "#"},
    {"reference": "Patient?identifier=x|y"},
    {"reference": "NoSuchType/1"},
    {"reference": "Patient/a b"},
    {"reference": "Patient/"},
    {"reference": "Patient"},
    {"reference": "patient/1"},
    {"reference": "http://example.org/fhir/NoSuchType/1"},
    {"reference": "http://example.org/nonsense"},
    {"reference": "http://example.org/fhir/Patient/1"},
    {"reference": "http://example.org/fhir/StructureDefinition/1/_history/2"},
    {"reference": "urn:uuid:c757873d-ec9a-4326-a141-556f43239520"},
    {"reference": "urn:uuid:C757"},
    {"reference": "urn:oid:1.2.x"},
    {"reference": "ValueSet/1"},
    {"reference": "Patient/1", "type": "Practitioner"},
    {"reference": "Patient/1", "type": "NoSuch"},
    {"type": "Patient", "identifier": {"value": "1"}},
    {"type": "ValueSet", "identifier": {"value": "1"}},
    {"display": "only"},
    {"identifier": {"system": "http://x.org", "value": "1"}},
    {"reference": "Binary/1"},
    {"reference": "not a reference"},
    {"reference": "/Patient/1"},
    {"reference": "Patient/1/2"},
    {"reference": "Patient/1#x"},
    {"reference": ""},
    {"reference": 5},
    {"type": "Patient"},
    {},
    "Patient/1",
]
SYSTEMS = [
    "http://example.org/unknown-system",
    "relative",
    "http://loinc.org/",
    "LOINC",
    "urn:oid:2.16.840.1.113883.6.1",
    "http://snomed.info/sct/",
    "http://unitsofmeasure.org",
    "http://terminology.hl7.org/CodeSystem/v3-ActCode",
    "http://hl7.org/fhir/ValueSet/observation-status",
    "http://hl7.org/fhir/observation-status",
    "http://terminology.hl7.org/CodeSystem/none-such",
    "http://snomed.info/sct",
    "http://loinc.org",
    "http://hl7.org/fhir/sid/icd-10",
    "urn:iso:std:iso:3166",
    "urn:ietf:bcp:47",
    "",
    "http://hl7.org/fhir/v3/ActCode",
    "urn:uuid:x",
]
UNITS: list[dict[str, Any]] = [
    {"code": "foo"},
    {"code": "mg/"},
    {"code": "[lbs]"},
    {"code": "10*9/L"},
    {"code": "{score}"},
    {"code": "mm[Hg]"},
    {"code": "mmHg"},
    {"code": "Mg"},
    {"code": "KG"},
    {"system": "http://example.org/units"},
    {"system": None},
    {"code": None},
    {"value": None},
    {"comparator": "~"},
    {"comparator": "<"},
    {"value": "5"},
    {"unit": ""},
    {"code": ""},
    {"code": "mg{x}"},
    {"code": "%"},
    {"code": "m g"},
]


@dataclass(slots=True)
class Element:
    """What a definition says of one element."""

    types: list[str]
    least: int
    most: str
    targets: list[str] = field(default_factory=list)
    binding: str = ""


@dataclass(slots=True)
class Node:
    """A value in a resource: ``holder[key]`` is the value."""

    holder: Any
    key: Any
    kind: str  # its type, "" when unknown
    path: str
    element: Element | None
    owner: str  # the definition path that names its siblings

    @property
    def value(self) -> Any:
        return self.holder[self.key]

    @value.setter
    def value(self, new: Any) -> None:
        self.holder[self.key] = new


class Model:
    """Element tables of the base definitions: path of a type or backbone -> its elements."""

    def __init__(self, structures: list[dict[str, Any]]):
        self.table: dict[str, dict[str, Element]] = defaultdict(dict)
        self.alias: dict[str, str] = {}
        self.resources: list[str] = []
        for structure in structures:
            if structure["kind"] == "resource" and not structure.get("abstract"):
                self.resources.append(structure["type"])
            for element in structure["snapshot"]["element"]:
                self._add(element)
        self.resources.sort()

    def _add(self, element: dict[str, Any]) -> None:
        owner, _, name = element["path"].rpartition(".")
        if not owner:
            return
        if "contentReference" in element:
            self.alias[element["path"]] = element["contentReference"].split("#")[1]
        types = [SYSTEM_TYPES.get(t["code"], t["code"]) for t in element.get("type", [])]
        targets = [
            p.rsplit("/", 1)[1] for t in element.get("type", []) for p in t.get("targetProfile", [])
        ]
        binding = element.get("binding", {}).get("strength", "")
        self.table[owner][name] = Element(types, element["min"], element["max"], targets, binding)

    def find(self, owner: str, key: str) -> tuple[Element | None, str]:
        """The element a JSON key names, and its type."""
        known = self.table.get(owner, {})
        if key in known:
            types = known[key].types
            return known[key], types[0] if types else ""
        for name, element in known.items():
            if name.endswith("[x]") and key.startswith(name[:-3]):
                suffix = key[len(name) - 3 :]
                for kind in element.types:
                    if suffix == kind[0].upper() + kind[1:]:
                        return element, kind
        return None, ""

    def inside(self, owner: str, key: str, kind: str) -> str:
        """The table of a child: of a backbone its path, else of its type."""
        path = f"{owner}.{key}"
        path = self.alias.get(path, path)
        return path if path in self.table else kind


def walk(model: Model, resource: dict[str, Any]) -> list[Node]:
    """Every value of a resource, those of arrays one by one and as a whole."""
    found: list[Node] = []
    _walk(
        model, resource, resource.get("resourceType", ""), resource.get("resourceType", ""), found
    )
    return found


def _walk(model: Model, holder: dict[str, Any], owner: str, path: str, found: list[Node]) -> None:
    for key, value in holder.items():
        element, kind = model.find(owner, key)
        here = f"{path}.{key}"
        found.append(Node(holder, key, kind, here, element, owner))
        items = value if isinstance(value, list) else [value]
        for index, item in enumerate(items):
            at = f"{here}[{index}]" if isinstance(value, list) else here
            if isinstance(value, list):
                found.append(Node(value, index, kind, at, element, owner))
            if isinstance(item, dict):
                inner = item.get("resourceType") or model.inside(owner, key, kind)
                _walk(model, item, inner if isinstance(inner, str) else "", at, found)


class Maker:
    """Plausible values for declared elements."""

    SAMPLE: ClassVar[dict[str, Any]] = {
        "boolean": True,
        "integer": 5,
        "positiveInt": 3,
        "unsignedInt": 2,
        "integer64": "5",
        "decimal": 2.5,
        "string": "some text",
        "markdown": "some *text*",
        "code": "en",
        "id": "an-id",
        "uri": "http://example.org/uri",
        "url": "http://example.org/url",
        "canonical": "http://example.org/canonical",
        "oid": "urn:oid:1.2.3",
        "uuid": "urn:uuid:c757873d-ec9a-4326-a141-556f43239520",
        "date": "2020-05-01",
        "dateTime": "2020-05-01T10:00:00Z",
        "instant": "2020-05-01T10:00:00Z",
        "time": "10:00:00",
        "base64Binary": base64.b64encode(b"abc").decode(),
        "xhtml": '<div xmlns="http://www.w3.org/1999/xhtml">x</div>',
    }

    def __init__(self, model: Model, rng: random.Random):
        self.model = model
        self.rng = rng

    def make(self, owner: str, name: str, kind: str, element: Element, depth: int = 0) -> Any:
        """A value of ``kind`` for ``owner.name``: the required elements and a few others."""
        if kind in self.SAMPLE:
            return self.SAMPLE[kind]
        if kind == "Resource":
            return {"resourceType": "Basic", "id": "b1", "code": {"text": "x"}}
        if kind == "Reference":
            target = self.rng.choice(element.targets or ["Patient"])
            return {"reference": f"{'Patient' if target == 'Resource' else target}/1"}
        inner = self.model.inside(owner, name, kind)
        return self.fill(inner, depth + 1)

    def fill(self, owner: str, depth: int) -> dict[str, Any]:
        """An object with its required elements, and some others."""
        made: dict[str, Any] = {}
        for name, element in self.model.table.get(owner, {}).items():
            if name in ("id", "extension", "modifierExtension", "contained", "meta", "text"):
                continue
            if element.least or (depth < 3 and self.rng.random() < 0.3):
                self.put(made, owner, name, element, depth)
        return made or {"extension": [{"url": "http://example.org/e", "valueString": "x"}]}

    def put(
        self, holder: dict[str, Any], owner: str, name: str, element: Element, depth: int
    ) -> str:
        """Puts one element; the key it has in JSON."""
        if depth > 5 or element.most == "0":
            return name
        kind = self.rng.choice(element.types) if element.types else ""
        key = name[:-3] + kind[0].upper() + kind[1:] if name.endswith("[x]") and kind else name
        value = self.make(owner, name, kind, element, depth)
        holder[key] = value if element.most == "1" else [value]
        return key


class Mutator:
    """The named classes of faults: each returns the path it touched, or None if it cannot."""

    def __init__(self, model: Model, rng: random.Random):
        self.model = model
        self.rng = rng
        self.maker = Maker(model, rng)

    def mutate(self, resource: dict[str, Any], kind: str) -> str | None:
        """Applies one fault of a class in place."""
        nodes = walk(self.model, resource)
        return getattr(self, f"_{kind}")(resource, nodes)

    def _pick(self, nodes: list[Node], test: Callable[[Node], bool]) -> Node | None:
        fit = [node for node in nodes if test(node)]
        return self.rng.choice(fit) if fit else None

    def _of(self, nodes: list[Node], *kinds: str) -> Node | None:
        return self._pick(nodes, lambda n: n.kind in kinds and not isinstance(n.value, list))

    def _set(self, node: Node | None, value: Any) -> str | None:
        if node is None:
            return None
        node.value = deepcopy(value)
        return node.path

    def _original(self, resource: dict[str, Any], nodes: list[Node]) -> str | None:
        return resource["resourceType"]

    def _drop(self, resource: dict[str, Any], nodes: list[Node]) -> str | None:
        keep = self.rng.random() > 0.03
        node = self._pick(nodes, lambda n: not (keep and n.key == "resourceType"))
        if node:
            del node.holder[node.key]
        return node and node.path

    def _required(self, resource: dict[str, Any], nodes: list[Node]) -> str | None:
        node = self._pick(
            nodes,
            lambda n: isinstance(n.key, str) and n.element is not None and n.element.least > 0,
        )
        if node:
            del node.holder[node.key]
        return node and node.path

    def _rename(self, resource: dict[str, Any], nodes: list[Node]) -> str | None:
        node = self._pick(nodes, lambda n: isinstance(n.key, str))
        if node:
            key = node.key
            new = self.rng.choice(
                [
                    key + "x",
                    key.upper(),
                    key[:-1],
                    "_" + key,
                    key + "s",
                    key + " ",
                    key.capitalize(),
                ]
            )
            items = [(new if k == key else k, v) for k, v in node.holder.items()]
            node.holder.clear()
            node.holder.update(items)
        return node and node.path

    def _json_type(self, resource: dict[str, Any], nodes: list[Node]) -> str | None:
        node = self._pick(nodes, lambda n: n.key != "resourceType")
        if not node:
            return None
        choices = [
            5,
            1.5,
            True,
            "text",
            {"a": "b"},
            ["x"],
            [{"a": "b"}],
            {"value": "x"},
            str(node.value)[:40],
        ]
        same = type(node.value)
        return self._set(node, self.rng.choice([c for c in choices if type(c) is not same]))

    def _primitive(self, resource: dict[str, Any], nodes: list[Node]) -> str | None:
        kind = self.rng.choice(sorted({n.kind for n in nodes if n.kind in BAD} or {"string"}))
        node = self._of(nodes, kind)
        return self._set(node, self.rng.choice(BAD[kind]))

    def _odd(self, resource: dict[str, Any], nodes: list[Node]) -> str | None:
        kinds = sorted({n.kind for n in nodes if n.kind in ODD} or {"string"})
        kind = self.rng.choice(kinds)
        node = self._of(nodes, kind)
        return self._set(node, self.rng.choice(ODD[kind]))

    def _unknown(self, resource: dict[str, Any], nodes: list[Node]) -> str | None:
        objects = [(resource["resourceType"], resource)]
        objects += [(n.path, n.value) for n in nodes if isinstance(n.value, dict)]
        path, holder = self.rng.choice(objects)
        name = self.rng.choice(
            [
                "foo",
                "_foo",
                "fhir_comments",
                "Extra",
                "value",
                "resourceType",
                "valueString",
                "__proto__",
                "@type",
                "status",
                "code",
                "_id",
            ]
        )
        if name in holder:
            return None
        holder[name] = self.rng.choice(
            ["x", 5, {"extension": []}, ["x"], {"text": "x"}, {"id": "x"}]
        )
        return f"{path}.{name}"

    def _reference(self, resource: dict[str, Any], nodes: list[Node]) -> str | None:
        node = self._of(nodes, "Reference")
        if node is None:
            return None
        if self.rng.random() < 0.35:
            types = self.model.resources
            return self._set(node, {"reference": f"{self.rng.choice(types)}/1"})
        return self._set(node, self.rng.choice(REFERENCES))

    def _code(self, resource: dict[str, Any], nodes: list[Node]) -> str | None:
        node = self._of(nodes, "code")
        if node is None:
            return None
        value = str(node.value)
        return self._set(
            node,
            self.rng.choice(
                [
                    "no-such-code",
                    value.upper(),
                    value + "x",
                    value[1:],
                    value.capitalize(),
                    "unknown",
                    "active",
                    "final",
                ]
            ),
        )

    def _choice(self, resource: dict[str, Any], nodes: list[Node]) -> str | None:
        node = self._pick(nodes, self._is_choice)
        if not node or node.element is None:
            return None
        suffix = node.kind[0].upper() + node.kind[1:]
        base = node.key[: -len(suffix)]
        others = [
            *(k[0].upper() + k[1:] for k in node.element.types),
            "Quantity",
            "String",
            "Boolean",
            "Foo",
            "CodeableConcept",
            "",
        ]
        new = base + self.rng.choice(others)
        value = node.value
        if self.rng.random() < 0.7:
            del node.holder[node.key]
        node.holder[new] = value
        return node.path

    @staticmethod
    def _is_choice(node: Node) -> bool:
        return (
            isinstance(node.key, str)
            and bool(node.kind)
            and node.element is not None
            and len(node.element.types) > 1
            and node.key.endswith(node.kind[0].upper() + node.kind[1:])
        )

    def _number(self, resource: dict[str, Any], nodes: list[Node]) -> str | None:
        node = self._pick(nodes, lambda n: type(n.value) in (int, float))
        return self._set(
            node,
            self.rng.choice(
                [-1, 0, 1.5, 2147483648, -2147483649, 1e20, 1e-20, 5.0, 99999999999999999999]
            ),
        )

    def _empty(self, resource: dict[str, Any], nodes: list[Node]) -> str | None:
        node = self._pick(nodes, lambda n: n.key != "resourceType")
        return self._set(node, self.rng.choice(["", {}, [], None, " ", [None], [{}], [""]]))

    def _contained(self, resource: dict[str, Any], nodes: list[Node]) -> str | None:
        patient = {"resourceType": "Patient", "id": "c1", "active": True}
        cases: list[Any] = [
            [patient],
            [{"resourceType": "Patient", "active": True}],
            [patient, patient],
            [{**patient, "contained": [{"resourceType": "Patient", "id": "c2"}]}],
            [{**patient, "meta": {"versionId": "1"}}],
            [{**patient, "meta": {"security": [{"code": "x", "system": "http://x.org"}]}}],
            [{**patient, "text": {"status": "generated", "div": Maker.SAMPLE["xhtml"]}}],
            [{"resourceType": "NoSuch", "id": "c1"}],
            [{"id": "c1"}],
            [{**patient, "gender": "wrong"}],
            patient,
            [{**patient, "id": "a b"}],
            [{**patient, "id": "#c1"}],
            [{"resourceType": "Bundle", "id": "c1", "type": "collection"}],
        ]
        resource["contained"] = deepcopy(self.rng.choice(cases))
        node = self._of(nodes, "Reference")
        if node and self.rng.random() < 0.5:
            node.value = {"reference": self.rng.choice(["#c1", "#c1", "#c2", "#"])}
        return resource["resourceType"] + ".contained"

    def _narrative(self, resource: dict[str, Any], nodes: list[Node]) -> str | None:
        if (
            "text" in resource
            and self.model.find(resource["resourceType"], "text")[1] != "Narrative"
        ):
            return None
        status = self.rng.choice(["generated", "generated", "additional", "empty", "wrong", None])
        text = {"status": status, "div": self.rng.choice(NARRATIVES)}
        if status is None:
            del text["status"]
        resource["text"] = text
        return resource["resourceType"] + ".text"

    def _duplicate(self, resource: dict[str, Any], nodes: list[Node]) -> str | None:
        node = self._pick(nodes, lambda n: isinstance(n.value, list) and bool(n.value))
        if node:
            node.value.append(deepcopy(self.rng.choice(node.value)))
        return node and node.path

    def _array(self, resource: dict[str, Any], nodes: list[Node]) -> str | None:
        node = self._pick(nodes, lambda n: isinstance(n.key, str) and n.key != "resourceType")
        if not node:
            return None
        value = node.value
        if isinstance(value, list):
            return self._set(node, value[0] if value else {})
        return self._set(node, self.rng.choice([[value], [value, value]]))

    def _system(self, resource: dict[str, Any], nodes: list[Node]) -> str | None:
        node = self._pick(nodes, lambda n: n.key == "system" and isinstance(n.value, str))
        if node is None:
            return None
        if self.rng.random() < 0.15:
            del node.holder["system"]
            return node.path
        return self._set(node, self.rng.choice(SYSTEMS))

    def _coding(self, resource: dict[str, Any], nodes: list[Node]) -> str | None:
        node = self._of(nodes, "Coding")
        if node is None or not isinstance(node.value, dict):
            return None
        change = self.rng.choice(
            [
                {"code": "no-such-code"},
                {"code": None},
                {"display": "wrong"},
                {"version": "9.9"},
                {"userSelected": "x"},
                {"code": ""},
                {"system": None},
                {"code": str(node.value.get("code")).upper()},
            ]
        )
        node.value = {k: v for k, v in {**node.value, **change}.items() if v is not None}
        return node.path

    def _display(self, resource: dict[str, Any], nodes: list[Node]) -> str | None:
        node = self._pick(nodes, lambda n: n.kind == "Coding" and isinstance(n.value, dict))
        if node is None:
            return None
        shown = str(node.value.get("display", "x"))
        node.value["display"] = self.rng.choice(
            ["Wrong display", shown.upper(), shown + " ", " ", "", shown[::-1], shown.lower()]
        )
        return node.path

    def _unit(self, resource: dict[str, Any], nodes: list[Node]) -> str | None:
        kinds = "Quantity SimpleQuantity Age Duration Money Distance Count Range Ratio".split()
        node = self._pick(nodes, lambda n: n.kind in kinds and isinstance(n.value, dict))
        if node is None:
            return None
        change = {**self.rng.choice(UNITS)}
        if "code" in change and change["code"] and self.rng.random() < 0.8:
            change["system"] = "http://unitsofmeasure.org"
        node.value = {k: v for k, v in {**node.value, **change}.items() if v is not None}
        return node.path

    def _period(self, resource: dict[str, Any], nodes: list[Node]) -> str | None:
        node = self._of(nodes, "Period")
        if node is None or not isinstance(node.value, dict):
            return None
        return self._set(
            node,
            self.rng.choice(
                [
                    {"start": "2020-05-01", "end": "2020-04-01"},
                    {"start": "2020-05-01T10:00:00Z", "end": "2020-05-01"},
                    {"start": "2020-05", "end": "2020-04-30"},
                    {"start": "2020-05-01T10:00:00+02:00", "end": "2020-05-01T09:00:00Z"},
                    {"start": "2020-05-01T12:00:00+02:00", "end": "2020-05-01T09:00:00Z"},
                    {"end": "2020"},
                    {"start": "2020", "end": "2020"},
                    {
                        "start": node.value.get("end", "2021"),
                        "end": node.value.get("start", "2020"),
                    },
                ]
            ),
        )

    def _extension(self, resource: dict[str, Any], nodes: list[Node]) -> str | None:
        objects = [(resource["resourceType"], resource)]
        objects += [(n.path, n.value) for n in nodes if isinstance(n.value, dict)]
        path, holder = self.rng.choice(objects if self.rng.random() < 0.7 else objects[:1])
        name = "modifierExtension" if self.rng.random() < 0.15 else "extension"
        made = deepcopy(self.rng.choice(EXTENSIONS))
        holder[name] = [made, *holder[name]] if isinstance(holder.get(name), list) else [made]
        return f"{path}.{name}"

    def _primitive_extension(self, resource: dict[str, Any], nodes: list[Node]) -> str | None:
        node = self._pick(nodes, lambda n: n.kind in PRIMITIVES and isinstance(n.key, str))
        if node is None or "_" + str(node.key) in node.holder:
            return None
        good = {"extension": [{"url": BASE + "data-absent-reason", "valueCode": "unknown"}]}
        made: Any = self.rng.choice(
            [
                good,
                good,
                {"extension": [deepcopy(self.rng.choice(EXTENSIONS))]},
                {"id": "x"},
                {},
                "x",
                None,
                [None],
                {"foo": 1},
            ]
        )
        if isinstance(node.value, list) and self.rng.random() < 0.8:
            made = [made] + [None] * (len(node.value) - 1)
        node.holder["_" + node.key] = made
        if self.rng.random() < 0.5:
            del node.holder[node.key]
        return node.path

    def _profile(self, resource: dict[str, Any], nodes: list[Node]) -> str | None:
        meta = resource.setdefault("meta", {})
        if isinstance(meta, dict):
            meta["profile"] = [self.rng.choice([*PROFILES, BASE + resource["resourceType"]])]
        return resource["resourceType"] + ".meta.profile"

    def _meta(self, resource: dict[str, Any], nodes: list[Node]) -> str | None:
        resource["meta"] = self.rng.choice(
            [
                {"versionId": "a b"},
                {"lastUpdated": "2020-01-01"},
                {"lastUpdated": "2020-01-01T10:00:00Z", "source": "a b"},
                {"source": "#x"},
                {"tag": [{"system": "relative", "code": "x"}]},
                {"tag": [{"code": "x"}]},
                {
                    "security": [
                        {
                            "system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality",
                            "code": "Q",
                        }
                    ]
                },
                {
                    "security": [
                        {
                            "system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality",
                            "code": "R",
                        }
                    ]
                },
                {
                    "tag": [
                        {
                            "system": "http://terminology.hl7.org/CodeSystem/v3-ActReason",
                            "code": "HTEST",
                            "display": "wrong",
                        }
                    ]
                },
                {"profile": "http://x.org"},
                {},
                {"foo": 1},
            ]
        )
        return resource["resourceType"] + ".meta"

    def _id(self, resource: dict[str, Any], nodes: list[Node]) -> str | None:
        case = self.rng.randrange(4)
        objects = [n for n in nodes if isinstance(n.value, dict)]
        if case == 0:
            resource["id"] = self.rng.choice(BAD["id"])
            return resource["resourceType"] + ".id"
        if not objects:
            return None
        node = self.rng.choice(objects)
        node.value["id"] = self.rng.choice(["same", "a b", "", "x" * 70, 5, "a_b", "#x"])
        if case > 1 and len(objects) > 1:
            self.rng.choice(objects).value["id"] = node.value["id"]
        return node.path + ".id"

    def _identifier(self, resource: dict[str, Any], nodes: list[Node]) -> str | None:
        node = self._of(nodes, "Identifier")
        return self._set(
            node,
            self.rng.choice(
                [
                    {"system": "relative", "value": "1"},
                    {"system": "urn:ietf:rfc:3986", "value": "not a uri"},
                    {"system": "urn:ietf:rfc:3986", "value": "urn:uuid:XYZ"},
                    {"system": "urn:ietf:rfc:3986", "value": "urn:oid:1.2.3"},
                    {"system": "http://x.org", "use": "wrong", "value": "1"},
                    {"system": "http://hl7.org/fhir/sid/us-npi", "value": "123"},
                    {"use": "official"},
                    {"value": "1", "period": {"start": "2021", "end": "2020"}},
                    {"value": "1", "type": {"coding": [{"system": "http://x.org", "code": "y"}]}},
                    {"value": "1", "assigner": {"reference": "Patient/1"}},
                ]
            ),
        )

    def _attachment(self, resource: dict[str, Any], nodes: list[Node]) -> str | None:
        node = self._of(nodes, "Attachment")
        return self._set(
            node,
            self.rng.choice(
                [
                    {"contentType": "text/plain", "data": "%%%"},
                    {"contentType": "text/plain", "data": "YWJj", "size": 100},
                    {"contentType": "text/plain", "data": "YWJj", "size": 3},
                    {"contentType": "text/plain", "data": "YWJj", "hash": "YWJj"},
                    {
                        "contentType": "text/plain",
                        "data": "YWJj",
                        "hash": "qZk+NkcGgWq6PiVxeFDCbJzQ2J0=",
                    },
                    {"data": "YWJj"},
                    {"contentType": "nonsense", "data": "YWJj"},
                    {"url": "http://x y"},
                    {"url": "#x"},
                    {"title": "x"},
                    {"contentType": "text/plain", "language": "zz-ZZ-qq", "url": "http://x.org"},
                ]
            ),
        )

    def _language(self, resource: dict[str, Any], nodes: list[Node]) -> str | None:
        resource["language"] = self.rng.choice(
            ["xx-YY", "english", "en_US", "de", "en-US", "", "EN", "zh-Hans-CN", "x-private", "e"]
        )
        return resource["resourceType"] + ".language"

    def _many(self, resource: dict[str, Any], nodes: list[Node]) -> str | None:
        node = self._pick(
            nodes,
            lambda n: (
                isinstance(n.key, str)
                and n.key != "resourceType"
                and n.element is not None
                and n.element.most == "1"
            ),
        )
        return self._set(node, node and [node.value, deepcopy(node.value)])

    def _add(self, resource: dict[str, Any], nodes: list[Node]) -> str | None:
        """A declared element that is not there: often an invariant breaks."""
        spots = [(resource["resourceType"], resource["resourceType"], resource)]
        for node in nodes:
            if isinstance(node.value, dict) and isinstance(node.holder, dict):
                inside = self.model.inside(node.owner, str(node.key), node.kind)
                spots.append((node.path, inside, node.value))
        path, owner, holder = self.rng.choice(spots if self.rng.random() < 0.6 else spots[:1])
        names = [
            n
            for n in self.model.table.get(owner, {})
            if n not in holder and n not in ("contained", "extension", "modifierExtension")
        ]
        if not names:
            return None
        name = self.rng.choice(names)
        element = self.model.table[owner][name]
        return f"{path}.{self.maker.put(holder, owner, name, element, 0)}"

    def _move(self, resource: dict[str, Any], nodes: list[Node]) -> str | None:
        """Two values of one type change places."""
        first = self._pick(
            nodes,
            lambda n: bool(n.kind) and n.key != "resourceType" and not isinstance(n.value, list),
        )
        second = first and self._pick(
            nodes,
            lambda n: n.kind == first.kind and not isinstance(n.value, list) and n is not first,
        )
        if not first or not second or isinstance(first.value, dict):
            return None
        first.value, second.value = second.value, first.value
        return first.path

    def _resource_type(self, resource: dict[str, Any], nodes: list[Node]) -> str | None:
        resource["resourceType"] = self.rng.choice(
            [
                "Foo",
                "patient",
                "Basic",
                "Patient",
                "",
                5,
                "Observation",
                "Resource",
                "DomainResource",
            ]
        )
        return "resourceType"

    def _bundle(self, resource: dict[str, Any], nodes: list[Node]) -> str | None:
        if resource["resourceType"] != "Bundle" or not resource.get("entry"):
            return None
        entry = self.rng.choice(resource["entry"])
        case = self.rng.randrange(14)
        if case == 0:
            resource["type"] = self.rng.choice(
                [
                    "document",
                    "message",
                    "transaction",
                    "batch",
                    "history",
                    "transaction-response",
                    "searchset",
                    "collection",
                ]
            )
        elif case == 1:
            entry.pop("fullUrl", None)
        elif case == 2:
            entry["fullUrl"] = self.rng.choice(
                [
                    "relative/1",
                    "urn:uuid:XYZ",
                    "http://x.org/Patient/zz",
                    "Patient/1",
                    "urn:uuid:c757873d-ec9a-4326-a141-556f43239520",
                ]
            )
        elif case == 3:
            resource["entry"].append(deepcopy(entry))
        elif case == 4:
            entry.pop("resource", None)
        elif case == 5:
            entry["request"] = {"method": self.rng.choice(["GET", "POST", "FOO"]), "url": "Patient"}
        elif case == 6:
            entry.pop("request", None)
        elif case == 7:
            entry["search"] = {"mode": self.rng.choice(["match", "foo"]), "score": 0.5}
        elif case == 8:
            resource["total"] = 5
        elif case == 9:
            entry["response"] = {"status": self.rng.choice(["200", "201 Created", "x"])}
        elif case == 10:
            resource["link"] = [{"relation": "self", "url": "http://x.org"}] * self.rng.choice(
                [1, 2]
            )
        elif case == 11:
            resource["entry"].pop(0)
        elif case == 12 and isinstance(entry.get("resource"), dict):
            entry["resource"].pop("id", None)
        else:
            self.rng.shuffle(resource["entry"])
        return "Bundle.entry"


WEIGHTS = {
    "drop": 4, "required": 4, "rename": 4, "json_type": 6, "primitive": 9, "odd": 5, "unknown": 4,
    "reference": 6, "code": 6, "choice": 4, "number": 3, "empty": 5, "contained": 4, "narrative": 4,
    "duplicate": 3, "array": 4, "system": 3, "coding": 3, "display": 2, "unit": 3, "period": 3,
    "extension": 5, "primitive_extension": 3, "profile": 3, "meta": 2, "id": 3, "identifier": 2,
    "attachment": 2, "language": 1, "many": 2, "add": 8, "move": 2, "resource_type": 1, "bundle": 2,
}  # fmt: skip


def files(packages: list[Path]) -> Iterator[tuple[str, bytes]]:
    """(name, content) of the resources at the top of the packages."""
    for package in packages:
        if package.is_file():
            with tarfile.open(package) as archive:
                for member in archive:
                    content = archive.extractfile(member) if member.isfile() else None
                    if content and member.name.endswith(".json") and member.name.count("/") == 1:
                        yield member.name.split("/")[1], content.read()
            continue
        folder = package / "package" if (package / "package").is_dir() else package
        for path in sorted(folder.glob("*.json")):
            yield path.name, path.read_bytes()


def load(
    packages: list[Path], largest: int = MAX_BYTES
) -> tuple[Model, dict[str, list[tuple[str, bytes]]]]:
    """The base definitions, and the examples of each type that are not too large."""
    structures: dict[str, dict[str, Any]] = {}
    examples: dict[str, list[tuple[str, bytes]]] = defaultdict(list)
    for name, content in files(packages):
        kind = name.split("-")[0].removesuffix(".json")
        if kind in ("package", "ig", ""):
            continue
        if kind == "StructureDefinition":
            found = json.loads(content)
            if found.get("derivation") == "specialization" or found.get("type") == "Element":
                structures.setdefault(found["url"], found)
        if len(content) <= largest and name != "ImplementationGuide-hl7.fhir.r5.core.json":
            examples[kind].append((name, content))
    model = Model(list(structures.values()))
    known = set(model.resources)
    return model, {kind: sorted(examples[kind]) for kind in sorted(known & set(examples))}


class Source:
    """Chooses originals: types in turn, so that none dominates."""

    def __init__(self, examples: dict[str, list[tuple[str, bytes]]], rng: random.Random):
        self.examples = examples
        self.rng = rng
        self.used: dict[str, int] = defaultdict(int)

    def next(self) -> tuple[str, str, dict[str, Any]]:
        """(type, file, resource)."""
        while True:
            kind = self.rng.choice(list(self.examples))
            most = FEW.get(kind, CONFORMANCE_MOST if kind in CONFORMANCE else 10**9)
            if self.used[kind] >= most:
                continue
            name, content = self.rng.choice(self.examples[kind])
            resource = json.loads(content)
            if resource.get("resourceType") != kind:
                continue
            self.used[kind] += 1
            return kind, name, resource


def mutants(
    packages: list[Path], seed: int, count: int
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """(resource, what was done to it)."""
    model, examples = load(packages)
    rng = random.Random(seed)  # noqa: S311  not for secrets
    mutator, source = Mutator(model, rng), Source(examples, rng)
    line = 0
    while line < count:
        kind, name, resource = source.next()
        fault = rng.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        if kind == "Bundle" and rng.random() < 0.5:
            fault = "bundle"
        if rng.random() < ORIGINALS:
            fault = "original"
        path = mutator.mutate(resource, fault)
        if path is None:
            continue
        line += 1
        yield resource, {"line": line, "type": kind, "source": name, "class": fault, "path": path}


def main() -> None:
    """Writes the mutants and what was done to each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--release", default="R4", choices=["R4", "R4B", "R5"])
    parser.add_argument("--packages", type=Path, nargs="+", required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    given.out.parent.mkdir(parents=True, exist_ok=True)
    meta = given.out.with_suffix(".meta.ndjson")
    with given.out.open("w", encoding="utf-8") as out, meta.open("w", encoding="utf-8") as notes:
        for resource, note in mutants(given.packages, given.seed, given.count):
            out.write(json.dumps(resource, ensure_ascii=False, separators=(",", ":")) + "\n")
            notes.write(json.dumps({"release": given.release, **note}) + "\n")


if __name__ == "__main__":
    main()
