"""Link rewriting: every link a browser would follow, and not one other character."""

from html import unescape

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from selectolax.lexbor import LexborHTMLParser

from appliance.mime.links import (
    MAX_LINKS,
    MAX_TARGET_OCTETS,
    insert_pixel,
    rewrite_links,
    scan,
)

X = "https://x.org/a"
NEW = "https://t.example.com/c/1?a&b"

FOUND = [
    (f'<a href="{X}">', f'<a href="{NEW}">'),
    (f"<a href='{X}'>", f"<a href='{NEW}'>"),
    (f"<a href={X}>", f'<a href="{NEW}">'),
    (f"<a href={X} class=b>", f'<a href="{NEW}" class=b>'),
    (f'<A HREF="{X}">', f'<A HREF="{NEW}">'),
    (f'<a\nclass="b"\n\thref = "{X}" >', f'<a\nclass="b"\n\thref = "{NEW}" >'),
    (f'<a title="a > b" href="{X}">', f'<a title="a > b" href="{NEW}">'),
    (f"<a title='<a href=y>' href={X}>", f"<a title='<a href=y>' href=\"{NEW}\">"),
    (f'<a href="{X}" href="https://y.org">', f'<a href="{NEW}" href="https://y.org">'),
    (f'<a x-href="//y.org" href="{X}">', f'<a x-href="//y.org" href="{NEW}">'),
    (f'<a/href="{X}"/>', f'<a/href="{NEW}"/>'),
    (f'<a class="b"href="{X}">', f'<a class="b"href="{NEW}">'),
    (f'<area shape=rect href="{X}">', f'<area shape=rect href="{NEW}">'),
    (f'<a href=" \n{X} ">', f'<a href="{NEW}">'),
    ('<a href="HTTPS://x.org/a">', f'<a href="{NEW}">'),
    ('<a href="https&#58;&#x2F;/x.org/a">', f'<a href="{NEW}">'),
    ('<a href="https://x.\norg/\ta">', f'<a href="{NEW}">'),
    (f'<a hidden href="{X}">', f'<a hidden href="{NEW}">'),
    (f'<a =x href="{X}">', f'<a =x href="{NEW}">'),
    (f'<a ="> href="{X}">', f'<a ="> href="{X}">'),
    (f'<a b= href="{X}">', f'<a b= href="{X}">'),
    (f"<!--[if mso]><v:roundrect href=\"{X}\" arcsize='5%'><![endif]-->",
     f"<!--[if mso]><v:roundrect href=\"{NEW}\" arcsize='5%'><![endif]-->"),
    (f'<!--[if (gte mso 9)|(IE)]><a href="{X}"><![endif]-->',
     f'<!--[if (gte mso 9)|(IE)]><a href="{NEW}"><![endif]-->'),
    (f'<!--[if !mso]><!--><a href="{X}"><!--<![endif]-->',
     f'<!--[if !mso]><!--><a href="{NEW}"><!--<![endif]-->'),
    (f'<![if !mso]><a href="{X}"><![endif]>',
     f'<![if !mso]><a href="{NEW}"><![endif]>'),
    (f'<!--><a href="{X}">', f'<!--><a href="{NEW}">'),
    (f'<!-- x --!><a href="{X}">', f'<!-- x --!><a href="{NEW}">'),
    (f'<!--[if mso]><style><![endif]--><a href="{X}">',
     f'<!--[if mso]><style><![endif]--><a href="{NEW}">'),
    (f'<!--[if mso]><a b="<![endif]--><a href="{X}">',
     f'<!--[if mso]><a b="<![endif]--><a href="{NEW}">'),
    (f'<script>"<a href=y>"</script><a href="{X}">',
     f'<script>"<a href=y>"</script><a href="{NEW}">'),
    (f'<title></titles></TITLE ><a href="{X}">',
     f'<title></titles></TITLE ><a href="{NEW}">'),
    (f'<noscript><a href="{X}"></noscript>', f'<noscript><a href="{NEW}"></noscript>'),
    (f'</p title="<a href=y>"><a href="{X}">',
     f'</p title="<a href=y>"><a href="{NEW}">'),
    (f'1 < 2 <3 <a href="{X}">', f'1 < 2 <3 <a href="{NEW}">'),
    (f'<\u212aey title="<a href="{X}">">', f'<\u212aey title="<a href="{NEW}">">'),
    (f'<?php ?><a href="{X}">', f'<?php ?><a href="{NEW}">'),
    (f'<{{{{x}}}}><a href="{X}">', f'<{{{{x}}}}><a href="{NEW}">'),
]  # fmt: skip

