"""study.yaml as frozen dataclasses: everything about a study lives in its study folder."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from adapter.errors import ConfigurationError, UsageError, Where
from adapter.study_schema import check
from adapter.urls import base_of
from adapter.yaml_file import YamlFile
from mappings.context import load_flavours
from mappings.flavours import refusal

RELEASES = ("R4", "R4B", "R5")


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """One source file: where it is and how it is written."""

    name: str
    format: str
    file: str  # as written in study.yaml, relative to the study folder
    path: Path
    dictionary: Path | None = None
    sheet: str | None = None
    encoding: str = "utf-8-sig"
    delimiter: str = ","
    decimal: str = "."
    export: str = "delta"
    on_vanish: str = "report"
    omit: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RecipeSettings:
    """One field table as written; ``adapter.recipes`` compiles it."""

    name: str
    entity: str
    source: str
    key: tuple[str, ...]
    spec: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ConsentSettings:
    """What a subject's data need before they may leave: nothing unless ``required``."""

    required: bool = False
    own_from: int | None = None  # years: from this age the child's own assent
    genetics: bool = False  # sequencing needs a consent that names genetics


@dataclass(frozen=True, slots=True)
class AuthSettings:
    """Who we are towards a FHIR server; ``type`` is none, basic, bearer, oauth2 or smart."""

    type: str = "none"
    user: str = ""
    client_id: str = ""
    secret_file: Path | None = None  # password, bearer token, client secret or private key
    client_auth: str = "basic"  # how an OAuth2 client shows its secret: basic | post
    token_url: str | None = None
    scope: str | None = None
    kid: str | None = None


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """A FHIR server: its name in settings (or its URL), base URL and secrets by file."""

    name: str
    url: str
    auth: AuthSettings = AuthSettings()
    ca_file: Path | None = None
    certificate: tuple[Path, Path] | None = None  # ours, and its private key
    proxy: str | None = None
    connections: int = 2
    omit_extensions: tuple[str, ...] = ()  # URL prefixes
    omit_codings: tuple[str, ...] = ()  # prefixes of code systems
    omit_meta_profile: bool = False
    omit_records: bool = False  # Provenance and AuditEvent


@dataclass(frozen=True, slots=True)
class PullSettings:
    """What a pull reads from an EHR, and of whom; ``mode`` is search or bulk."""

    file: str  # the cohort, as written in study.yaml
    patients: Path
    types: tuple[str, ...]
    mode: str = "search"
    group: str | None = None  # id of the Group that a bulk export is asked of
    overlap: int = 300  # seconds that a later pull looks back before the start of the one before


@dataclass(frozen=True, slots=True)
class StudySettings:
    """study.yaml, checked against adapter/schemas/study.schema.json."""

    folder: Path
    study: str
    fhir: str
    time_zone: ZoneInfo
    identifier_base: str
    registry: Path | None
    status: str | None
    title: str | None
    accepted_rejects: int
    consent: ConsentSettings
    withdrawal: str  # keep | erase
    collision_limit: float
    sites: Mapping[str, Mapping[str, Any]]
    products: Mapping[str, Mapping[str, Any]]
    servers: Mapping[str, ServerSettings]
    codes: Mapping[str, Path]
    snomed: str  # gps | all
    flavours: frozenset[str]
    packages: tuple[Path, ...]
    sources: Mapping[str, SourceSettings]
    recipes: Mapping[str, RecipeSettings]
    outbox: Path | str  # a file, or the URL of a PostgreSQL database
    key_file: Path
    yaml: YamlFile
    pull: PullSettings | None = None

    def where(self, *path: object) -> Where:
        """The place of a key of study.yaml."""
        return self.yaml.where(*path)

    def server(self, name: str) -> ServerSettings:
        """The server of this name, or of this base URL. Raises UsageError."""
        if name in self.servers:
            return self.servers[name]
        if name.startswith(("http://", "https://")):
            url = base_of(name)
            named = (each for each in self.servers.values() if each.url == url)
            return next(named, None) or ServerSettings(name=url, url=url)
        known = ", ".join(sorted(self.servers)) or "none"
        raise UsageError(
            f"there is no server {name!r} in study.yaml (known: {known})",
            where=self.where("servers"),
            hint="add it under servers:, or give a base URL such as http://127.0.0.1:8080/fhir",
        )


def read_secret(path: Path) -> str:
    """The text of a secret file. Raises ConfigurationError when it cannot be read or is empty."""
    try:
        secret = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"the file cannot be read: {type(error).__name__}",
            where=Where(file=str(path)),
            hint="create it with mode 0600, as UTF-8, holding nothing but the secret or number",
        ) from None
    if not secret:
        raise ConfigurationError(
            "the file is empty",
            where=Where(file=str(path)),
            hint="it holds one line: the secret, token or number",
        )
    return secret


def read_private(path: Path) -> str:
    """The text of a secret file that only its owner can read. Raises ConfigurationError."""
    secret = read_secret(path)
    check_private(path)
    return secret


def check_private(path: Path) -> None:
    """Raise ConfigurationError when other users can read a file."""
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise ConfigurationError(
            "the secret file can be read by other users",
            where=Where(file=str(path)),
            hint=f"chmod 600 {path.name}",
        )


