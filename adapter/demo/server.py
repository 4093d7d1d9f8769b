"""An embedded FHIR server: sekmet-fhir in process, on loopback, with the study's search parameters.

Others wrote it, so it proves more than a mock of our own would.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from adapter.errors import ConfigurationError, UnavailableError
from adapter.fhir.transport import Transport

START_TIMEOUT = 30  # seconds

# Search parameters of FHIR R4 that the server's own table lacks (AdverseEvent has no identifier).
SEARCH = {
    "ResearchStudy": {
        "identifier": ("token", ("identifier",)),
        "status": ("token", ("status",)),
        "title": ("string", ("title",)),
    },
    "ResearchSubject": {
        "identifier": ("token", ("identifier",)),
        "individual": ("reference", ("individual",)),
        "patient": ("reference", ("individual",)),
        "study": ("reference", ("study",)),
        "status": ("token", ("status",)),
    },
    "AdverseEvent": {
        "subject": ("reference", ("subject",)),
        "study": ("reference", ("study",)),
        "event": ("token", ("event",)),
        "date": ("date", ("date",)),
    },
}


class EmbeddedServer:
    """A running FHIR R4 server at ``url``; ``database`` keeps its data over a restart.

    ``auth`` is whom it lets in, as its own ``server_auth`` settings; everybody, if not given.
    Without ``study_search`` it knows no searches for the study's own types, as published; what it
    knows is known to a whole process, so that wants one of its own.
    Raises ConfigurationError when the extra ``demo`` is not installed.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        database: Path | None = None,
        auth: dict[str, Any] | None = None,
        study_search: bool = True,
    ):
        self.port = port or _free_port()
        self.url = f"http://127.0.0.1:{self.port}/fhir"
        self._database = database
        self._auth = auth or {"types": ["none"]}
        self._searches = SEARCH if study_search else {}
        self._server: Any = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> EmbeddedServer:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:  # fmt: skip
        self.stop()

    def start(self) -> None:
        """Start, and return when the server answers."""
        uvicorn, app = self._application()
        config = uvicorn.Config(app, host="127.0.0.1", port=self.port, log_level="critical")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        end = time.monotonic() + START_TIMEOUT
        while not self._server.started:
            if time.monotonic() > end or not self._thread.is_alive():
                raise UnavailableError("the embedded FHIR server did not start")
            self._thread.join(0.02)

    def count(self, resource_type: str) -> int:
        """How many resources of a type the server's own search counts."""
        transport = Transport(self.url)
        try:
            body = transport.get(f"{resource_type}?_summary=count").body
        finally:
            transport.close()
        return int(body["total"])

    def stop(self) -> None:
        """Stop, and return when the port is free again."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join(START_TIMEOUT)
            self._server = self._thread = None

    def _application(self) -> tuple[Any, Any]:
        try:
            import uvicorn
            from sekmet.config import Settings
            from sekmet.fhir.search_params import PARAMS, SearchParam
            from sekmet.main import create_app
        except ModuleNotFoundError as error:
            raise ConfigurationError(
                f"the embedded FHIR server is not installed ({error.name})",
                hint="pip install 'study-fhir-adapter[demo]', or use `make demo`",
            ) from None
        for kind, parameters in self._searches.items():
            known = PARAMS.setdefault(kind, {})
            for name, (form, paths) in parameters.items():
                known.setdefault(name, SearchParam(name, form, paths))
        logging.getLogger("sekmet").setLevel(logging.CRITICAL)
        settings = Settings(
            base_url=self.url,
            host="127.0.0.1",
            port=self.port,
            db_path=str(self._database) if self._database else ":memory:",
            log_inbound=False,
            simulator={"enabled": False},
            validation={"inbound": "strict"},
            server_auth=self._auth,
        )
        return uvicorn, create_app(settings)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
