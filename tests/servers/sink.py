"""A server that accepts everything at once and keeps nothing: what is left is our own time.

python tests/servers/sink.py PORT
"""

from __future__ import annotations

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import orjson

sys.path[:0] = [str(Path(__file__).parents[2])]

from adapter.validation.references import resource_types  # noqa: E402  after the path

METADATA = {
    "resourceType": "CapabilityStatement",
    "fhirVersion": "4.0.1",
    "rest": [
        {
            "mode": "server",
            "interaction": [{"code": "transaction"}, {"code": "batch"}],
            "resource": [
                {"type": kind, "interaction": [{"code": "update"}, {"code": "search-type"}]}
                for kind in sorted(resource_types("R4"))
            ],
        }
    ],
}
NOTHING = {"resourceType": "Bundle", "type": "searchset", "total": 0}


class Sink(BaseHTTPRequestHandler):
    """Finds nothing, answers 404 to every read and 201 to every write."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """The CapabilityStatement, or a search that finds nothing."""
        self._answer(METADATA if self.path.endswith("/metadata") else NOTHING)

    def do_POST(self) -> None:
        """A batch of reads or a transaction of writes."""
        asked = orjson.loads(self.rfile.read(int(self.headers["Content-Length"])))
        entries = [_entry(entry["request"]) for entry in asked["entry"]]
        kind = f"{asked['type']}-response"
        self._answer({"resourceType": "Bundle", "type": kind, "entry": entries})

    def _answer(self, body: dict[str, Any]) -> None:
        data = orjson.dumps(body)
        self.send_response(200)
        self.send_header("Content-Type", "application/fhir+json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_args: Any) -> None:
        """Nothing is logged."""


def _entry(request: dict[str, str]) -> dict[str, Any]:
    if request["method"] == "GET":
        return {"response": {"status": "404 Not Found"}}
    return {"response": {"status": "201 Created", "location": f"{request['url']}/_history/1"}}


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Sink).serve_forever()
