"""Product -> Medication, one for each batch.

https://hl7.org/fhir/R4/medication.html  https://hl7.org/fhir/R5/medication.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from mappings.context import Context, Resource, fields
from mappings.entities import Key, Product
from mappings.values import quantity


def product_key(drug: str, batch: str | None) -> Key:
    """The key of the Product that a treatment with this drug and batch uses."""
    return (drug, batch) if batch else (drug,)


def medication(product: Product, to: Context) -> Resource:
    """An investigational product, with its dose form, strength in each mL, and batch."""
    return to.resource(
        "Medication",
        key=product.key,
        code=to.coded("product", product.term),
        batch=fields(lotNumber=product.batch),
        **SHAPES[to.release](product, to),
    )


def _r4(product: Product, to: Context) -> dict[str, Any]:
    item = {"itemCodeableConcept": to.coded("product", product.term)}
    strength = _strength(product)
    return {
        "form": product.form and to.coded("dose-form", product.form),
        "ingredient": strength and [{**item, "isActive": True, "strength": strength}],
    }


def _r5(product: Product, to: Context) -> dict[str, Any]:
    item = {"item": {"concept": to.coded("product", product.term)}}
    strength = _strength(product)
    return {
        "doseForm": product.form and to.coded("dose-form", product.form),
        "ingredient": strength and [{**item, "isActive": True, "strengthRatio": strength}],
    }


SHAPES: Mapping[str, Callable[[Product, Context], dict[str, Any]]] = {
    "R4": _r4,
    "R4B": _r4,
    "R5": _r5,
}


def _strength(product: Product) -> Resource | None:
    if product.strength is None:
        return None
    amount = quantity(product.strength, product.strength_unit)
    return {"numerator": amount, "denominator": quantity(Decimal(1), "mL")}
