"""Builds HL7's official validator in a folder: ``python installation.py FOLDER``.

About 220 MB and half a minute. Needs java, javac, mvn and npm; the packages of definitions are
checked against the sums in packages.txt. Only the standard library is used, so that a checkout can
run this file as it stands.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

HERE = Path(__file__).resolve().parent
DRIVER = "OfficialValidator"
SOURCES = (f"{DRIVER}.java", "pom.xml", "packages.txt", "mkcache.py")
TOOLS = ("java", "javac", "mvn", "npm")
MARK = "built-from"
SECONDS = 1_200  # for one step, over a slow connection


class InstallationError(Exception):
    """The validator cannot be built here."""


def is_installed(folder: Path) -> bool:
    """True when the folder holds what these sources build."""
    mark = folder / MARK
    return mark.is_file() and mark.read_text(encoding="ascii") == _sum_of_sources()


def install(folder: Path) -> None:
    """Builds the validator, or what is missing of it. Raises InstallationError."""
    if missing := [tool for tool in TOOLS if shutil.which(tool) is None]:
        raise InstallationError(f"{' and '.join(missing)} cannot be found")
    for name in ("npm", "classes"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    folder = folder.resolve()
    libraries = [f"-DoutputDirectory={folder / 'lib'}", "-DincludeScope=runtime"]
    _run("mvn", "-q", "-B", "-f", HERE / "pom.xml", "dependency:copy-dependencies", *libraries)
    driver = HERE / f"{DRIVER}.java"
    _run("javac", "-nowarn", "-cp", folder / "lib" / "*", "-d", folder / "classes", driver)
    for line in (HERE / "packages.txt").read_text(encoding="ascii").splitlines():
        _fetch(*line.split(), folder=folder / "npm")
    _run(sys.executable, HERE / "mkcache.py", folder / "npm", folder / "home")
    (folder / MARK).write_text(_sum_of_sources(), encoding="ascii")


def command(folder: Path, arguments: Iterable[str]) -> list[str]:
    """The command line that runs the validator of a folder."""
    java = shutil.which("java")
    if java is None:
        raise InstallationError("java cannot be found")
    path = os.pathsep.join((str(folder / "classes"), str(folder / "lib" / "*")))
    memory = ["-Xmx2g", "-XX:+UseParallelGC"]
    return [java, *memory, f"-Duser.home={folder / 'home'}", "-cp", path, DRIVER, *arguments]


def _fetch(expected: str, package: str, file: str, *, folder: Path) -> None:
    archive = folder / file
    if not archive.is_file():
        _run("npm", "pack", "--silent", package, cwd=folder)
    if not archive.is_file() or _sum(archive.read_bytes()) != expected:
        archive.unlink(missing_ok=True)
        raise InstallationError(f"{package} is not what packages.txt says")


def _sum_of_sources() -> str:
    return _sum(b"".join((HERE / name).read_bytes() for name in SOURCES))


def _sum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _run(program: str, *arguments: str | Path, cwd: Path | None = None) -> None:
    path = shutil.which(program) or program  # on Windows mvn and npm are scripts
    try:
        done = subprocess.run(  # noqa: S603  our own arguments, no shell
            [path, *map(str, arguments)],
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise InstallationError(f"{program} did not end in {SECONDS} s") from None
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise InstallationError(f"{program} failed: {said[0] if said else done.returncode}")


if __name__ == "__main__":
    try:
        install(Path(sys.argv[1]))
    except InstallationError as error:
        sys.exit(f"HL7's validator cannot be built: {error}")
