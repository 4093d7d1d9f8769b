"""What a server says it can do: its CapabilityStatement, read with care.

Servers leave out what they can do (HAPI: ``updateCreate``, ``batch``) and some have no statement at
all, so what is not said is tried; only what is said to be impossible is believed.
https://hl7.org/fhir/R4/capabilitystatement.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from adapter.errors import ConfigurationError, ProtocolError
from adapter.fhir.transport import Refusal, Transport
from adapter.fhir.writing import GONE

RELEASES = {"4.0": "R4", "4.3": "R4B", "5.0": "R5"}


@dataclass(frozen=True, slots=True)
class TypeCapability:
    """What a server says about one resource type; None where it says nothing."""

    interactions: frozenset[str] = frozenset()
    update_create: bool | None = None
    conditional_create: bool | None = None
    search: frozenset[str] = frozenset()

    @property
    def is_closed(self) -> bool:
        """Whether the type can be read at most."""
        return bool(self.interactions) and self.interactions.isdisjoint({"create", "update"})


@dataclass(frozen=True, slots=True)
class Capability:
    """What a server says about itself; ``bundles`` are the kinds of Bundle it says it takes."""

    stated: bool = False
    release: str | None = None
    software: str = ""
    bundles: frozenset[str] = frozenset()
    types: Mapping[str, TypeCapability] = field(default_factory=dict)

    def of(self, resource_type: str) -> TypeCapability:
        """What it says about a type; nothing for one that it does not name."""
        return self.types.get(resource_type, TypeCapability())


def read_capability(transport: Transport, release: str | None) -> Capability:
    """Ask a server what it can do.

    Raises ConfigurationError when it speaks another FHIR release, unless any is right (None); a
    server without a statement, or with one that cannot be read, says nothing.
    """
    try:
        body = transport.get("metadata").body
    except Refusal as refusal:
        if refusal.status in GONE and refusal.said is None:
            raise ConfigurationError(
                f"there is no FHIR server at this base URL: HTTP {refusal.status} for metadata",
                hint="does it end where the FHIR server begins (…/fhir)? nothing was sent",
            ) from None
        return Capability()
    except ProtocolError:
        return Capability()
    if not isinstance(body, dict) or body.get("resourceType") != "CapabilityStatement":
        return Capability()
    found = _parse(body)
    if release and found.release and found.release != release:
        raise ConfigurationError(
            f"the server speaks FHIR {found.release}, the study is mapped to {release}",
            hint="set fhir: in study.yaml, or push to a server of that release",
        )
    return found


def _parse(body: dict[str, Any]) -> Capability:
    version = str(body.get("fhirVersion", ""))
    software = body.get("software")
    rest = next(iter(_objects(body.get("rest"))), {})
    return Capability(
        stated=True,
        release=RELEASES.get(".".join(version.split(".")[:2])),
        software=str(software.get("name", "")) if isinstance(software, dict) else "",
        bundles=_codes(rest.get("interaction")) & {"transaction", "batch"},
        types={
            str(one.get("type")): TypeCapability(
                interactions=_codes(one.get("interaction")),
                update_create=_flag(one.get("updateCreate")),
                conditional_create=_flag(one.get("conditionalCreate")),
                search=frozenset(str(p.get("name")) for p in _objects(one.get("searchParam"))),
            )
            for one in _objects(rest.get("resource"))
        },
    )


def _objects(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _codes(value: Any) -> frozenset[str]:
    return frozenset(str(one.get("code")) for one in _objects(value))


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None
