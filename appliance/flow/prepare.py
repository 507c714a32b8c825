"""Makes one recipient's copy ready: the bytes that leave, and nothing else.

Pure and deterministic: the same delivery, content, domain and moment give the
same bytes. The order is fixed: values, links, pixel, composition, signature
last, since it covers all of it. A mail that came in as bytes is not composed again:
its trace goes in front, and of the rest only tracked HTML is touched.
"""

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import TypeAlias
from uuid import UUID

from appliance.core.delivery import Copy
from appliance.core.domain import Purpose, SenderDomain
from appliance.core.submission import AnyContent, Content, RawContent
from appliance.core.token import Token, TokenKind, TokenMaker
from appliance.core.unsubscribe import write_leaver
from appliance.core.verp import return_path, unsubscribe_address
from appliance.mime import headers
from appliance.mime.compose import Head, Headers, compose
from appliance.mime.dkim import Signer, Unsigned, unsigned
from appliance.mime.links import MakeUrl
from appliance.mime.raw import RawTemplate
from appliance.mime.template import Rendered, Template
from appliance.value import value

MAX_LINKS = 65_535  # a link's number has two bytes in its token
SECOND_NS = 1_000_000_000


@value
class Circumstances:
    """What one copy needs beside its content.

    Where its links and its bounces lead, the fields by which others find it
    again, and the moment of its signature.
    """

    base_url: str
    return_path_host: str
    trace: Headers
    now_s: int


@value
class Written:
    """Content that was given in parts, cut at its placeholders."""

    content: Content
    template: Template


Form: TypeAlias = Written | RawTemplate


@value
class Source:
    """What all copies of one content share, made ready once."""

    form: Form
    domain: str
    signers: Sequence[Signer]


@value
class Prepared:
    """A mail whose every byte is decided; its signatures take a key operation each."""

    sender: str
    unsigned_mail: bytes = field(repr=False)
    unsigned: Sequence[Unsigned] = field(repr=False)

    def sign(self) -> list[bytes]:
        """The key operations, one for each signature; worth a thread."""
        return [one.sign() for one in self.unsigned]

    def mail(self, signatures: Sequence[bytes]) -> bytes:
        """The mail as it leaves, with what ``sign`` gave."""
        pairs = zip(self.unsigned, signatures, strict=True)
        fields = [one.signed(signature) for one, signature in pairs]
        return b"".join([*fields, self.unsigned_mail])


class Links:
    """The URLs of one installation: a path for each kind, a token behind it.

    ``takes_mail``: a door of ours takes the mail of those who unsubscribe by mail.
    """

    def __init__(
        self,
        tokens: TokenMaker,
        paths: Mapping[TokenKind, str],
        *,
        takes_mail: bool = False,
    ) -> None:
        self._tokens = tokens
        self._paths = paths
        self._takes_mail = takes_mail

    def url(self, base_url: str, token: Token) -> str:
        """The URL that stands for ``token``."""
        return base_url + self._paths[token.kind] + self._tokens.seal(token)

    def clicks(self, base_url: str, delivery: UUID) -> MakeUrl:
        """What gives the URL for each link of a delivery.

        None for one of ours for unsubscribing, and for what has no number left.
        """
        ours = base_url + self._paths[TokenKind.UNSUBSCRIBE]
        door = base_url + self._paths[TokenKind.CLICK]
        seal = self._tokens.clicks(delivery)

        def make(number: int, target: str) -> str | None:
            if number > MAX_LINKS or target.startswith(ours):
                return None
            return door + seal(number, target)

        return make

    def mailto(self, token: Token, host: str) -> str:
        """The URL by which mail to ``host`` unsubscribes, "" if no door takes it.

        The address proves that it is ours. Whom it is for outlives the delivery's row
        in the subject only, for which a local part of 64 octets has no room.
        """
        if not self._takes_mail:
            return ""
        mailbox = unsubscribe_address(self._tokens.seal_local(token), host)
        whole = self._tokens.seal(token)
        return f"mailto:{mailbox}?subject=unsubscribe%20{whole}"

    def recording(self, led: list[tuple[str, str]]) -> "Links":
        """The same, adding each link of a sender and what it becomes to ``led``."""
        return _Recording(self._tokens, self._paths, led, takes_mail=self._takes_mail)


