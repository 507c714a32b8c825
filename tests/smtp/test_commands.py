import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.smtp.client import Mechanism
from appliance.smtp.commands import (
    Chunk,
    Wish,
    parse_auth,
    parse_chunk,
    parse_command,
    parse_mail,
    parse_name,
    parse_rcpt,
)
from appliance.smtp.grammar import is_path
from appliance.smtp.reply import Reply
from appliance.smtp.server_events import MailGiven, RcptGiven
from appliance.smtp.server_moves import Verb

LONG = "x" * 64 + "@" + "y" * 255


def refusal(parsed: object) -> str:
    """The code and enhanced code of a refusal."""
    assert isinstance(parsed, Reply)
    return f"{parsed.code} {parsed.enhanced}"


@pytest.mark.parametrize(
    ("line", "command"),
    [
        (b"NOOP", (Verb.NOOP, "")),
        (b"noop  a  b ", (Verb.NOOP, "a  b")),
        (b"Mail From:<>", (Verb.MAIL, "From:<>")),
        (b"STARTTLS", (Verb.STARTTLS, "")),
        ("RCPT TO:<ü@r.test>".encode(), (Verb.RCPT, "TO:<ü@r.test>")),
    ],
)
def test_command_is_its_verb_in_any_case(
    line: bytes, command: tuple[Verb, str]
) -> None:
    """RFC 5321 2.4: verbs have no case; what follows is left as it is."""
    assert parse_command(line) == command


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b" NOOP",
        b"NOOP\t",
        b"NOOP\0",
        b"NO\0OP",
        b"NOOP a\rb",
        b"NOOP \x7f",
        b"NOOP \xff",
        "NOOP \u2028".encode(),
        "NOOP \u0085".encode(),
        "R\u017fET".encode(),
        b"LAST",
        b"DOT",
        b"VERDICT",
        b"PROXY TCP4 192.0.2.1 192.0.2.2 1 25",
        b"XCLIENT NAME=x",
        b"GET / HTTP/1.1",
    ],
)
def test_line_that_is_no_command(line: bytes) -> None:
    """ATTACKS 6: neither controls nor letters that look alike make a command."""
    assert refusal(parse_command(line)) == "500 5.5.2"


@pytest.mark.parametrize("name", ["me.test", "[IPv6:::1]", "John's_PC", "\u00fc", "-"])
def test_name_is_any_one_word(name: str) -> None:
    """Clients say what their machine is called, host name or not."""
    assert parse_name(name) == name


@pytest.mark.parametrize("name", ["", "a b", "x" * 256])
def test_name_that_is_no_word(name: str) -> None:
    """No name, two, or an endless one."""
    assert refusal(parse_name(name)) == "501 5.5.4"


@pytest.mark.parametrize(
    ("argument", "given"),
    [
        ("FROM:<a@s.test>", MailGiven("a@s.test")),
        ("from: <a@s.test>", MailGiven("a@s.test")),
        ("FROM:<>", MailGiven("")),
        ("FROM:<> SIZE=0", MailGiven("", size=0)),
        ('FROM:<"a b>c"@s.test>', MailGiven('"a b>c"@s.test')),
        (r'FROM:<"a\"b"@s.test>', MailGiven(r'"a\"b"@s.test')),
        ("FROM:<a@[192.0.2.1]>", MailGiven("a@[192.0.2.1]")),
        ("FROM:<a@xn--bcher-kva.test>", MailGiven("a@xn--bcher-kva.test")),
        ("FROM:<a@s.test> size=1000", MailGiven("a@s.test", size=1000)),
        ("FROM:<a@s.test> BODY=7bit", MailGiven("a@s.test")),
        ("FROM:<a@s.test> BODY=8BITMIME", MailGiven("a@s.test", eight_bit=True)),
        ("FROM:<\u00fc@s.test> SMTPUTF8", MailGiven("\u00fc@s.test", utf8=True)),
        ("FROM:<a@s.test>  AUTH=<>", MailGiven("a@s.test")),
        ("FROM:<a@s.test> AUTH=b+40c", MailGiven("a@s.test")),
        (
            "FROM:<a@s.test> SMTPUTF8 SIZE=7 BODY=8BITMIME",
            MailGiven("a@s.test", utf8=True, size=7, eight_bit=True),
        ),
    ],
)
def test_mail_is_read(argument: str, given: MailGiven) -> None:
    """The sender as text and the parameters that are offered."""
    assert parse_mail(argument) == given


