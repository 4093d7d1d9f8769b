"""Study records for tests: real ones, and one with every key that the registry's API knows."""

from __future__ import annotations

import hashlib
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

from mappings import Context, load_default_context
from mappings.entities import Key

DATA = Path(__file__).parent.parent / "data"
SCHEMA: dict[str, Any] = json.loads((DATA / "ctg-v2.0.5.study.schema.json").read_text("utf-8"))
SAMPLES = sorted((DATA / "ctgov_v2").glob("*.json"))
REGISTRY = DATA.parent.parent / "examples" / "nct05862675" / "registry.json"
ITEMS = 2  # of every list


def context(study: str = "NCT05862675", release: str = "R4") -> Context:
    """A context whose ids are stable, and different where any part differs."""

    def id_of(resource_type: str, system: str, key: Key) -> str:
        text = json.dumps([resource_type, system, key])
        return "s" + hashlib.sha256(text.encode()).hexdigest()[:31]

    return load_default_context(study, id_of, release=release)


class Maker:
    """Makes values of schema types: every text, number and date differs from all others."""

    def __init__(self, choice: int = 0):
        self.choice = choice  # which word of an enum
        self.count = 0

    def record(self) -> dict[str, Any]:
        """The whole record, without results (a registration has none)."""
        study = self.make("Study", SCHEMA["$defs"]["Study"])
        del study["resultsSection"]
        arms = study["protocolSection"]["armsInterventionsModule"]["armGroups"]
        for each in study["protocolSection"]["armsInterventionsModule"]["interventions"]:
            each["armGroupLabels"] = [arm["label"] for arm in arms]
        return dict(study)

    def make(self, key: str, schema: dict[str, Any]) -> Any:
        """A value that the schema allows; ``key`` makes texts readable."""
        if "$ref" in schema:
            return self.make(key, SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]])
        if "enum" in schema:
            words = schema["enum"]
            return words[self.choice % len(words)]
        if schema.get("type") == "array":
            return [self.make(key, schema["items"]) for _ in range(ITEMS)]
        if schema.get("type") == "object" or "properties" in schema:
            return {k: self.make(k, part) for k, part in schema.get("properties", {}).items()}
        return self.scalar(key, schema)

    def scalar(self, key: str, schema: dict[str, Any]) -> Any:
        """A text, number, date or flag."""
        self.count += 1
        if schema.get("type") == "boolean":
            return self.choice % 2 == 0
        if schema.get("type") == "integer":
            return 1000 + self.count
        if schema.get("type") == "number":
            return Decimal(self.count) / 8
        if "date" in key.lower() or schema.get("format") == "date":
            return f"{2000 + self.count // 28 % 20}-0{self.count % 9 + 1}-{self.count % 28 + 1:02}"
        if key in ("minimumAge", "maximumAge"):
            return f"{self.count % 18} Years"
        if key in ("nctId", "nctIdAliases", "nPtrsToThisExpAccNctId"):
            return f"NCT{self.count:08}"
        return f"{key} {self.count}"
