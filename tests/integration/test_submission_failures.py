"""What was answered with 250 is delivered, whatever breaks meanwhile."""

import smtplib
import threading
import time
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from tests.fakes.postfix import PostfixServer
from tests.fakes.programs import wait_until
from tests.integration.clients import Door, Login, Smtplib, ids_of, logged_in, said
from tests.integration.conftest import MakePostroom, Tell
from tests.integration.doors import anypost, furnish_for_smtp, submission
from tests.integration.house import (
    DOUBT,
    SOON,
    all_arrived,
    assert_told_well,
    delivery_of,
    events,
    fill,
    idle,
)
from tests.integration.letters import PARTS, SENDER

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

CLIENTS = 8
RECIPIENTS = 5  # of each mail, so that a queue builds up
REFUSALS = 20
TO_DATA = "452 4.3.1 to DATA"
BIG = PARTS + (b"x" * 70 + b"\r\n") * 10_000


class Burst:
    """Clients that send as fast as they can, and the ids they were answered with."""

    def __init__(self, door: Door, login: Login) -> None:
        self.accepted: list[str] = []
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._send, args=(door, login, number))
            for number in range(CLIENTS)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(30)

    def _send(self, door: Door, login: Login, client_number: int) -> None:
        number = 0
        try:
            with logged_in(door, login) as client:
                while not self._over.is_set():
                    number += 1
                    to = [
                        f"u{client_number}.{number}.{n}@rcpt.example"
                        for n in range(RECIPIENTS)
                    ]
                    client.sendmail(SENDER, to, PARTS)
                    self.accepted.extend(ids_of(client.answers[-1]))
        except (smtplib.SMTPException, OSError):
            return  # the server is gone, or about to go


def test_kill_9_in_a_burst_loses_nothing_that_was_accepted(
    make_postroom: MakePostroom, postfix: PostfixServer, tell: Tell
) -> None:
    """Every 250 before `kill -9` is a mail after the restart.

    Only what was in doubt after the kill can arrive twice; `sent` is never doubled
    (ATTACKS 26).
    """
    postroom = make_postroom(DOUBT)
    furnish_for_smtp(postroom, postfix)
    postroom.start()
    with Burst(submission(postroom), anypost(postroom)) as burst:
        wait_until(lambda: len(burst.accepted) >= 300, 30, "300 accepted mails")
        postroom.kill()
    in_flight = postroom.ask("status")["inFlight"]
    before = postfix.count()
    postroom.start()
    ids = set(burst.accepted)
    wait_until(all_arrived(postfix, ids), 60, "every accepted mail")
    wait_until(lambda: idle(postroom), 30, "the end of the queue")

    copies = Counter(delivery_of(one) for one in postfix.messages())
    doubled = sum(number - 1 for number in copies.values())
    tell(
        f"accepted {len(ids)}, arrived {len(copies)}, of these {before} before the"
        f" restart; in flight at the kill {in_flight}, doubled {doubled}"
    )
    assert len(burst.accepted) == len(ids)
    assert doubled <= in_flight
    assert_told_well(events(postroom), copies)


def test_sigterm_answers_the_mails_under_way(
    make_postroom: MakePostroom, postfix: PostfixServer
) -> None:
    """A stop in the middle of a burst ends with 0; all that got a 250 arrives once."""
    postroom = make_postroom()
    furnish_for_smtp(postroom, postfix)
    postroom.start()
    with Burst(submission(postroom), anypost(postroom)) as burst:
        wait_until(lambda: len(burst.accepted) >= 300, 30, "300 accepted mails")
        assert postroom.stop() == 0
    postroom.start()
    ids = set(burst.accepted)
    wait_until(all_arrived(postfix, ids), 60, "every accepted mail")
    wait_until(lambda: idle(postroom), 30, "the end of the queue")
    copies = Counter(delivery_of(one) for one in postfix.messages())
    assert max(copies.values()) == 1
    assert set(copies) == ids


def test_a_full_disk_refuses_before_the_content_and_recovers(
    small_disk: Path, make_postroom: MakePostroom, postfix: PostfixServer, tell: Tell
) -> None:
    """452 4.3.1 to DATA and nothing half-written while it is full; all 250s arrive.

    ATTACKS 26: the process lives, the session too, and mail is taken again when
    there is room.
    """
    room = small_disk / "room"
    settings = {
        **SOON,
        "relay.retry_plan": ",".join(["1s"] * 60),
        "intake.min_free_disk": "2MiB",
    }
    postroom = make_postroom(settings, folder=small_disk)
    furnish_for_smtp(postroom, postfix)
    postroom.start()
    door, login = submission(postroom), anypost(postroom)
    taken: list[str] = []
    answers = Counter[str]()
    with logged_in(door, login) as client:
        for number in range(10):
            assert _try(client, f"before{number}", taken) == "250"
        wait_until(lambda: idle(postroom), 20, "the end of the queue")
        postfix.stop()
        assert _try(client, "waiting", taken) == "250"
        fill(room)
        while answers[TO_DATA] < REFUSALS:
            answers[_try_anew(door, login, taken)] += 1
            assert answers.total() < 1000
        assert _try(client, "full", taken) == TO_DATA
        assert set(answers) <= {"250", TO_DATA, "451 4.3.0 to content"}, answers
        assert postroom.process.poll() is None
        room.unlink()
        wait_until(
            lambda: _try_anew(door, login, taken) == "250", 20, "a 250 with room again"
        )
        assert _try(client, "after", taken) == "250"
    postfix.start()
    ids = set(taken)
    wait_until(all_arrived(postfix, ids), 60, "every accepted mail")
    wait_until(lambda: idle(postroom), 30, "the end of the queue")
    copies = Counter(delivery_of(one) for one in postfix.messages())
    tell(f"answers {dict(answers)}; accepted {len(ids)}, arrived {len(copies)}")
    assert set(copies) == ids
    assert max(copies.values()) == 1


def _try(client: Smtplib, name: str, taken: list[str]) -> str:
    """Send one mail step by step: the answer to its content, or to DATA if it is no.

    The ids of an accepted one go to ``taken``.
    """
    client.docmd("RSET")
    assert client.docmd("MAIL", f"FROM:<{SENDER}>")[0] == 250
    assert client.docmd("RCPT", f"TO:<{name}@rcpt.example>")[0] == 250
    try:
        code, _ = client.data(BIG)
    except smtplib.SMTPDataError as error:  # what smtplib makes of no 354
        return f"{said(error)[:9]} to DATA"
    if code == 250:
        taken += ids_of(client.answers[-1])
        return "250"
    return f"{client.answers[-1][:9]} to content"


def _try_anew(door: Door, login: Login, taken: list[str]) -> str:
    """The same in a session of its own: one that is refused a lot is ended."""
    with logged_in(door, login) as client:
        return _try(client, f"new{time.monotonic_ns()}", taken)