@pytest.mark.parametrize(
    ("argument", "code"),
    [
        ("", "501 5.5.4"),
        ("TO:<a@s.test>", "501 5.5.4"),
        ("<a@s.test>", "501 5.5.4"),
        ("FROM:", "501 5.1.7"),
        ("FROM:a@s.test", "501 5.1.7"),
        ("FROM:<a@s.test", "501 5.1.7"),
        ("FROM:<<a@s.test>>", "501 5.1.7"),
        ("FROM:<a@s.test>x", "501 5.1.7"),
        ("FROM:<a@s.test> >", "555 5.5.4"),
        ("FROM:<a>b@s.test>", "501 5.1.7"),
        ("FROM:<a b@s.test>", "501 5.1.7"),
        ("FROM:<a>", "501 5.1.7"),
        ("FROM:<@s.test>", "501 5.1.7"),
        ("FROM:<a@>", "501 5.1.7"),
        ("FROM:<@relay.test:a@s.test>", "501 5.1.7"),
        ("FROM:<@a.test,@b.test:a@s.test>", "501 5.1.7"),
        ('FROM:<"a@s.test>', "501 5.1.7"),
        ('FROM:<"a"b@s.test>', "501 5.1.7"),
        ("FROM:<a\\@s.test>", "501 5.1.7"),
        (f"FROM:<x{LONG}>", "501 5.1.7"),
        ("FROM:<\u00fc@s.test>", "553 5.6.7"),
        ("FROM:<a@b\u00fccher.test>", "553 5.6.7"),
        ("FROM:<a@s.te\u017ft>", "553 5.6.7"),
        ("FROM:<a@s\u3000.test> SMTPUTF8", "501 5.1.7"),
        (f"FROM:<a@s.test> SIZE={'9' * 21}", "501 5.5.4"),
        ("FROM:<a@s.test> SIZE", "501 5.5.4"),
        ("FROM:<a@s.test> SIZE=", "501 5.5.4"),
        ("FROM:<a@s.test> SIZE=-1", "501 5.5.4"),
        ("FROM:<a@s.test> SIZE=\u0661", "555 5.5.4"),
        ("FROM:<a@s.test> SIZE=1 SIZE=1", "501 5.5.4"),
        ("FROM:<a@s.test> BODY=BINARYMIME", "501 5.5.4"),
        ("FROM:<a@s.test> BODY", "501 5.5.4"),
        ("FROM:<a@s.test> SMTPUTF8=1", "501 5.5.4"),
        ("FROM:<a@s.test> AUTH", "501 5.5.4"),
        ("FROM:<a@s.test> RET=HDRS", "555 5.5.4"),
        ("FROM:<a@s.test> \u017fIZE=1", "555 5.5.4"),
        ("FROM:<a@s.test> SIZE=1  BODY=7BIT", "555 5.5.4"),
    ],
)
def test_mail_that_is_not_well_said(argument: str, code: str) -> None:
    """ATTACKS 6, ATTACKS 4: every odd path and parameter has its refusal."""
    assert refusal(parse_mail(argument)) == code


