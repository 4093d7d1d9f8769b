"""What the reference study does not hold: flavours, a site's own state, a file of sequenced genes.

The study is mapped once more with other settings and under another key, so that no id of an
example in a package stands for two resources.
"""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from study_elements import copied

from adapter.explain.find import Searched, with_settings
from adapter.settings import StudySettings
from adapter.study import Study
from mappings import map_entity
from mappings.code_tables import merged, read_table
from mappings.context import Context
from mappings.entities import Finding, SequencingResult

# What can be had together, and a key of its own for each.
FLAVOURS: Mapping[str, Mapping[int, Collection[str]]] = {
    "R4": {
        1: ("mii-studie", "miabis", "ae-backport", "microbiology"),
        2: ("genomics-reporting",),
    },
    "R5": {1: ("miabis", "microbiology")},
}
GENE = "term,label,system,code,display,unit,source,reviewer,licence\nabca3,ABCA3,,,,,,,own\n"


def flavoured(release: str) -> Iterator[dict[str, Any]]:
    """The study's resources in each set of flavours that a release allows."""
    for number, flavours in FLAVOURS[release].items():
        with tempfile.TemporaryDirectory() as temporary:
            folder = copied(Path(temporary), bytes(range(number, number + 32)))
            study = Study(folder, fhir=release)
            searched = Searched(_with(study, flavours))
            yield from (found.resource for found in searched.all())
            yield from _genes(searched)


def _with(study: Study, flavours: Collection[str]) -> Study:
    return with_settings(study, flavours=frozenset(flavours), sites=_recruiting(study.settings))


def _recruiting(settings: StudySettings) -> dict[str, Any]:
    return {key: {**site, "status": "RECRUITING"} for key, site in settings.sites.items()}


def _genes(searched: Searched) -> list[dict[str, Any]]:
    """The first sequencing of the study, as if genes had been sought, and its file."""
    pathogens = next(
        each for each in searched.assembly.entities() if isinstance(each, SequencingResult)
    )
    genes = replace(
        pathogens,
        key=(*pathogens.key, "genes"),
        kind="gene",
        findings=(Finding(target="abca3", reads=Decimal(412)),),
        file="genes.vcf.gz",
        file_type="application/gzip",
    )
    return map_entity(genes, _with_gene(searched.study.context))


def _with_gene(to: Context) -> Context:
    """The tables name no genes: those are a study's own."""
    name = "sequencing-target"
    own = merged(to.tables[name], read_table(name, GENE.splitlines()))
    return replace(to, tables={**to.tables, name: own})
