"""Mails as mail programs make them, the odd ones among them, to the byte.

Each is from an address of ``DOMAIN`` and must arrive as it stands here. ``LETTERS``
are taken by every client; what only some of them would send has its own name.
"""

import base64
import random
from collections.abc import Mapping
from types import MappingProxyType

from tests.integration.house import DOMAIN

SENDER = f"orders@{DOMAIN}"
_FROM = b"From: Shop <%b>\r\n" % SENDER.encode()
_DATE = b"Date: Mon, 04 Aug 2025 10:00:00 +0200 (CEST)\r\n"
_BYTES = random.Random(4711).randbytes(3000)

# Folding, order, case and spaces of every kind that a header may have.
ODD_HEADER = (
    b"Received: from [10.0.0.7] (port=4711)\r\n"
    b"\tby webmail.shop.example; Mon, 4 Aug 2025 10:00:00 +0200\r\n"
    b"from:%b\r\n"
    b'TO:   "Last, First"\r\n\t<b@rcpt.example>,\r\n'
    b" =?utf-8?q?G=C3=BCnther?=\r\n  <c@rcpt.example>\r\n"
    b"cC: undisclosed recipients: ;\r\n"
    b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n =?utf-8?q?_aus?=   dem Laden  \r\n"
    b"Message-Id: <odd.1$x@[10.0.0.7]>\r\n"
    b"date: 4 Aug 25 10:00 +0200\r\n"
    b"X-Empty:\r\n"
    b"X-Spaces:    \r\n"
    b"X-Twice: one\r\n"
    b"X-Other: between\r\n"
    b"x-tWICE:\ttwo\r\n"
    b"X-Folded:\r\n value\r\n\tmore\r\n  and more \r\n"
    b"X-Full: %b\r\n"
    b"List-Unsubscribe: <https://www.shop.example/leave?u=1>\r\n"
    b"Precedence: bulk\r\n"
    b"\r\n" % (SENDER.encode(), b"x" * 990)
)
# All that a line can begin with, and all that a body can end with.
ODD_BODY = (
    b"\r\n.\r\n..\r\n.x\r\n. \r\n.\t.\r\n"
    b"From here on\r\n>From there\r\n"
    b"DATA\r\nQUIT\r\nRSET\r\n"
    b"trailing spaces  \t \r\n \r\n\t\r\n"
    b"%s %d {{name}} {{unsubscribe}} \\r\r\n"
    b"-- \r\nThe shop\r\n\r\n.\r\n\r\n\r\n"
)
ODD = ODD_HEADER + ODD_BODY

# Bytes of no charset in particular, which 8BITMIME lets through, and controls.
EIGHT_BIT = (
    _FROM
    + b"To: b@rcpt.example\r\nSubject: 8 bit\r\nMessage-ID: <8bit@shop.example>\r\n"
    + _DATE
    + b"MIME-Version: 1.0\r\n"
    + b"Content-Type: text/plain; charset=iso-8859-15\r\n"
    + b"Content-Transfer-Encoding: 8bit\r\n\r\n"
    + b"Gr\xfc\xdfe, 5 \xa4\r\nUTF-8: Gr\xc3\xbc\xc3\x9fe\r\n"
    + bytes(set(range(1, 256)) - set(b"\r\n"))
    + b"\r\n"
)

# A tree with every transfer encoding, what surrounds its parts, and an epilogue.
PARTS = (
    _FROM
    + b"To: b@rcpt.example\r\nSubject: parts\r\nMessage-ID: <parts@shop.example>\r\n"
    + _DATE
    + b"MIME-Version: 1.0 (Shop Mail 3.1)\r\n"
    + b'Content-Type: multipart/mixed;\r\n boundary="=_outer=_(1)"\r\n'
    + b"X-Mailer: Shop Mail 3.1\r\n\r\n"
    + b"This is a multi-part message in MIME format.\r\n\r\n"
    + b"--=_outer=_(1)\r\nContent-Type: multipart/alternative; boundary=inner\r\n\r\n"
    + b"--inner\r\nContent-Type: text/plain; charset=utf-8; format=flowed\r\n"
    + b"Content-Transfer-Encoding: 8bit\r\n\r\n"
    + b"Gr\xc3\xbc\xc3\x9fe \r\n.\r\n--not a delimiter\r\n\r\n"
    + b"--inner\r\nContent-Type: text/html; charset=utf-8\r\n"
    + b"Content-Transfer-Encoding: quoted-printable\r\n\r\n"
    + b'<p>Gr=C3=BC=C3=9Fe =\r\n<a href=3D"https://www.shop.example/1">one</a>=20\r\n'
    + b"=2E\r\n<img src=3Dcid:logo></p>\r\n"
    + b"--inner--  \r\n\r\n"
    + b"--=_outer=_(1)\r\nContent-Type: application/pdf; name*=utf-8''%C3%BC.pdf\r\n"
    + b"Content-Transfer-Encoding: base64\r\n"
    + b"Content-Disposition: attachment; filename*=utf-8''%C3%BC.pdf\r\n\r\n"
    + base64.encodebytes(_BYTES).replace(b"\n", b"\r\n")
    + b"\r\n--=_outer=_(1)\r\nContent-Type: message/rfc822\r\n\r\n"
    + b"From: someone@else.example\r\nBcc: kept@else.example\r\n"
    + b"X-Anypost-Tag: kept\r\nSubject: inside\r\n\r\nforwarded\r\n"
    + b"--=_outer=_(1)--\r\nAn epilogue.\r\n"
)

