"""XHTML that a narrative may hold, and XHTML that it may not."""

from __future__ import annotations

import pytest

from adapter.validation.narrative import check_language, check_narrative, html_ok

OPEN = '<div xmlns="http://www.w3.org/1999/xhtml">'


def names(content: str, targets: int = 1) -> list[str]:
    div = content if content.startswith("<div xmlns") else f"{OPEN}{content}</div>"
    issues = check_narrative(div, "Basic.text.div", "R4", lambda _: targets)
    return [str(one.messageId).rpartition("#")[2] for one in issues if one.severity == "error"]


@pytest.mark.parametrize(
    "content",
    [
        "x",
        "<p>a<br/>b</p>",
        '<p class="a" style="color:red">x</p>',
        "<table><caption>c</caption><thead><tr><th>x</th></tr></thead><tbody><tr><td>x</td></tr>"
        "</tbody></table>",
        '<table border="1"><tr><td colspan="2"><ul><li>x</li></ul></td></tr></table>',
        "<dl><dt>a</dt><dd>b</dd></dl>",
        '<a href="http://a.b">x</a> <a name="n">y</a> <a href="#n">z</a>',
        '<img src="data:image/png;base64,AAAA" alt="x"/>',
        "<p><b>a <i>b</i></b><span>c</span></p>",
        "a &lt; b &#160; &#xA0;",
        "a<!-- comment -->b",
        '<p xml:lang="en" lang="en">x</p>',
        '<div><p id="a">x</p></div>',
        "\u00a0",
    ],
)
def test_good_narratives(content: str) -> None:
    assert names(content) == []
    assert html_ok(f"{OPEN}{content}</div>")


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        ("", ["txt-2"]),
        ("  \n", ["txt-2"]),
        ("<p></p>", ["txt-2"]),
        ("<script>x</script>", ["txt-1", "XHTML_XHTML_Element_Illegal"]),
        ("<form>x</form>", ["txt-1", "XHTML_XHTML_Element_Illegal"]),
        ("<iframe>x</iframe>", ["txt-1", "XHTML_XHTML_Element_Illegal"]),
        ("<P>x</P>", ["txt-1", "XHTML_XHTML_Element_Illegal"]),
        ('<p onclick="x">a</p>', ["txt-1", "XHTML_XHTML_Attribute_Illegal"]),
        ('<p border="1">a</p>', ["txt-1", "XHTML_XHTML_Attribute_Illegal"]),
        ('<p xmlns="http://x.y">a</p>', ["XHTML_XHTML_NS_InValid"]),
        ("<div>x</div>".replace("<div>", "<div xmlns='http://x.y'>"), ["XHTML_XHTML_NS_InValid"]),
        ("a&nbsp;b", ["XHTML_XHTML_Entity_Illegal"]),
        ("a & b", ["Error_parsing_XHTML_"]),
        ("a < b", ["Error_parsing_XHTML_"]),
        ("<p>x</b>", ["Error_parsing_XHTML_"]),
        ("a<br>b", ["Error_parsing_XHTML_"]),
        ("<!DOCTYPE html>x", ["txt-1", "XHTML_XHTML_DOCTYPE_ILLEGAL"]),
        (
            "<p><ul><li>x</li></ul></p>",
            ["XHTML_XHTML_ELEMENT_ILLEGAL_IN_PARA", "XHTML_XHTML_BLOCK_IN_PARA"],
        ),
        ("<span><div>x</div></span>", ["XHTML_XHTML_BLOCK_IN_PARA"]),
        ("<b><i><b>x</b></i></b>", ["XHTML_XHTML_NO_RECURSION"]),
        ("a<br>x</br>", ["XHTML_XHTML_NO_CHILDREN"]),
        ("<table>x<tr><td>y</td></tr></table>", ["XHTML_XHTML_ILLEGAL_CHILDREN"]),
        ("<ul><p>x</p></ul>", ["XHTML_XHTML_ILLEGAL_CHILDREN"]),
        ("<li>x</li>", ["XHTML_XHTML_OUT_OF_PLACE"]),
        ('<a href="">x</a>', ["XHTML_URL_INVALID", "TYPE_SPECIFIC_CHECKS_DT_XHTML_EMPTY_HREF"]),
        ('<a href="http://a b">x</a>', ["XHTML_URL_INVALID"]),
        ('<img src="data:image/png;base64,A$" alt="x"/>', ["XHTML_URL_INVALID"]),
        ('<a href="javascript:x">x</a>', ["TYPE_SPECIFIC_CHECKS_DT_XHTML_ACTIVE_HREF"]),
        ('<a href="urn:x:y">x</a>', ["TYPE_SPECIFIC_CHECKS_DT_XHTML_LITERAL_HREF"]),
    ],
)
def test_bad_narratives(content: str, wanted: list[str]) -> None:
    assert names(content) == wanted


def test_links_lead_to_something() -> None:
    assert names('<a href="#z">x</a>', 0) == ["Type_Specific_Checks_DT_XHTML_Resolve"]
    assert names('<img src="#z" alt="x"/>', 0) == ["Type_Specific_Checks_DT_XHTML_Resolve_Img"]
    assert names('<a href="#">x</a>', 0) == []


@pytest.mark.parametrize(
    "div",
    [
        OPEN + "x",
        OPEN + "x</div>y",
        OPEN + "<p class=a>x</p></div>",
        OPEN + "<p class>x</p></div>",
        OPEN + '<p class="a" class="b">x</p></div>',
    ],
)
def test_what_hl7_forgives_is_a_warning(div: str) -> None:
    (issue,) = check_narrative(div, "", "R4")
    assert issue.severity == "warning"


def test_a_prefix_is_as_good_as_a_namespace() -> None:
    assert (
        check_narrative('<h:div xmlns:h="http://www.w3.org/1999/xhtml">x</h:div>', "", "R4") == []
    )


@pytest.mark.parametrize(
    "div",
    [
        "",
        "hello",
        "<",
        "<div",
        "<div/",
        "<div a",
        "<div a=",
        '<div a="',
        "<div>&",
        "<div><!--",
        "\ud800",
    ],
)
def test_what_is_no_xhtml_is_an_error(div: str) -> None:
    issues = check_narrative(div, "", "R4")
    assert any(one.severity == "error" for one in issues)
    assert not html_ok(div) or div.startswith("<div")


def test_entities_are_not_expanded() -> None:
    bomb = '<!DOCTYPE d [<!ENTITY a "x"><!ENTITY b "&a;&a;">]>' + OPEN + "&b;</div>"
    assert "Error_parsing_XHTML_" in [one.messageId for one in check_narrative(bomb, "", "R4")]


def test_deep_nesting_is_an_error() -> None:
    deep = OPEN + "<div>" * 100_000 + "x" + "</div>" * 100_001
    assert [one.severity for one in check_narrative(deep, "", "R4")] == ["error"]


def test_languages_of_resource_and_narrative_agree() -> None:
    def found(attributes: str) -> list[str | None]:
        div = f'<div xmlns="http://www.w3.org/1999/xhtml"{attributes}>x</div>'
        resource = {"language": "en", "text": {"div": div}}
        return [one.messageId for one in check_language(resource, "Basic")]

    assert found(' lang="en" xml:lang="en"') == []
    assert found("") == ["Language_XHTML_Lang_Missing1"]
    assert found(' lang="de"') == ["Language_XHTML_Lang_Different1", "Language_XHTML_Lang_Missing3"]
