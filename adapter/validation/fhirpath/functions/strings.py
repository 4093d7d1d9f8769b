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
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from adapter.validation.fhirpath.code import NOTHING, Code, one_of, single
from adapter.validation.fhirpath.errors import EvaluationError, NotEvaluated
from adapter.validation.fhirpath.functions.common import on_one, value_of
from adapter.validation.fhirpath.syntax import Syntax
from adapter.validation.fhirpath.types import BOOLEAN, INTEGER, STRING, Type
from adapter.validation.fhirpath.values import text

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


def _string_function(
    name: str, apply: Callable[..., Any], kind: Type, least: int, most: int
) -> Function:
    """A function of a string and arguments, empty when any of them is."""

    def build(compiler: Compiler, source: Code, arguments: Arguments, scope: Scope) -> Code:
        _only_strings(compiler, source, name)
        one, convert = one_of(source, name), compiler.to_value(source.type)
        codes = [value_of(compiler, argument, scope, name) for argument in arguments]

        def result(v: Any, r: Any) -> Any:
            value = one(v, r)
            if type(value) is not str:
                if value is None:
                    return None
                value = _as_text(convert(value))
                if value is None:
                    return None
            given = [code(v, r) for code in codes]
            return None if None in given else apply(value, *given)

        if len(codes) == 1:
            only = codes[0]

            def result_of_one(v: Any, r: Any) -> Any:
                value = one(v, r)
                if type(value) is not str:
                    if value is None:
                        return None
                    value = _as_text(convert(value))
                    if value is None:
                        return None
                given = only(v, r)
                return None if given is None else apply(value, given)

            result = result_of_one
        parts = [compiler.compile(argument, scope) for argument in arguments]
        return compiler.folded(single(result, kind), source, *parts)

    return least, most, build


def _as_text(value: Any) -> str | None:
    return text(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise EvaluationError("a string is wanted")
    return value


def _matches(value: str, pattern: Any) -> bool:
    return bool(value) and _pattern(_text(pattern)).search(value) is not None


def _matches_full(value: str, pattern: Any) -> bool:
    return bool(value) and _pattern(_text(pattern)).fullmatch(value) is not None


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


def _length(compiler: Compiler, source: Code, _arguments: Arguments, _scope: Scope) -> Code:
    _only_strings(compiler, source, "length")
    return on_one(compiler, source, "length", lambda value: len(text(value) or ""), INTEGER)


FUNCTIONS: dict[str, Function] = {
    "startsWith": _string_function(
        "startsWith", lambda value, wanted: value.startswith(_text(wanted)), BOOLEAN, 1, 1
    ),
    "endsWith": _string_function(
        "endsWith", lambda value, wanted: value.endswith(_text(wanted)), BOOLEAN, 1, 1
    ),
    "contains": _string_function(
        "contains", lambda value, wanted: _text(wanted) in value, BOOLEAN, 1, 1
    ),
    "indexOf": _string_function(
        "indexOf", lambda value, wanted: value.find(_text(wanted)), INTEGER, 1, 1
    ),
    "lastIndexOf": _string_function(
        "lastIndexOf", lambda value, wanted: value.rfind(_text(wanted)), INTEGER, 1, 1
    ),
    "substring": _string_function("substring", _substring, STRING, 1, 2),
    "upper": _string_function("upper", str.upper, STRING, 0, 0),
    "lower": _string_function("lower", str.lower, STRING, 0, 0),
    "trim": _string_function("trim", str.strip, STRING, 0, 0),
    "replace": _string_function("replace", str.replace, STRING, 2, 2),
    "matches": _string_function("matches", _matches, BOOLEAN, 1, 1),
    "matchesFull": _string_function("matchesFull", _matches_full, BOOLEAN, 1, 1),
    "replaceMatches": _string_function("replaceMatches", _replace_matches, STRING, 2, 2),
    "encode": _string_function("encode", _encode, STRING, 1, 1),
    "decode": _string_function("decode", _decode, STRING, 1, 1),
    "escape": _string_function("escape", _escape, STRING, 1, 1),
    "unescape": _string_function("unescape", _unescape, STRING, 1, 1),
    "split": (1, 1, _split),
    "join": (0, 1, _join),
    "toChars": (0, 0, _to_chars),
    "length": (0, 0, _length),
}
