"""Site -> Location.  https://hl7.org/fhir/R4/location.html"""

from __future__ import annotations

from mappings.context import Context, Resource
from mappings.entities import Site
from mappings.organization import address


def location(site: Site, to: Context) -> Resource:
    """Where a site is; position in WGS 84 degrees. Its recruitment status is no Location.status."""
    return to.resource(
        "Location",
        key=site.key,
        name=site.name,
        mode="instance",
        address=address(site),
        position=_position(site),
        managingOrganization=to.reference("Organization", site.key) if site.name else None,
    )


def _position(site: Site) -> Resource | None:
    """FHIR's position has both numbers or is none."""
    if site.latitude is None or site.longitude is None:
        return None
    return {"longitude": site.longitude, "latitude": site.latitude}
