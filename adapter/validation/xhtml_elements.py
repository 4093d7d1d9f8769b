"""The elements and attributes of HTML that a narrative may hold, and what may hold what.

https://hl7.org/fhir/R4/narrative.html#xhtml
"""

from __future__ import annotations

TEXT_BLOCKS = frozenset("p h1 h2 h3 h4 h5 h6 pre address".split())
INLINE = frozenset(
    "a b em i strong small big sub sup code tt dfn q var abbr acronym cite bdo kbd samp".split()
)
EMPTY = frozenset({"br", "img", "hr", "area"})
BLOCKS = frozenset({"div", "pre", "table", "ul", "ol"})
ELEMENTS = (
    TEXT_BLOCKS
    | INLINE
    | EMPTY
    | BLOCKS
    | frozenset(
        "span blockquote li dl dt dd caption colgroup col thead tr tfoot tbody th td map".split()
    )
)
ATTRIBUTES = frozenset(
    "title style class id lang xml:lang dir accesskey tabindex span width align valign char "
    "charoff abbr axis headers scope rowspan colspan".split()
)
OWN_ATTRIBUTES = {
    "a": "href name charset type hreflang rel rev shape coords",
    "img": "src border alt longdesc height width usemap ismap",
    "div": "xmlns",
    "blockquote": "cite",
    "q": "cite",
    "map": "name",
    "area": "shape coords href nohref alt",
    "table": "summary width border frame rules cellspacing cellpadding",
    "pre": "space",
    "td": "nowrap",
}
ALLOWED = {name: ATTRIBUTES | frozenset(OWN_ATTRIBUTES.get(name, "").split()) for name in ELEMENTS}
NOT_IN_P = frozenset({"div", "blockquote", "table", "ol", "ul", "p"})
CHILDREN = {
    "table": frozenset("tbody tr caption thead tfoot col colgroup".split()),
    "tr": frozenset({"td", "th"}),
    "tbody": frozenset({"tr"}),
    "thead": frozenset({"tr"}),
    "tfoot": frozenset({"tr"}),
    "ul": frozenset({"li"}),
    "ol": frozenset({"li"}),
    "dl": frozenset({"dd", "dt"}),
    "map": frozenset({"area"}),
}
PARENTS = {
    "tr": ("table", "thead", "tfoot", "tbody"),
    "tbody": ("table",),
    "thead": ("table",),
    "tfoot": ("table",),
    "caption": ("table",),
    "colgroup": ("table",),
    "col": ("colgroup", "table"),
    "th": ("tr", "thead", "tfoot"),
    "td": ("tr", "thead", "tfoot"),
    "li": ("ul", "ol"),
    "dd": ("dl",),
    "dt": ("dl",),
}
FLOW = TEXT_BLOCKS | INLINE | EMPTY | {"span", "div", "table", "ul", "ol", "dl", "blockquote"}
# Pairs of parent and child that break no rule whatever lies around them: most narratives have
# no others, and are done with when they are parsed.
HARMLESS = frozenset(
    [(one, other) for one in ("div", "td", "th", "li", "blockquote") for other in FLOW - {"area"}]
    + [(one, other) for one, names in CHILDREN.items() for other in names]
    + [(one, other) for one in (*TEXT_BLOCKS, "span", "dd", "dt", "caption") for other in INLINE]
    + [(one, "br") for one in (*TEXT_BLOCKS, *INLINE, "span", "dd", "dt")]
    + [(one, "span") for one in (*TEXT_BLOCKS, "span", "dd", "dt")]
    + [("", "div")]
)
WITHOUT_TEXT = EMPTY | CHILDREN.keys()
HARMLESS_ATTRIBUTES = frozenset(
    "title style class align valign width colspan rowspan border dir".split()
)
HARMLESS_FOR = {name: HARMLESS_ATTRIBUTES & ALLOWED[name] for name in ELEMENTS}
