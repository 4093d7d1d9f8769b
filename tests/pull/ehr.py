"""An EHR whose bad days are written in a script: FHIR searches, paging and a bulk export.

In process, on loopback, in memory. ``on`` says what is answered instead of the usual thing.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Resource = dict[str, Any]
NOON = "Mon, 02 Mar 2026 12:00:00 GMT"


@dataclass
class Asked:
    """A request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: str

    @property
    def line(self) -> str:
        return f"{self.method} {self.path} {self.body}"

    @property
    def form(self) -> dict[str, str]:
        return _first(self.body)


@dataclass
class Reply:
    """What is answered; a body of bytes goes out as it is, ``cut`` hangs up after so many."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None


Answer = Reply | Callable[[Asked], Reply]


def outcome(*codes: str, severity: str = "error") -> Resource:
    """An OperationOutcome that says in words what nobody may repeat."""
    issues = [{"severity": severity, "code": c, "diagnostics": "CANARY-SAID"} for c in codes]
    return {"resourceType": "OperationOutcome", "issue": issues}


def ndjson(*resources: Resource) -> bytes:
    return b"".join(json.dumps(each).encode() + b"\n" for each in resources)


def patient(id_: str, **more: Any) -> Resource:
    return {"resourceType": "Patient", "id": id_, "meta": meta(1), **more}


def meta(version: int, updated: str = "2026-03-01T00:00:00Z") -> Resource:
    return {"versionId": str(version), "lastUpdated": updated}


def observation(id_: str, of: str, version: int = 1, **more: Any) -> Resource:
    return {
        "resourceType": "Observation",
        "id": id_,
        "meta": more.pop("meta", meta(version)),
        "status": more.pop("status", "final"),
        "subject": {"reference": f"Patient/{of}"},
        **more,
    }


class Ehr:
    """The server. ``resources`` is what it holds, ``date`` what its clock says."""

    def __init__(self, *resources: Resource, page_size: int = 100):
        self.resources = list(resources)
        self.page_size = page_size
        self.date = NOON
        self.files: dict[str, bytes] = {}
        self.manifest: Any = {}
        self.asked: list[Asked] = []
        self._script: list[tuple[str, list[Answer], bool]] = []
        self._lock = threading.Lock()
        self._http = _Quiet(("127.0.0.1", 0), _handler(self))
        self.origin = f"http://127.0.0.1:{self._http.server_address[1]}"
        self.url = f"{self.origin}/fhir"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)

    def __enter__(self) -> Ehr:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def on(self, pattern: str, *answers: Answer, always: bool = False) -> None:
        """Answer requests whose line matches with these, in turn; ``always`` repeats the last."""
        self._script.insert(0, (pattern, list(answers), always))

    def calm(self) -> None:
        """From now on, nothing goes wrong."""
        self._script.clear()

    def lines(self, pattern: str = "") -> list[str]:
        """The lines of the requests that match."""
        return [each.line for each in self.asked if re.search(pattern, each.line)]

    def clear(self) -> None:
        self.asked.clear()

    def offer(self, *outputs: Any, **more: Any) -> None:
        """An export that is ready: (type, name, bytes[, count]) each."""
        self.manifest = {
            "transactionTime": "2026-03-02T12:00:00Z",
            "request": f"{self.url}/Group/g/$export",
            "requiresAccessToken": True,
            "output": [self._offered(each) for each in outputs],
            "error": [],
            **more,
        }

    def _offered(self, output: Any) -> Resource:
        kind, name, data, *count = output
        self.files[name] = data
        counted = {"count": count[0]} if count else {}
        return {"type": kind, "url": f"{self.origin}/files/{name}", **counted}

    def answer(self, asked: Asked) -> Reply:
        with self._lock:
            self.asked.append(asked)
            for pattern, answers, always in self._script:
                if answers and re.search(pattern, asked.line):
                    chosen = answers[0] if always and len(answers) == 1 else answers.pop(0)
                    return chosen(asked) if callable(chosen) else chosen
        return self.usual(asked)

    def usual(self, asked: Asked) -> Reply:
        path = urlsplit(asked.path).path
        if path == "/fhir/pages":
            return self._page(
                {name: v[0] for name, v in parse_qs(urlsplit(asked.path).query).items()}
            )
        if path.endswith("/_search"):
            return self._page({"type": path.split("/")[2], **asked.form})
        if path.startswith("/fhir/Group/"):
            return Reply(202, None, {"Content-Location": f"{self.origin}/jobs/1"})
        if path == "/jobs/1":
            return Reply(200, self.manifest)
        if path.startswith("/files/"):
            name = path.removeprefix("/files/")
            return (
                Reply(200, self.files[name])
                if name in self.files
                else Reply(404, outcome("not-found"))
            )
        found = [
            each for each in self.resources if f"/fhir/{each['resourceType']}/{each['id']}" == path
        ]
        return Reply(200, found[0]) if found else Reply(404, outcome("not-found"))

    def _page(self, query: dict[str, str]) -> Reply:
        found = [each for each in self.resources if each["resourceType"] == query["type"]]
        if "identifier" in query:
            wanted = dict(zip(("system", "value"), query["identifier"].split("|"), strict=True))
            found = [each for each in found if wanted in each.get("identifier", [])]
        if "patient" in query:
            reference = {"reference": f"Patient/{query['patient']}"}
            found = [each for each in found if each.get("subject") == reference]
        if since := query.get("_lastUpdated"):
            found = [
                each for each in found if each["meta"]["lastUpdated"] >= since.removeprefix("ge")
            ]
        start = int(query.get("start", "0"))
        end = start + self.page_size
        links = []
        if end < len(found):
            rest = "&".join(
                f"{n}={v}" for n, v in query.items() if n not in ("start", "identifier")
            )
            links = [{"relation": "next", "url": f"{self.url}/pages?{rest}&start={end}"}]
        return Reply(200, bundle(*found[start:end], link=links))


def bundle(*resources: Resource, **more: Any) -> Resource:
    entries = [{"resource": each, "search": {"mode": "match"}} for each in resources]
    return {"resourceType": "Bundle", "type": "searchset", "entry": entries, **more}


def _first(query: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(query).items()}


def _text(body: Any) -> bytes:
    return b"" if body is None else json.dumps(body).encode()


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients hang up here all the time."""


def _handler(ehr: Ehr) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1  # headers and body in one segment

        def _handle(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            headers = {name.lower(): value for name, value in self.headers.items()}
            self._send(ehr.answer(Asked(self.command, self.path, headers, body)))

        def _send(self, reply: Reply) -> None:
            is_file = isinstance(reply.body, bytes)
            data = (
                reply.body
                if is_file
                else b""
                if reply.body is None
                else json.dumps(reply.body).encode()
            )
            kind = "application/fhir+ndjson" if is_file else "application/fhir+json"
            headers = {"Date": ehr.date, "Content-Type": kind, "Content-Length": str(len(data))}
            self.send_response_only(reply.status)
            for name, value in (headers | reply.headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data[: reply.cut])
            self.close_connection = self.close_connection or reply.cut is not None

        def log_message(self, *_args: Any) -> None:
            """Nothing is logged."""

        do_GET = do_POST = do_PUT = do_DELETE = _handle  # noqa: N815  the library's names

    return Handler
