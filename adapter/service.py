"""The use cases. The command line and the web service call these, and nothing below them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapter import outbox as box
from adapter import profiles
from adapter.errors import EXIT, ConfigurationError, UsageError, Where
from adapter.explain import Explanation
from adapter.explain import explain as explain_place
from adapter.fhir.auth import access_to, client_key
from adapter.fhir.diagnosis import Diagnosis, diagnose
from adapter.fhir.json import dumps, loads
from adapter.fhir.omit import Omission, reduced
from adapter.fhir.probe import Probed, probe
from adapter.mapping import MapResult, Progress, map_study, silent
from adapter.outbox import Outbox, Plan, PushResult, Server, VerifyResult
from adapter.privacy import id_function, write_private
from adapter.pull import Pulled
from adapter.pull import pull as pull_cohort
from adapter.recipes import compile_recipes
from adapter.report import render
from adapter.settings import ServerSettings, read_secret
from adapter.sources import read_sources
from adapter.sources.ctgov import read_registration
from adapter.study import Study
from mappings.context import CANONICAL, Context, load_tables
from mappings.registry_bundle import registration_bundle
from mappings.study_record import map_study as map_registration


@dataclass(frozen=True, slots=True)
class Pushed:
    """A push with the mapping that it carried over."""

    mapped: MapResult
    result: PushResult
    ignores_versions: bool = False  # the server, as a probe found
    needs_profiles: bool = False  # it refused a profile that it does not know

    @property
    def exit(self) -> int:
        """3 when resources were refused, 1 when more was rejected than accepted, else 0."""
        return EXIT.refused if self.result.dead or self.result.parked else exit_of(self.mapped)

    def to_json(self) -> dict[str, Any]:
        """Counts only: nothing of a subject."""
        return {
            "study": self.mapped.study.settings.study,
            "exit": self.exit,
            "rejected": len(self.mapped.rejects),
            "resources": self.mapped.counts,
            "push": self.result.to_json(),
            "omitted": dict(self.result.omitted),
        }


def exit_of(mapped: MapResult) -> int:
    """1 when there are more rejects than study.yaml accepts, else 0."""
    accepted = mapped.study.settings.accepted_rejects
    return EXIT.findings if len(mapped.rejects) > accepted or mapped.dropped else EXIT.done


def check(study: Study) -> dict[str, int]:
    """study.yaml against its sources, before any row is mapped: recipes, columns, codes, units."""
    tables = read_sources(study.settings.sources)
    recipes = compile_recipes(study.scope(tables))
    return {
        "sources": len(tables),
        "columns": sum(len(table.columns) for table in tables.values()),
        "recipes": len(recipes),
    }


def explain(study: Study, place: str, *, with_source: bool = False) -> Explanation:
    """Where the value at ``Type/id.path`` came from; cells and values only ``with_source``."""
    return explain_place(study, place, with_source=with_source)


def write_map(mapped: MapResult, out: Path) -> list[Path]:
    """Write one ``<Type>.ndjson`` a resource type, and ledger.json. Returns the files."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError:
        raise UsageError("the folder cannot be made", where=Where(file=str(out))) from None
    files = []
    for stale in _written_before(out):
        stale.unlink(missing_ok=True)
    for kind in mapped.counts:
        files.append(out / f"{kind}.ndjson")
        with files[-1].open("wb") as lines:
            for each in mapped.resources:
                if each.resource["resourceType"] == kind:
                    lines.write(dumps(each.resource) + b"\n")
    files.append(out / "ledger.json")
    files[-1].write_bytes(dumps(mapped.ledger))
    return files


def _written_before(out: Path) -> list[Path]:
    """What an earlier ``map`` wrote there, by its ledger. Raises UsageError for files of others."""
    try:
        kinds = loads((out / "ledger.json").read_bytes())["resources"]
    except (OSError, ValueError, KeyError, TypeError):
        kinds = {}
    ours = [out / f"{kind}.ndjson" for kind in kinds]
    for other in sorted(set(out.glob("*.ndjson")) - set(ours)):
        raise UsageError(
            "the folder holds a file that map did not write",
            where=Where(file=str(other)),
            hint="give a folder of its own with --out: what is stale there is removed",
        )
    return ours


