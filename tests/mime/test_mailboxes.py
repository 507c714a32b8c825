"""The From field's grammar: read as RFC 5322 has it, and never in two ways."""

from email import policy
from email.headerregistry import AddressHeader
from email.parser import Parser
from email.utils import getaddresses

import idna
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from appliance.core.address import Address, Mailbox, is_domain
from appliance.core.fields import MAX_VALUE_CHARS
from appliance.mime.headers import address_field
from appliance.mime.mailboxes import MAX_MAILBOXES, NotMailboxes, parse_mailboxes

locals_ = st.from_regex(
    r"[a-z0-9!#$%&'*+/=?^_`{|}~-]{1,9}(\.[a-z]{1,5})?", fullmatch=True
)
domains = st.from_regex(r"[a-z]{1,8}(\.[a-z0-9]{1,8}){0,2}", fullmatch=True)
addresses = st.builds(Address, locals_.filter(lambda text: "=?" not in text), domains)
blanks = st.sampled_from(["", " ", "\t", " (note) ", "(a (nested \\) one))"])
some_blank = st.sampled_from([" ", "\t", " (note) "])
atoms = st.from_regex(r"[A-Za-z0-9!#$%&'*+/^_`{|}~-]{1,9}", fullmatch=True)
quoted = st.from_regex(r'"(?:[A-Za-z ,.;:@]|\\"|\\\\){1,9}"', fullmatch=True)
PIECES = 'a b.c @ , < > ( ) : ; " \\ [ ] . example.com =?utf-8?q?a=40b?= é'
soup = st.lists(st.sampled_from([*PIECES.split(), " ", "\t", "a@b", "<c@d>"])).map(
    "".join
)


def read(text: str) -> list[str]:
    """The addresses of a list."""
    return [str(mailbox.address) for mailbox in parse_mailboxes(text)]


def as_the_library_reads(text: str) -> list[tuple[str, str]]:
    """What the standard library, an independent reader, finds: names, addresses."""
    message = Parser(policy=policy.default).parsestr(f"From: {text}\r\n\r\n")
    header = message["from"]
    assert isinstance(header, AddressHeader)
    return [(one.display_name, one.addr_spec) for one in header.addresses]


def with_a_labels(spec: str) -> str:
    """An address with its domain as DNS has it, lower case."""
    local, _, domain = spec.rpartition("@")
    return f"{local}@{idna.encode(domain, uts46=True).decode()}"


@pytest.mark.parametrize(
    ("text", "mailbox"),
    [
        ("a@b.example", Mailbox(Address("a", "b.example"))),
        (" A@B.Example\t", Mailbox(Address("A", "b.example"))),
        ("<a@b.example>", Mailbox(Address("a", "b.example"))),
        ("< a@b.example >", Mailbox(Address("a", "b.example"))),
        ("Bob<a@b.example>", Mailbox(Address("a", "b.example"), "Bob")),
        ("Bob  B. <a@b.example>", Mailbox(Address("a", "b.example"), "Bob B.")),
        ('"B, \\"b\\"" <a@b.example>', Mailbox(Address("a", "b.example"), 'B, "b"')),
        ('Dr "B" C <a@b.example>', Mailbox(Address("a", "b.example"), "Dr B C")),
        ("(x) B (y (z)) <a@b.example> (:)", Mailbox(Address("a", "b.example"), "B")),
        ("a@b.example (Bob)", Mailbox(Address("a", "b.example"))),
        ("=?utf-8?q?B=C3=B6?= <a@b.example>", Mailbox(Address("a", "b.example"), "Bö")),
        ("Bö <a@b.example>", Mailbox(Address("a", "b.example"), "Bö")),
        ("bö@b.example", Mailbox(Address("bö", "b.example"))),
        ('"two words"@b.example', Mailbox(Address('"two words"', "b.example"))),
        ("a@bücher.example", Mailbox(Address("a", "xn--bcher-kva.example"))),
        ("a@BÜCHER。example", Mailbox(Address("a", "xn--bcher-kva.example"))),
    ],
)  # fmt: skip
def test_a_mailbox_is_read(text: str, mailbox: Mailbox) -> None:
    """What writers of today write, with comments and blanks where they may stand."""
    assert parse_mailboxes(text) == (mailbox,)


