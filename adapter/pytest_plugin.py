"""A pytest plugin: ``assert_valid(resource)`` in the tests of a mapping.

Three lines are a test::

    def test_patient(assert_valid):
        patient = my_mapping(ROW)
        assert_valid(patient, profile="https://example.org/StructureDefinition/patient")

``fhir_release`` and ``fhir_package`` (in pytest's configuration, or as markers of a test, a class
or a module) choose the FHIR release and the packages of profiles; a relative package is looked for
below pytest's root directory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:  # imported when used: the plugin is loaded into test runs that need none of it
    from adapter.validation.issues import Issue
    from adapter.validation.validator import Validator

Resource = Mapping[str, Any] | str | bytes
Profile = str | Sequence[str]

RELEASE = "fhir_release"
PACKAGE = "fhir_package"
SHOWN = 50  # issues in a message
_known = pytest.StashKey[dict[tuple[str, tuple[str, ...]], Any]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """The settings in pytest's configuration."""
    parser.addini(RELEASE, "FHIR release of assert_valid: R4, R4B or R5", default="R4")
    parser.addini(PACKAGE, "packages of profiles for assert_valid", type="linelist", default=[])


def pytest_configure(config: pytest.Config) -> None:
    """The markers that override the settings."""
    config.addinivalue_line("markers", f"{RELEASE}(name): FHIR release of assert_valid")
    config.addinivalue_line("markers", f"{PACKAGE}(path, ...): packages of profiles, added")
    config.stash[_known] = {}


@pytest.fixture
def fhir_validator(request: pytest.FixtureRequest) -> Validator:
    """The validator of this test's release and packages; made once a run for each choice."""
    from adapter.validation.validator import Validator

    marker = request.node.get_closest_marker(RELEASE)
    release = str(marker.args[0] if marker else request.config.getini(RELEASE))
    root = request.config.rootpath
    marked = [path for each in request.node.iter_markers(PACKAGE) for path in each.args]
    wanted = [*request.config.getini(PACKAGE), *marked]
    packages = tuple(str(root / path) for path in wanted)
    known = request.config.stash[_known]
    if (release, packages) not in known:
        known[release, packages] = Validator(release, packages=packages)
    found: Validator = known[release, packages]
    return found


@pytest.fixture(name="assert_valid")
def _assert_valid(fhir_validator: Validator) -> Callable[..., None]:
    """``assert_valid(resource, profile=...)`` with this test's validator."""

    def check(resource: Resource, profile: Profile = ()) -> None:
        __tracebackhide__ = True
        assert_valid(resource, profile, validator=fhir_validator)

    return check


def assert_valid(
    resource: Resource, profile: Profile = (), *, validator: Validator | None = None
) -> None:
    """Fails unless a resource (a dict, or JSON text) has no errors; warnings are no failure.

    ``profile`` is a URL, or several. Raises AssertionError with every error and its path.
    """
    __tracebackhide__ = True
    from adapter.validation.reading import parse_json
    from adapter.validation.validator import Validator

    validator = validator or Validator()
    parsed: dict[str, Any] | None
    if isinstance(resource, str | bytes):
        parsed, issues = parse_json(resource)
    else:
        parsed, issues = dict(resource), []
    profiles = [profile] if isinstance(profile, str) else list(profile)
    if parsed is not None:
        issues = issues + validator.validate(parsed, profiles=profiles)
    errors = [issue for issue in issues if issue.severity in ("error", "fatal")]
    if errors:
        raise AssertionError(_message(parsed or {}, validator.release, errors))


def _message(resource: Mapping[str, Any], release: str, errors: list[Issue]) -> str:
    name = "/".join(str(resource[key]) for key in ("resourceType", "id") if resource.get(key))
    count = "1 error" if len(errors) == 1 else f"{len(errors)} errors"
    lines = [f"{name or 'the resource'} is not valid {release}: {count}"]
    for issue in errors[:SHOWN]:
        known_as = issue.constraint or issue.messageId
        lines.append(f"  {issue.path}: {issue.message}" + (f"  [{known_as}]" if known_as else ""))
    if len(errors) > SHOWN:
        lines.append(f"  and {len(errors) - SHOWN} more")
    return "\n".join(lines)
