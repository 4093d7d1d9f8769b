"""The web service beside the demo's server, for those who want to look around."""

from __future__ import annotations

import os
import secrets
import threading
from contextlib import ExitStack
from pathlib import Path

from waitress.server import create_server

from adapter.web import create_app


def serve_study(stack: ExitStack, folder: Path, server_url: str) -> tuple[str, Path]:
    """Serve the study on a free loopback port. Returns the URL and the file with the token."""
    settings = folder / "study.yaml"
    text = settings.read_text(encoding="utf-8")
    if "\nservers:" not in text:
        settings.write_text(f"{text}\nservers:\n  demo: {{url: {server_url}}}\n", encoding="utf-8")
    token = secrets.token_urlsafe(32)
    token_file = folder / ".study-fhir" / "service.token"
    handle = os.open(token_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(token)
    web = create_server(create_app({"NCT05862675": folder}, token), host="127.0.0.1", port=0)
    threading.Thread(target=web.run, daemon=True).start()
    stack.callback(web.close)
    return f"http://127.0.0.1:{web.effective_port}", token_file
