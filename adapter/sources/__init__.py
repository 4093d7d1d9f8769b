"""Study data in: one file a format. A source yields rows with their place."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from adapter.settings import SourceSettings
from adapter.sources.delimited import read_delimited
from adapter.sources.excel import read_excel
from adapter.sources.redcap import read_redcap
from adapter.sources.row import DictionaryField, Row, Table

READERS: dict[str, Callable[[SourceSettings], Table]] = {
    "csv": read_delimited,
    "redcap": read_redcap,
    "xlsx": read_excel,
}


def read_sources(sources: Mapping[str, SourceSettings]) -> dict[str, Table]:
    """All sources of a study by name. Raises SourceError for the first that cannot be read."""
    return {
        name: replace(READERS[source.format](source), omit=source.omit)
        for name, source in sources.items()
    }


__all__ = ["DictionaryField", "Row", "Table", "read_sources"]
