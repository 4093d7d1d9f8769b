"""What a push would do."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from adapter import outbox as box
from adapter.errors import UsageError, Where
from adapter.fhir.json import loads
from adapter.fhir.omit import reduced
from adapter.mapping import MapResult, Progress, map_study, silent
from adapter.outbox import Outbox, Plan, Server
from adapter.service.outboxes import omission_of, open_outbox, server_of
from adapter.study import Study


def plan(
    study: Study,
    server: str,
    *,
    live: bool = False,
    with_values: bool = False,
    wait: float = 60,
    progress: Progress = silent,
) -> tuple[MapResult, Plan]:
    """What a push would do: create, update, retry, unchanged, vanished; nothing is written.

    ``live`` compares with what the server holds instead of what it acknowledged, and waits for it
    as long as ``wait`` seconds.
    """
    settings = study.settings.server(server)
    target = server_of(settings)
    mapped = map_study(study, progress)
    omitted: Counter[str] = Counter()
    wanted = list(reduced(mapped.resources, omission_of(settings), omitted))
    absence = absence_of(mapped)
    with open_outbox(study) as outbox:
        if live:
            found = box.plan_live(
                outbox,
                target,
                wanted,
                absence=absence,
                with_values=with_values,
                wait=wait,
                progress=progress,
            )
        else:
            found = box.plan(outbox, target, wanted, absence=absence, with_values=with_values)
    found.omitted = omitted
    return mapped, found


def absence_of(mapped: MapResult) -> box.Absence:
    """How what vanished is told from what is held back, by study.yaml and the rejects."""
    sources = mapped.study.settings.sources.values()
    return box.Absence(
        exports={source.name: source.export for source in sources},
        policies={source.name: source.on_vanish for source in sources},
        held=mapped.is_held,
    )


def agreed(
    file: Path,
    outbox: Outbox,
    target: Server,
    wanted: list[Any],
    absence: box.Absence,
    wait: float,
    progress: Progress,
) -> Plan:
    """The plan of a file, made again. Raises UsageError when it is not the same any more."""
    where = Where(file=str(file))
    try:
        then = loads(file.read_bytes())
        agreed, live = (then["server"], then["digest"]), bool(then.get("live"))
        lines = sorted((item["action"], item["reference"]) for item in then["items"])
    except OSError:
        raise UsageError("the plan cannot be read", where=where) from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UsageError("this is no plan", where=where, hint="make one: plan --out") from None
    if live:
        now = box.plan_live(outbox, target, wanted, absence=absence, wait=wait, progress=progress)
    else:
        now = box.plan(outbox, target, wanted, absence=absence)
    if agreed != (now.server, now.digest):
        raise UsageError(
            "this is not what a push would do now: study, server or acknowledgements have changed",
            where=where,
            hint="plan again, look at it, and push that plan",
        )
    if lines != sorted((item.action, item.reference) for item in now.items):
        raise UsageError(
            "the plan was changed after it was made",
            where=where,
            hint="a push carries out a whole plan or nothing: plan again",
        )
    return now
