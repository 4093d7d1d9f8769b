"""What the types of FHIR can be given: a binding, a length, a range, targets.

R5 states it for most types; the rest, and R4, by HL7's validator.
https://hl7.org/fhir/extensions/StructureDefinition-structuredefinition-type-characteristics.html
"""

from __future__ import annotations

TYPES = {
    "can-bind": frozenset(
        "code string uri url oid uuid CodeableConcept Coding CodeableReference Extension Range"
        " RatioRange Quantity MoneyQuantity SimpleQuantity Age Distance Duration".split()
    ),
    "has-length": frozenset(
        "code string uri url oid uuid id markdown canonical integer integer64 decimal instant date"
        " dateTime time positiveInt unsignedInt".split()
    ),
    "has-range": frozenset(
        "integer integer64 decimal instant date dateTime time positiveInt unsignedInt Count Money"
        " MonetaryComponent Quantity MoneyQuantity SimpleQuantity Age Distance Duration".split()
    ),
    "has-target": frozenset("canonical Reference CodeableReference".split()),
}
NOT_IN_R5 = {
    "can-bind": frozenset("oid uuid Age Distance Duration".split()),
    "has-length": frozenset(["markdown"]),
}


def has(name: str, characteristic: str, release: str) -> bool:
    """Whether a type has a characteristic in a release."""
    if release == "R5" and name in NOT_IN_R5.get(characteristic, ()):
        return False
    return name in TYPES[characteristic]
