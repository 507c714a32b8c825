"""Templates: one content for many recipients, made ready once."""

from appliance.core.address import Address, Mailbox
from appliance.core.submission import Attachment, Content
from appliance.mime.links import scan
from appliance.mime.template import Template

SENDER = Mailbox(Address("news", "example.com"))


def test_each_part_is_filled_in_its_own_way() -> None:
    """Raw in subject and text, escaped in HTML and AMP (spec 5.3)."""
    content = Content(SENDER, "{{x}}", "{{x}}", "<p>{{x}}</p>", "<b>{{x}}</b>")
    rendered = Template.compile(content).render({"x": "<&\n>"})
    assert rendered.subject == "<& >"
    assert rendered.html == "<p>&lt;&amp;\n&gt;</p>"
    assert rendered.text is not None
    assert rendered.text.endswith(b"\r\n\r\n<&\r\n>")
    assert rendered.amp is not None
    assert rendered.amp.endswith(b"<b>&lt;&amp;\r\n&gt;</b>")
    assert rendered.amp.startswith(b"Content-Type: text/x-amp-html;")


def test_what_is_the_same_for_all_is_made_once() -> None:
    """A thousand recipients share one encoded attachment and one walk."""
    file = Attachment("a.pdf", b"x" * 1000)
    content = Content(
        SENDER, "Hi {{n}}", "text", '<a href="https://x.org">', attachments=(file,)
    )
    template = Template.compile(content)
    one, other = template.render({"n": "1"}), template.render({"n": "2"})
    assert one.attachments is other.attachments
    assert one.text is other.text
    assert one.markup() is other.markup()
    assert (one.subject, other.subject) == ("Hi 1", "Hi 2")


def test_markup_follows_the_html() -> None:
    """Links that come from a value or a change are found as well."""
    content = Content(SENDER, "s", html='<a href="{{{u}}}">')
    rendered = Template.compile(content).render({"u": "https://x.org/1"})
    assert [link.target for link in rendered.markup().links] == ["https://x.org/1"]
    static = Template.compile(Content(SENDER, "s", html="<p>")).render({})
    changed = static.with_html('<a href="https://y.org">')
    assert changed.markup() == scan('<a href="https://y.org">')


def test_the_preheader_is_hidden_and_filled_in() -> None:
    """It stands in the HTML only, as text."""
    content = Content(SENDER, "s", "t", "<body>Hi", preheader="For {{n}} & <you>")
    rendered = Template.compile(content).render({"n": "<Bob>"})
    assert rendered.html is not None
    assert rendered.html.startswith('<body><div style="display:none')
    assert rendered.html.endswith(">For &lt;Bob&gt; &amp; &lt;you&gt;</div>Hi")


def test_empty_parts_are_missing_parts() -> None:
    """Clients send empty strings for what they do not want."""
    rendered = Template.compile(Content(SENDER, "", "", "", "", "pre")).render({})
    assert (rendered.text, rendered.html, rendered.amp) == (None, None, None)
    assert rendered.markup().html == ""