class _Recording(Links):
    """Links that note what each link of the sender's is replaced by."""

    def __init__(
        self,
        tokens: TokenMaker,
        paths: Mapping[TokenKind, str],
        led: list[tuple[str, str]],
        *,
        takes_mail: bool,
    ) -> None:
        super().__init__(tokens, paths, takes_mail=takes_mail)
        self._led = led

    def clicks(self, base_url: str, delivery: UUID) -> MakeUrl:
        """The same, and each is noted."""
        make = super().clicks(base_url, delivery)

        def noting(number: int, target: str) -> str | None:
            url = make(number, target)
            if url is not None:
                self._led.append((target, url))
            return url

        return noting


def base_url(domain: SenderDomain, public_url: str) -> str:
    """Where the links in this domain's mail lead: its own host if that is proven.

    The scheme is that of the public URL, since one proxy serves both.
    """
    host = domain.verified_host(Purpose.TRACKING)
    scheme = public_url.partition("://")[0]
    return f"{scheme}://{host}" if host else public_url


def form_of(content: AnyContent) -> Form:
    """The content as far as it is the same for all of its recipients.

    Raises:
        UnsafeHeader: the name of an attachment holds a control character.
    """
    if isinstance(content, RawContent):
        return RawTemplate.compile(content.data)
    return Written(content, Template.compile(content))


def prepare(
    copy: Copy, source: Source, around: Circumstances, links: Links
) -> Prepared:
    """The envelope sender and the mail for one recipient, but for the key operation.

    Raises:
        UnsafeHeader: a header would break the mail.
        MergeTooLarge: the recipient's values make too much of it.
        MalformedMessage: the header of raw content is none.
    """
    form = source.form
    if isinstance(form, Written):
        mail = _composed(copy, form, source.domain, around, links)
    else:
        mail = _passed_on(copy, form, around, links)
    sender = return_path(copy.uuid, copy.sub_account, around.return_path_host)
    signatures = unsigned(mail, source.domain, source.signers, around.now_s)
    return Prepared(str(sender), mail, signatures)


def _composed(
    copy: Copy, form: Written, domain: str, around: Circumstances, links: Links
) -> bytes:
    """A mail built from its parts."""
    url = around.base_url
    token = unsubscribe_token(copy)
    unsubscribe = links.url(url, token)
    rendered = form.template.render(copy.fields, unsubscribe)
    if rendered.html is not None:
        rendered = _tracked(copy, rendered, links, url)
    system = around.trace
    if copy.tracking.unsubscribes:
        mailto = links.mailto(token, around.return_path_host)
        system = (*system, *_unsubscribe_fields(unsubscribe, mailto))
    head = _head(copy, form.content, domain, system)
    return compose(head, rendered, copy.uuid.bytes)


def _passed_on(
    copy: Copy, form: RawTemplate, around: Circumstances, links: Links
) -> bytes:
    """A mail as it came, with our trace in front of it and its links led by us."""
    make, pixel = _tracking(copy, links, around.base_url)
    trace = [headers.field(name, value) for name, value in around.trace]
    return b"".join(trace) + form.render(make, pixel)


def unsubscribe_token(copy: Copy) -> Token:
    """The token that names whom it is for: the link outlives the delivery's row."""
    topic = copy.dimensions.topic
    target = write_leaver(copy.sub_account, copy.recipient, topic)
    return Token(TokenKind.UNSUBSCRIBE, copy.uuid, target=target)


def _tracked(copy: Copy, rendered: Rendered, links: Links, url: str) -> Rendered:
    make, pixel = _tracking(copy, links, url)
    if make is None and not pixel:
        return rendered
    return rendered.with_html(rendered.markup().rewrite(make, pixel))


def _tracking(copy: Copy, links: Links, url: str) -> tuple[MakeUrl | None, str]:
    """What to put in place of links, and the pixel; as far as they are wanted."""
    make = links.clicks(url, copy.uuid) if copy.tracking.clicks else None
    pixel = ""
    if copy.tracking.opens:
        pixel = links.url(url, Token(TokenKind.OPEN, copy.uuid))
    return make, pixel


def _head(copy: Copy, content: Content, domain: str, system: Headers) -> Head:
    return Head(
        sender=content.sender,
        to=copy.to,
        cc=copy.cc,
        message_id=f"{copy.message_uuid}@{domain}",
        date_s=copy.submitted_ns // SECOND_NS,
        reply_to=content.reply_to,
        system=system,
        own=content.headers,
    )


def _unsubscribe_fields(url: str, mailto: str) -> Headers:
    """RFC 2369 and, for a link that acts by POST alone, RFC 8058.

    The link comes first: readers that know several ways take the first they can.
    """
    ways = f"<{url}>, <{mailto}>" if mailto else f"<{url}>"
    return (
        ("List-Unsubscribe", ways),
        ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
    )
