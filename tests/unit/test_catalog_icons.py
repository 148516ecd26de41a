"""Icons: what draws is kept, what runs or leads elsewhere is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamspace_hub.catalog.icons import MAX_BYTES, IconError, clean_svg, letter_icon

OPEN = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:x="http://www.w3.org/1999/xlink" xmlns:e="urn:editor">'


def svg(body: str) -> bytes:
    return f"{OPEN}{body}</svg>".encode()


def test_a_drawing_stays_and_an_editors_notes_go() -> None:
    body = (
        '<!-- note --><e:view zoom="2"><e:grid/></e:view><metadata><e:author/></metadata><?php evil ?>'
        '<defs><linearGradient id="a" e:note="1"><stop offset="0" stop-color="#fff"/></linearGradient></defs>'
        '<rect width="4" height="4" fill="url(#a)" style="opacity: 0.5"/><title>A &lt;b&gt; <![CDATA[<img>]]></title>'
    )
    assert clean_svg(svg(body)) == (
        '<svg xmlns="http://www.w3.org/2000/svg">'
        '<defs><linearGradient id="a"><stop offset="0" stop-color="#fff" /></linearGradient></defs>'
        '<rect width="4" height="4" fill="url(#a)" style="opacity: 0.5" /><title>A &lt;b&gt; &lt;img&gt;</title></svg>'
    )


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("<script>alert(1)</script>", "<script> on line 1"),
        ('<h:script xmlns:h="http://www.w3.org/1999/xhtml">x</h:script>', "<script> on line 1"),
        ("\n\n<foreignObject/>", "<foreignObject> on line 3"),
        ("<style>@import 'http://x'</style>", "<style>"),
        ('<image href="http://x/y.png"/>', "<image>"),
        ('<a href="javascript:x()"/>', "<a>"),
        ('<rect><animate attributeName="href"/></rect>', "<animate>"),
        ('<rect onclick="x()"/>', "`onclick` on line 1"),
        ('<rect OnLoad="x()"/>', "`OnLoad` on line 1"),
        ('<linearGradient href="http://x/#a"/>', "href on line 1 leads outside"),
        ('<linearGradient x:href="data:image/svg+xml,x"/>', "href on line 1 leads outside"),
        ('<rect fill="url(http://x/#a)"/>', "`fill` on line 1 refers to something outside"),
        ('<rect style="fill: u\\72l(http://x)"/>', "`style` on line 1 refers to something outside"),
        ('<rect style="fill: url (//x)"/>', "`style` on line 1 refers to something outside"),
        ("<g>" * 50 + "</g>" * 50, "is nested more than 40 levels"),
        ("<rect", "is not well-formed XML"),
        ("&undefined;", "is not well-formed XML"),
    ],
)
def test_what_is_more_than_a_drawing_is_refused(body: str, expected: str) -> None:
    with pytest.raises(IconError) as raised:
        clean_svg(svg(body))
    assert str(raised.value).startswith(expected)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "is not well-formed XML"),
        (b"<html/>", "its outermost element must be <svg"),
        (b"<svg/>", "its outermost element must be <svg"),
        (b'<!DOCTYPE svg [<!ENTITY a "b">]>' + svg("&a;"), "has a DOCTYPE"),
        (b'<?xml version="1.0" encoding="nonsense"?>' + svg(""), "is not well-formed XML"),
        (svg("<g/>" * MAX_BYTES), "is larger than 64 KiB"),
    ],
)
def test_what_is_not_an_svg_file_is_refused(content: bytes, expected: str) -> None:
    with pytest.raises(IconError) as raised:
        clean_svg(content)
    assert str(raised.value).startswith(expected)


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_any_bytes_give_an_icon_or_a_sentence(before: bytes, inside: bytes) -> None:
    for content in (before, OPEN.encode() + inside + b"</svg>"):
        try:
            assert clean_svg(content).startswith("<svg ")
        except IconError as error:
            assert str(error)  # noqa: PT017 - either way is right


@given(st.text(max_size=60))
def test_a_letter_icon_is_an_icon_for_every_title(title: str) -> None:
    assert clean_svg(letter_icon(title).encode()).startswith("<svg ")


def test_a_letter_icon_shows_the_first_letter_or_digit() -> None:
    assert ">Ä</text>" in letter_icon("(ähnlich)")
    assert ">?</text>" in letter_icon("…")
    assert letter_icon("Paint") == letter_icon("Paint")
