"""The use case: a study folder and ``Type/id.path`` to an explanation."""

from __future__ import annotations

import dataclasses

from adapter.explain.build import Explainer
from adapter.explain.explanation import Explanation
from adapter.explain.find import Searched
from adapter.explain.paths import split
from adapter.explain.rules import Rules
from adapter.study import Study
from adapter.validation import Validator


def explain(study: Study, place: str, *, with_source: bool = False) -> Explanation:
    """Where the value at ``Type/id.path`` came from; of the whole resource without a path.

    Cells and mapped values are in it only ``with_source``. Raises UsageError for what is no place,
    a resource that the study does not make and a path that the resource does not hold;
    ConfigurationError and SourceError as mapping does.
    """
    reference, path = split(place)
    searched = Searched(study)
    found = searched.find(reference)
    validator = Validator(study.settings.fhir, packages=study.settings.packages)
    rules = Rules(validator.definitions)
    explained = Explainer(searched, found, rules, with_source=with_source).explain(path)
    errors = [i for i in validator.validate(found.resource) if i.severity in ("error", "fatal")]
    refused = tuple(dict.fromkeys(f"{issue.path}: {issue.rule}" for issue in errors))
    return dataclasses.replace(explained, refused=refused)
