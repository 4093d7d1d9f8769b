"""Study entities -> FHIR; pure: no I/O, clock, randomness, environment or logging."""

from mappings.context import Context, Resource, load_default_context
from mappings.entity import map_entity
from mappings.subject_record import map_subject

__all__ = ["Context", "Resource", "load_default_context", "map_entity", "map_subject"]