@pytest.mark.parametrize(
    ("argument", "code"),
    [
        ("", "501 5.5.4"),
        ("FROM:<a@r.test>", "501 5.5.4"),
        ("TO:a@r.test", "501 5.1.3"),
        ("TO:<>", "501 5.1.3"),
        ("TO:<postmaster>", "501 5.1.3"),
        ("TO:<@relay.test:a@r.test>", "501 5.1.3"),
        ("TO:<a@r.test>,<b@r.test>", "501 5.1.3"),
        ("TO:<a@r.test> NOTIFY=NEVER", "555 5.5.4"),
        ("TO:<\u00fc@r.test>", "553 5.6.7"),
    ],
)
def test_rcpt_that_is_not_well_said(argument: str, code: str) -> None:
    """ATTACKS 6: a recipient is one mailbox and nothing beside it."""
    assert refusal(parse_rcpt(argument, utf8=False)) == code


def test_rcpt_is_read() -> None:
    """The recipient as text, beyond ASCII where the transaction said so."""
    assert parse_rcpt("TO:<a@r.test>", utf8=False) == RcptGiven("a@r.test")
    assert parse_rcpt("to: <\u00fc@r.test>", utf8=True) == RcptGiven("\u00fc@r.test")
    longest = f"TO:<{LONG}>"
    assert parse_rcpt(longest, utf8=False) == RcptGiven(LONG)


@given(st.text(max_size=60), st.booleans())
def test_whatever_passes_can_stand_in_a_command(path: str, utf8: bool) -> None:  # noqa: FBT001 - drawn
    """ATTACKS 6: no address that was taken could end a command of our own."""
    given = parse_rcpt(f"TO:<{path}>", utf8=utf8)
    if isinstance(given, RcptGiven):
        assert given.recipient == path
        assert is_path(path)


@pytest.mark.parametrize(
    ("argument", "chunk"),
    [
        ("0", Chunk(Verb.BDAT, 0)),
        ("86", Chunk(Verb.BDAT, 86)),
        ("86 LAST", Chunk(Verb.LAST, 86)),
        ("0  last", Chunk(Verb.LAST, 0)),
        ("9" * 20, Chunk(Verb.BDAT, 10**20 - 1)),
    ],
)
def test_chunk_is_read(argument: str, chunk: Chunk) -> None:
    """A size, and the word that ends a message."""
    assert parse_chunk(argument) == chunk


@pytest.mark.parametrize(
    "argument",
    [
        *("", "-1", "+1", "1.0", "0x10", "\u0661", "9" * 21),
        *("LAST", "LAST 0", "1 2", "1LAST", "1 END", "1 LAST LAST", "1 LA\u017fT"),
    ],
)
def test_chunk_without_a_size(argument: str) -> None:
    """ATTACKS 5: nothing is guessed about how much follows."""
    assert refusal(parse_chunk(argument)) == "501 5.5.4"


@pytest.mark.parametrize(
    ("argument", "wish"),
    [
        ("PLAIN", Wish(Mechanism.PLAIN, None)),
        ("plain AAA=", Wish(Mechanism.PLAIN, b"AAA=")),
        ("LOGIN  YQ==", Wish(Mechanism.LOGIN, b"YQ==")),
        ("PLAIN =", Wish(Mechanism.PLAIN, b"")),
    ],
)
def test_auth_is_read(argument: str, wish: Wish) -> None:
    """RFC 4954 4: an initial response may be missing, empty or there."""
    assert parse_auth(argument) == wish


@pytest.mark.parametrize(
    ("argument", "code"),
    [
        ("", "501 5.5.4"),
        ("PLAIN a b", "501 5.5.4"),
        ("CRAM-MD5", "504 5.5.4"),
        ("xoauth2 a", "504 5.5.4"),
        ("x" * 21, "501 5.5.4"),
        ("A=B", "501 5.5.4"),
        ("\u00fc", "501 5.5.4"),
    ],
)
def test_auth_that_is_not_well_said(argument: str, code: str) -> None:
    """A mechanism that is not spoken is named, but only if it can be one."""
    parsed = parse_auth(argument)
    assert refusal(parsed) == code
    if code.startswith("504"):
        assert isinstance(parsed, Reply)
        name = argument.split(maxsplit=1)[0].upper()
        assert parsed.lines == (f"AUTH {name} not supported",)
