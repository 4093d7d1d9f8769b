"""The embedded server in a process of its own: prints its URL, runs until its input ends.

python tests/servers/embedded.py [--unpatched] [--auth JSON]
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[2])]

from adapter.demo.server import EmbeddedServer  # noqa: E402  after the path

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--unpatched", action="store_true", help="without the study's searches")
    parser.add_argument("--auth", type=json.loads, help="whom it lets in")
    given = parser.parse_args()
    with EmbeddedServer(auth=given.auth, study_search=not given.unpatched) as server:
        print(server.url, flush=True)  # noqa: T201
        sys.stdin.read()