UNTOUCHED = [
    f'<script></\u017fcript><a href="{X}"></script>',
    '<a href="http\u017f://x.org/a">',
    "",
    "no markup at all",
    '<a href="mailto:a@x.org">',
    '<a href="tel:+1">',
    '<a href="sms:+1">',
    '<a href="#top">',
    '<a href="/relative">',
    '<a href="//x.org/a">',
    '<a href="ftp://x.org/a">',
    '<a href="javascript:alert(1)">',
    '<a href="data:text/html,x">',
    '<a href="">',
    "<a href>",
    "<a href=>",
    '<a href="https:">',
    '<a href="https://">',
    '<a href="https:x.org">',
    '<a href="https:\\\\x.org">',
    '<a href="https://x.org/\x01b">',
    '<a href="https://x.org/&#0;&#1;b">',
    '<a href="https://x.org/\ud800">',
    '<a href="{{url}}">',
    '<a href="https://x.org/{{#if a}}b{{/if}}">',
    f'<a href="{X}',
    f"<a href='{X}>",
    f'<a href="{X}"',
    "<a href=https://x.org/a",
    f'<a name="x" data-href="{X}">',
    f'<link href="{X}">',
    f'<base href="{X}">',
    f'<img src="{X}">',
    f'<form action="{X}">',
    f'<abbr href="{X}">',
    f'<!-- <a href="{X}"> -->',
    f'<!-- <a href="{X}">',
    f'<!--[if mso]><a href="{X}">',
    f'<style>/* <a href="{X}"> */</style>',
    f'<script>x = `<a href="{X}">`</script>',
    f'<title><a href="{X}"></title>',
    f'<textarea><a href="{X}"></textarea>',
    f'<xmp><a href="{X}"></xmp>',
    f'<iframe><a href="{X}"></iframe>',
    f'<noframes><a href="{X}"></noframes>',
    f'<plaintext><a href="{X}">',
    f'<style><a href="{X}">',
    f'</a href="{X}">',
    f'<!doctype "<a href={X}',
    f"text {X} text",
    "<table><tr><td>&nbsp;<b>unclosed<td width=1 />{{#each x}}<tr>{{/each}}</table>",
    "<o:p></o:p><P CLASS=a  ID='b'>&copy &amp; &#x41; \t\r\n</BR/>",
]  # fmt: skip


def targets(html: str) -> list[str]:
    """The targets found, in order."""
    return [link.target for link in scan(html).links]


@pytest.mark.parametrize(("html", "expected"), FOUND)
def test_links_are_found_in_every_spelling(html: str, expected: str) -> None:
    """The value of the first href is replaced; all else stays byte for byte."""
    escaped = expected.replace(NEW, NEW.replace("&", "&amp;"))
    assert rewrite_links(html, lambda _number, _target: NEW) == escaped


@pytest.mark.parametrize("html", UNTOUCHED)
def test_what_is_no_web_link_stays(html: str) -> None:
    """ATTACKS 16: only http and https targets, only where a browser sees a link."""
    assert rewrite_links(html, lambda _number, _target: NEW) == html
    assert targets(html) == []


@pytest.mark.parametrize(
    ("value", "target"),
    [
        ("https://x.org/?a=1&amp;b=2", "https://x.org/?a=1&b=2"),
        ("https://x.org/?a=1&b=2", "https://x.org/?a=1&b=2"),
        ("https://x.org/?a=1&copy=2", "https://x.org/?a=1&copy=2"),
        ("https://x.org/?a=1&copyright", "https://x.org/?a=1&copyright"),
        ("https://x.org/?a=1&copy", "https://x.org/?a=1©"),
        ("https://x.org/?a=1&notin;", "https://x.org/?a=1∉"),
        ("https://x.org/?a=1&notit;", "https://x.org/?a=1&notit;"),
        ("https://x.org/&#65;&#x42;&#67", "https://x.org/ABC"),
        ("https://x.org/&#128;", "https://x.org/€"),
        ("https://x.org/&#" + "9" * 5000 + ";", "https://x.org/\ufffd"),
        ("https://x.org/&#x110000;&#xD800;", "https://x.org/\ufffd\ufffd"),
        ("https://user:pw@x.org\\@y.org", "https://user:pw@x.org\\@y.org"),
        ("\x01 https://x.org/\n", "https://x.org/"),
    ],
)
def test_targets_are_what_a_browser_follows(value: str, target: str) -> None:
    """ATTACKS 16: decoded as an attribute is, trimmed, and otherwise as written."""
    assert targets(f'<a href="{value}">') == [target]


