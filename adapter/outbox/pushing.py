"""A push: what differs is put into the outbox, and workers carry it over.

Workers share nothing but the outbox and what they learn: each has a connection of its own, and
leases the subjects it works on, as a worker in another process would.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack, closing

from adapter.errors import AuthenticationError, UnavailableError
from adapter.fhir.capability import read_capability
from adapter.fhir.json import dumps
from adapter.outbox.changes import Change, Server, Standing, stage_of
from adapter.outbox.identity import recognise
from adapter.outbox.planner import Wanted, step_of, still_wanted
from adapter.outbox.reading import Reader
from adapter.outbox.records import Records
from adapter.outbox.relay import Relay
from adapter.outbox.run import Connect, Progress, PushResult, Run, transport_to
from adapter.outbox.store import Outbox
from adapter.outbox.tables import IN_DOUBT, Stage

STOPPING = 5.0  # seconds that a stopped run waits for the requests on their way


def push(
    outbox: Outbox,
    server: Server,
    resources: Iterable[Wanted],
    *,
    release: str = "R4",
    wait: float = 60,
    workers: int = 1,
    transport_factory: Connect = transport_to,
    progress: Progress = lambda *_: None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
    records: Records | None = None,
) -> PushResult:
    """Bring a server in step with these resources, over as many connections as there are workers.

    Raises UnavailableError when the server is away for longer than ``wait`` seconds: everything is
    kept and the next push goes on. ``records`` makes the Provenance and the AuditEvent of what is
    written; without it there are none. Raises AuthenticationError when it does not let us in,
    ConfigurationError when it speaks another release, BusyError when others hold what is left,
    OutboxError when it is at another port now and holds nothing of what it acknowledged.
    """
    row = outbox.server_id(server)
    result = PushResult()
    with outbox.run(row, "push") as counts:
        try:
            if outbox.moved_from(row, server):
                with closing(transport_factory(server)) as transport:
                    patient = Reader(transport, wait, clock, sleep)
                    recognise(outbox, row, server, transport, patient.ask)
            outbox.look_again(row)
            result.unchanged = enqueue(outbox, row, resources)
            outbox.reopen_deletions(row)
            if outbox.is_pending(row):
                run = Run(outbox, row, progress, records, workers)
                with ExitStack() as opened:
                    relays = []
                    for number in range(workers):
                        own = opened.enter_context(closing(transport_factory(server)))
                        worker = outbox.worker(number)
                        relays.append(Relay(worker, run, own, wait, clock, sleep))
                    carry(relays, release, result)
        finally:
            counts.update(result.to_json())
    return result


def carry(relays: list[Relay], release: str, result: PushResult) -> None:
    """Let these workers send what is pending; ``result`` grows by what they did."""
    first = relays[0]
    try:
        stated = first.patience.ask(lambda: read_capability(first.transport, release))
        first.lessons.consider(stated)
        try:
            _together(relays)
            _settle_doubt(first)
        except UnavailableError:
            first.take_back()
            raise
        finally:
            _audit(relays)
        first.send()
    finally:
        for relay in relays:
            relay.result.requests = relay.transport.requests
            result.add(relay.result)
    took = first.held or result.writes or result.unchanged
    if first.run.is_forbidden and not took:
        raise AuthenticationError(
            "the server forbids every type: HTTP 403",
            hint="may this client write? its scopes are the server's to grant",
        )


def _settle_doubt(first: Relay) -> None:
    """What was given up is refused when the run wrote anything; else it is the server that fails.

    Raises UnavailableError then.
    """
    if first.run.doubt and not first.run.proven:
        raise UnavailableError(
            f"the server takes nothing: {first.run.doubt.said}",
            hint="nothing is lost: the same command goes on where this one stopped",
        )


def _audit(relays: list[Relay]) -> None:
    """Put numbers into the run's AuditEvent, where it wrote anything."""
    run, did = relays[0].run, PushResult()
    for relay in relays:
        did.add(relay.result)
    if run.records and run.is_audited:
        run.outbox.enqueue(run.row, [run.records.audit(run.name, did)])


def _together(relays: list[Relay]) -> None:
    """Run the workers side by side; the first error of one stops them all."""
    if len(relays) == 1:
        relays[0].send(before=Stage.AUDIT)
        return
    errors: list[BaseException] = []
    stopped = relays[0].run.stopped

    def work(relay: Relay) -> None:
        try:
            relay.send(before=Stage.AUDIT)
        except BaseException as error:
            if not stopped.is_set():
                errors.append(error)
            stopped.set()

    threads = [threading.Thread(target=work, args=(relay,), daemon=True) for relay in relays]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            thread.join()
    except BaseException:  # a signal: what is on its way may still arrive
        stopped.set()
        end = time.monotonic() + STOPPING
        for thread in threads:
            thread.join(max(0.0, end - time.monotonic()))
        raise
    if errors:
        raise errors[0]


def enqueue(outbox: Outbox, row: int, resources: Iterable[Wanted]) -> int:
    """Put what differs from the acknowledged into the outbox; returns how many do not.

    What was refused before is tried again.
    """
    known = outbox.standing(row)
    unchanged = 0
    new: list[Change] = []
    for each in still_wanted(resources, outbox.withdrawn(row)):
        before = known.get(each.reference)
        step = step_of(before, each.digest)
        if step == "unchanged":
            unchanged += 1
        elif step:
            new.append(_change(each, before))
    outbox.enqueue(row, new)
    return unchanged


def _change(wanted: Wanted, before: Standing | None) -> Change:
    """The change that brings this about; what may be on its way is looked at first."""
    return Change(
        wanted.reference,
        wanted.subject,
        dumps(wanted.resource),
        wanted.digest,
        state="unknown" if before and before.state in IN_DOUBT else "new",
        stage=stage_of(wanted.resource, wanted.subject),
        source=wanted.source,
    )
