"""What was answered with 200 is delivered, whatever breaks meanwhile."""

import json
import threading
import time
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx
import pytest

from tests.fakes.postfix import PostfixServer
from tests.fakes.postroom import Postroom
from tests.fakes.programs import wait_until
from tests.integration.conftest import MakePostroom, Tell
from tests.integration.house import (
    DOUBT,
    PROCESSED,
    SEND,
    SENT,
    SOON,
    accepted,
    all_arrived,
    api,
    assert_told_well,
    codes,
    delivery_of,
    events,
    fill,
    furnish,
    idle,
    mail,
)

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

CLIENTS = 8
RECIPIENTS = 5  # of each request, so that a queue builds up


class Burst:
    """Clients that post as fast as they can, and what they were answered."""

    def __init__(self, postroom: Postroom) -> None:
        self.accepted: list[str] = []
        self._over = threading.Event()
        work = [
            (postroom.http, postroom.keys["subAccount"]["key"], n)
            for n in range(CLIENTS)
        ]
        self._threads = [threading.Thread(target=self._post, args=one) for one in work]

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
        self._end()

    def _end(self) -> None:
        """No more posts; every answer is known."""
        self._over.set()
        for thread in self._threads:
            thread.join(30)

    def _post(self, url: str, key: str, client_number: int) -> None:
        headers = {"X-SubAccount-ApiKey": key}
        number = 0
        with httpx.Client(base_url=url, headers=headers, trust_env=False) as client:
            while not self._over.is_set():
                number += 1
                to = [
                    {"email": f"u{client_number}.{number}.{n}@rcpt.example"}
                    for n in range(RECIPIENTS)
                ]
                try:
                    answer = client.post(SEND, json=mail(to))
                except httpx.HTTPError:
                    return
                if answer.status_code == 200:
                    self.accepted.extend(one["messageId"] for one in answer.json())


def test_kill_9_in_a_burst_loses_nothing_that_was_accepted(
    make_postroom: MakePostroom, postfix: PostfixServer, tell: Tell
) -> None:
    """Every 200 before `kill -9` is a mail after the restart.

    Only what was in doubt after the kill can arrive twice; `sent` is never doubled
    (ATTACKS 26).
    """
    postroom = make_postroom(DOUBT)
    furnish(postroom, postfix)
    postroom.start()
    with Burst(postroom) as burst:
        wait_until(lambda: len(burst.accepted) >= 500, 30, "500 accepted mails")
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


def test_mail_waits_for_an_upstream_that_is_away(
    make_postroom: MakePostroom, postfix: PostfixServer
) -> None:
    """Posted while Postfix is stopped, delivered once each when it is back."""
    postroom = make_postroom()
    furnish(postroom, postfix)
    postfix.stop()
    postroom.start(SOON)
    with api(postroom) as client:
        ids = {
            uuid
            for number in range(30)
            for uuid in accepted(client, mail(f"user{number}@rcpt.example"))
        }
    wait_until(lambda: postroom.ask("status")["queued"] == 30, 10, "30 waiting mails")
    postfix.start()
    arrived = postfix.wait_for(30)
    assert sorted(delivery_of(one) for one in arrived) == sorted(ids)
    wait_until(lambda: idle(postroom), 10, "the end of the queue")
    facts = events(postroom)
    assert all(codes(facts, uuid) == [PROCESSED, SENT] for uuid in ids)


def test_sigterm_finishes_what_is_under_way(
    make_postroom: MakePostroom, postfix: PostfixServer
) -> None:
    """A stop in the middle of a burst ends with 0; a restart doubles nothing."""
    postroom = make_postroom()
    furnish(postroom, postfix)
    postroom.start()
    with Burst(postroom) as burst:
        wait_until(lambda: len(burst.accepted) >= 500, 30, "500 accepted mails")
        assert postroom.stop() == 0
    assert not postroom.addresses_file.exists()
    postroom.start()
    ids = set(burst.accepted)
    wait_until(all_arrived(postfix, ids), 60, "every accepted mail")
    wait_until(lambda: idle(postroom), 30, "the end of the queue")
    copies = Counter(delivery_of(one) for one in postfix.messages())
    assert max(copies.values()) == 1
    assert set(copies) >= ids


def test_a_full_disk_refuses_and_recovers(
    small_disk: Path, make_postroom: MakePostroom, postfix: PostfixServer, tell: Tell
) -> None:
    """503 and nothing half-written while the disk is full; all 200s arrive.

    ATTACKS 26: the process lives, and takes mail again when there is room.
    """
    room = small_disk / "room"
    # To the last byte: the database itself has to say no.
    settings = {
        **SOON,
        **DOUBT,
        "relay.retry_plan": "1s,2s,5s,10s,10s,10s,10s",
        "intake.min_free_disk": "0",
    }
    postroom = make_postroom(settings, folder=small_disk)
    furnish(postroom, postfix)
    postroom.start()
    taken: list[str] = []
    with api(postroom) as client:
        for number in range(10):
            taken += accepted(client, mail(f"before{number}@rcpt.example"))
        postfix.stop()
        taken += accepted(client, mail("waiting@rcpt.example"))
        fill(room)
        statuses = Counter[int]()
        for number in range(200):
            body = mail(f"full{number}@rcpt.example", textBody="x" * 20_000)
            answer = client.post(SEND, json=body)
            statuses[answer.status_code] += 1
            if answer.status_code == 200:
                taken += [one["messageId"] for one in answer.json()]
            elif answer.status_code == 503:
                assert "error" in json.loads(answer.content)
        assert set(statuses) <= {200, 503}, statuses
        assert statuses[503] > 0
        assert client.get("/healthz").status_code == 200
        assert postroom.process.poll() is None
        room.unlink()
        wait_until(lambda: _accepts(client, taken), 20, "a 200 with room again")
    postfix.start()
    ids = set(taken)
    wait_until(all_arrived(postfix, ids), 60, "every accepted mail")
    wait_until(lambda: idle(postroom), 30, "the end of the queue")
    copies = Counter(delivery_of(one) for one in postfix.messages())
    tell(f"answers {dict(statuses)}; accepted {len(ids)}, arrived {len(copies)}")
    assert set(copies) == ids


def _accepts(client: httpx.Client, taken: list[str]) -> bool:
    answer = client.post(SEND, json=mail(f"after{time.monotonic_ns()}@rcpt.example"))
    if answer.status_code != 200:
        return False
    taken += [one["messageId"] for one in answer.json()]
    return True
