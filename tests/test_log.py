"""The log: one line each, nothing hostile in it, no secret in it."""

import io
import json
import logging
import re
from collections.abc import Iterator

import pytest
import trio
from hypothesis import example, given
from hypothesis import strategies as st

from appliance import log


@pytest.fixture(autouse=True)
def _untouched_root() -> Iterator[None]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = before
    logging.getLogger("postroom").setLevel(logging.NOTSET)


def opened(level: str = "info", form: str = "text") -> io.StringIO:
    """A stream to which the log now goes."""
    stream = io.StringIO()
    log.configure(level, form, stream)
    return stream


def fail(text: str) -> None:
    """Raise an exception that says ``text``."""
    raise ValueError(text)


def test_a_line_holds_time_level_logger_event_and_keys() -> None:
    """A line for people names everything in a fixed order."""
    stream = opened()
    log.get("relay").info("delivery.sent", delivery=7, reply="250 2.0.0 Ok: queued")
    line = stream.getvalue()
    at, _, rest = line.partition(" ")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", at)
    assert rest == (
        'info relay delivery.sent delivery=7 reply="250 2.0.0 Ok: queued"\n'
    )


def test_json_lines_keep_the_types_of_values() -> None:
    """A machine gets one object with numbers as numbers."""
    stream = opened(form="json")
    log.get("relay").warning("upstream.slow", ms=1200, tls=True, code=None)
    facts = json.loads(stream.getvalue())
    assert facts.pop("at")
    assert facts == {
        "level": "warning",
        "logger": "relay",
        "event": "upstream.slow",
        "ms": 1200,
        "tls": True,
        "code": None,
    }


def test_keys_cannot_change_what_the_line_says_of_itself() -> None:
    """The level and the event are ours, whatever keys a caller passes."""
    stream = opened(form="json")
    log.get("x").info("real", event="forged", level="error")
    facts = json.loads(stream.getvalue())
    assert (facts["event"], facts["level"]) == ("real", "info")


@example(value="\x7f", form="text")
@example(value="\x7f", form="json")
@given(value=st.text(), form=st.sampled_from(["text", "json"]))
def test_no_value_can_begin_a_line_or_move_the_cursor(value: str, form: str) -> None:
    """ATTACKS 25: text from outside stays inside its line, as printable ASCII."""
    stream = opened(form=form)
    log.get("x").info("greeting", helo=value)
    line = stream.getvalue()
    assert line.endswith("\n")
    assert re.fullmatch(r"[ -~]*", line[:-1])


@given(value=st.text(max_size=100))
def test_json_gives_the_value_back(value: str) -> None:
    """Escaping loses nothing."""
    stream = opened(form="json")
    log.get("x").info("greeting", helo=value)
    assert json.loads(stream.getvalue())["helo"] == value


def test_long_values_are_cut() -> None:
    """An endless reply does not make an endless line."""
    stream = opened()
    log.get("x").info("reply", text="a" * 100_000)
    assert len(stream.getvalue()) < 1200
    assert "(100000 characters)" in stream.getvalue()


@pytest.mark.parametrize(
    "name", ["key", "api_key", "password", "Authorization", "token", "private_pem"]
)
@pytest.mark.parametrize("form", ["text", "json"])
def test_secrets_are_not_rendered(name: str, form: str) -> None:
    """ATTACKS 27: a value whose key says that it is secret is not shown."""
    stream = opened(form=form)
    log.get("x").info("login", **{name: "hunter2"})
    with log.bind(**{name: "hunter2"}):
        log.get("x").info("login")
    assert "hunter2" not in stream.getvalue()
    assert stream.getvalue().count(log.HIDDEN) == 2


def test_harmless_keys_that_only_resemble_secrets_are_rendered() -> None:
    """Words are compared, not letters."""
    stream = opened()
    log.get("x").info("it", keyboard="dvorak")
    assert "keyboard=dvorak" in stream.getvalue()


def test_bound_keys_are_on_every_line_of_the_context() -> None:
    """What is bound holds until the context ends, and nests."""
    stream = opened()
    logger = log.get("x")
    with log.bind(session=1), log.bind(peer="::1"):
        logger.info("a", step=2)
    logger.info("b")
    first, second = stream.getvalue().splitlines()
    assert first.endswith("x a session=1 peer=::1 step=2")
    assert second.endswith("x b")


async def test_bound_keys_stay_in_their_task() -> None:
    """Two tasks that bind the same name do not see each other's."""
    stream = opened()

    async def session(number: int) -> None:
        with log.bind(session=number):
            await trio.lowlevel.checkpoint()
            log.get("x").info("said", number=number)

    async with trio.open_nursery() as nursery:
        for number in range(5):
            nursery.start_soon(session, number)
    for line in stream.getvalue().splitlines():
        match = re.search(r"session=(\d) number=(\d)", line)
        assert match is not None
        assert match[1] == match[2]


def test_nothing_is_rendered_below_the_level() -> None:
    """A debug line costs no text when nobody wants it."""

    class Costly:
        def __str__(self) -> str:
            raise AssertionError

    stream = opened("warning")
    log.get("x").info("it", costly=Costly())
    assert not stream.getvalue()


def test_tracebacks_are_indented_and_escaped() -> None:
    """ATTACKS 25: an exception's text cannot look like a line of the log."""
    stream = opened()
    try:
        fail("bad\n2024-01-01T00:00:00.000Z info x forged\x1b[2J")
    except ValueError:
        log.get("x").exception("session.bug", peer="::1")
    first, *rest = stream.getvalue().splitlines()
    assert first.endswith("error x session.bug peer=::1")
    assert rest
    assert all(line.startswith("  | ") for line in rest)
    assert "\x1b" not in stream.getvalue()


def test_json_tracebacks_stay_on_the_line() -> None:
    """One event is one line, with its traceback as a value."""
    stream = opened(form="json")
    try:
        fail("bad")
    except ValueError:
        log.get("x").exception("session.bug")
    assert "ValueError: bad" in json.loads(stream.getvalue())["traceback"]


def test_libraries_are_heard_from_warning_on() -> None:
    """A library's chatter is left out; its warnings come through our renderer."""
    stream = opened("debug")
    logging.getLogger("somelib").info("chatter")
    logging.getLogger("somelib").warning("trouble\nwith %s", "newline")
    assert stream.getvalue().count("\n") == 1
    assert 'warning somelib "trouble\\nwith newline"' in stream.getvalue()
