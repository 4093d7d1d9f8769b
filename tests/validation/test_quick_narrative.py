"""The quick pass over a narrative agrees with the close look wherever it is sure."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.validation import narrative
from adapter.validation.quick_narrative import is_harmless
from adapter.validation.xhtml import XHTML

TAGS = st.sampled_from(["p", "b", "td", "tr", "table", "div", "br", "a", "span", "ul", "li", "i"])
PIECES = st.one_of(
    TAGS.map(lambda name: f"<{name}>"),
    TAGS.map(lambda name: f"</{name}>"),
    TAGS.map(lambda name: f"<{name}/>"),
    TAGS.map(lambda name: f"<{name} class='x' title=\"y\">"),
    st.sampled_from(
        ["text", " ", "&amp;", "&#160;", "&nbsp;", "<", ">", "</p", "<p ", "]]>", "\x0b", "\ufffe"]
    ),
)


def div(inner: str) -> str:
    """A narrative's outermost element."""
    return f'<div xmlns="{XHTML}">{inner}</div>'


@pytest.mark.parametrize(
    "inner",
    [
        "<p>text</p>",
        "text",
        "<table><tr><td colspan='2'>a</td></tr> </table>",
        "<div><div>nested</div></div>",
        "<blockquote><blockquote>twice</blockquote></blockquote>",
        "<p>Tom &amp; Jerry &#233;</p><br/>",
        '<p style="color: red" class="a">Grüße 肺</p>',
    ],
)
def test_a_plain_narrative_is_done_with_at_once(inner: str) -> None:
    assert is_harmless(div(inner))


@pytest.mark.parametrize(
    "inner",
    [
        "",
        " ",
        "<p/>",
        "<script>x</script>",
        "<p onclick='x()'>text</p>",
        "<a href='https://w3id.org'>a link is looked at closely</a>",
        "<p class='a' class='b'>text</p>",
        "<table>text</table>",
        "<p>&nbsp;</p>",
        "<p>&#11;</p>",
        "<p>&#32;</p>",
        "<p>text",
        "<p>text</b></p>",
        "<p <b>text</b></p>",
        "<b>text</b<b>more</b>",
        "<!-- a comment --><p>text</p>",
        "<![CDATA[text]]>",
        "<p>]]></p>",
        "<p>\x0b</p>",
        "<p>\ud800</p>",
        "<p class='a>b'>text</p>",
        "<b>" * 600 + "deep" + "</b>" * 600,
    ],
)
def test_everything_else_is_looked_at_closely(inner: str) -> None:
    assert not is_harmless(div(inner))


@pytest.mark.parametrize(
    "text",
    [
        "text",
        "<div>no namespace</div>",
        div("first") + div("second"),
        div("first") + "text behind it",
        "text before it" + div("text"),
        div("text") + "</div>",
        div("text") + "</#end>",
        "</>" + div("text"),
        f'<div xmlns="{XHTML}"/>',
    ],
)
def test_there_is_one_outermost_element(text: str) -> None:
    assert not is_harmless(text)


@given(st.lists(PIECES, max_size=12).map("".join))
def test_a_close_look_finds_nothing_in_what_is_harmless(inner: str) -> None:
    text = div(inner)
    if is_harmless(text):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(narrative, "is_harmless", lambda _: False)
            assert narrative.check_narrative(text, "", "R4") == []
