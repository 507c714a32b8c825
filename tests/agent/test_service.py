"""The agent as a whole, on a real log, a real endpoint and a real folder."""

import contextlib
import http.client
import json
import os
import shutil
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.agent.config import Config
from appliance.agent.outbox import FULL
from appliance.agent.place import FilePlace
from appliance.agent.service import Agent, Unfinished
from tests.fakes.endpoint import KEY, Endpoint, endpoint
from tests.fakes.maillog import Mail, append, uuid_of
from tests.fakes.programs import wait_until

SAID = "host mx.example.org[192.0.2.1] said: 550 5.1.1 User unknown"
NOISE = b"Nov 26 05:00:00 mx systemd[1]: Started.\n"


@pytest.fixture
def server() -> Iterator[Endpoint]:
    """The endpoint."""
    with endpoint() as it:
        yield it


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """The log."""
    (tmp_path / "log").mkdir()
    return tmp_path / "log/mail.log"


def make(log: Path, server: Endpoint, *, health: str = "") -> Agent:
    """An agent with its place beside the log's folder."""
    config = Config(
        api_key=KEY,
        endpoint=server.url,
        log_path=str(log),
        state_path=str(log.parent.parent / "state"),
        health=health,
    )
    return Agent(config, lambda: config)


def once(log: Path, server: Endpoint) -> None:
    """An agent for one pass, as `--once` is."""
    agent = make(log, server)
    try:
        agent.once()
    finally:
        agent.close()


def numbers(server: Endpoint) -> list[int]:
    """Whose deliveries were reported, in order."""
    known = {str(uuid_of(number)): number for number in range(5000)}
    return [known[uuid] for uuid, _ in server.told]


def test_an_event_says_all_that_the_log_does(server: Endpoint, log: Path) -> None:
    """In the words of the endpoint (spec 11.1, 11.2)."""
    append(log, Mail(1, stamp="2026-11-26T05:00:00+00:00").whole(Mail(1).bounced()))
    append(log, Mail(2).whole(Mail(2, stamp="2026-11-26T05:00:01Z").expired()))
    once(log, server)
    first, second = server.events
    assert first == {
        "message_id": str(uuid_of(1)),
        "event_type": "bounced",
        "recipient": "bob@example.org",
        "smtp_code": 550,
        "enhanced_code": "5.1.1",
        "smtp_description": SAID,
        "timestamp": first["timestamp"],
        "queue_id": Mail(1).id,
        "relay": "mx.example.org[192.0.2.1]:25",
        "hostname": "mx",
    }
    assert second["event_type"] == "soft_bounced"
    assert (second["classification"], second["reason"]) == ("soft", "expired")
    assert second["timestamp"] == 1795669201 * 10**9


def test_a_restart_neither_skips_nor_repeats(server: Endpoint, log: Path) -> None:
    """The queue ids of mail that is under way are known to the next one."""
    one, two = Mail(1), Mail(2, sender="x@example.net")
    append(log, one.header(), one.queued(), two.header(), two.message_id())
    once(log, server)
    append(log, one.deferred(), two.tried())
    once(log, server)
    append(log, one.tried(), one.removed(), two.removed())
    once(log, server)
    once(log, server)
    assert numbers(server) == [1, 2, 1]


def test_a_crash_forgets_no_queue_id(server: Endpoint, log: Path) -> None:
    """They are read again in silence, from where they were last written down."""
    two = Mail(2, sender="x@example.net")  # known by its header only
    append(log, Mail(1).whole())
    once(log, server)
    agent = make(log, server)
    append(log, two.header(), two.message_id(), Mail(3).whole())
    now_s = time.time()
    agent.reader._kept_s = now_s  # it is not time to write them down again
    while agent.reader.run_once(now_s) == 0:
        agent.courier.run_once(now_s, at_once=True)
    agent.courier.run_once(now_s, at_once=True)
    agent.close()  # without a word, as a crash ends it
    append(log, two.tried())
    once(log, server)
    assert numbers(server) == [1, 3, 2]


def test_a_crash_before_the_answer_repeats_the_batch(
    server: Endpoint, log: Path
) -> None:
    """What the server may not have is sent again; it takes what it knows."""
    append(log, Mail(1).whole())
    agent = make(log, server)
    agent.reader.run_once(time.time())
    agent.courier._keep = print  # nothing that lasts
    agent.courier.run_once(time.time(), at_once=True)
    agent.close()
    once(log, server)
    assert numbers(server) == [1, 1]


@pytest.mark.parametrize("rotate", ["rename", "copytruncate"])
def test_rotation_in_the_middle_loses_nothing(
    server: Endpoint, log: Path, rotate: str
) -> None:
    """A mail begins in one file and ends in the next."""
    mail = Mail(1)
    append(log, mail.header(), mail.message_id(), mail.queued())
    once(log, server)
    append(log, Mail(2).whole(), mail.deferred())
    old = log.with_name("mail.log.1")
    if rotate == "rename":
        log.rename(old)
    else:
        shutil.copy2(log, old)
        os.truncate(log, 0)
    append(log, mail.bounced(), mail.removed(), Mail(3).whole())
    moment_s = old.stat().st_mtime + 1
    os.utime(log, (moment_s, moment_s))
    once(log, server)
    assert numbers(server) == [2, 1, 1, 3]


