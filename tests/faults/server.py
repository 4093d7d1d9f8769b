"""A FHIR server whose bad days are written in a script: in process, on loopback, in memory.

It keeps every version of every resource, honours ``If-Match``, counts what it is asked, and at
the requests that a scenario names does something else than answer: see ``faults.py``.
"""

from __future__ import annotations

import json
import socket
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl

from tests.faults.faults import Fault, Spoiled
from tests.faults.quirks import Quirks

Resource = dict[str, Any]
BODY_LIMIT = 50_000_000


@dataclass(slots=True)
class Reply:
    """What would be answered, before a fault spoils it."""

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


def outcome(code: str) -> Resource:
    """An OperationOutcome that also says, in words, what nobody may repeat."""
    text = "CANARY-NAME-7f3a said the server"
    issue = {"severity": "error", "code": code, "diagnostics": text}
    return {"resourceType": "OperationOutcome", "issue": [issue]}


class Store:
    """Every version of every resource; None is a deletion."""

    def __init__(self, quirks: Quirks):
        self.quirks = quirks
        self.versions: dict[str, list[Resource | None]] = {}
        self.commits: list[str] = []
        self.is_crossed = False  # a late write was carried out just before this one
        self.blind: list[str] = []  # what was overwritten without If-Match, when nothing was late
        self.lock = threading.RLock()

    def latest(self, place: str) -> Resource | None:
        """The newest version, with its meta; None when there is none or it was deleted."""
        held = self.versions.get(place)
        if not held or held[-1] is None:
            return None
        meta = {**held[-1].get("meta", {}), "versionId": str(len(held))}
        return {**held[-1], "meta": meta}

    def put(self, place: str, resource: Resource, if_match: str | None) -> Reply:
        """Write a version."""
        with self.lock:
            held = self.latest(place)
            current = held["meta"]["versionId"] if held else None
            stale = if_match is not None and if_match.removeprefix("W/").strip('"') != current
            if stale and not self.quirks.ignores_versions:
                return Reply(self.quirks.stale, outcome("conflict"))
            refused = self.quirks.refuses(place, resource)
            if held is None and not self.quirks.takes_ids:
                refused = 405
            if refused:
                return Reply(refused, self.quirks.said or outcome("processing"))
            if held and self.quirks.keeps_identical and _content(held) == _content(resource):
                return self._written(place, 200)
            if held and if_match is None and not self.is_crossed:
                self.blind.append(place)
            self.versions.setdefault(place, []).append(resource)
            self.commits.append(place)
            return self._written(place, 200 if held else 201)

    def delete(self, place: str, if_match: str | None) -> Reply:
        """Delete alone; what is gone already is fine."""
        with self.lock:
            return self._is_kept(place) or self._delete(place, if_match)

    def _is_kept(self, place: str) -> Reply | None:
        """The refusal to delete what something else refers to."""
        if not self.quirks.keeps_referenced:
            return None
        named = f'"reference": "{place}"'
        held = (self.latest(each) for each in list(self.versions) if each != place)
        return (
            Reply(409, outcome("conflict")) if any(named in json.dumps(h) for h in held) else None
        )

    def _delete(self, place: str, if_match: str | None) -> Reply:
        with self.lock:
            held = self.latest(place)
            if held is None:
                return Reply(204)
            if if_match and if_match.removeprefix("W/").strip('"') != held["meta"]["versionId"]:
                return Reply(self.quirks.stale, outcome("conflict"))
            self.versions[place].append(None)
            self.commits.append(f"-{place}")
            return Reply(204)

    def get(self, place: str) -> Reply:
        """The newest version, 404 or 410."""
        held = self.latest(place)
        if held is None:
            return Reply(410 if self.versions.get(place) else 404, outcome("not-found"))
        return Reply(200, held, {"ETag": self._etag(held["meta"]["versionId"])})

    def find(self, kind: str, identifier: str) -> list[Resource]:
        """All of a type with this ``system|value``."""
        system, _, value = identifier.partition("|")
        wanted = {"system": system, "value": value}
        found = []
        for place in list(self.versions):
            held = self.latest(place)
            if held is None or not place.startswith(f"{kind}/"):
                continue
            given = held.get("identifier", [])
            given = given if isinstance(given, list) else [given]
            if any(wanted.items() <= each.items() for each in given):
                found.append(held)
        return found

    def create(self, kind: str, resource: Resource, condition: str | None) -> Reply:
        """Create under an id of the server's own, unless the condition finds one."""
        with self.lock:
            if condition and self.quirks.takes_conditions:
                found = self.find(kind, condition.partition("=")[2])
                if len(found) > 1:
                    return Reply(412, outcome("multiple-matches"))
                if found:
                    return self._written(f"{kind}/{found[0]['id']}", 200)
            own = f"own-{len(self.versions) + 1}"
            self.versions[f"{kind}/{own}"] = [{**resource, "id": own}]
            self.commits.append(f"{kind}/{own}")
            return self._written(f"{kind}/{own}", 201)

    def search(self, kind: str, form: str) -> Reply:
        """A search by identifier, or by nothing where the parameter is unknown."""
        wanted = dict(parse_qsl(form)).get("identifier", "")
        every = [held for place in list(self.versions) if (held := self.latest(place))]
        found = self.find(kind, wanted) if wanted and self.quirks.searches else every
        entries = [{"resource": each} for each in found if each["resourceType"] == kind]
        return Reply(200, {"resourceType": "Bundle", "type": "searchset", "entry": entries})

    def _written(self, place: str, status: int) -> Reply:
        version = str(len(self.versions[place]))
        headers = {"Location": f"{place}/_history/{version}", "ETag": self._etag(version)}
        return Reply(status, self.latest(place), headers)

    def _etag(self, version: str) -> str:
        return f'W/"{version}"' if self.quirks.weak_etags else f'"{version}"'

    def bundle(self, bundle: Resource, base: str) -> Reply:
        """A batch or a transaction, entry by entry."""
        entries = bundle.get("entry", [])
        if self.quirks.most_entries and len(entries) > self.quirks.most_entries:
            return Reply(self.quirks.too_much, outcome(self.quirks.too_much_said))
        if self.quirks.most_bytes and len(json.dumps(bundle)) > self.quirks.most_bytes:
            return Reply(413)
        whole = bundle["type"] == "transaction" and not self.quirks.transaction_is_batch
        with self.lock:
            before = {place: list(held) for place, held in self.versions.items()}
            marks = len(self.commits)
            replies: list[Reply] = []
            for number, entry in enumerate(entries, 1):
                throttled = self.quirks.throttles_rest and any(r.status == 429 for r in replies)
                spent = Reply(429, outcome("throttled"))
                replies.append(spent if throttled else self._entry(entry, number, base, whole))
            failed = next((reply for reply in replies if reply.status >= 400), None)
            if whole and not failed:
                gone = [each.removeprefix("-") for each in self.commits[marks:] if each[0] == "-"]
                failed = next(filter(None, map(self._is_kept, gone)), None)
            if whole and failed:
                self.versions = before
                del self.commits[marks:]
                return failed
        answered = [_answered(reply, reads=bundle["type"] == "batch") for reply in replies]
        answered = self.quirks.rearranged(answered)
        kind = f"{bundle['type']}-response"
        return Reply(200, {"resourceType": "Bundle", "type": kind, "entry": answered})

    def _entry(self, entry: Resource, number: int, base: str, whole: bool) -> Reply:
        request = entry["request"]
        place, match = request["url"].removeprefix(f"{base}/"), request.get("ifMatch")
        if request["method"] == "GET":
            return self.get(place)
        if self.quirks.spoils_entry and number in self.quirks.spoils_entry:
            return Reply(self.quirks.spoils_entry.pop(number), outcome("throttled"))
        if request["method"] == "DELETE":
            return (self._delete if whole else self.delete)(place, match)
        return self.put(place, entry["resource"], match)


