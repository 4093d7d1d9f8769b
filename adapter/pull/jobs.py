"""The bulk export that is under way, kept between runs: its address, and which files are read."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import sqlalchemy as sa

from adapter.pull.manifest import Manifest
from adapter.pull.tables import file_table, job_table

ONLY = 1  # there is one job at a time


@dataclass(slots=True, repr=False)
class Job:
    """An export: ``link`` is None when none is asked for; ``since`` is what it asks from."""

    link: str | None = None
    since: str | None = None
    next_since: str | None = None
    is_ready: bool = False  # its manifest is here
    needs_token: bool | None = None
    failed: int = 0
    partial: bool = False


@dataclass(frozen=True, slots=True, repr=False)
class File:
    """A file of the export that is not read to its end yet."""

    number: int
    kind: str
    type: str
    link: str
    count: int | None


class Jobs:
    """The one job of a study and its files, one call a transaction."""

    def __init__(self, engine: sa.Engine):
        self._engine = engine

    def open(self, query: str) -> Job:
        """The job as the last run left it; another query is another export, from the beginning."""
        names = [each.name for each in fields(Job)]
        with self._engine.begin() as db:
            row = db.execute(sa.select(job_table)).one_or_none()
            if row is None or row.query != query:
                db.execute(file_table.delete())
                db.execute(job_table.delete())
                db.execute(job_table.insert().values(id=ONLY, query=query))
                return Job()
        return Job(**{name: getattr(row, name) for name in names})

    def asked(self, job: Job, link: str) -> None:
        """An export was asked for; its state stands at ``link``."""
        job.link = link
        self._set(link=link)

    def ready(self, job: Job, manifest: Manifest, next_since: str | None) -> None:
        """The export is finished, and this is what it consists of."""
        job.needs_token, job.partial = manifest.needs_token, manifest.has_more
        job.next_since, job.is_ready = next_since, True
        rows = [
            {"number": number, "kind": each.kind, "type": each.type, "link": each.link,
             "count": each.count}
            for number, each in enumerate(manifest.files, 1)
        ]  # fmt: skip
        with self._engine.begin() as db:
            db.execute(file_table.delete())
            if rows:
                db.execute(file_table.insert(), rows)
            new = {"needs_token": job.needs_token, "partial": job.partial, "is_ready": True,
                   "next_since": next_since}  # fmt: skip
            db.execute(job_table.update().values(new))

    def renew(self, job: Job, manifest: Manifest) -> None:
        """The same export has new addresses; what was read of it stays read."""
        table = file_table
        with self._engine.begin() as db:
            rows = db.execute(sa.select(table).order_by(table.c.number)).all()
            same = [(row.kind, row.type) for row in rows] == [
                (each.kind, each.type) for each in manifest.files
            ]
        if not same:
            self.ready(job, manifest, job.next_since)
            return
        with self._engine.begin() as db:
            for row, each in zip(rows, manifest.files, strict=True):
                here = table.c.number == row.number
                db.execute(table.update().where(here).values(link=each.link))

    def files(self) -> list[File]:
        """The files that are still to be read: what there is, what is gone, what went wrong."""
        table = file_table
        query = sa.select(table.c.number, table.c.kind, table.c.type, table.c.link, table.c.count)
        with self._engine.begin() as db:
            rows = db.execute(query.where(table.c.state == "open").order_by(table.c.number)).all()
        return [File(*row) for row in rows]

    def read(self, file: File) -> None:
        """A file was read to its end."""
        here = file_table.c.number == file.number
        with self._engine.begin() as db:
            db.execute(file_table.update().where(here).values(state="done"))

    def is_partial(self, job: Job) -> None:
        """The server left something out: the next export asks for it again."""
        job.partial = True
        self._set(partial=True)

    def fail(self, job: Job) -> None:
        """The job stays as it is, for another try."""
        job.failed += 1
        self._set(failed=job.failed)

    def end(self, job: Job, since: str | None) -> None:
        """The export is over; the next one asks for what changed ``since``."""
        with self._engine.begin() as db:
            db.execute(file_table.delete())
        job.link, job.since, job.is_ready = None, since, False
        self._set(link=None, since=since, next_since=None, is_ready=False, needs_token=None,
                  failed=0, partial=False)  # fmt: skip

    def _set(self, **values: Any) -> None:
        with self._engine.begin() as db:
            db.execute(job_table.update().values(values))