def load_study(folder: Path, fhir: str | None = None) -> StudySettings:
    """Read and check ``study.yaml`` of a study folder. Raises ConfigurationError with the line."""
    if not folder.is_dir():
        raise ConfigurationError(
            "there is no such study folder",
            where=Where(file=str(folder)),
            hint="STUDY is a folder with a study.yaml, such as examples/nct05862675",
        )
    file = YamlFile(folder / "study.yaml", str(folder / "study.yaml"))
    check(file)
    data = file.data
    release = fhir or data.get("fhir", "R4")
    if release not in RELEASES:
        raise ConfigurationError(
            f"FHIR release {release} is not mapped by this version",
            where=None if fhir else file.where("fhir"),
            hint=f"choose one of: {', '.join(RELEASES)}",
        )
    flavours = _flavours(file, release)
    state = folder / ".study-fhir"
    return StudySettings(
        folder=folder,
        study=data["study"],
        fhir=release,
        time_zone=_zone(file),
        identifier_base=data["identifier-base"],
        registry=folder / data["registry"] if "registry" in data else None,
        status=data.get("status"),
        title=data.get("title"),
        accepted_rejects=data.get("rejects", {}).get("accept", 0),
        consent=_consent(data.get("consent", {})),
        withdrawal=data.get("withdrawal", "keep"),
        collision_limit=float(data.get("collision-limit", "1%").rstrip("%")) / 100,
        sites=data.get("sites", {}),
        products=data.get("products", {}),
        servers={name: _server(folder, name, s) for name, s in data.get("servers", {}).items()},
        codes={name: folder / path for name, path in data.get("codes", {}).items()},
        snomed=data.get("snomed", "gps"),
        flavours=flavours,
        packages=tuple(folder / path for path in data.get("packages", ())),
        sources={name: _source(folder, name, s) for name, s in data["sources"].items()},
        recipes={
            name: RecipeSettings(name, r["entity"], r["source"], tuple(r["key"]), r)
            for name, r in data["recipes"].items()
        },
        outbox=_outbox(folder, file) or state / "outbox.sqlite",
        key_file=folder / data["key-file"] if "key-file" in data else state / "study.key",
        yaml=file,
        pull=_pull(folder, data["pull"]) if "pull" in data else None,
    )


def _consent(spec: Mapping[str, Any]) -> ConsentSettings:
    return ConsentSettings(
        spec.get("required", False), spec.get("own-from"), spec.get("genetics", False)
    )


def _outbox(folder: Path, file: YamlFile) -> Path | str | None:
    stated: str | None = file.data.get("outbox")
    if stated is None or stated.startswith("postgresql"):
        return stated
    if "://" in stated:
        raise ConfigurationError(
            "the outbox is neither a file nor a PostgreSQL database",
            where=file.where("outbox"),
            hint="a path, or a URL such as postgresql+psycopg://user@host/database",
        )
    return folder / stated


def _flavours(file: YamlFile, release: str) -> frozenset[str]:
    flavours = frozenset(file.data.get("flavours", ()))
    reason = refusal(load_flavours(), flavours, release)
    if reason:
        raise ConfigurationError(
            reason,
            where=file.where("flavours"),
            hint="take a flavour out of flavours:, or choose another release with fhir: or --fhir",
        )
    return flavours


def _zone(file: YamlFile) -> ZoneInfo:
    name = file.data["time-zone"]
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise ConfigurationError(
            f"{name!r} is no time zone",
            where=file.where("time-zone"),
            hint="use an IANA name such as Asia/Shanghai",
        ) from None


def _server(folder: Path, name: str, spec: Mapping[str, Any]) -> ServerSettings:
    certificate = spec.get("client-certificate")
    return ServerSettings(
        name=name,
        url=spec["url"].rstrip("/"),
        auth=_auth(folder, spec),
        ca_file=folder / spec["ca-file"] if "ca-file" in spec else None,
        certificate=(folder / certificate, folder / spec["client-key"]) if certificate else None,
        proxy=spec.get("proxy"),
        connections=spec.get("connections", 2),
        omit_extensions=tuple(spec.get("omit-extensions", ())),
        omit_codings=tuple(spec.get("omit-codings", ())),
        omit_meta_profile=spec.get("meta-profile") == "omit",
        omit_records=spec.get("records") == "omit",
    )


def _pull(folder: Path, spec: Mapping[str, Any]) -> PullSettings:
    return PullSettings(
        file=spec["patients"],
        patients=folder / spec["patients"],
        types=tuple(spec["types"]),
        mode=spec.get("mode", "search"),
        group=spec.get("group"),
        overlap=spec.get("overlap", 300),
    )


SECRETS = {
    "basic": "password-file",
    "bearer": "token-file",
    "oauth2": "secret-file",
    "smart": "key-file",
}


def _auth(folder: Path, spec: Mapping[str, Any]) -> AuthSettings:
    if "token-file" in spec:
        spec = {"auth": {"type": "bearer", "token-file": spec["token-file"]}}
    auth = spec.get("auth", {"type": "none"})
    kind = auth["type"]
    return AuthSettings(
        type=kind,
        user=auth.get("user", ""),
        client_id=auth.get("client-id", ""),
        secret_file=folder / auth[SECRETS[kind]] if kind in SECRETS else None,
        client_auth=auth.get("client-auth", "basic"),
        token_url=auth.get("token-url"),
        scope=auth.get("scope"),
        kid=auth.get("kid"),
    )


def _source(folder: Path, name: str, spec: Mapping[str, Any]) -> SourceSettings:
    dictionary = spec.get("dictionary")
    return SourceSettings(
        name=name,
        format=spec["format"],
        file=spec["file"],
        path=folder / spec["file"],
        dictionary=folder / dictionary if dictionary else None,
        sheet=spec.get("sheet"),
        encoding=spec.get("encoding", "utf-8-sig"),
        delimiter=spec.get("delimiter", ","),
        decimal=spec.get("decimal", "."),
        export=spec.get("export", "delta"),
        on_vanish=spec.get("on-vanish", "report"),
        omit={column: str(reason) for column, reason in spec.get("omit", {}).items()},
    )
