"""What the server says by itself: the words for what needs no decision.

Codes follow RFC 5321 4.2 and the extensions' own documents, enhanced codes RFC
3463. Nothing a client said is repeated, but the name of a mechanism.
"""

import functools
from typing import Final

from appliance.smtp.reply import Reply, make_reply


def _say(line: str) -> Reply:
    return make_reply(int(line[:3]), [line[4:].encode()])


OK: Final = _say("250 2.0.0 OK")
BYE: Final = _say("221 2.0.0 Bye")
HELP: Final = _say(
    "214 2.0.0 EHLO HELO STARTTLS AUTH MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT"
)
NOT_VERIFIED: Final = _say("252 2.5.0 Not verified, send the mail to find out")
START_TLS: Final = _say("220 2.0.0 Ready to start TLS")
GO_AHEAD: Final = _say("354 End the message with <CRLF>.<CRLF>")

# Lines that are no command, and commands that are not well said.
LINE_TOO_LONG: Final = _say("500 5.5.2 Line too long")
RESPONSE_TOO_LONG: Final = _say("500 5.5.6 Authentication exchange line too long")
BARE_LINE_END: Final = _say("500 5.5.2 A line ends with CR and LF")
NOT_TEXT: Final = _say("500 5.5.2 A command is printable UTF-8")
UNKNOWN: Final = _say("500 5.5.2 Command not recognized")
NOT_SMTP: Final = _say("500 5.5.2 This is SMTP in clear, TLS begins with STARTTLS")
NO_EXPN: Final = _say("502 5.5.1 EXPN is not implemented")
NO_STARTTLS: Final = _say("502 5.5.1 STARTTLS is not offered")
NO_ARGUMENT: Final = _say("501 5.5.4 This command has no argument")
HELLO_SYNTAX: Final = _say("501 5.5.4 Syntax: EHLO name")
VRFY_SYNTAX: Final = _say("501 5.5.4 Syntax: VRFY address")
MAIL_SYNTAX: Final = _say("501 5.5.4 Syntax: MAIL FROM:<address>")
RCPT_SYNTAX: Final = _say("501 5.5.4 Syntax: RCPT TO:<address>")
BDAT_SYNTAX: Final = _say("501 5.5.4 Syntax: BDAT size [LAST], and then so many octets")
AUTH_SYNTAX: Final = _say("501 5.5.4 Syntax: AUTH mechanism [initial-response]")
BAD_SENDER: Final = _say("501 5.1.7 Bad sender address syntax")
BAD_RECIPIENT: Final = _say("501 5.1.3 Bad recipient address syntax")
NEEDS_UTF8: Final = _say("553 5.6.7 An address that is not ASCII needs SMTPUTF8")
BAD_PARAMETER: Final = _say("501 5.5.4 A parameter is malformed or said twice")
UNKNOWN_PARAMETER: Final = _say("555 5.5.4 Parameter not recognized")

# Commands out of order.
EHLO_FIRST: Final = _say("503 5.5.1 Say EHLO first")
TLS_FIRST: Final = _say("530 5.7.0 Must issue a STARTTLS command first")
TLS_ACTIVE: Final = _say("501 5.5.1 TLS is already active")
AUTH_NEEDS_TLS: Final = _say(
    "538 5.7.11 Encryption required for requested authentication mechanism"
)
AUTH_FIRST: Final = _say("530 5.7.0 Authentication required")
AUTH_TWICE: Final = _say("503 5.5.1 Already authenticated")
MAIL_FIRST: Final = _say("503 5.5.1 Say MAIL first")
MAIL_TWICE: Final = _say("503 5.5.1 A transaction is open, end it or say RSET")
RCPT_FIRST: Final = _say("503 5.5.1 Say RCPT first")
NOBODY: Final = _say("554 5.5.1 No valid recipients")
IN_CHUNKS: Final = _say("503 5.5.1 The message comes by BDAT, go on or say RSET")
CHUNK_LOST: Final = _say("503 5.5.1 A chunk was refused, the message is lost")

# AUTH, RFC 4954 4 and 6.
CANCELLED: Final = _say("501 5.5.0 Authentication cancelled")
NOT_BASE64: Final = _say("501 5.5.2 Cannot decode the response")
NO_PROXY_LOGIN: Final = _say("535 5.7.8 Authentication failed")

# Limits.
TOO_MANY_COMMANDS: Final = _say("421 4.7.0 Too many commands in one session")
TOO_MANY_ERRORS: Final = _say("421 4.7.0 Too many errors")
TOO_MANY_MESSAGES: Final = _say("421 4.7.0 Too many messages in one session")
TOO_MANY_RECIPIENTS: Final = _say("452 4.5.3 Too many recipients")

# Content.
TOO_BIG: Final = _say("552 5.3.4 Message too big")
HAS_NUL: Final = _say("550 5.6.0 NUL in the message")
LONE_LINE_END: Final = _say("550 5.6.11 Bare CR or LF in the message")


def banner(host: str) -> Reply:
    """The first word of a session."""
    return Reply(220, (f"{host} ESMTP ready",))


def unknown_mechanism(name: str) -> Reply:
    """The refusal of an AUTH mechanism that is well-formed and not spoken."""
    return _say(f"504 5.5.4 AUTH {name} not supported")


def chunk_taken(size: int) -> Reply:
    """The answer to a chunk that is not the last (RFC 3030 2)."""
    return _say(f"250 2.0.0 {size} octets received")


# A session asks once or twice, in the same words as all others.
@functools.lru_cache(maxsize=64)
def capabilities(
    host: str,
    *,
    size: int,
    recipients: int,
    messages: int,
    starttls: bool,
    auth: bool,
) -> bytes:
    """The encoded answer to EHLO: what is true at this moment of the session."""
    lines = [host, "PIPELINING", f"SIZE {size}", "8BITMIME", "SMTPUTF8"]
    lines += ["ENHANCEDSTATUSCODES", "CHUNKING"]
    lines.append(f"LIMITS RCPTMAX={recipients} MAILMAX={messages}")  # RFC 9422
    if starttls:
        lines.append("STARTTLS")
    if auth:
        lines.append("AUTH PLAIN LOGIN")
    return Reply(250, (*lines, "HELP")).encode()
