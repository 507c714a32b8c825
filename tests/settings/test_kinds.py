"""Values of settings: what is read, what is refused, and that spelling round-trips."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.core.retry import parse_retry_plan
from appliance.settings import kinds
from appliance.settings.kinds import HostPort, Kind

DURATION = kinds.duration()
SIZE = kinds.size()
INTEGER = kinds.integer(1, 100)
EVERY: list[Kind[Any]] = [
    DURATION,
    SIZE,
    INTEGER,
    kinds.choice("a", "b"),
    kinds.BOOLEAN,
    kinds.HOST,
    kinds.URL,
    kinds.LISTENERS,
    kinds.NAMESERVERS,
    kinds.ORIGINS,
    kinds.PATH,
    kinds.RETRY_PLAN,
]


def refuses(kind: Kind[Any], value: object) -> bool:
    """True if ``kind`` does not take ``value``."""
    try:
        kind.read(value)
    except ValueError:
        return True
    return False


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("5m", 300), ("1h", 3600), ("2d", 172800), ("500ms", 0.5), (7, 7)],
)
def test_durations_are_read_in_every_unit(text: object, seconds: float) -> None:
    """A duration is a number and a unit; a bare number counts seconds."""
    assert DURATION.read(text) == seconds


@pytest.mark.parametrize(
    "value", ["", "5 parsecs", "-1s", "1.5h", "0s", "1e3", "9" * 50, True, 1.5, None]
)
def test_what_is_no_duration_is_refused(value: object) -> None:
    """Nothing is guessed."""
    assert refuses(DURATION, value)


@given(st.integers(1, 315_360_000_000))
def test_durations_survive_their_spelling(milliseconds: int) -> None:
    """What `config print` shows may be written back."""
    seconds = milliseconds / 1000
    text = kinds.spell_seconds(seconds)
    if text.removesuffix("ms").isdigit() and len(text.removesuffix("ms")) > 9:
        return  # longer than the grammar takes; no setting is that fine and that long
    assert DURATION.read(text) == pytest.approx(seconds, abs=0.0005)


@pytest.mark.parametrize(
    ("text", "count"),
    [("40MiB", 40 << 20), ("1 GiB", 1 << 30), ("512KiB", 512 << 10), ("9B", 9), (9, 9)],
)
def test_sizes_are_read_in_every_unit(text: object, count: int) -> None:
    """A size is a number and a unit of 1024; a bare number counts bytes."""
    assert SIZE.read(text) == count


@pytest.mark.parametrize("value", ["", "40MB", "-1", "0B", "lots", 1.5, False, []])
def test_what_is_no_size_is_refused(value: object) -> None:
    """MB is not read as MiB: the operator says which is meant."""
    assert refuses(SIZE, value)


@given(st.integers(1, 1 << 40))
def test_sizes_survive_their_spelling(count: int) -> None:
    """What `config print` shows may be written back."""
    assert SIZE.read(kinds.spell_bytes(count)) == count


@pytest.mark.parametrize("value", [0, 101, "0", "ten", True, 1.0, "\u0661", "9" * 9000])
def test_integers_keep_their_range_and_type(value: object) -> None:
    """Neither a truth value nor a fraction is a whole number."""
    assert refuses(INTEGER, value)


def test_listeners_are_addresses_with_ports() -> None:
    """Names, IPv4 and bracketed IPv6, port 0 included; empty turns a door off."""
    text = "127.0.0.1:8025, [::1]:0,localhost:65535"
    listeners = kinds.LISTENERS.read(text)
    assert listeners == (
        HostPort("127.0.0.1", 8025),
        HostPort("::1", 0),
        HostPort("localhost", 65535),
    )
    assert (
        kinds.LISTENERS.spell(listeners) == "127.0.0.1:8025, [::1]:0, localhost:65535"
    )
    assert kinds.LISTENERS.read("") == ()


@pytest.mark.parametrize(
    "value",
    [
        "8025",
        ":8025",
        "host",
        "host:",
        "host:x",
        "h:70000",
        "::1:25",
        "[x]:1",
        "a:1,",
        5,
    ],
)
def test_what_is_no_listener_is_refused(value: object) -> None:
    """An address without a port, or a port that is none, stops the start."""
    assert refuses(kinds.LISTENERS, value)


def test_nameservers_are_addresses_on_port_53_unless_they_say() -> None:
    """A resolver is an IP address, since a name would need a resolver."""
    assert kinds.NAMESERVERS.read("192.0.2.1, ::1, 127.0.0.1:5353, [::1]:54") == (
        HostPort("192.0.2.1", 53),
        HostPort("::1", 53),
        HostPort("127.0.0.1", 5353),
        HostPort("::1", 54),
    )
    assert refuses(kinds.NAMESERVERS, "dns.example.com:53")


@pytest.mark.parametrize(
    "value",
    [
        "mail.example.com",
        "ftp://x.example",
        "https://u:p@x.example",
        "https://x.example/path",
        "https://x.example?q=1",
        "https://x.example:port",
        "https://exa mple",
        "https://",
    ],
)
def test_public_urls_have_a_scheme_and_a_host_and_no_more(value: str) -> None:
    """Links are made by appending to it, so nothing may follow the host."""
    assert refuses(kinds.URL, value)


@pytest.mark.parametrize(
    "value", ["", "https://x.example", "http://127.0.0.1:8025", "http://[::1]:80"]
)
def test_public_urls_are_kept_without_a_trailing_slash(value: str) -> None:
    """One slash at the end is forgiven."""
    assert kinds.URL.read(value) == value
    assert not value or kinds.URL.read(value + "/") == value


def test_paths_are_absolute() -> None:
    """The same file from wherever the server is started; empty for none."""
    assert kinds.PATH.read(" /etc/ssl/mail.pem") == "/etc/ssl/mail.pem"
    assert kinds.PATH.read("") == ""
    for value in ("mail.pem", "./mail.pem", "~/mail.pem", "/a\0b", "/a\nb", 5, None):
        assert refuses(kinds.PATH, value), value


@given(st.from_regex(r"[0-9]{0,8}[smhd]?(, ?[0-9]{1,7}[smhd]?){0,3}", fullmatch=True))
def test_retry_plans_are_read_as_the_rule_of_retries_reads_them(text: str) -> None:
    """A plan means the same in the settings file and in a provider's row."""
    try:
        pauses = parse_retry_plan(text).pauses
    except ValueError:
        assert refuses(kinds.RETRY_PLAN, text)
        return
    if max(pauses, default=0) > 315_360_000:
        return  # ten years: the settings refuse what the grammar allows
    assert kinds.RETRY_PLAN.read(text) == pauses
    assert parse_retry_plan(kinds.RETRY_PLAN.spell(pauses)).pauses == pauses


@given(st.one_of(st.text(), st.integers(), st.floats(), st.booleans(), st.none()))
def test_no_value_breaks_a_reader(value: object) -> None:
    """Every kind answers any value with a value or a ValueError, nothing else."""
    for kind in EVERY:
        try:
            read = kind.read(value)
        except ValueError:
            continue
        spelt = kind.spell(read)
        assert kind.read(spelt) == read
