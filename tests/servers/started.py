"""Real servers, started for a while: each in a process of its own, on loopback.

What study.yaml must say of one beside its URL comes with it: who we are, and what it is spared.
"""

# ruff: noqa: S603  a script that starts programs
from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from adapter.fhir.client_keys import read_client_key

HERE = Path(__file__).parent
CLIENT = "study"
# HAPI 8.8 knows these two code systems as FHIR 4.0.1 spelled them, the official validator as now.
SYSTEMS = "http://terminology.hl7.org/CodeSystem/adverse-event-"
SPARED = (
    "omit-extensions: ['http://hl7.org/fhir/5.0/'], "
    f"omit-codings: ['{SYSTEMS}seriousness', '{SYSTEMS}causality-assess']"
)


@dataclass(frozen=True, slots=True)
class Running:
    """A server at work: its base URL, and more of its entry in study.yaml."""

    url: str
    settings: str = ""

    @property
    def entry(self) -> str:
        """The entry under ``servers`` of study.yaml."""
        return f"{{url: '{self.url}'{self.settings and f', {self.settings}'}}}"


Start = Callable[[], AbstractContextManager[Running]]


@contextmanager
def program(words: list[str], url: Callable[[bytes], str | None], cwd: Path | None = None,
            errors: Any = None) -> Iterator[str]:  # fmt: skip
    """A program that ends with its input; ``url`` finds its base URL in a line of its output."""
    with subprocess.Popen(
        words, cwd=cwd, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors
    ) as process:
        if process.stdin is None or process.stdout is None:
            raise SystemExit("no pipes")
        try:
            found = next((at for line in process.stdout if (at := url(line))), None)
            if found is None:
                raise SystemExit(f"{words[0]} did not start")
            yield found
        finally:
            process.stdin.close()


@contextmanager
def sekmet(*options: str) -> Iterator[Running]:
    """sekmet-fhir, with the study's search parameters unless ``--unpatched``."""
    words = [sys.executable, str(HERE / "embedded.py"), *options]
    with program(words, lambda line: line.decode().strip()) as url:
        yield Running(url)


@contextmanager
def sekmet_smart() -> Iterator[Running]:
    """sekmet-fhir that lets in one client of SMART Backend Services, for half a minute a token."""
    with tempfile.TemporaryDirectory() as temporary:
        key = Path(temporary) / "smart.pem"
        key.touch(mode=0o600)
        key.write_bytes(
            ec.generate_private_key(ec.SECP384R1()).private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        client = {"client_id": CLIENT, "jwks": read_client_key(key).jwks(),
                  "scopes": "system/*.cruds"}  # fmt: skip
        auth = {"types": ["smart"], "smart_clients": [client], "token_lifetime": 30}
        with sekmet("--auth", json.dumps(auth)) as running:
            way_in = f"auth: {{type: smart, client-id: {CLIENT}, key-file: '{key}'}}"
            yield Running(running.url, way_in)


@contextmanager
def medplum(build: Path) -> Iterator[Running]:
    """Medplum's FHIR router with its repository in memory, from where setup.sh installed it."""
    with program(["node", "server.mjs"], _second_word, cwd=build) as url:
        yield Running(url)


@contextmanager
def hapi(build: Path, settings: str = "", **properties: Any) -> Iterator[Running]:
    """HAPI FHIR JPA on H2 in memory; its log goes to a file, for a full pipe would stop it."""
    given = [f"-D{name.replace('_', '.')}={value}" for name, value in properties.items()]
    words = ["java", "-Xmx3g", "-XX:+UseSerialGC", "-Dport=0", "-Dparent=true", *given, "-cp",
             f"{build}/target/hapi-peer-1.jar:{build}/target/lib/*", "peer.HapiPeer"]  # fmt: skip
    with tempfile.TemporaryFile() as log, program(words, _second_word, errors=log) as url:
        yield Running(url, settings)


def _second_word(line: bytes) -> str | None:
    words = line.decode().split()
    return words[1] if len(words) > 1 and words[0] == "READY" else None


def every_server(medplum_at: Path | None, hapi_at: Path | None) -> Mapping[str, Start]:
    """The servers that can be started here, by name; says aloud which cannot."""
    servers: dict[str, Start] = {
        "sekmet": sekmet,
        "sekmet-unpatched": lambda: sekmet("--unpatched"),
        "sekmet-smart": sekmet_smart,
    }
    if medplum_at:
        servers["medplum"] = lambda: medplum(medplum_at)
    else:
        print("skipped: Medplum's router (give --medplum DIR; it needs node and npm)")  # noqa: T201
    if hapi_at:
        limit = {"storage_maximumTransactionBundleSize": 100}
        servers["hapi"] = lambda: hapi(hapi_at)
        servers["hapi-100"] = lambda: hapi(hapi_at, **limit)
        servers["hapi-strict"] = lambda: hapi(hapi_at, SPARED, validate="true")
    else:
        print("skipped: HAPI (give --hapi DIR; it needs java and mvn)")  # noqa: T201
    return servers
