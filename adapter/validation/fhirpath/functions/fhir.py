"""The functions that FHIR adds to FHIRPath.

https://hl7.org/fhir/R4/fhirpath.html#functions
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from adapter.validation.fhirpath.code import Code, boolean, one_of, single
from adapter.validation.fhirpath.errors import EvaluationError, NotEvaluated
from adapter.validation.fhirpath.functions.common import value_of
from adapter.validation.fhirpath.syntax import Literal, Syntax
from adapter.validation.fhirpath.types import STRING
from adapter.validation.fhirpath.values import Node, Prim, plain, text

if TYPE_CHECKING:
    from adapter.validation.fhirpath.compiler import Compiler, Scope
    from adapter.validation.fhirpath.functions.common import Function

Arguments = tuple[Syntax, ...]


def _extension(compiler: Compiler, source: Code, arguments: Arguments, scope: Scope) -> Code:
    url = value_of(compiler, arguments[0], scope, "extension")
    kind = source.type
    if kind is None or kind.abstract:
        items = compiler.paths.free(source).items
        children = compiler.paths.children_named

        def among_nodes(v: Any, r: Any) -> list[Any]:
            wanted = url(v, r)
            return [
                extension
                for item in items(v, r)
                if type(item) is Node
                for name in ("extension", "modifierExtension")
                for extension in children(item, name)
                if extension.value.get("url") == wanted
            ]

        return Code(among_nodes, None)
    if kind.system:
        return single(lambda _v, _r: None, None)
    found = [compiler.paths.step(source, "extension").items]
    if "modifierExtension" in kind.elements:
        found.append(compiler.paths.step(source, "modifierExtension").items)

    def matching(v: Any, r: Any) -> list[Any]:
        wanted = url(v, r)
        return [e for items in found for e in items(v, r) if e.get("url") == wanted]

    return Code(matching, compiler.types.needed("Extension"))


def _has_value(_compiler: Compiler, source: Code, _arguments: Arguments, _scope: Scope) -> Code:
    def has(item: Any) -> bool:
        # HL7's engine takes an object for its text, so that it has a value too
        return text(item) not in (None, "")

    one, items = source.one, source.items
    if one is None:

        def of_items(v: Any, r: Any) -> bool:
            found = items(v, r)
            return len(found) == 1 and has(found[0])

        return boolean(of_items)
    only = one

    def of_one(v: Any, r: Any) -> bool:
        item = only(v, r)
        if type(item) is str:
            return item != ""
        return item is not None and (type(item) is dict or has(item))

    return boolean(of_one)


def _get_value(compiler: Compiler, source: Code, _arguments: Arguments, _scope: Scope) -> Code:
    one, convert = one_of(source, "getValue"), compiler.to_value(source.type)

    def value(v: Any, r: Any) -> Any:
        found = plain(convert(one(v, r)))
        return None if isinstance(found, Node) else found

    return single(value, None)


def _resolve(compiler: Compiler, source: Code, _arguments: Arguments, _scope: Scope) -> Code:
    items, needed = compiler.paths.free(source).items, compiler.types.needed

    def resolved(v: Any, r: Any) -> list[Any]:
        found: list[Any] = []
        for item in items(v, r):
            value = item.value if type(item) is Node else item
            reference = value.get("reference") if isinstance(value, dict) else value
            target = _target(reference, r) if isinstance(reference, str) else None
            if target is not None:
                found.append(Node(target, needed(target.get("resourceType", "Resource"))))
        return found

    return Code(resolved, None)


def _target(reference: str, run: Any) -> Any:
    if reference.startswith("#"):
        wanted = reference[1:]
        if not wanted:
            return run.root
        return next((c for c in run.root.get("contained", ()) if c.get("id") == wanted), None)
    if run.resolve is None:
        raise NotEvaluated("resolve() has nowhere to look")
    return run.resolve(reference)


def _member_of(compiler: Compiler, source: Code, arguments: Arguments, scope: Scope) -> Code:
    items = source.items
    url = value_of(compiler, arguments[0], scope, "memberOf")

    def member(v: Any, r: Any) -> bool | None:
        found, wanted = items(v, r), url(v, r)
        if len(found) != 1 or wanted is None:
            return None
        if r.member_of is None:
            raise NotEvaluated("memberOf() has no value sets")
        item = found[0]
        value = item.value if type(item) in (Node, Prim) else item
        answer: bool | None = None if value is None else r.member_of(value, wanted)
        return answer

    return boolean(member)


def _conforms_to(compiler: Compiler, source: Code, arguments: Arguments, scope: Scope) -> Code:
    items = compiler.paths.free(source).items
    url = value_of(compiler, arguments[0], scope, "conformsTo")

    def conforms(v: Any, r: Any) -> bool | None:
        found, wanted = items(v, r), url(v, r)
        if len(found) != 1 or type(found[0]) is not Node or wanted is None:
            return None
        if r.conforms_to is None:
            raise NotEvaluated("conformsTo() has no profiles")
        answer: bool | None = r.conforms_to(found[0].value, wanted)
        if answer is None:
            raise EvaluationError(f"the profile {wanted} is unknown")
        return answer

    return boolean(conforms)


def _narrative(test: Callable[[str], bool]) -> Function:
    def build(_compiler: Compiler, source: Code, _arguments: Arguments, _scope: Scope) -> Code:
        items = source.items

        def check(v: Any, r: Any) -> bool | None:
            found = items(v, r)
            value = plain(found[0]) if len(found) == 1 else None
            return test(value) if isinstance(value, str) else None

        return boolean(check)

    return 0, 0, build


def _html_allowed(div: str) -> bool:
    from adapter.validation.narrative import html_ok

    return html_ok(div)


def _html_says(div: str) -> bool:
    from adapter.validation.narrative import has_content
    from adapter.validation.xhtml import NarrativeError, parse

    try:
        return has_content(parse(div).root)
    except NarrativeError:
        return False


def _check_modifiers(compiler: Compiler, source: Code, arguments: Arguments, _scope: Scope) -> Code:
    items = compiler.paths.free(source).items
    children = compiler.paths.children_named
    allowed = {a.value for a in arguments if isinstance(a, Literal)}

    def checked(v: Any, r: Any) -> list[Any]:
        found = items(v, r)
        for item in found:
            for extension in children(item, "modifierExtension") if type(item) is Node else ():
                if extension.value.get("url") not in allowed:
                    raise EvaluationError("an unknown modifier extension")
        return found

    return Code(checked, None)


def _resource_key(compiler: Compiler, source: Code, _arguments: Arguments, _scope: Scope) -> Code:
    items = compiler.paths.free(source).items

    def key(v: Any, r: Any) -> str | None:
        found = items(v, r)
        if len(found) != 1 or type(found[0]) is not Node or "id" not in found[0].value:
            return None
        return f"{found[0].type.code}/{found[0].value['id']}"

    return single(key, STRING)


def _reference_key(compiler: Compiler, source: Code, _arguments: Arguments, _scope: Scope) -> Code:
    items = compiler.paths.free(source).items

    def key(v: Any, r: Any) -> str | None:
        found = items(v, r)
        value = found[0].value if len(found) == 1 and type(found[0]) is Node else None
        return value.get("reference") if isinstance(value, dict) else value

    return single(key, STRING)


FUNCTIONS: dict[str, Function] = {
    "extension": (1, 1, _extension),
    "hasValue": (0, 0, _has_value),
    "getValue": (0, 0, _get_value),
    "resolve": (0, 0, _resolve),
    "memberOf": (1, 1, _member_of),
    "conformsTo": (1, 1, _conforms_to),
    "htmlChecks": _narrative(_html_allowed),
    "htmlChecks1": _narrative(_html_allowed),
    "htmlChecks2": _narrative(_html_says),
    "checkModifiers": (0, 99, _check_modifiers),
    "getResourceKey": (0, 0, _resource_key),
    "getReferenceKey": (0, 1, _reference_key),
}
