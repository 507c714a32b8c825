import http.client
import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from appliance.core.delivery import State
from appliance.failpoint import POINTS, VARIABLE
from tests.crash.load import DOMAIN, SEND
from tests.crash.sink import Sink
from tests.fakes.postroom import Postroom
from tests.fakes.programs import wait_until

pytestmark = [pytest.mark.crash, pytest.mark.timeout(120)]

DIES_SECONDS = 20
SETTLES_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Left:
    """What one mail's walk left behind, after the next start."""

    state: State | None  # None: it was never taken in
    upstream: int


UNKNOWN = Left(None, 0)
SENT = Left(State.SENT, 1)  # by the next start, if it was queued
DOUBTED = Left(State.IN_DOUBT, 0)  # the dot had not left, which nobody knows
TAKEN = Left(State.IN_DOUBT, 1)

EXPECTED = {
    "intake.before_commit": UNKNOWN,
    "intake.after_commit": SENT,
    "claim.after_commit": SENT,
    "prepare.done": SENT,
    "dot.before_mark": SENT,
    "dot.after_mark": DOUBTED,
    "dot.sent": TAKEN,
    "answer.read": TAKEN,
    "settle.before_commit": TAKEN,
    "settle.after_commit": SENT,
    "feed.publish": SENT,
}


def furnished(folder: Path, sink: Sink) -> Postroom:
    """A data folder that sends to the sink, and whose doubts last."""
    postroom = Postroom(folder, {"relay.in_doubt_after": "1h"})
    postroom.init()
    where = ("--host", "127.0.0.1", "--port", str(sink.port), "--security", "none")
    postroom.run("provider", "add", "sink", *where, "--no-test")
    postroom.run("pool", "add", "custom-smtp-pool", "sink=100", "--default")
    postroom.run("domain", "add", DOMAIN)
    postroom.run("domain", "trust", DOMAIN)
    return postroom


def post(postroom: Postroom) -> None:
    """One mail; whether there is an answer depends on where it dies."""
    door = http.client.HTTPConnection(postroom.addresses()["http"], timeout=20)
    body = {
        "from": {"email": f"orders@{DOMAIN}"},
        "to": [{"email": "bob@rcpt.example"}],
        "subject": "Your order",
        "textBody": "It has shipped.",
    }
    key = postroom.keys["subAccount"]["key"]
    headers = {"X-SubAccount-ApiKey": key, "Content-Type": "application/json"}
    with closing(door):
        door.request("POST", SEND, json.dumps(body), headers)
        try:
            door.getresponse().read()
        except (OSError, http.client.HTTPException):
            return


def standing(postroom: Postroom) -> State | None:
    """Where the one mail is, None if there is none."""
    database = next(postroom.data.glob("*.db"))
    with closing(sqlite3.connect(database)) as db:
        row = db.execute("SELECT state FROM delivery").fetchone()
    return None if row is None else State(row[0])


def test_each_point_has_its_expectation() -> None:
    """A new point must say what it leaves behind."""
    assert list(EXPECTED) == list(POINTS)


@pytest.mark.parametrize(("point", "left"), EXPECTED.items())
def test_exactly_what_may_have_been_sent_is_in_doubt(
    tmp_path: Path, point: str, left: Left
) -> None:
    """ATTACKS 26: before the note it is sent at once, behind the settlement never."""
    with Sink() as sink:
        postroom = furnished(tmp_path, sink)
        try:
            postroom.start(environment={VARIABLE: point})
            post(postroom)
            postroom.process.wait(DIES_SECONDS)
            postroom.kill()
            postroom.start()
            wait_until(
                lambda: standing(postroom) == left.state,
                SETTLES_SECONDS,
                f"{left.state} after {point}",
            )
            postroom.stop()
        finally:
            postroom.close()
        assert standing(postroom) == left.state
        assert sink.taken.total() == left.upstream
    assert postroom.troubles() == []
