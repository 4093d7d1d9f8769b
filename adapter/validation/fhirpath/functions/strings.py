"""Functions of strings.

https://hl7.org/fhirpath/N1/#string-manipulation
"""

from __future__ import annotations

import base64
import binascii
import html
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from adapter.validation.fhirpath.code import NOTHING, Code, One, one_of, single
from adapter.validation.fhirpath.errors import EvaluationError, NotEvaluated
from adapter.validation.fhirpath.functions.common import value_of
from adapter.validation.fhirpath.syntax import Syntax
from adapter.validation.fhirpath.types import BOOLEAN, INTEGER, STRING, Type
from adapter.validation.fhirpath.values import Node, plain, text

if TYPE_CHECKING:
    from adapter.validation.fhirpath.compiler import Compiler, Scope
    from adapter.validation.fhirpath.functions.common import Function

Arguments = tuple[Syntax, ...]
_JAVA_CLASS = re.compile(r"\\p\{([A-Za-z]+)\}")
_JAVA_CLASSES = {"Alpha": "a-zA-Z", "Alnum": "a-zA-Z0-9", "Digit": "0-9", "L": "^\\W\\d_"}


def _only_strings(compiler: Compiler, source: Code, name: str) -> None:
    kind = source.type
    if compiler.strict and kind is not None and not kind.category:
        raise NotEvaluated(f"{name}() wants a string, not {kind.name}")


@dataclass(frozen=True)
class _Policy:
    """What HL7's engine answers where FHIRPath leaves it open.

    ``valueless``: for a string that has an extension only. ``many``: for more than one item, where
    ``FIRST`` asks the first and ERROR signals one.
    """

    valueless: Any = None
    many: Any = None


_FIRST, _ERROR = object(), object()


def _string_function(
    name: str,
    apply: Callable[..., Any],
    kind: Type,
    arguments: tuple[int, int] = (1, 1),
    policy: _Policy = _Policy(),
) -> Function:
    """A function of a string, empty for what is none and for an empty argument."""

    def build(compiler: Compiler, source: Code, given: Arguments, scope: Scope) -> Code:
        _only_strings(compiler, source, name)
        get = _string_of(source, name, policy)
        codes = [value_of(compiler, argument, scope, name) for argument in given]
        only = codes[0] if len(codes) == 1 else None

        def result(v: Any, r: Any) -> Any:
            value = get(v, r)
            if type(value) is not str:
                return value if value is None or value is False else policy.valueless
            if only is not None:
                argument = only(v, r)
                return None if argument is None else apply(value, argument)
            values = [code(v, r) for code in codes]
            return None if None in values else apply(value, *values)

        parts = [compiler.compile(argument, scope) for argument in given]
        return compiler.folded(single(result, kind), source, *parts)

    return *arguments, build


def _string_of(source: Code, name: str, policy: _Policy) -> One:
    """The string that a function is asked of; a Prim without value where it has none."""
    if source.type is not None and source.type.category != "string":
        return one_of(single(lambda _v, _r: None, None), name)
    if source.one is not None:
        one = source.one

        def of_one(v: Any, r: Any) -> Any:
            item = one(v, r)
            return item if type(item) is str or item is None else _string(item)

        return of_one
    items = source.items

    def of_items(v: Any, r: Any) -> Any:
        found = items(v, r)
        if not found:
            return None
        if len(found) > 1:
            if policy.many is _ERROR:
                raise EvaluationError(f"{name} wants one item, not {len(found)}")
            if policy.many is not _FIRST:
                return policy.many
        return _string(found[0])

    return of_items


def _string(item: Any) -> Any:
    if type(item) is Node and item.type.category != "string":
        return None
    value = plain(item)
    if value is None:
        return item
    return value if isinstance(value, str) else None


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise EvaluationError("a string is wanted")
    return value


def _matches(value: str, pattern: Any) -> bool:
    return bool(value) and _pattern(_text(pattern)).search(value) is not None


def _matches_full(value: str, pattern: Any) -> bool:
    return bool(value) and _pattern(_text(pattern)).fullmatch(value) is not None


def _replace(value: str, wanted: Any, by: Any) -> str:
    return value.replace(_text(wanted), _text(by))


def _replace_matches(value: str, pattern: Any, by: Any) -> str:
    if not pattern:
        return value
    template = re.sub(r"\$(\d)", r"\\g<\1>", _text(by).replace("\\", "\\\\"))
    return _pattern(_text(pattern)).sub(template, value)


@lru_cache(maxsize=1024)
def _pattern(pattern: str) -> re.Pattern[str]:
    python = _JAVA_CLASS.sub(lambda m: f"[{_JAVA_CLASSES.get(m[1], m[1])}]", pattern)
    try:
        return re.compile(python, re.DOTALL | re.ASCII)
    except re.error as error:
        raise EvaluationError(f"{pattern} is no regular expression: {error}") from None


