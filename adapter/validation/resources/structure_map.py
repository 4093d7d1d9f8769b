"""StructureMap: the variables of rules exist, and their paths lead somewhere.

A group is checked with the types that its inputs state; one that states none, with the types of
the call that is met first (https://hl7.org/fhir/R5/mapping-language.html).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from adapter.validation.definitions import CORE, Definitions
from adapter.validation.fhirpath import NotEvaluated, compile_expression
from adapter.validation.issues import Issue
from adapter.validation.resources.common import Json, Sources, children, error, text, texts
from adapter.validation.resources.elements import (
    ElementAt,
    type_definition,
    type_names,
    within,
)

NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9]*")
# how the mapping language's own default group is called in a compiled map
DEFAULT_GROUP = "DefaultMappingGroupAnonymousAlias"
MODES = ("source", "target")
TRANSLATE_TO = ("code", "system", "display", "Coding", "CodeableConcept")
# transform -> the numbers of parameters it takes; others are free
PARAMETERS = {
    "create": range(2),
    "copy": range(2),
    "reference": range(1, 2),
    "evaluate": range(1, 2),
    "cc": range(2, 4),
    "append": range(1, 1000),
    "uuid": range(1),
    "translate": range(3, 4),
}
COUNT_FAULTS = {
    "create": "SM_TARGET_TRANSFORM_PARAM_COUNT_RANGE",
    "copy": "SM_TARGET_TRANSFORM_PARAM_COUNT_RANGE",
    "reference": "SM_TARGET_TRANSFORM_PARAM_COUNT_RANGE",
    "evaluate": "SM_TARGET_TRANSFORM_PARAM_COUNT_SINGLE",
}


@dataclass(slots=True)
class Variable:
    """A name in a rule; ``at`` is the element it stands for where that is known."""

    name: str
    mode: str | None
    at: ElementAt | None = None
    type: str | None = None

    @property
    def is_source(self) -> bool:
        """Whether rules read it."""
        return self.mode == "source"


class Variables(dict[tuple[str, bool], Variable]):
    """Variables by name and whether they are sources."""

    def add(self, name: str, mode: str | None) -> Variable:
        """A new variable, in place of one of the same name and mode."""
        made = Variable(name, mode)
        self[name, made.is_source] = made
        return made

    def inner(self) -> Variables:
        """What rules within see; their changes stay with them."""
        return Variables({key: Variable(v.name, v.mode, v.at, v.type) for key, v in self.items()})


@dataclass(slots=True)
class Group:
    """A group, of this map or of an imported one (``path`` is None)."""

    content: Json
    map: Json
    path: str | None = None
    parameters: dict[str, Variable] | None = None
    checked: bool = False

    @property
    def inputs(self) -> list[Json]:
        """Its parameters."""
        return [one for _, one in children(self.content, "input")]


def check(structure_map: Json, sources: Sources) -> list[Issue]:
    """Errors of the groups, and the rules in them."""
    return MapCheck(structure_map, sources).run()


@dataclass
class MapCheck:
    """The check of one map."""

    map: Json
    sources: Sources
    issues: list[Issue] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.definitions: Definitions = self.sources.definitions
        self.groups = [Group(one, self.map, path) for path, one in children(self.map, "group")]
        self.imported = [
            Group(one, other, None)
            for other in self._imports()
            for _, one in children(other, "group")
        ]

    def run(self) -> list[Issue]:
        """Checks groups whose types are known first: calls in them give types to others."""
        while ready := [g for g in self.groups if not g.checked and self._is_typed(g)]:
            for group in ready:
                if not group.checked:
                    self._group(group)
        for group in self.groups:
            if not group.checked:
                self._group(group)
        return self.issues

    def _imports(self) -> Iterator[Json]:
        for _, url in texts(self.map, "import"):
            known = self.definitions.urls("StructureMap") if "*" in url else ()
            for each in [url, *(one for one in known if fnmatchcase(one, url))]:
                if (other := self.definitions.find("StructureMap", each)) is not None:
                    yield other

    def _is_typed(self, group: Group) -> bool:
        return group.parameters is not None or all(text(i, "type") for i in group.inputs)

    def _fault(self, path: str, message: str, name: str) -> bool:
        self.issues.append(error(path, message, name, "invalid"))
        return False

    def _name(self, value: object, path: str) -> bool:
        if isinstance(value, str) and NAME.fullmatch(value):
            return True
        return self._fault(path, f"{value} is not a valid name", "SM_NAME_INVALID")

    def _find(self, name: str | None) -> Group | None:
        if name is None:
            return None
        every = [*self.groups, *self.imported]
        return next((g for g in every if g.content.get("name") == name), None)

    def _group(self, group: Group) -> None:
        group.checked = True
        path = group.path or ""
        self._name(group.content.get("name"), path)
        extended = text(group.content, "extends")
        if extended and self._find(extended) is None:
            self._fault(f"{path}.extends", f"no group {extended}", "SM_RULEGROUP_NOT_FOUND")
        variables = Variables()
        for at, given in children(group.content, "input", path):
            self._input(group, given, at, variables)
        for at, rule in children(group.content, "rule", path):
            self._rule(rule, at, variables)

    def _input(self, group: Group, given: Json, path: str, variables: Variables) -> None:
        name, mode, kind = given.get("name"), text(given, "mode"), text(given, "type")
        if not self._name(name, path) or not isinstance(name, str):
            return
        if any(name == known for known, _ in variables):
            self._fault(path, f"the name {name} is used already", "SM_GROUP_INPUT_DUPLICATE")
            return
        variable = variables.add(name, mode)
        if mode not in MODES:
            message = f"the mode {mode} of the input {name} is neither source nor target"
            self._fault(path, message, "SM_GROUP_INPUT_MODE_INVALID")
            return
        passed = group.parameters.get(name) if group.parameters and kind is None else None
        if passed is not None:
            variable.at = passed.at
            return
        if kind is not None:
            self._typed_input(variable, kind, path)

    def _typed_input(self, variable: Variable, kind: str, path: str) -> None:
        structure = next((s for s in _structures(self.map) if s.get("alias") == kind), None)
        if structure is None:
            definition = type_definition(self.definitions, kind)
            if definition is None:
                message = f"the type {kind} is unknown"
                self._fault(path, message, "SM_GROUP_INPUT_TYPE_UNKNOWN_TYPE")
        else:
            definition = self.definitions.structure(text(structure, "url") or "")
            mode = text(structure, "mode")
            if mode not in (None, variable.mode) and (mode, variable.mode) != MODES[::-1]:
                message = f"the structure {kind} is a {mode}, the input a {variable.mode}"
                self._fault(path, message, "SM_GROUP_INPUT_MODE_MISMATCH")
                return
        variable.at = ElementAt.root(definition)

    def _rule(self, rule: Json, path: str, outer: Variables) -> None:
        self._name(rule.get("name"), path)
        variables = outer.inner()
        for at, source in children(rule, "source", path):
            self._source(source, at, variables)
        for at, target in children(rule, "target", path):
            self._target(target, at, variables)
        for at, inner in children(rule, "rule", path):
            self._rule(inner, at, variables)
        for at, dependent in children(rule, "dependent", path):
            self._dependent(dependent, at, variables)

    def _context(self, owner: Json, path: str, variables: Variables, mode: str) -> Variable | None:
        name = owner.get("context")
        if not self._name(name, path) or not isinstance(name, str):
            return None
        found = variables.get((name, mode == "source"))
        if found is None:
            message = f"no {mode} is called {name} here"
            self._fault(path, message, f"SM_{mode.upper()}_CONTEXT_UNKNOWN")
        return found

    def _variable(
        self, owner: Json, path: str, variables: Variables, mode: str | None
    ) -> Variable | None:
        name = text(owner, "variable")
        if name is None or not self._name(name, path):
            return None
        return variables.add(name, mode)

    def _source(self, source: Json, path: str, variables: Variables) -> None:
        context = self._context(source, path, variables, "source")
        if context is None:
            return
        if context.at is None:
            if name := text(source, "variable"):
                variables.add(name, context.mode)
            return
        at, kind = context.at, context.type
        made = self._variable(source, path, variables, context.mode)
        element = text(source, "element")
        if element is None:
            if made:
                made.at, made.type = at, kind
            return
        found = within(self.definitions, at, kind, element)
        if not found:
            message = f"{at.path} has no element {element}"
            self._fault(path, message, "SM_SOURCE_PATH_INVALID")
        elif len(found) == 1:
            wanted = text(source, "type")
            if wanted and not self._has_type(found[0], wanted):
                message = f"{at.path}.{element} is never a {wanted}"
                self._fault(path, message, "SM_SOURCE_TYPE_INVALID")
            if made:
                made.at, made.type = found[0], wanted

    def _has_type(self, at: ElementAt, wanted: str) -> bool:
        allowed = {d["type"] for d in self._types(at)}
        return any(one["type"] in allowed for one in self._lineage(wanted))

    def _types(self, at: ElementAt) -> Iterator[Json]:
        for name in type_names(at.element):
            if (found := type_definition(self.definitions, name)) is not None:
                yield found

    def _lineage(self, kind: str) -> Iterator[Json]:
        definition = type_definition(self.definitions, kind)
        while definition is not None:
            yield definition
            base = definition.get("baseDefinition")
            definition = self.definitions.structure(base) if isinstance(base, str) else None

    def _target(self, target: Json, path: str, variables: Variables) -> None:
        if target.get("context") is None:
            self._target_without_context(target, path, variables)
            return
        context = self._context(target, path, variables, "target")
        if context is None or context.at is None:
            return
        made = self._variable(target, path, variables, context.mode)
        element = text(target, "element")
        if element is None:
            return
        found = within(self.definitions, context.at, context.type, element)
        if not found:
            message = f"{context.at.path} has no element {element}"
            self._fault(path, message, "SM_TARGET_PATH_INVALID")
            return
        if any(one.path != found[0].path or not one.is_slice for one in found[1:]):
            return
        kind = self._transformed(target, found[0], path, variables)
        if text(target, "transform") == "evaluate":
            self._evaluated(target, context.at, path)
        if made:
            made.at, made.type = self._assigned(found[0], kind, path)

    def _assigned(
        self, at: ElementAt, kind: str | None, path: str
    ) -> tuple[ElementAt | None, str | None]:
        if kind is None or type_names(at.element) != ["Resource"]:
            return at, kind
        definition = type_definition(self.definitions, kind)
        if definition is None:
            message = f"the type {kind} is unknown"
            self._fault(path, message, "SM_TARGET_TRANSFORM_TYPE_UNKNOWN")
            return at, kind
        return ElementAt.root(definition), None

    def _target_without_context(self, target: Json, path: str, variables: Variables) -> None:
        made = self._variable(target, path, variables, "target")
        transform, parameters = text(target, "transform"), _parameters(target)
        if transform not in ("create", "uuid"):
            return
        counted = self._counted(transform, parameters, path)
        kind = "string" if transform == "uuid" else None
        if counted and transform == "create" and parameters:
            kind = self._named_type(parameters[0])
        if made is None or kind is None:
            return
        definition = type_definition(self.definitions, kind)
        if definition is None:
            self._fault(path, f"the type {kind} is unknown", "SM_TARGET_TYPE_UNKNOWN")
        made.at = ElementAt.root(definition)

    def _named_type(self, parameter: tuple[str, object]) -> str | None:
        """The type that a parameter of ``create`` names: a URL, a type or an alias."""
        value = parameter[1]
        if not isinstance(value, str):
            return None
        return _resolved(self.map, value, "target")

    def _counted(self, transform: str, parameters: list[tuple[str, object]], path: str) -> bool:
        allowed = PARAMETERS.get(transform)
        if allowed is None or len(parameters) in allowed:
            return True
        name = COUNT_FAULTS.get(transform, "SM_TARGET_TRANSFORM_MISSING_PARAMS")
        return self._fault(path, f"{transform} does not take {len(parameters)} parameters", name)

    def _transformed(
        self, target: Json, at: ElementAt, path: str, variables: Variables
    ) -> str | None:
        """The type of what a transform gives, where it can be told."""
        transform, parameters = text(target, "transform"), _parameters(target)
        names = type_names(at.element)
        kind = names[0] if len(names) == 1 else None
        if transform is None:
            if parameters:
                message = "parameters need a transform"
                self._fault(path, message, "SM_TARGET_NO_TRANSFORM_NO_CHECKED")
            transform = "create"
        if transform == "translate":
            self._translate(parameters, path, variables)
            return kind
        if not self._counted(transform, parameters, path):
            return kind
        if transform == "create" and parameters:
            return self._named_type(parameters[0])
        if transform == "copy" and parameters:
            value = parameters[0][1]
            return str(value) if value is not None else None
        return "string" if transform == "reference" else kind

    def _evaluated(self, target: Json, at: ElementAt, path: str) -> None:
        parameters = _parameters(target)
        expression = parameters[0][1] if len(parameters) == 1 else None
        if not isinstance(expression, str) or not at.structure["url"].startswith(CORE):
            return
        try:
            compile_expression(expression, self.definitions, at.path, strict=True)
        except NotEvaluated as fault:
            message = f"the expression is wrong: {fault}"
            self._fault(path, message, "SM_TARGET_TRANSFORM_EXPRESSION_ERROR")

    def _translate(
        self, parameters: list[tuple[str, object]], path: str, variables: Variables
    ) -> None:
        self._counted("translate", parameters, path)
        for number, role in enumerate(("source", "map_uri")):
            if len(parameters) <= number:
                message = f"translate has no {role}"
                self._fault(path, message, "SM_TARGET_TRANSFORM_TRANSLATE_NO_PARAM")
        if parameters and parameters[0][0] == "Id":
            name = str(parameters[0][1])
            if (name, True) not in variables:
                message = f"translate reads {name}, which is no source here"
                self._fault(path, message, "SM_TARGET_TRANSFORM_TRANSLATE_UNKNOWN_SOURCE")
        if len(parameters) > 2 and parameters[2][1] not in TRANSLATE_TO:
            message = f"translate cannot give {parameters[2][1]}"
            self._fault(path, message, "SM_TARGET_TRANSFORM_TRANSLATE_CM_BAD_MODE")

    def _dependent(self, dependent: Json, path: str, variables: Variables) -> None:
        name = text(dependent, "name")
        if name == DEFAULT_GROUP:
            return
        group = self._find(name)
        if group is None:
            self._fault(path, f"no group {name}", "SM_RULEGROUP_NOT_FOUND")
            return
        passed = list(self._passed(dependent, path))
        if len(passed) != len(group.inputs):
            message = f"{name} takes {len(group.inputs)} parameters, not {len(passed)}"
            self._fault(path, message, "SM_RULEGROUP_PARAM_COUNT_MISMATCH")
            return
        found: dict[str, Variable] = {}
        sound = True
        for (at, value), given in zip(passed, group.inputs, strict=True):
            variable = self._parameter(value, given, at, variables, group)
            sound = sound and variable is not None
            if variable is not None:
                found[str(given.get("name"))] = variable
        if sound and group.path is not None and group.parameters is None:
            group.parameters = found

    def _passed(self, dependent: Json, path: str) -> Iterator[tuple[str, tuple[str, object]]]:
        if self.sources.release == "R5":
            for at, parameter in children(dependent, "parameter", path):
                yield at, _value(parameter)
        else:
            for at, name in texts(dependent, "variable", path):
                yield at, ("Id", name)

    def _parameter(
        self,
        passed: tuple[str, object],
        given: Json,
        path: str,
        variables: Variables,
        group: Group,
    ) -> Variable | None:
        kind, value = passed
        if kind != "Id":
            literal = type_definition(self.definitions, kind[:1].lower() + kind[1:])
            return Variable("$", "source", ElementAt.root(literal))
        mode = text(given, "mode")
        found = variables.get((str(value), mode == "source"))
        if found is None and mode == "source":
            found = variables.get((str(value), False))
        if found is None:
            message = f"no variable {value} can be passed as {mode}"
            self._fault(path, message, "SM_DEPENDENT_PARAM_NOT_FOUND")
            return None
        wanted = text(given, "type")
        resolved = _resolved(group.map, wanted, None) if wanted else None
        if resolved and not self._matches(found, resolved):
            message = f"{value} is not a {wanted}"
            self._fault(path, message, "SM_DEPENDENT_PARAM_TYPE_MISMATCH")
            return None
        return found

    def _matches(self, variable: Variable, wanted: str) -> bool:
        at = variable.at
        if at is None or wanted in (at.structure["url"], at.structure["type"], variable.type):
            return True
        wanted_definition = type_definition(self.definitions, wanted)
        names = type_names(at.element)
        if wanted in names or wanted_definition is None:
            return wanted in names
        url = wanted_definition["url"]
        lineages = [variable.type] if variable.type else []
        known = [d["url"] for name in lineages for d in self._lineage(name)]
        return url in known or url in [d["url"] for d in self._types(at)]


def _structures(structure_map: Json) -> list[Json]:
    return [one for _, one in children(structure_map, "structure")]


def _resolved(structure_map: Json, kind: str, mode: str | None) -> str:
    for structure in _structures(structure_map):
        if structure.get("alias") == kind and mode in (None, structure.get("mode")):
            return text(structure, "url") or kind
    return kind


def _parameters(target: Json) -> list[tuple[str, object]]:
    return [_value(one) for _, one in children(target, "parameter")]


def _value(parameter: Json) -> tuple[str, object]:
    """The type of a value[x], capitalised, and the value."""
    for name, value in parameter.items():
        if name.startswith("value"):
            return name.removeprefix("value"), value
    return "", None
