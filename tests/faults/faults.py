"""What can go wrong with a request, as data: where, when, and how the answer is spoiled.

``after`` the commit, the server has done what was asked; before, it has not.
"""

from __future__ import annotations

import contextlib
import gzip
import socket
import struct
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.faults.server import Reply, ScriptedServer

JSON = b"Content-Type: application/fhir+json\r\n"


class Spoiled(Exception):  # noqa: N818  it ends the handling of a request
    """The answer was spoiled; nothing more is sent."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to fail: on the n-th requests of a kind ("any" for all kinds)."""

    name: str
    on: str = "write"
    at: range = range(1, 2)  # which of them: the first alone
    after: bool = False
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def early(self) -> bool:
        """Whether it strikes before the whole request was read."""
        return self.name in ("reset-before-body", "reset-in-body")

    def hits(self, number: int) -> bool:
        """Whether the n-th request of its kind is struck."""
        return not self.early and number in self.at

    def hits_early(self, asked: Counter[str]) -> bool:
        """Before the body is read nobody knows its kind: the next after the first look."""
        return asked["look"] > 0 and asked["early"] + 1 in self.at

    def spoil(self, handler: Any, server: ScriptedServer, carry_out: Callable[[], Reply]) -> None:
        """Do the damage; raises Spoiled when nothing else may be sent."""
        SPOIL[self.name](self, handler, server, carry_out)


Carry = Callable[[], Any]


def _reset(_f: Fault, handler: Any, _server: Any, _carry: Carry) -> None:
    linger = struct.pack("ii", 1, 0)
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    raise Spoiled


def _silent(_f: Fault, handler: Any, _server: Any, _carry: Carry) -> None:
    handler.connection.settimeout(5)
    with contextlib.suppress(OSError):
        handler.connection.recv(1)  # until the other side gives up
    raise Spoiled


def _raw(*parts: bytes) -> Callable[[Fault, Any, Any, Carry], None]:
    def write(_f: Fault, handler: Any, _server: Any, _carry: Carry) -> None:
        for part in parts:
            handler.wfile.write(part)
        handler.wfile.flush()
        raise Spoiled

    return write


def _drip(_f: Fault, handler: Any, _server: Any, _carry: Carry) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n" + JSON + b"Content-Length: 5000\r\n\r\n")
    handler.connection.settimeout(0.02)
    for _ in range(5000):
        try:
            handler.wfile.write(b" ")
            handler.wfile.flush()
            if handler.connection.recv(1) == b"":
                break
        except TimeoutError:
            continue
        except OSError:
            break
    raise Spoiled


def _status(fault: Fault, handler: Any, _server: Any, _carry: Carry) -> None:
    body = b'{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"transient",'
    body += b'"diagnostics":"CANARY-NAME-7f3a"}]}'
    handler.send_response(fault.status)
    for name, value in fault.headers.items():
        handler.send_header(name, value)
    handler.send_header("Content-Type", "application/fhir+json")
    handler.send_header("Content-Length", str(len(body)))
    handler.send_header("Connection", "close")  # else the next request may meet the closing
    handler.end_headers()
    handler.wfile.write(body)
    raise Spoiled


def _late(_f: Fault, handler: Any, server: ScriptedServer, carry_out: Carry) -> None:
    """Time out now; the write is carried out when the next one comes in, before it or after."""
    (server.after_next if _f.name == "later" else server.late).append(carry_out)
    _silent(_f, handler, server, carry_out)


def _close_idle(_f: Fault, handler: Any, _server: Any, carry_out: Carry) -> None:
    """A good answer, after which the connection is closed without a word."""
    handler._send(carry_out())
    raise Spoiled


@cache
def bomb() -> bytes:
    """200 kB that unpack to 200 MB."""
    return gzip.compress(b" " * 200_000_000, 9)


def _bomb(fault: Fault, handler: Any, server: ScriptedServer, carry_out: Carry) -> None:
    head = f"Content-Encoding: gzip\r\nContent-Length: {len(bomb())}\r\n\r\n".encode()
    _raw(OK + JSON + head, bomb())(fault, handler, server, carry_out)


OK = b"HTTP/1.1 200 OK\r\n"
SPOIL: dict[str, Callable[[Fault, Any, Any, Carry], None]] = {
    "reset": _reset,
    "silent": _silent,
    "drip": _drip,
    "status": _status,
    "late": _late,
    "later": _late,
    "close-idle": _close_idle,
    "cut-headers": _raw(OK + b"ETa"),
    "cut-body": _raw(OK + JSON + b"Content-Length: 500\r\n\r\n", b'{"resourceType":'),
    "cut-chunk": _raw(OK + JSON + b"Transfer-Encoding: chunked\r\n\r\n", b'40\r\n{"resourceType"'),
    "cut-open": _raw(OK + JSON + b"\r\n", b'{"resourceType":"Bundle","ty'),
    "html": _raw(
        OK + b"Content-Type: text/html\r\nContent-Length: 31\r\n\r\n",
        b"<html>CANARY-NAME-7f3a </html>\n",
    ),
    "empty": _raw(OK + b"Content-Length: 0\r\n\r\n"),
    "wrong-gzip": _raw(
        OK + JSON + b"Content-Encoding: gzip\r\nContent-Length: 9\r\n\r\n", b"no gzip !"
    ),
    "unknown-encoding": _raw(
        OK + JSON + b"Content-Encoding: zebra\r\nContent-Length: 5\r\n\r\n", b"zebra"
    ),
    "bomb": _bomb,
    "long-header": _raw(OK + JSON + b"X-Long: " + b"x" * 70_000 + b"\r\n\r\n"),
    "many-headers": _raw(OK + b"".join(b"X-%d: 1\r\n" % n for n in range(150)) + b"\r\n"),
    "garbage": _raw(b"NOT HTTP AT ALL\r\n\r\n"),
}
