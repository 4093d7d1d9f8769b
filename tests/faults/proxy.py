"""A TCP proxy on loopback that spoils connections, with the set of toxiproxy.

Each connection takes the next toxic in turn; when there are none left, it is clean. What a toxic
does is done to bytes, whatever they mean: the server behind is a real one and knows nothing of it.

https://github.com/Shopify/toxiproxy#toxics
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

CHUNK = 65_536
ABORT = struct.pack("ii", 1, 0)  # SO_LINGER: a close is a reset


@dataclass(frozen=True, slots=True)
class Toxic:
    """What is done to one connection, and to which direction: ``down`` is towards the client.

    latency     every portion comes ``seconds`` late
    slicer      portions of ``size`` bytes, ``seconds`` apart
    timeout     nothing goes through, and after ``seconds`` the connection is closed
    limit_data  closed after ``size`` bytes
    reset_peer  reset after ``size`` bytes
    slow_close  what one side closes is closed for the other ``seconds`` later
    """

    name: str
    stream: str = "down"
    seconds: float = 0.02
    size: int = 0


class Proxy:
    """The proxy before a port of this machine, at ``port``; ``down`` and ``up`` as a server is."""

    def __init__(self, upstream: int, toxics: Sequence[Toxic] = ()):
        self.upstream = upstream
        self.toxics = list(toxics)
        self.connections = 0
        self.carried: Counter[str] = Counter()  # bytes by direction
        self.port = 0
        self._listener: socket.socket | None = None
        self._sockets: list[socket.socket] = []

    def __enter__(self) -> Proxy:
        self.up()
        return self

    def __exit__(self, *_: object) -> None:
        self.down()

    def up(self) -> None:
        """Listen, at the port of before."""
        listener = socket.create_server(("127.0.0.1", self.port), reuse_port=False)
        self._listener, self.port = listener, listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def down(self) -> None:
        """Listen no more, and cut what is open."""
        if self._listener is not None:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)  # wakes the one who accepts
            self._listener.close()
            self._listener = None
        while self._sockets:
            _close(self._sockets.pop())

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
                server = socket.create_connection(("127.0.0.1", self.upstream))
            except OSError:
                return
            toxic = self.toxics.pop(0) if self.toxics else Toxic("clean")
            self.connections += 1
            self._sockets += [client, server]
            for source, target, stream in ((client, server, "up"), (server, client, "down")):
                mine = toxic if toxic.stream == stream else Toxic("clean")
                threading.Thread(
                    target=self._carry, args=(source, target, stream, mine), daemon=True
                ).start()

    def _carry(
        self, source: socket.socket, target: socket.socket, stream: str, toxic: Toxic
    ) -> None:
        """Carry one direction to its end, then close both."""
        try:
            for portion in _portions(source, toxic):
                target.sendall(portion)
                self.carried[stream] += len(portion)
        except OSError:
            pass
        if toxic.name in ("slow_close", "timeout"):
            time.sleep(toxic.seconds)
        if toxic.name == "reset_peer":
            for each in (source, target):
                with contextlib.suppress(OSError):
                    each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
                    each.shutdown(socket.SHUT_RD)  # wakes the other direction, and says nothing
                each.close()
            return
        _close(source)
        _close(target)


def _portions(source: socket.socket, toxic: Toxic) -> Iterator[bytes]:
    """What goes through, in portions."""
    left = toxic.size
    while data := source.recv(CHUNK):
        if toxic.name == "timeout":
            return
        if toxic.name in ("limit_data", "reset_peer"):
            yield data[:left]
            left -= len(data)
            if left <= 0:
                return
        elif toxic.name == "slicer":
            for start in range(0, len(data), toxic.size):
                time.sleep(toxic.seconds)
                yield data[start : start + toxic.size]
        else:
            if toxic.name == "latency":
                time.sleep(toxic.seconds)
            yield data


def _close(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
