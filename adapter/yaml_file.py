"""YAML as people write it, with the line of every key, and without YAML's surprises.

Only ``true``, ``false``, ``null`` and numbers are anything but text (so ``NO`` stays ``NO`` and a
date stays text); keys are text; a key written twice is an error, since the last one would win
in silence.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from adapter.errors import ConfigurationError, Where


class _Loader(yaml.SafeLoader):
    pass


_Loader.yaml_implicit_resolvers = {}


for _tag, _pattern, _first in (
    ("bool", r"^(?:true|false)$", "tf"),
    ("null", r"^(?:null|~|)$", ["n", "~", ""]),
    ("int", r"^-?(?:0|[1-9][0-9]*)$", "-0123456789"),
    ("float", r"^-?(?:0|[1-9][0-9]*)\.[0-9]+$", "-0123456789"),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), list(_first))

Path_ = tuple[str, ...]


class YamlFile:
    """A parsed YAML file: ``data``, and ``where(path)`` for the place of any key in it."""

    def __init__(self, path: Path, shown_as: str):
        self.shown_as = shown_as
        self._lines: dict[Path_, int] = {}
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            raise ConfigurationError(
                "there is no such file",
                where=Where(file=shown_as),
                hint="a study folder holds a study.yaml; is the path right?",
            ) from None
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(
                f"cannot be read: {type(error).__name__}", where=Where(file=shown_as)
            ) from None
        self.data: Any = self._parse(text)

    def _parse(self, text: str) -> Any:
        try:
            loader = _Loader(text)
            node = loader.get_single_node()
            if node is None:
                return None
            self._walk(node, ())
            return loader.construct_document(node)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark
            line = mark.line + 1 if mark else None
            raise ConfigurationError(
                f"not valid YAML: {error.problem}",
                where=Where(file=self.shown_as, line=line),
                hint="check the indentation and quotes around this line",
            ) from None

    def _walk(self, node: yaml.Node, path: Path_) -> None:
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                place = (*path, str(key.value))
                line = key.start_mark.line + 1
                if place in self._lines:
                    raise ConfigurationError(
                        f"the key {key.value!r} stands twice",
                        where=Where(file=self.shown_as, line=line, path=".".join(place)),
                        hint="the second would silently replace the first: keep one",
                    )
                self._lines[place] = line
                key.tag = "tag:yaml.org,2002:str"
                self._walk(value, place)
        elif isinstance(node, yaml.SequenceNode):
            for index, item in enumerate(node.value):
                self._lines[(*path, str(index))] = item.start_mark.line + 1
                self._walk(item, (*path, str(index)))

    def where(self, *path: object) -> Where:
        """The place of a key; of the nearest parent when the key itself is not there."""
        place = tuple(str(part) for part in path)
        line = next(
            (self._lines[place[:n]] for n in range(len(place), 0, -1) if place[:n] in self._lines),
            None,
        )
        return Where(file=self.shown_as, line=line, path=".".join(place) or None)
