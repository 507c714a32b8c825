"""A sender's content, made ready once for all of its recipients.

Whatever is the same for everyone is done here and kept: attachments and texts
without placeholders are encoded, HTML without placeholders is walked. A caller
that sends one content to many keeps the ``Template``.
"""

from collections.abc import Mapping
from dataclasses import field

from appliance.core.submission import Content
from appliance.mime.entity import Entity, attachment_entity, text_entity
from appliance.mime.links import Markup, scan
from appliance.mime.merge import Context, MergeText
from appliance.value import value


@value
class Rendered:
    """One recipient's content: the HTML still open to changes, the rest encoded."""

    subject: str
    text: Entity | None = None
    amp: Entity | None = None
    html: str | None = None
    attachments: tuple[Entity, ...] = field(default=(), repr=False)
    known_markup: Markup | None = field(default=None, repr=False)

    def markup(self) -> Markup:
        """The HTML with its links found, "" if there is none."""
        return self.known_markup or scan(self.html or "")

    def with_html(self, html: str) -> "Rendered":
        """The same with ``html`` in place of its own."""
        return Rendered(self.subject, self.text, self.amp, html, self.attachments)


@value
class Template:
    """Content that is cut at its placeholders and encoded as far as that goes."""

    subject: MergeText
    text: "_Part | None"
    amp: "_Part | None"
    html: MergeText | None
    attachments: tuple[Entity, ...] = field(repr=False)
    markup: Markup | None = field(repr=False)

    @classmethod
    def compile(cls, content: Content) -> "Template":
        """What ``content`` is for everyone.

        Raises:
            UnsafeHeader: the name of an attachment holds a control character.
        """
        html = None
        if content.html:
            html = MergeText.compile(_with_preheader(content), Context.HTML)
        return cls(
            MergeText.compile(content.subject, Context.LINE),
            _Part.compile("plain", content.text, Context.TEXT),
            _Part.compile("x-amp-html", content.amp, Context.HTML),
            html,
            tuple(map(attachment_entity, content.attachments)),
            scan(html.source) if html is not None and html.is_static else None,
        )

    def render(self, values: Mapping[str, str], unsubscribe_url: str = "") -> Rendered:
        """The content for one recipient.

        Raises:
            MergeTooLarge: the recipient's values make too much of it.
        """
        html = self.html
        return Rendered(
            self.subject.fill(values, unsubscribe_url),
            _filled(self.text, values, unsubscribe_url),
            _filled(self.amp, values, unsubscribe_url),
            None if html is None else html.fill(values, unsubscribe_url),
            self.attachments,
            self.markup,
        )


@value
class _Part:
    """A text part, encoded at once if it is the same for everyone."""

    subtype: str
    source: MergeText
    encoded: Entity | None

    @classmethod
    def compile(
        cls, subtype: str, text: str | None, context: Context
    ) -> "_Part | None":
        if not text:
            return None
        source = MergeText.compile(text, context)
        encoded = text_entity(subtype, text) if source.is_static else None
        return cls(subtype, source, encoded)


def _filled(
    part: _Part | None, values: Mapping[str, str], unsubscribe_url: str
) -> Entity | None:
    if part is None:
        return None
    if part.encoded is not None:
        return part.encoded
    return text_entity(part.subtype, part.source.fill(values, unsubscribe_url))


def _with_preheader(content: Content) -> str:
    html = content.html or ""
    return scan(html).with_preheader(content.preheader) if content.preheader else html
