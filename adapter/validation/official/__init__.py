"""HL7's own validator on the same resources, and where its verdict differs from ours.

It runs offline, in Java, at some 90 resources a second; it is built on first use in the user's
cache. https://github.com/hapifhir/org.hl7.fhir.core
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import tarfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from adapter.errors import UsageError
from adapter.validation.issues import Issue
from adapter.validation.official.installation import (
    InstallationError,
    command,
    install,
    is_installed,
)
from adapter.validation.reading import Document
from adapter.validation.run import ERRORS, Checked, Options

FOLDER = "STUDY_FHIR_OFFICIAL"  # environment variable: where the validator lies
_COMMENT = re.compile(r"/\*.*?\*/|\.ofType\(\w+\)|\[x\]")
_XML_STEP = re.compile(r"/(?:\w+:|\?:)?")


@dataclass(frozen=True, slots=True)
class Comparison:
    """One resource under both validators; only errors are compared."""

    ours: Checked
    theirs: list[Issue]

    @property
    def same_verdict(self) -> bool:
        """Both find it good, or both find it bad."""
        return self.ours.failed == bool(self.theirs)

    @property
    def only_theirs(self) -> list[Issue]:
        """Their errors at elements where we have none."""
        known = {_comparable(issue.path) for issue in _errors(self.ours.issues)}
        return [issue for issue in self.theirs if _comparable(issue.path) not in known]

    @property
    def only_ours(self) -> list[Issue]:
        """Our errors at elements where they have none."""
        known = {_comparable(issue.path) for issue in self.theirs}
        return [i for i in _errors(self.ours.issues) if _comparable(i.path) not in known]

    @property
    def agrees(self) -> bool:
        """The same verdict for the same elements."""
        return self.same_verdict and not self.only_ours and not self.only_theirs


def folder() -> Path:
    """Where the validator is built: the user's cache, or what the environment says."""
    if named := os.environ.get(FOLDER):
        return Path(named)
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "study-fhir" / "official"


def ensure_installed(place: Path, announce: Callable[[str], None]) -> None:
    """Builds the validator where it is missing. Raises UsageError where that is impossible."""
    if is_installed(place):
        return
    announce(f"building HL7's validator in {place}: about 220 MB, half a minute")
    try:
        install(place)
    except InstallationError as error:
        raise _unusable(error) from None


def compare(
    documents: Iterable[Document], verdicts: Iterable[Checked], options: Options, place: Path
) -> Iterator[Comparison]:
    """Both validators on the same documents. Raises UsageError when theirs does not run."""
    with TemporaryDirectory(prefix="study-fhir-") as temporary:
        inputs = Path(temporary, "in")
        inputs.mkdir()
        names = _write(documents, inputs)
        packages = _unpacked(options.packages, Path(temporary, "packages"))
        found = _run(place, options, packages, inputs)
        for checked, name in zip(verdicts, names, strict=True):
            theirs = [_issue(each, checked) for each in found.get(name, [])]
            yield Comparison(checked, theirs)


def _write(documents: Iterable[Document], inputs: Path) -> list[str]:
    """Each document as a file of its own, so that theirs reads the very same text."""
    names = []
    for number, document in enumerate(documents):
        name = f"{number:08}.{document.form}"
        (inputs / name).write_bytes(document.data)
        names.append(name)
    return names


def _unpacked(packages: Iterable[str], to: Path) -> list[str]:
    """The folders of packages; theirs would fetch what an archive depends on."""
    found = []
    for number, package in enumerate(packages):
        path = Path(package)
        if path.is_file():
            path = to / str(number)
            try:
                with tarfile.open(package) as archive:
                    archive.extractall(path, filter="data")
            except (tarfile.TarError, OSError):
                raise UsageError(f"{package} is no package of FHIR definitions") from None
        inner = path / "package"
        found.append(str((inner if inner.is_dir() else path).resolve()))
    return found


def _run(
    place: Path, options: Options, packages: Iterable[str], inputs: Path
) -> dict[str, list[dict[str, Any]]]:
    """Their errors, by the name of the file."""
    arguments = ["--fhir", options.release, "--unknown-profiles-pass", "--allow-example-urls"]
    arguments += ["--threads", str(os.cpu_count() or 1)]
    arguments += [word for package in packages for word in ("--ig", package)]
    arguments += [word for profile in options.profiles for word in ("--profile", profile)]
    arguments += [] if options.references else ["--ignore-references"]
    try:
        line = command(place, [*arguments, str(inputs)])
    except InstallationError as error:
        raise _unusable(error) from None
    done = subprocess.run(  # noqa: S603  our own arguments, no shell
        line, stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    found: dict[str, list[dict[str, Any]]] = {}
    ended = False
    for text in done.stdout.decode("utf-8", "replace").split("\n"):
        if not text.startswith("{"):
            continue
        issue = json.loads(text)
        if issue.get("summary"):
            ended = True
        else:
            found.setdefault(Path(issue["file"]).name, []).append(issue)
    if not ended:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        reason = said[0] if said else f"exit {done.returncode}"
        raise UsageError(f"HL7's validator did not come to an end: {reason}")
    return found


def _issue(found: dict[str, Any], checked: Checked) -> Issue:
    return Issue(
        "error",
        "processing",
        found.get("path") or "",
        found.get("message") or "",
        found.get("messageId"),
        resourceType=checked.resourceType,
        id=checked.id,
        file=checked.file,
        line=checked.line,
    )


def _errors(issues: Iterable[Issue]) -> list[Issue]:
    return [issue for issue in issues if issue.severity in ERRORS]


def _comparable(path: str) -> str:
    """A path without what the two write differently: types, comments, XPath for XML."""
    if path.startswith("/"):
        path = _XML_STEP.sub(".", path).lstrip(".")
    elif path.startswith("(") or path == "$":  # the document as a whole
        path = ""
    return _COMMENT.sub("", path)


def _unusable(error: InstallationError) -> UsageError:
    return UsageError(
        f"HL7's validator cannot be used here: {error}",
        hint="--official needs a Java 17 JDK, Maven (mvn) and npm; without it, nothing else does",
    )