def test_numbers_run_and_links_may_be_left() -> None:
    """``make`` sees each link once, in order, and may leave it as it is."""
    html = "".join(f'<a href="https://x.org/{n}">{n}</a>' for n in range(3))
    seen: list[tuple[int, str]] = []

    def make(number: int, target: str) -> str | None:
        seen.append((number, target))
        return None if number == 1 else f"https://t/{number}"

    assert rewrite_links(html, make) == (
        '<a href="https://t/0">0</a><a href="https://x.org/1">1</a>'
        '<a href="https://t/2">2</a>'
    )
    assert seen == [(n, f"https://x.org/{n}") for n in range(3)]


def test_links_are_bounded() -> None:
    """More of them, or longer ones, than any mail has stay as they are."""
    assert len(targets(f'<a href="{X}">' * (MAX_LINKS + 1))) == MAX_LINKS
    assert targets(f'<a href="{X}{"x" * MAX_TARGET_OCTETS}">') == []


def test_a_replacement_cannot_leave_its_attribute() -> None:
    """Whatever the new URL holds is escaped for either kind of quote."""
    for quote in "\"'":
        html = f"<a href={quote}{X}{quote}>"
        new = rewrite_links(html, lambda _n, _t: "https://t/\"'<>&")
        assert new == f"<a href={quote}https://t/&quot;&#x27;&lt;&gt;&amp;{quote}>"


PIXEL = '<img src="https://p/1?a&amp;b" width="1" height="1" border="0" alt="">'


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("<body>x", "</body></html>"),
        ("<BODY>x</body>y", "</BODY >"),
        ("x", ""),
        ("", ""),
        ("<body><!-- </body> -->x", "</body><!-- </body> -->"),
        ("<script>'</body>'</script>x", "</body><script>'</body>'</script>"),
        ("<body>x", "</body><!--[if mso]></body><![endif]-->"),
    ],
)
def test_the_pixel_stands_at_the_end_of_the_body(before: str, after: str) -> None:
    """Before the last </body that is one, else at the end."""
    assert insert_pixel(before + after, "https://p/1?a&b") == before + PIXEL + after


def test_links_and_pixel_in_one_go() -> None:
    """Links behind the end of the body do not confuse the order."""
    html = f'<body><a href="{X}">a</a></body><a href="{X}">b</a>'
    assert scan(html).rewrite(lambda n, _t: f"https://t/{n}", "https://p/1?a&b") == (
        f'<body><a href="https://t/0">a</a>{PIXEL}</body><a href="https://t/1">b</a>'
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("<html><body class='a>b'>", "Hi</body>"),
        ("", "<p>Hi"),
        ("<!doctype html>", "<p>Hi"),
        ("<!doctype html><head><title><body></title></head>", "<p>Hi"),
        ("<head></head><!--[if mso]><body><![endif]--><body>", "<body>Hi"),
    ],
)
def test_the_preheader_comes_first_in_the_body(before: str, after: str) -> None:
    """Hidden, escaped, and never in front of the doctype."""
    html = scan(before + after).with_preheader("a < b")
    assert html.startswith(before + '<div style="display:none')
    assert html.endswith(">a &lt; b</div>" + after)


HOSTILE = [
    "<", "<a ", "<a href=", '<a href="', "<a href='x' ", "<!--", "<!--[if mso]>",
    "<!-->", "<!", "</", "</a ", "<script>", "<style></styl", "<a =", "<a b=c",
    "<a\t", "&#", "<a href=https://x.org>", "<?", "<a/", "--!>", "<a b= ", "<a b ",
    "<!--[if ", "<title><a></title", "<textarea>&", "<body></body>", '="',
]  # fmt: skip