def test_every_address_of_a_list_is_found() -> None:
    """ATTACKS 7: From with several addresses; a comma in a name is none of theirs."""
    assert read('a@b.example,"c, d@x" <e@f.example> (g, h) , i@j.example') == [
        "a@b.example",
        "e@f.example",
        "i@j.example",
    ]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "list"),
        (" (nobody) ", "list"),
        ("a", "list"),
        ("a@", "list"),
        ("@b.example", "list"),
        ("<>", "list"),
        ("a@b.example, ", "list"),
        (",a@b.example", "list"),
        ("a@b.example c@d.example", "list"),
        ("a@b.example <c@d.example>", "list"),
        ("<a@b.example> <c@d.example>", "list"),
        ("<a@b.example> Bob", "list"),
        ("<<a@b.example>>", "list"),
        ("<a@b.example", "list"),
        ("a@b.example>", "list"),
        ("a@b@c.example", "list"),
        ("x <a@b.example>, <c@d.example", "list"),
        # comments and blanks within an address
        ("a @b.example", "list"),
        ("a@ b.example", "list"),
        ("a(x)@b.example", "list"),
        ("a@(x)b.example", "list"),
        ("a@exam ple.com", "list"),
        ("a@b.(x)example", "list"),
        ("<a@b.example(x)>", "list"),
        # comments that look like addresses to those who do not know comments
        ("a@b.example (<c@d.example>)", "comment"),
        ("(c@d.example) a@b.example", "comment"),
        ("a@b.example (c", "comment"),
        # groups and routes
        ("Team:a@b.example;", "group"),
        ("undisclosed-recipients:;", "group"),
        ("Team:a@b.example,c@d.example;", "group"),
        ("<@a.example:b@c.example>", "route"),
        ("<@a,@b:c@d>", "route"),
        # what only looks like a name, or hides in one
        ("ceo@bank.example <a@b.example>", "list"),
        ('"ceo <ceo@bank.example>" <a@b.example>', "brackets"),
        ("=?utf-8?q?=3Cceo=40bank.example=3E?= <a@b.example>", "brackets"),
        ("=?utf-8?q?a=40b.example?=", "list"),
        ("=?utf-8?b?YUBiLmV4YW1wbGU+?=@c.example", "none"),
        ("=?utf-8?q?a?=@b.example", "none"),
        ("a@=?utf-8?q?b.example?=", "none"),
        # local parts that careless readers would end sooner
        ('"a@b.example"@c.example', "none"),
        ('"a@b.example>"@c.example', "none"),
        ('"a\\"b"@c.example', "none"),
        ('"a"b@c.example', "list"),
        ('a."b"@c.example', "list"),
        ('""@c.example', "none"),
        ('"a@b.example', "no end"),
        ("a\\@b@c.example", "no end"),
        ("a)@b.example", "no end"),
        # addresses that are none
        ("a@[192.0.2.1]", "literal"),
        ("a..b@c.example", "none"),
        (".a@c.example", "list"),
        (". <a@b.example>", "list"),
        ("a@-b.example", "none"),
        ("a@b..example", "none"),
        ("a@.b.example", "list"),
        ("a@b.example.", "none"),
        ("a@b\uff20c.example", "none"),
        ("a@☃.example", "none"),
        ("a@" + "ü" * 5000, "none"),
        ("a" * 65 + "@b.example", "none"),
        # tricks with octets
        ("a\0@b.example", "control"),
        ("a@b.example\0", "control"),
        ("a@b.example\r\nBcc: c@d.example", "control"),
        ('"\\\x0b" <a@b.example>', "control"),
        ("a\u2028 <a@b.example>", "control"),
        ("a\x85 <a@b.example>", "control"),
        ("\ud800 <a@b.example>", "control"),
        ("x" * MAX_VALUE_CHARS + " <a@b.example>", "too long"),
        (",".join(["a@b"] * (MAX_MAILBOXES + 1)), "too many"),
        ("(" * 9000, "no end"),
        ("()" * 4999, "list"),
    ],
)  # fmt: skip
def test_what_could_be_read_in_two_ways_is_refused(text: str, word: str) -> None:
    """ATTACKS 7: each trick is refused, and the words say what is wrong with it."""
    with pytest.raises(NotMailboxes, match=word) as refused:
        parse_mailboxes(text)
    assert "example" not in str(refused.value)


def test_a_name_that_looks_like_an_address_sends_nothing() -> None:
    """ATTACKS 7: display name that looks like an address; the real one counts."""
    (mailbox,) = parse_mailboxes('"ceo@bank.example" <a@b.example>')
    assert str(mailbox.address) == "a@b.example"
    assert mailbox.name == "ceo@bank.example"


def test_a_quoted_word_is_not_decoded() -> None:
    """RFC 2047 5: in quotes it is what it is."""
    (mailbox,) = parse_mailboxes('"=?utf-8?q?a?=" <a@b.example>')
    assert mailbox.name == "=?utf-8?q?a?="


@settings(deadline=None)
@given(
    st.lists(
        st.builds(Mailbox, addresses, st.text(max_size=30)), min_size=1, max_size=4
    )
)
def test_what_we_write_is_read(mailboxes: list[Mailbox]) -> None:
    """The addresses of any field that ``address_field`` writes are found again."""
    safe = [
        Mailbox(one.address, "".join(filter(str.isalnum, one.name)))
        for one in mailboxes
    ]
    raw = address_field("From", safe).decode()
    text = raw.removeprefix("From:").replace("\r\n", "")
    assert list(parse_mailboxes(text)) == safe


@st.composite
def valid_mailboxes(draw: st.DrawFn) -> str:
    """One mailbox as RFC 5322 allows it."""
    address = draw(addresses)
    before, after = draw(blanks), draw(blanks)
    if draw(st.booleans()):
        return f"{before}{address}{after}"
    words = draw(st.lists(atoms | quoted, max_size=4))
    name = draw(some_blank).join(words)
    return f"{before}{name} {draw(blanks)}<{address}>{after}"


@settings(deadline=None)
@given(st.lists(valid_mailboxes(), min_size=1, max_size=4).map(",".join))
def test_valid_lists_are_read_as_others_read_them(text: str) -> None:
    """The oracle is the standard library's parser of RFC 5322."""
    expected = as_the_library_reads(text)
    assert read(text) == [address for _, address in expected]


@settings(deadline=None)
@given(soup | st.text(max_size=100))
@example("a@b (x) , =?utf-8?q?a=40b?= <c@d>")
@example('"a" b . c <a@b>')
@example("a@bé")
def test_no_reader_finds_another_sender(text: str) -> None:
    """ATTACKS 7: what is taken, two readers of the standard library take alike.

    The older one, like many in the field, is of RFC 822 and forgives a lot.
    """
    try:
        found = parse_mailboxes(text)
    except NotMailboxes:
        return
    assert all(is_domain(one.address.domain) for one in found)
    ours = [str(one.address) for one in found]
    theirs = [spec for _, spec in as_the_library_reads(text)]
    assert list(map(with_a_labels, theirs)) == ours
    assert [with_a_labels(spec) for _, spec in getaddresses([text])] == ours
