"""Resources -> transaction Bundle.  https://hl7.org/fhir/R4/http.html#transaction"""

from __future__ import annotations

from collections.abc import Iterable

from mappings.context import CANONICAL, Resource


def registration_bundle(resources: Iterable[Resource], base: str = CANONICAL) -> Resource:
    """A transaction that puts every resource under its own id, so that it may be sent twice.

    References stay relative; ``fullUrl`` is ``<base>/<Type>/<id>``, so that they resolve inside.
    """
    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [_entry(resource, base) for resource in resources],
    }


def _entry(resource: Resource, base: str) -> Resource:
    path = f"{resource['resourceType']}/{resource['id']}"
    return {
        "fullUrl": f"{base}/{path}",
        "resource": resource,
        "request": {"method": "PUT", "url": path},
    }
