"""The use case: a study folder and ``Type/id.path`` to an explanation."""

from __future__ import annotations

from adapter.explain.build import Explainer
from adapter.explain.explanation import Explanation
from adapter.explain.find import Searched
from adapter.explain.paths import split
from adapter.explain.rules import Rules
from adapter.study import Study
from adapter.validation.definitions import Definitions


def explain(study: Study, place: str, *, with_source: bool = False) -> Explanation:
    """Where the value at ``Type/id.path`` came from; of the whole resource without a path.

    Cells and mapped values are in it only ``with_source``. Raises UsageError for what is no place,
    a resource that the study does not make and a path that the resource does not hold;
    ConfigurationError and SourceError as mapping does.
    """
    reference, path = split(place)
    searched = Searched(study)
    found = searched.find(reference)
    rules = Rules(Definitions.shipped(study.settings.fhir))
    return Explainer(searched, found, rules, with_source=with_source).explain(path)
