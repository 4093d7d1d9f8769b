"""study.yaml against its schema: what is wrong, on which line, and what may have been meant."""

from __future__ import annotations

import json
from difflib import get_close_matches
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator, ValidationError

from adapter.errors import ConfigurationError
from adapter.locate import schema
from adapter.urls import is_url
from adapter.yaml_file import YamlFile

HIDDEN = {"pattern": "does not match what it must look like", "type": "is of another type"}


@cache
def _schema() -> Draft202012Validator:
    return Draft202012Validator(json.loads(schema("study").read_text(encoding="utf-8")))


def check(file: YamlFile) -> None:
    """Raise ConfigurationError, with its line, for the first thing that study.yaml has wrong."""
    errors = sorted(_schema().iter_errors(file.data), key=lambda error: list(error.absolute_path))
    if errors:
        first = errors[0]
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        unknown, near = _slip(first)
        raise ConfigurationError(
            f"{_said(first)}{more}",
            where=file.where(*first.absolute_path, *unknown),
            hint=f"did you mean {near[0]!r}?" if near else "docs/study-yaml.md describes every key",
        )
    _check_urls(file)


def _check_urls(file: YamlFile) -> None:
    for name, server in file.data.get("servers", {}).items():
        places: list[tuple[Any, tuple[str, ...]]] = [
            (server["url"], ("url",)),
            (server.get("proxy"), ("proxy",)),
            (server.get("auth", {}).get("token-url"), ("auth", "token-url")),
        ]
        for url, path in places:
            if url is not None and not is_url(url):
                raise ConfigurationError(
                    f"{'.'.join(('servers', name, *path))} is no URL that can be",
                    where=file.where("servers", name, *path),
                    hint="it looks like https://host/fhir or https://host:8443/fhir",
                )


def _slip(error: ValidationError) -> tuple[list[str], list[str]]:
    """The key that nothing knows, if that is what is wrong, and what it or the word may mean."""
    given, values, rules = error.instance, error.validator_value, error.schema
    is_unknown = error.validator == "additionalProperties"
    if is_unknown and isinstance(given, dict) and isinstance(rules, dict):
        known = rules.get("properties", {})
        unknown = next(name for name in given if name not in known)
        return [unknown], get_close_matches(unknown, known, 1)
    if isinstance(given, str) and isinstance(values, list):  # an enum
        return [], get_close_matches(given, map(str, values), 1)
    return [], []


def _said(error: ValidationError) -> str:
    """What is wrong; what is said of a server may hold a password by mistake, so not its text."""
    path = [str(part) for part in error.absolute_path]
    if path[:1] != ["servers"]:
        return error.message
    if error.validator is None:
        return f"{'.'.join(path)} has token-file and auth: one is enough"
    return f"{'.'.join(path)}: {HIDDEN.get(str(error.validator), error.message)}"
