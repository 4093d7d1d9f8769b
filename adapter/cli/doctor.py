"""``study-fhir doctor``"""

import importlib.metadata
import sys

import click

from adapter.cli.console import output
from adapter.errors import ConfigurationError
from adapter.locate import shipped

OURS = "study-fhir-adapter"


@click.command("doctor")
def command() -> None:
    """Check this installation: our packages are ours, the data is there, Python is new enough."""
    owners = importlib.metadata.packages_distributions()
    for package in ("adapter", "mappings"):
        others = set(owners.get(package, ())) - {OURS}
        if others:
            raise ConfigurationError(
                f"the package {package!r} is also installed by {', '.join(sorted(others))}",
                hint="these overwrite each other: use a virtual environment of its own",
            )
    output.print(f"python     {sys.version.split()[0]}")
    output.print(f"version    {importlib.metadata.version(OURS)}")
    output.print(f"profiles   {shipped('profiles')}")
    output.print(f"examples   {shipped('examples')}")
    output.print("in order")
