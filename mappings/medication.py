"""Product -> Medication, one for each batch.  https://hl7.org/fhir/R4/medication.html"""

from __future__ import annotations

from mappings.context import Context, Resource, fields
from mappings.entities import Key, Product


def product_key(drug: str, batch: str | None) -> Key:
    """The key of the Product that a treatment with this drug and batch uses."""
    return (drug, batch) if batch else (drug,)


def medication(product: Product, to: Context) -> Resource:
    """An investigational product, with its dose form and batch."""
    return to.resource(
        "Medication",
        key=product.key,
        code=to.coded("product", product.term),
        form=product.form and to.coded("dose-form", product.form),
        batch=fields(lotNumber=product.batch),
    )
