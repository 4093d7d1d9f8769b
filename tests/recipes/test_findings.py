"""Findings of a sequencing: variants of genes, by columns."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from adapter.recipes import Scope, assemble, compile_recipes
from adapter.sources import read_sources
from adapter.study import Study
from mappings.entities import Finding, SequencingResult

RECIPE = """\
  genes:
    entity: SequencingResult
    source: genes
    key: [id]
    subject: id
    set: {kind: gene}
    fields: {day: {to: date}}
    findings:
      - gene: gene
        gene_id: hgnc
        coding_change: change
        frequency: share
        depth: depth
        source_class: origin
"""
HEAD = "id,day,gene,hgnc,change,share,depth,origin\n01,2024-02-01,"


@pytest.mark.parametrize(
    ("cells", "findings", "rejects"),
    [
        ("CFTR,HGNC:1884,NM_000492.4:c.1521_1523del,0.48,212,germline",
         (Finding(gene="CFTR", gene_id="HGNC:1884", coding_change="NM_000492.4:c.1521_1523del",
                  frequency=Decimal("0.48"), depth=Decimal(212), source_class="germline"),), []),
        ("CFTR,,,half,,mine", (Finding(gene="CFTR"),),
         [("origin", "unknown-code"), ("share", "not-a-number")]),
        (",,,0.48,,", (), [("share", "missing-value")]),
        (",,,,,", (), []),
    ],
)  # fmt: skip
def test_a_row_with_a_variant(
    folder: Path, cells: str, findings: tuple[Finding, ...], rejects: list[tuple[str, str]]
) -> None:
    text = (folder / "study.yaml").read_text(encoding="utf-8")
    text = text.replace("recipes:\n", f"recipes:\n{RECIPE}")
    text = text.replace("sources:\n", "sources:\n  genes: {format: csv, file: genes.csv}\n")
    (folder / "study.yaml").write_text(text, encoding="utf-8")
    (folder / "genes.csv").write_text(f"{HEAD}{cells}\n", encoding="utf-8")
    study = Study(folder)
    tables = read_sources(study.settings.sources)
    recipes = compile_recipes(Scope(study.settings, tables, study.codes, study.pseudonym))
    assembly = assemble(recipes, tables, study.settings.collision_limit)
    assembly.ledger.sums()
    (result,) = [each for each in assembly.entities() if isinstance(each, SequencingResult)]
    assert result.findings == findings
    assert [(r.column, r.rule) for r in assembly.ledger.rejects()] == rejects
