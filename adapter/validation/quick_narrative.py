"""Narratives that no rule can object to, found in one quick pass over the text.

Most narratives are plain: their tags come back thousands of times, and no two of their elements
stand in a combination that a rule looks at. What is not certainly harmless here is read into a
tree and looked at closely (``narrative.py``).
"""

from __future__ import annotations

import re
from functools import cache

from adapter.validation.xhtml import MAX_DEPTH, XHTML
from adapter.validation.xhtml_elements import HARMLESS, HARMLESS_FOR, WITHOUT_TEXT

_TAG = re.compile(
    r"""([a-z][a-z0-9]*)((?:\s+[a-z]+\s*=\s*(?:"[^"<]*"|'[^'<]*'))*)\s*(/?)""", re.ASCII
)
_ATTRIBUTE = re.compile(r"""([a-z]+)\s*=\s*(?:"([^"]*)"|'([^']*)')""", re.ASCII)
# an ampersand that begins neither an entity of XML's own nor a reference to a printable character
_DOUBTFUL_ENTITY = re.compile(
    r"&(?!(?:amp|lt|gt|quot|apos|#(?:3[3-9]|[4-9][0-9]|[1-9][0-9]{2,3})"
    r"|#x(?:2[1-9A-Fa-f]|[3-9A-Fa-f][0-9A-Fa-f]|[1-9A-Fa-f][0-9A-Fa-f]{2}));)"
)
_CONTROLS = bytes(n for n in range(32) if n not in b"\t\n\r")
_NO_BRACKETS = bytes(n for n in range(256) if n not in b"<>")
_LEARNT = 1000  # tags that one kind of element remembers


class _HarmfulError(Exception):
    """There is something in the narrative that needs a closer look."""


class _Element(dict[str, "_Element"]):
    """One kind of element: where each tag leads that was met inside it so far.

    A tag, here without its brackets, leads into an element, nowhere (``_STAY``) when it is empty,
    or out (``_LEAVE``) when it ends this element.
    """

    def __init__(self, name: str):
        self.name = name
        self.has_text = name not in WITHOUT_TEXT
        self._forget()

    def _forget(self) -> None:
        self.clear()
        if self.name in HARMLESS_FOR:
            self[f"/{self.name}"] = _LEAVE

    def __missing__(self, tag: str) -> _Element:
        """Learns where a tag leads; raises _HarmfulError if it is not certainly harmless here."""
        match = _TAG.fullmatch(tag)
        if match is None or (self.name, match[1]) not in HARMLESS:
            raise _HarmfulError
        name, written, empty = match.groups()
        pairs = [(one, double or held) for one, double, held in _ATTRIBUTE.findall(written)]
        allowed = HARMLESS_FOR[name]
        if len(dict(pairs)) < len(pairs) or (not self.name and ("xmlns", XHTML) not in pairs):
            raise _HarmfulError
        if any(one not in allowed and (one, held) != ("xmlns", XHTML) for one, held in pairs):
            raise _HarmfulError
        if len(self) >= _LEARNT:
            self._forget()
        self[tag] = found = _STAY if empty else _element(name)
        return found


_START, _END = _Element(""), _Element("#end")  # before the outermost element, and behind it
_STAY, _LEAVE = _Element("#stay"), _Element("#leave")


@cache
def _element(name: str) -> _Element:
    return _Element(name)


def is_harmless(div: str) -> bool:
    """Whether a narrative's ``div`` has content, and only what no rule can object to."""
    if not _is_plain(div):
        return False
    pieces = div.replace(">", "<").split("<")  # text and tags take turns
    texts = pieces[2::2]
    if pieces[0] or pieces[-1] or len(texts) > MAX_DEPTH * 2:
        return False
    try:
        _walk(pieces[1::2], texts)
    except _HarmfulError:
        return False
    content = "".join(texts)
    return bool(content) and not content.isspace()


def _walk(tags: list[str], texts: list[str]) -> None:
    """Raises _HarmfulError for a tag or a text behind it that may not be where it is."""
    here = _START
    above: list[_Element] = []
    enter, leave = above.append, above.pop
    for tag, text in zip(tags, texts, strict=True):
        step = here[tag]
        if step is _LEAVE:
            here = leave()
        elif step is not _STAY:
            enter(here if above else _END)
            here = step
        if text and not here.has_text and not text.isspace():
            raise _HarmfulError
    if here is not _END:
        raise _HarmfulError


def _is_plain(text: str) -> bool:
    """Whether there are only characters and entities that XML and every rule allow.

    Brackets open and close by turns, so that none stands in a text or in an attribute.
    """
    try:
        encoded = text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
    brackets = encoded.translate(None, _NO_BRACKETS)
    if brackets != b"<>" * (len(brackets) // 2):
        return False
    if len(encoded.translate(None, _CONTROLS)) < len(encoded):
        return False
    if len(encoded) > len(text) and ("\ufffe" in text or "\uffff" in text):
        return False
    return not ("&" in text and _DOUBTFUL_ENTITY.search(text))
