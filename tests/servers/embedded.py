"""The embedded server in a process of its own: prints its URL, runs until its input ends."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[2])]

from adapter.demo.server import EmbeddedServer  # noqa: E402  after the path

if __name__ == "__main__":
    with EmbeddedServer() as server:
        print(server.url, flush=True)  # noqa: T201
        sys.stdin.read()