# Lines that are longer than RFC 5321 4.5.3.1.6 allows and that people send anyway.
LONG_LINES = (
    _FROM
    + b"To: b@rcpt.example\r\nSubject: long\r\nMessage-ID: <long@shop.example>\r\n"
    + _DATE
    + b"X-Long: %b\r\n" % (b"y" * 1500)
    + b"References: %b\r\n"
    % b"\r\n ".join(b"<%d@shop.example>" % n for n in range(200))
    + b"\r\n"
    + b"".join(b"%b\r\n" % (b"z" * n) for n in (998, 999, 2047, 2048, 4096, 70_000))
    + b".%b\r\n" % (b"d" * 8192)
)

# Names in plain UTF-8, as RFC 6532 has them.
UTF8_HEADER = (
    (
        f'From: "Grüße" <{SENDER}>\r\n'
        "To: Zoë <b@rcpt.example>\r\nSubject: Grüße aus 東京\r\n"
        "Message-ID: <utf8@shop.example>\r\n"
    ).encode()
    + _DATE
    + b"\r\nhi\r\n"
)

EMPTY = (
    _FROM + b"Subject: empty\r\nMessage-ID: <empty@shop.example>\r\n" + _DATE + b"\r\n"
)

LETTERS: Mapping[str, bytes] = MappingProxyType(
    {"odd": ODD, "8bit": EIGHT_BIT, "parts": PARTS, "long": LONG_LINES}
)

# A mail without anything that a mail need not have.
BARE = _FROM + b"\r\nhi\r\n"


def small(name: str, *fields: str) -> bytes:
    """A small complete mail with these fields more."""
    lines = (
        f"From: Shop <{SENDER}>",
        "To: undisclosed-recipients:;",
        *fields,
        f"Subject: {name}",
        f"Message-ID: <{name}@shop.example>",
        "Date: Mon, 04 Aug 2025 10:00:00 +0200",
        "",
        "hi",
        "",
    )
    return "\r\n".join(lines).encode()


# Signed by the sender's own program: not one byte of the body may change.
_SIGNED_PART = (
    b"Content-Type: text/html; charset=utf-8\r\n"
    b"Content-Transfer-Encoding: quoted-printable\r\n\r\n"
    b'<p><a href=3D"https://www.shop.example/1">one</a>=20\r\n</p>\r\n'
)


def _signed(kind: bytes, protocol: bytes, signature: bytes) -> bytes:
    return b"".join(
        (
            _FROM,
            b"To: b@rcpt.example\r\nSubject: signed\r\n",
            b"Message-ID: <%b@shop.example>\r\n" % kind,
            _DATE,
            b"MIME-Version: 1.0\r\nContent-Type: multipart/signed;\r\n",
            b" protocol=%b; micalg=%b;\r\n boundary=sig\r\n\r\n" % (protocol, kind),
            b"--sig\r\n%b\r\n--sig\r\n" % _SIGNED_PART,
            b"Content-Type: %b\r\n\r\n%b\r\n--sig--\r\n" % (protocol, signature),
        )
    )


PGP_SIGNED = _signed(
    b"pgp-sha512",
    b"application/pgp-signature",
    b"-----BEGIN PGP SIGNATURE-----\r\n\r\niQEzBAEBCgAd\r\n=AbCd\r\n"
    b"-----END PGP SIGNATURE-----\r\n",
)
SMIME_SIGNED = _signed(
    b"sha-256",
    b'"application/pkcs7-signature"',
    b"MIIHfgYJKoZIhvcNAQcCoIIHbzCCB2sCAQExDTALBglghkgBZQMEAgEwCwYJKoZI\r\n",
)