@pytest.mark.parametrize("piece", HOSTILE)
@pytest.mark.parametrize(
    "prefix", ["", "<a ", '<a href="https://x.org/', "<!--[if x]>"]
)
def test_hostile_markup_takes_linear_time(piece: str, prefix: str) -> None:
    """ATTACKS 14: a megabyte of anything is walked within the test's timeout.

    Or a quarter of a million pieces: a tenth of the square of that would take hours.
    """
    html = prefix + piece * min(250_000, 1_000_000 // len(piece))
    assert rewrite_links(html, lambda _number, _target: None) == html


def test_a_hostile_target_takes_linear_time() -> None:
    """ATTACKS 14: references and blanks by the megabyte, in one attribute."""
    for piece in ("&#1;", "&a", " ", "\n", "&#" + "0" * 4000, "&" + "a" * 4000):
        html = f'<a href="https://x.org/{piece * (1_000_000 // len(piece))}">'
        assert rewrite_links(html, lambda _number, _target: None) == html


# No select, svg, template, frameset or table: there, tree building drops or
# moves elements, which is no matter of finding links.
pieces = st.sampled_from(
    [
        "<a href=", "<a ", "<area ", "href=", '"', "'", ">", "/>", "https://x.org/1",
        "https://y.org/?a=1&amp;b=2", "https://z.org/&copy=1", " ", "\n", "=", "<",
        "<!--", "-->", "--!>", "<!", "</a>", "</", "<script>", "</script>", "<style>",
        "</style >", "<textarea>", "</textarea>", "<p title=", "<b", "class=x", "&#65;",
        "text", "/", "<?", "<title>", "</title>", "mailto:a@b.c", 'href="https://w.org"',
        "<a href='https://v.org/'>", "é", "<iframe>", "</iframe>", "-", "!",
    ]
)  # fmt: skip


def hrefs(html: str) -> set[str]:
    """The web links that a real HTML parser finds (lexbor)."""
    nodes = LexborHTMLParser(f"<!doctype html><body>{html}").css("a[href], area[href]")
    found = {(node.attributes["href"] or "").strip() for node in nodes}
    whole = {one.replace("\n", "") for one in found}
    return {
        one
        for one in whole
        if one.lower().startswith(("http://", "https://")) and one.isprintable()
    }


@settings(deadline=None)
@given(st.lists(pieces, max_size=25).map("".join))
@example('<a href="https://x.org/1"href="https://w.org">')
@example('<a ="https://x.org/1">href="https://w.org">')
@example('<p title=="<a href=https://x.org/1>">')
@example("<a href=https://z.org/&copy=1/>")
def test_the_links_found_are_those_of_a_parser(html: str) -> None:
    """On random documents the set of targets is what lexbor finds."""
    ours = {one for one in targets(html) if one.isprintable()}
    assert ours == {one for one in hrefs(html) if one in ours or _sane(one)}


def _sane(target: str) -> bool:
    """True if the target has a host, as ours to touch must."""
    return target.partition("://")[2][:1] not in {"", "/", "?", "#"}


@settings(deadline=None)
@given(st.lists(pieces, max_size=25).map("".join))
def test_writing_targets_back_changes_no_other_character(html: str) -> None:
    """With each target put back in, what differs is only the values' spelling."""
    markup = scan(html)
    new = markup.rewrite(lambda _number, target: target)
    again = scan(new)
    assert [one.target for one in again.links] == [one.target for one in markup.links]
    assert _outside(new, again.links) == _outside(html, markup.links)


def _outside(html: str, links: tuple[object, ...]) -> list[str]:
    edges = [0]
    for link in scan(html).links:
        edges += (link.start, link.end)
    edges.append(len(html))
    assert len(edges) == 2 * len(links) + 2
    return [html[a:b] for a, b in zip(edges[::2], edges[1::2], strict=True)]


def test_unescaping_agrees_with_the_standard_library() -> None:
    """For references that end in ";" the two decoders are one."""
    for text in ("&lt;", "&NotEqualTilde;", "&#x1F600;", "&euro;", "&#159;"):
        assert targets(f"<a href='https://x.org/{text}'>") == [
            "https://x.org/" + unescape(text)
        ]
