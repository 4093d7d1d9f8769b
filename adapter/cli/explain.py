"""``study-fhir explain STUDY REF.path``"""

from pathlib import Path

import click

from adapter.cli.console import announce, output
from adapter.cli.options import FHIR, FORMAT, STUDY
from adapter.explain import explain
from adapter.fhir.json import dumps
from adapter.study import Study


@click.command("explain")
@STUDY
@click.argument("place", metavar="REF.path")
@FHIR
@FORMAT
@click.option("--with-source", is_flag=True, help="Show the cells and the value: personal data.")
def command(study: Path, place: str, fhir: str | None, form: str, with_source: bool) -> None:
    """Where a value came from: cell, recipe, code, unit, mapping function, profile rule.

    REF.path is a place in a mapped resource, such as Observation/ID.valueQuantity.value; without
    a path, all elements of the resource.
    """
    found = explain(Study(study, fhir=fhir, announce=announce), place, with_source=with_source)
    if form == "json":
        click.echo(dumps(found.to_json()))
        return
    for reason in found.refused:
        output.print(f"not sent: {reason}", markup=False, highlight=False)
    for element in found.elements:
        output.print(f"{found.resource} {element.path} ({found.fhir})", markup=False)
        for name, text in element.lines():
            output.print(f"  {name:<11}{text}", markup=False, highlight=False)
