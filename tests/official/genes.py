"""genes.py PACKAGE OUT: a genetic report of an invented child as genomics-reporting shapes it.

The reference study sequences pathogens, which is microbiology; this is the other kind. Writes one
NDJSON file, whose report and variants claim the profiles of the guide's PACKAGE beside ours.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1] / "mappings")]

from child_record import CHILD, default_context  # noqa: E402  after the path

from adapter.fhir.json import dumps  # noqa: E402
from adapter.validation.packages import index  # noqa: E402
from mappings import map_entity  # noqa: E402
from mappings.context import load_flavours  # noqa: E402
from mappings.entities import Finding, SequencingResult  # noqa: E402
from mappings.flavours import profiles_of  # noqa: E402

FLAVOUR = "genomics-reporting"
GENES = SequencingResult(
    key=("genes",),
    subject=CHILD,
    date="2024-03-04",
    kind="gene",
    findings=(
        Finding(
            gene="CFTR",
            gene_id="HGNC:1884",
            coding_change="NM_000492.4:c.1521_1523del",
            protein_change="NP_000483.3:p.Phe508del",
            frequency=Decimal("0.48"),
            depth=Decimal(212),
            source_class="germline",
        ),
        Finding(gene="SFTPB", gene_id="HGNC:10801", detected=False),
    ),
)


def main(package: Path, out: Path) -> None:
    """Write the resources. Exits when the package does not hold the guide's profiles."""
    supplied = frozenset(url for _, url, _ in index(package))
    profiles = profiles_of(load_flavours(), [FLAVOUR], supplied)
    if not any("/genomics-reporting/" in url for urls in profiles.values() for url in urls):
        raise SystemExit(f"{package} does not hold the profiles of {FLAVOUR}")
    to = replace(default_context(flavours=[FLAVOUR]), profiles=profiles)
    resources = map_entity(GENES, to)
    out.write_bytes(b"".join(dumps(each) + b"\n" for each in resources))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