def write_report(mapped: MapResult, out: Path, *, with_source: bool = False) -> Path:
    """Write the report as one HTML file; with source rows it is personal data."""
    page = render(
        f"{mapped.study.settings.study}",
        mapped.ledger,
        mapped.resources,
        tables=mapped.tables if with_source else None,
    )
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        if not with_source:
            out.write_text(page, encoding="utf-8")
    except OSError:
        raise UsageError("the file cannot be written", where=Where(file=str(out))) from None
    if with_source:
        write_private(out, page.encode())
    return out


def open_outbox(study: Study) -> Outbox:
    """The study's outbox; its marker stays in the study folder, wherever the outbox is.

    Raises OutboxError when it belongs to another study, key or release, or is not as it was left.
    """
    at = study.settings.outbox
    name = at if isinstance(at, Path) else Path("postgresql.sqlite")
    return Outbox.open(
        at,
        study=study.settings.study,
        release=study.settings.fhir,
        key_fingerprint=study.key_fingerprint,
        marker=box.marker_of(study.folder / ".study-fhir" / name.name),
    )


def connect(server: ServerSettings) -> Server:
    """The server as the outbox wants it: name, URL and how it is reached."""
    return Server(server.name, server.url, access_to(server))


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
    target = connect(settings)
    mapped = map_study(study, progress)
    omitted: Counter[str] = Counter()
    wanted = list(reduced(mapped.resources, _omission(settings), omitted))
    absence = _absence(mapped)
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


def _absence(mapped: MapResult) -> box.Absence:
    sources = mapped.study.settings.sources.values()
    return box.Absence(
        exports={source.name: source.export for source in sources},
        policies={source.name: source.on_vanish for source in sources},
        held=mapped.is_held,
    )


def _omission(server: ServerSettings) -> Omission:
    return Omission(server.omit_extensions, server.omit_codings, server.omit_meta_profile)


def _records(study: Study, server: ServerSettings) -> box.Records | None:
    return None if server.omit_records else box.Records(study.context, _omission(server))


def push(
    study: Study,
    server: str,
    *,
    wait: float = 60,
    progress: Progress = silent,
    mapped: MapResult | None = None,
    planned: Path | None = None,
    allow: bool = False,
) -> Pushed:
    """Bring the server in step with the study; only changes are sent, each with proof.

    ``allow`` lets more than 5 % go that vanished from full exports. With ``planned``, a file that
    ``plan --out`` wrote, exactly that plan is carried out, a live one over what the server holds:
    raises UsageError when the study or the server has moved on since. Raises UnavailableError when
    the server is not back within ``wait`` seconds (all is kept).
    """
    settings = study.settings.server(server)
    target = connect(settings)
    omitted: Counter[str] = Counter()
    with open_outbox(study) as outbox:
        if mapped is None:
            study.passed |= outbox.accepted(target)  # it passed the gate before it was sent
            mapped = map_study(study, progress)
        wanted = list(reduced(mapped.resources, _omission(settings), omitted))
        absence = _absence(mapped)
        now = None
        if planned:
            now = _agreed(planned, outbox, target, wanted, absence, wait, progress)
        elif any(policy != "report" for policy in absence.policies.values()):
            now = box.plan(outbox, target, wanted, absence=absence)
        if now:
            _prepare(outbox, target, now, absence, allow)
        box.recall(outbox, target, absence)
        result = box.push(
            outbox,
            target,
            wanted,
            release=study.settings.fhir,
            wait=wait,
            workers=settings.connections,
            progress=progress,
            records=_records(study, settings),
        )
        lessons = box.Lessons(outbox, outbox.server_id(target))
        letters = box.dead_letters(outbox, target) if result.dead else []
    result.omitted = omitted
    unknown = any(letter.needs_profiles for letter in letters)
    return Pushed(mapped, result, lessons.ignores_versions, unknown)


def _prepare(outbox: Outbox, target: Server, now: Plan, absence: box.Absence, allow: bool) -> None:
    """Want what the plan says beyond the mapped: what vanished, and what drifted."""
    gone = [item.reference for item in now.items if item.action == "vanished"]
    box.vanish(outbox, target, gone, absence, allow)
    if now.is_live:
        box.agree(outbox, target, now)


