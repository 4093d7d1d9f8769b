"""From an EHR's FHIR API to files: a cohort's resources, read by searches or a bulk export."""

from adapter.pull.pulling import pull
from adapter.pull.summary import COLUMNS, Pulled

__all__ = ["COLUMNS", "Pulled", "pull"]