def test_a_dead_endpoint_costs_bounded_memory(server: Endpoint, log: Path) -> None:
    """The log is the spool: what does not fit is read later, and nothing is lost."""
    mails = [Mail(number) for number in range(4000)]
    append(log, *(mail.header() + mail.tried() + mail.removed() for mail in mails))
    agent = make(log, server)
    server.status = 503
    now_s = time.time()
    for _ in range(50):
        agent.reader.run_once(now_s)
        agent.courier.run_once(now_s)
        now_s += 1
    waiting = len(agent.outbox)
    assert FULL <= waiting < FULL + 1000
    assert agent.health()[0] == 200
    agent.stats.failing_since_s -= 300
    status, told = agent.health()
    assert (status, told["queued"]) == (503, waiting)
    server.status = 200
    agent.close()
    once(log, server)
    assert numbers(server) == list(range(4000))


def test_what_cannot_be_reported_is_said(server: Endpoint, log: Path) -> None:
    """One pass ends with the reason, and the next one finds all again."""
    with pytest.raises(Unfinished, match="cannot be read"):
        once(log, server)
    append(log, Mail(1).whole())
    server.status = 500
    with pytest.raises(Unfinished, match="500"):
        once(log, server)
    server.status = 401
    with pytest.raises(Unfinished, match="key"):
        once(log, server)
    server.status = 200
    once(log, server)
    assert numbers(server) == [1]


def ask(address: str, path: str) -> tuple[int, str]:
    """What the health door says."""
    connection = http.client.HTTPConnection(address, timeout=5)
    connection.request("GET", path)
    with contextlib.closing(connection):
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


def test_it_runs_until_it_is_told(server: Endpoint, log: Path) -> None:
    """With its three threads, its door, and an end."""
    append(log, Mail(1).whole())
    agent = make(log, server, health="127.0.0.1:0")
    stop, where = threading.Event(), list[str]()
    thread = threading.Thread(target=agent.run, args=(stop, where.append))
    agent.outbox.hurry = True
    thread.start()
    wait_until(lambda: len(server.events) == 1, 8, "the event")
    wait_until(lambda: agent.stats.events_sent == 1, 5, "the answer")
    status, text = ask(where[0], "/health")
    told = json.loads(text)
    assert (status, told["status"], told["queued"]) == (200, "ok", 0)
    assert told["log_path"] == str(log)
    status, text = ask(where[0], "/metrics?x")
    assert "postroom_agent_events_sent_total 1\n" in text
    assert "postroom_agent_log_lag_seconds 0.0\n" in text
    assert ask(where[0], "/")[0] == 404
    stop.set()
    thread.join(10)
    assert not thread.is_alive()
    agent.close()


def test_what_fails_in_a_thread_ends_the_agent(server: Endpoint, log: Path) -> None:
    """Systemd starts it anew; a half that lives would be worse."""
    append(log, Mail(1).whole())
    agent = make(log, server)

    def fail(_: float) -> float:
        raise ZeroDivisionError

    agent.courier.run_once = fail  # type: ignore[method-assign,assignment]
    with pytest.raises(ZeroDivisionError):
        agent.run(threading.Event(), print)
    agent.close()


@given(st.lists(st.sampled_from(["line", "pass", "rename", "lost key"]), max_size=8))
def test_every_end_is_reported_once(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str]
) -> None:
    """Whenever it is restarted, the log rotated, or the endpoint refuses."""
    folder = tmp_path_factory.mktemp("agent") / "log"
    folder.mkdir()
    log = folder / "mail.log"
    append(log, NOISE)  # mtimes below are none of the time at which places are kept
    walks = [Mail(number, sender="x@example.net") for number in range(6)]
    lines = [
        line
        for mail in walks
        for line in (mail.header(), mail.message_id(), mail.deferred(), mail.bounced())
    ]
    lines = lines[::2] + lines[1::2]
    with endpoint() as server:
        for moment, step in enumerate(["pass", *steps, *["line"] * len(lines), "pass"]):
            if step == "line" and lines:
                append(log, lines.pop(0))
                os.utime(log, (10**9 + moment,) * 2)
            elif step == "rename":
                log.rename(log.with_name(f"mail.log.{moment}"))
                append(log, NOISE)
                os.utime(log, (10**9 + moment,) * 2)
                once(log, server)
            elif step == "pass":
                once(log, server)
            elif step == "lost key":
                server.status = 401
                with pytest.raises(Unfinished):
                    once(log, server)
                server.status = 200
        kinds = Counter(server.told)
    assert set(kinds.values()) == {1}
    assert sum(kind == "bounced" for _, kind in kinds) == 6


def test_its_place_is_where_it_stopped(server: Endpoint, log: Path) -> None:
    """At the end of what was there, to the byte."""
    append(log, Mail(1).whole())
    once(log, server)
    place = make_place(log, server)
    assert place.offset == log.stat().st_size


def make_place(log: Path, server: Endpoint) -> FilePlace:
    """Where the next agent would go on."""
    agent = make(log, server)
    place = agent._source.place
    agent.close()
    assert isinstance(place, FilePlace)
    return place