def _answered(reply: Reply, reads: bool) -> Resource:
    response: Resource = {"status": f"{reply.status} said"}
    if reply.status >= 400:
        return {"response": {**response, "outcome": reply.body}}
    if "Location" in reply.headers:
        response["location"] = reply.headers["Location"]
    if "ETag" in reply.headers:
        response["etag"] = reply.headers["ETag"]
    shown = {"resource": reply.body} if reads and reply.body else {}
    return {**shown, "response": response}


def _content(resource: Resource) -> Resource:
    meta = {k: v for k, v in resource.get("meta", {}).items() if k != "versionId"}
    return {**resource, "meta": meta}


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients hang up here all the time."""


class ScriptedServer:
    """The server on a port of its own. ``faults`` are what goes wrong, and when."""

    def __init__(self, faults: tuple[Fault, ...] = (), quirks: Quirks | None = None):
        self.quirks = quirks or Quirks()
        self.store = Store(self.quirks)
        self.faults = faults
        self.asked: Counter[str] = Counter()  # requests by kind: see kind_of
        self.seen: list[dict[str, str]] = []  # the headers of each request
        self.writers: list[tuple[str, str]] = []  # who wrote what: the header From, and the place
        # what is carried out when the next write comes in: before it, and after it
        self.late: list[Callable[[], Any]] = []
        self.after_next: list[Callable[[], Any]] = []
        self._http = _Quiet(("127.0.0.1", 0), _handler(self))
        self.port = self._http.server_address[1]
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)

    @property
    def url(self) -> str:
        """The base URL."""
        return f"http://127.0.0.1:{self.port}/fhir"

    def __enter__(self) -> ScriptedServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()

    def land(self, kind: str) -> list[Callable[[], Any]]:
        """Carry out what is late when a write comes in; returns what follows after it."""
        if kind not in ("write", "put"):
            return []
        first, later = self.late, self.after_next
        self.late, self.after_next = [], []
        self.store.is_crossed = False
        self.carry_out(first)
        return later

    def carry_out(self, late: Sequence[Callable[[], Any]]) -> None:
        """What was given up long ago arrives now."""
        for commit in late:
            self.store.is_crossed = True
            commit()

    def calm(self) -> None:
        """From now on, nothing goes wrong."""
        self.faults = ()
        self.store.quirks = self.quirks = Quirks() if self.quirks.passes else self.quirks

    def fault_at(self, kind: str) -> Fault | None:
        """The fault of this request, and count it."""
        self.asked[kind] += 1
        for fault in self.faults:
            number = sum(self.asked.values()) if fault.on == "any" else self.asked[kind]
            if fault.on in (kind, "any") and fault.hits(number):
                return fault
        return None


def kind_of(method: str, path: str, bundle: Any) -> str:
    """What a request is: metadata, look, write, put, delete, get, create or search."""
    if path.endswith("/metadata"):
        return "metadata"
    if method == "POST" and path.endswith("/_search"):
        return "search"
    if method == "POST" and isinstance(bundle, dict) and bundle.get("resourceType") == "Bundle":
        reads = all(entry["request"]["method"] == "GET" for entry in bundle.get("entry", []))
        return "look" if reads else "write"
    return {"POST": "create"}.get(method, method.lower())


def _handler(server: ScriptedServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _handle(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            early = next((f for f in server.faults if f.early), None)
            if early and self.command == "POST" and early.hits_early(server.asked):
                self.rfile.read(length // 2 if early.name == "reset-in-body" else 0)
                server.asked["early"] += 1
                return self._hang_up()
            data = self.rfile.read(length)
            body = json.loads(data) if data and "json" in self.headers["Content-Type"] else data
            server.seen.append({name.lower(): value for name, value in self.headers.items()})
            kind = kind_of(self.command, self.path, body)
            if kind == "write":
                who, entries = self.headers.get("From", ""), body["entry"]
                server.writers += [(who, entry["request"]["url"]) for entry in entries]
            fault = server.fault_at(kind)
            later = server.land(kind)
            try:
                if fault and not fault.after:
                    fault.spoil(self, server, lambda: self._reply(kind, body))
                reply = self._reply(kind, body)
                server.carry_out(later)
                if fault and fault.after:
                    fault.spoil(self, server, lambda: reply)
                self._send(reply)
            except Spoiled:
                self._hang_up()
            return None

        def _reply(self, kind: str, body: Any) -> Reply:
            place = self.path.removeprefix("/fhir").strip("/")
            match = self.headers.get("If-Match")
            if kind == "metadata":
                stated = server.quirks.capability
                return Reply(200, stated) if stated else Reply(404, outcome("not-found"))
            if kind in ("look", "write"):
                if server.quirks.no_bundles:
                    return Reply(server.quirks.no_bundles, outcome("not-supported"))
                return server.store.bundle(body, server.url)
            if kind == "put":
                return server.store.put(place, body, match)
            if kind == "delete":
                return server.store.delete(place, match)
            if kind == "create":
                return server.store.create(place, body, self.headers.get("If-None-Exist"))
            if kind == "get" and place.endswith("?_count=1"):
                return server.store.search(place.partition("?")[0], "")
            if kind == "search":
                return server.store.search(place.partition("/")[0], body.decode())
            return server.store.get(place)

        def _send(self, reply: Reply) -> None:
            data = b"" if reply.body is None else json.dumps(reply.body).encode()
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Type", "application/fhir+json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def _hang_up(self) -> None:
            self.close_connection = True
            try:
                self.wfile.flush()
                self.connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

        def log_message(self, *_args: Any) -> None:
            """Nothing is logged."""

        do_GET = do_POST = do_PUT = do_DELETE = _handle  # noqa: N815  the library's names

    return Handler