def _substring(value: str, start: Any, length: Any = None) -> str | None:
    if not isinstance(start, int) or not 0 <= start < len(value):
        return None
    if length is None:
        return value[start:]
    return value[start : start + length] if length > 0 else ""


_ENCODERS: dict[str, Callable[[str], str]] = {
    "base64": lambda value: base64.b64encode(value.encode()).decode(),
    "urlbase64": lambda value: base64.urlsafe_b64encode(value.encode()).decode(),
    "hex": lambda value: value.encode().hex(),
}
_DECODERS: dict[str, Callable[[str], bytes]] = {
    "base64": lambda value: base64.b64decode(value, validate=True),
    "urlbase64": base64.urlsafe_b64decode,
    "hex": bytes.fromhex,
}


def _encode(value: str, form: Any) -> str | None:
    encoder = _ENCODERS.get(form)
    return None if encoder is None else encoder(value)


def _decode(value: str, form: Any) -> str | None:
    decoder = _DECODERS.get(form)
    try:
        return None if decoder is None else decoder(value).decode()
    except (ValueError, binascii.Error):
        return None


def _escape(value: str, form: Any) -> str | None:
    if form == "html":
        return html.escape(value, quote=False).replace('"', "&quot;")
    return json.dumps(value, ensure_ascii=False)[1:-1] if form == "json" else None


def _unescape(value: str, form: Any) -> str | None:
    if form == "html":
        return html.unescape(value)
    if form != "json":
        return None
    try:
        return str(json.loads(f'"{value}"'))
    except ValueError:
        return str(json.loads('"' + value.replace('"', '\\"') + '"')) if '"' in value else None


def _split(compiler: Compiler, source: Code, arguments: Arguments, scope: Scope) -> Code:
    one, separator = one_of(source, "split"), value_of(compiler, arguments[0], scope, "split")

    def parts(v: Any, r: Any) -> list[Any]:
        value, by = text(one(v, r)), separator(v, r)
        if value is None or by is None:
            return NOTHING
        return value.split(by) if by else list(value)

    return Code(parts, STRING)


def _join(compiler: Compiler, source: Code, arguments: Arguments, scope: Scope) -> Code:
    items = compiler.values(source)
    by = value_of(compiler, arguments[0], scope, "join") if arguments else None

    def joined(v: Any, r: Any) -> str | None:
        found = items(v, r)
        separator = by(v, r) if by is not None else ""
        texts = [t for item in found if (t := text(item)) is not None]
        return (separator or "").join(texts) if found else None

    return single(joined, STRING)


def _to_chars(compiler: Compiler, source: Code, _arguments: Arguments, _scope: Scope) -> Code:
    one = one_of(source, "toChars")
    return compiler.folded(Code(lambda v, r: list(text(one(v, r)) or ""), STRING), source)


def _found(test: Callable[[str, str], bool]) -> Callable[[str, Any], bool]:
    return lambda value, wanted: test(value, _text(wanted))


_LIKE_FIRST = _Policy(valueless=False, many=_FIRST)
_ALONE = _Policy(valueless=False, many=False)
_STRICTLY_ONE = _Policy(many=_ERROR)
FUNCTIONS: dict[str, Function] = {
    "startsWith": _string_function(
        "startsWith", _found(str.startswith), BOOLEAN, policy=_LIKE_FIRST
    ),
    "endsWith": _string_function("endsWith", _found(str.endswith), BOOLEAN, policy=_ALONE),
    "contains": _string_function(
        "contains", _found(str.__contains__), BOOLEAN, policy=_Policy(valueless=False)
    ),
    "matches": _string_function("matches", _matches, BOOLEAN, policy=_ALONE),
    "matchesFull": _string_function("matchesFull", _matches_full, BOOLEAN, policy=_ALONE),
    "indexOf": _string_function(
        "indexOf", lambda value, wanted: value.find(_text(wanted)), INTEGER
    ),
    "lastIndexOf": _string_function(
        "lastIndexOf", lambda value, wanted: value.rfind(_text(wanted)), INTEGER
    ),
    "substring": _string_function("substring", _substring, STRING, (1, 2)),
    "upper": _string_function("upper", str.upper, STRING, (0, 0)),
    "lower": _string_function("lower", str.lower, STRING, (0, 0)),
    "trim": _string_function("trim", str.strip, STRING, (0, 0)),
    "length": _string_function("length", len, INTEGER, (0, 0)),
    "replace": _string_function("replace", _replace, STRING, (2, 2), _STRICTLY_ONE),
    "replaceMatches": _string_function(
        "replaceMatches", _replace_matches, STRING, (2, 2), _STRICTLY_ONE
    ),
    "encode": _string_function("encode", _encode, STRING),
    "decode": _string_function("decode", _decode, STRING),
    "escape": _string_function("escape", _escape, STRING),
    "unescape": _string_function("unescape", _unescape, STRING),
    "split": (1, 1, _split),
    "join": (0, 1, _join),
    "toChars": (0, 0, _to_chars),
}
