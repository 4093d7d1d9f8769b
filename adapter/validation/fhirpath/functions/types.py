"""``is``, ``as``, ``ofType`` and ``type()``.

As in HL7's engine ``is`` knows that a ``code`` is a ``string``, while ``as`` and ``ofType`` take a
primitive only for exactly what it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from adapter.validation.fhirpath.code import Code, boolean, single
from adapter.validation.fhirpath.errors import EvaluationError, NotEvaluated
from adapter.validation.fhirpath.syntax import Syntax, type_name
from adapter.validation.fhirpath.types import INFO, SYSTEM, SYSTEM_NAMES, Element, Type
from adapter.validation.fhirpath.values import Info, Node, Prim, system_type

if TYPE_CHECKING:
    from adapter.validation.fhirpath.compiler import Compiler, Scope
    from adapter.validation.fhirpath.functions.common import Function

Arguments = tuple[Syntax, ...]


def _named(compiler: Compiler, arguments: Arguments) -> str:
    name = type_name(arguments[0])
    if name is None:
        raise NotEvaluated("a type's name is wanted")
    return _checked(compiler, name)


def _checked(compiler: Compiler, name: str) -> str:
    if not compiler.types.known(name):
        raise NotEvaluated(f"{name} is no type")
    return name


# -- is --------------------------------------------------------------------------------------------


def is_type(compiler: Compiler, source: Code, name: str, operator: bool = False) -> Code:
    """Whether the only item is of a type, or of one that derives from it."""
    space, _, local = name.rpartition(".")
    if not operator and not compiler.types.known(name) and space != "System":
        raise NotEvaluated(f"{name} is no type")
    kind = source.type
    wants_system = space == "System" or (
        not space and local in SYSTEM_NAMES and local != "Quantity"
    )
    items = source.items

    def fits(item: Any) -> bool:
        if type(item) is Node:
            return not wants_system and local in item.type.ancestors
        return space != "FHIR" and _is_system(system_type(item), local)

    test: Callable[[Any], bool] = fits
    if kind is not None:
        if kind.system:
            known = space != "FHIR" and _is_system(kind, local)
        else:
            known = not wants_system and local in kind.ancestors
        if not kind.abstract:
            test = _always(known)
        else:
            items = compiler.paths.free(source).items

    def answer(v: Any, r: Any) -> bool | None:
        found = items(v, r)
        if len(found) != 1:
            return False if found and operator else None
        return test(found[0])

    return compiler.folded(boolean(answer), source)


def _always(answer: bool) -> Callable[[Any], bool]:
    return lambda _item: answer


def _is_system(kind: Type, local: str) -> bool:
    return kind.code == local or (kind.code == "Date" and local == "DateTime")


# -- as, ofType ------------------------------------------------------------------------------------


def as_type(compiler: Compiler, source: Code, name: str) -> Code:
    """The items of a type; where FHIRPath says so, more than one item are an error."""
    found = of_type(compiler, source, name)
    if source.one is not None or not (compiler.strict or compiler.singletons):
        return found
    items = source.items

    def checked(v: Any, r: Any) -> list[Any]:
        held = items(v, r)
        if len(held) > 1:
            raise EvaluationError(f"as wants one item, not {len(held)}")
        return kept(v, r)

    kept = found.items
    return Code(checked, found.type)


def of_type(compiler: Compiler, source: Code, name: str) -> Code:
    """The items that are of a type, or an object of one that derives from it."""
    _checked(compiler, name)
    space, _, local = name.rpartition(".")
    kind = source.type
    if space == "System" or (not space and local in SYSTEM and compiler.types.get(local) is None):
        return _of_system(source, local)
    wanted = compiler.types.needed(local)
    if source.choice is not None:
        return _of_choice(compiler, *source.choice, wanted)
    if kind is not None and not kind.abstract:
        if not kind.system and _fits(kind, wanted):
            return source
        return single(lambda _v, _r: None, wanted)
    nodes = compiler.paths.free(source).items
    return typed(
        Code(
            lambda v, r: [
                item for item in nodes(v, r) if type(item) is Node and _fits(item.type, wanted)
            ],
            None,
        ),
        wanted,
        one=source.one is not None,
    )


def _fits(kind: Type, wanted: Type) -> bool:
    if kind.category or wanted.category:
        return kind.name == wanted.name
    return wanted.name in kind.ancestors


def _of_system(source: Code, local: str) -> Code:
    if source.type is not None:
        if source.type.system and source.type.code == local:
            return source
        return single(lambda _v, _r: None, source.type)
    items = source.items
    return Code(
        lambda v, r: [
            item
            for item in items(v, r)
            if type(item) is not Node and system_type(item).code == local
        ],
        None,
    )


def typed(source: Code, wanted: Type | None, one: bool = False) -> Code:
    """Nodes of a known type as the JSON they carry."""
    items = source.items

    def bare(v: Any, r: Any) -> list[Any]:
        return [
            node.value if node.sibling is None else Prim(node.value, node.sibling)
            for node in items(v, r)
        ]

    if not one:
        return Code(bare, wanted)

    def only(v: Any, r: Any) -> Any:
        found = bare(v, r)
        return found[0] if found else None

    return single(only, wanted)


def _of_choice(compiler: Compiler, owner: Code, element: Element, wanted: Type) -> Code:
    """An element of several types, narrowed to one: the look-up of its JSON key."""
    keys = [
        key for key, code in element.choices.items() if _fits(compiler.types.needed(code), wanted)
    ]
    if len(keys) == 1:
        return compiler.paths.at_key(owner, keys[0], element.choices[keys[0]], element.many)
    if not keys:
        return single(lambda _v, _r: None, wanted)
    parts = [compiler.paths.at_key(owner, k, element.choices[k], element.many).items for k in keys]
    return Code(lambda v, r: [item for items in parts for item in items(v, r)], wanted)


# -- type() ----------------------------------------------------------------------------------------


def _type(compiler: Compiler, source: Code, _arguments: Arguments, _scope: Scope) -> Code:
    items = compiler.paths.free(source).items
    info = _info_as_hl7 if compiler.as_hl7 else _info
    return Code(lambda v, r: [info(item) for item in items(v, r)], INFO)


def _info(item: Any) -> Info:
    if type(item) is Node:
        return Info("FHIR", item.type.code)
    return Info("System", system_type(item).code)


def _info_as_hl7(item: Any) -> Info:
    """HL7's validator takes all that it reads for values of FHIRPath's own types."""
    code = _info(item).name
    return Info("System", code[:1].upper() + code[1:])


def _is(compiler: Compiler, source: Code, arguments: Arguments, _scope: Scope) -> Code:
    name = type_name(arguments[0])
    if name is None:
        raise NotEvaluated("a type's name is wanted")
    return is_type(compiler, source, name, operator=True)


def _as(compiler: Compiler, source: Code, arguments: Arguments, _scope: Scope) -> Code:
    return as_type(compiler, source, _named(compiler, arguments))


def _of_type(compiler: Compiler, source: Code, arguments: Arguments, _scope: Scope) -> Code:
    return of_type(compiler, source, _named(compiler, arguments))


FUNCTIONS: dict[str, Function] = {
    "is": (1, 1, _is),
    "as": (1, 1, _as),
    "ofType": (1, 1, _of_type),
    "type": (0, 0, _type),
}