def _agreed(
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


def verify(
    study: Study, server: str, *, wait: float = 60, progress: Progress = silent
) -> VerifyResult:
    """Does the server still hold what it acknowledged, and does every reference resolve?

    Raises UnavailableError when the server is not back within ``wait`` seconds.
    """
    target = connect(study.settings.server(server))
    with open_outbox(study) as outbox:
        return box.verify(outbox, target, wait=wait, progress=progress)


def pull(
    study: Study, server: str, out: Path, *, wait: float = 60, progress: Progress = silent
) -> Pulled:
    """Read the cohort of ``pull`` in study.yaml from an EHR into a folder, as personal data.

    Writes nothing to the server. Raises ConfigurationError when study.yaml has no ``pull``; what
    stopped a pull that had begun stands in its result, and what was read is kept.
    """
    settings = study.settings.pull
    if settings is None:
        raise ConfigurationError(
            "study.yaml does not say what to pull",
            where=Where(file=str(study.folder / "study.yaml")),
            hint="add pull: with patients and types; docs/pull.md has an example",
        )
    named = study.settings.server(server)
    transport = box.connect(connect(named))
    try:
        return pull_cohort(
            settings,
            transport,
            state=study.folder / ".study-fhir" / "pull.sqlite",
            out=out,
            study=study.settings.study,
            server=named.name,
            wait=wait,
            progress=progress,
        )
    finally:
        transport.close()


def subject_of(study: Study, record_file: Path) -> str:
    """The pseudonymous id of the subject whose key, as the sources have it, a file holds."""
    record = read_secret(record_file)
    if "\n" in record:
        raise UsageError(
            "the record file holds more than one line",
            where=Where(file=str(record_file)),
            hint="one record number, as the sources have it; one subject at a time",
        )
    return study.context.id("Patient", (record,))


def retract(study: Study, subject: str, server: str, *, wait: float = 60) -> box.Retraction:
    """Withdraw one subject, by the id of its Patient or ``Patient/<id>``, with proof."""
    settings = study.settings.server(server)
    with open_outbox(study) as outbox:
        return box.retract(
            outbox,
            connect(settings),
            subject.removeprefix("Patient/"),
            release=study.settings.fhir,
            wait=wait,
            records=_records(study, settings),
        )


def dead_letters(study: Study, server: str) -> list[box.DeadLetter]:
    """What a server refused, with the reasons; no values."""
    with open_outbox(study) as outbox:
        return box.dead_letters(outbox, connect(study.settings.server(server)))


def dead_letter(
    study: Study, server: str, reference: str, with_values: bool = False
) -> dict[str, Any]:
    """One refused resource: the reason, and the places its values came from."""
    with open_outbox(study) as outbox:
        letter = box.dead_letter(outbox, connect(study.settings.server(server)), reference)
    places = [
        {"source": origin.source, "line": origin.line, "columns": list(origin.columns)}
        for each in map_study(study).resources
        if each.reference == reference
        for origin in each.origins
    ]
    hint = {"hint": profiles_hint(server)} if letter.needs_profiles else {}
    return {**letter.to_json(with_values), **hint, "places": places}


def profiles_hint(server: str) -> str:
    """What to do about a server that refuses a profile because it does not know it."""
    return (
        f"the server does not know our profiles: `study-fhir profiles push --server {server}` "
        "first, where it takes definitions, or `meta-profile: omit` for it in study.yaml"
    )


def retry(study: Study, server: str, references: tuple[str, ...] = ()) -> int:
    """Want refused resources again, all without a name; returns how many."""
    with open_outbox(study) as outbox:
        return box.retry(outbox, connect(study.settings.server(server)), references)


def drop(study: Study, server: str, reference: str, reason: str) -> None:
    """Give a refused resource up, with a reason, until its content changes."""
    with open_outbox(study) as outbox:
        box.drop(outbox, connect(study.settings.server(server)), reference, reason)


@dataclass(frozen=True, slots=True)
class Examined:
    """A server looked at: what it shows, how each type would be sent, and what a probe found."""

    server: ServerSettings
    seen: Diagnosis
    probed: Probed | None
    strategies: dict[str, str]

    @property
    def exit(self) -> int:
        """3 when it takes nothing, 1 when it lacks what a push needs, else 0."""
        if self.probed and self.probed.is_refused:
            return EXIT.refused
        lacks = self.probed and (self.probed.lacks or self.probed.left)
        return EXIT.findings if lacks or self.seen.clock_is_off or not self.seen.may_read else 0

    def to_json(self) -> dict[str, Any]:
        """All of it, for a program."""
        return {
            "server": self.server.name,
            "url": self.server.url,
            "auth": self.server.auth.type,
            "exit": self.exit,
            **self.seen.to_json(),
            "strategies": self.strategies,
            "probe": self.probed.to_json() if self.probed else None,
        }


def examine(server: str, study: Study | None = None, *, with_probe: bool = False) -> Examined:
    """Look at a server of the study, or at a base URL; ``with_probe`` writes and deletes there.

    What a probe finds is remembered in the study's outbox. Raises ConfigurationError when the
    server speaks another release than the study.
    """
    if study is None:
        settings = _by_url(server)
        return Examined(settings, *_looked_at(connect(settings), None, "none", with_probe), {})
    settings = study.settings.server(server)
    target = connect(settings)
    with open_outbox(study) as outbox:
        row = outbox.server_id(target)
        name = study.settings.study
        seen, found = _looked_at(target, study.settings.fhir, name, with_probe)
        lessons = box.Lessons(outbox, row)
        lessons.consider(seen.capability)
        lessons.probed(found.findings if found else ())
        known = {reference.partition("/")[0] for reference in outbox.known(row)}
    strategies = {each: lessons.strategy(each) for each in sorted(known or map_study(study).counts)}
    return Examined(settings, seen, found, strategies)


def _looked_at(
    target: Server, release: str | None, study: str, with_probe: bool
) -> tuple[Diagnosis, Probed | None]:
    transport = box.connect(target)
    try:
        seen = diagnose(transport, target.access, release)
        return seen, probe(transport, f"{CANONICAL}/study", study) if with_probe else None
    finally:
        transport.close()


def jwks(study: Study, server: str) -> dict[str, Any]:
    """The public key of ours that a server knows us by, to be registered there."""
    return client_key(study.settings.server(server)).jwks()


def status(study: Study) -> dict[str, Any]:
    """What the outbox knows: changes by server, type and state, and the last runs."""
    with open_outbox(study) as outbox:
        return box.status(outbox)


def build_profiles(out: Path) -> list[Path]:
    """Our profiles as FHIR NPM packages in a folder, one a release."""
    return profiles.build(out)


def push_profiles(
    server: str,
    study: Study | None = None,
    release: str | None = None,
    *,
    progress: Progress = silent,
) -> profiles.ProfilesPushed:
    """Write our definitions onto a server: one of the study's, or a base URL.

    Raises UsageError for a name that nothing says the URL of.
    """
    settings = study.settings.server(server) if study else _by_url(server)
    release = release or (study.settings.fhir if study else "R4")
    transport = box.connect(connect(settings))
    try:
        return profiles.push(transport, release, progress)
    finally:
        transport.close()


def _by_url(server: str) -> ServerSettings:
    if not server.startswith(("http://", "https://")):
        raise UsageError(
            f"{server!r} is no base URL", hint="give --study, whose study.yaml names the server"
        )
    return ServerSettings(name=server, url=server)


def registry(file: Path, release: str) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """A registration record as a transaction Bundle, and the leaves it does not carry.

    A public record needs no secret: its ids come from a key that everybody knows. Raises
    SourceError for a file that is no registration.
    """
    registration = read_registration(file)
    context = Context(
        release=release,
        study=registration.study.key,
        identifier_base=f"{CANONICAL}/registrations",
        id_of=id_function(b"", registration.study.key[0]),
        tables=load_tables(release=release),
    )
    resources = [resource for _, resource in map_registration(registration.study, (), (), context)]
    return registration_bundle(resources), [each.to_json() for each in registration.dropped]


def push_study(
    folder: Path, server: str, announce: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """One push of a study folder, as the web service runs it; the summary holds counts only."""
    return push(Study(folder, announce=announce), server).to_json()
