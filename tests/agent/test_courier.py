"""What the agent does with the endpoint's answers."""

import socket
from collections.abc import Iterator

import pytest

from appliance.agent.client import Client
from appliance.agent.courier import HEARTBEAT_S, Courier
from appliance.agent.outbox import Outbox
from appliance.agent.place import Cursor, Place
from appliance.agent.stats import Stats
from tests.fakes.endpoint import KEY, Endpoint, endpoint

NOW_S = 1_000_000.0


class Setting:
    """A courier with one event to carry."""

    def __init__(self, url: str) -> None:
        self.outbox = Outbox()
        self.outbox.add(b'{"message_id":"x"}', Cursor("c"), NOW_S)
        self.stats = Stats()
        self.kept: list[Place] = []
        self.key = KEY
        self.client = Client(url)
        self.courier = Courier(
            self.client, lambda: self.key, self.outbox, self.stats, self.kept.append
        )

    def go(self, now_s: float = NOW_S) -> float:
        """One look at what is to be sent."""
        return self.courier.run_once(now_s, at_once=True)


@pytest.fixture
def server() -> Iterator[Endpoint]:
    """The endpoint."""
    with endpoint() as it:
        yield it


@pytest.fixture
def setting(server: Endpoint) -> Iterator[Setting]:
    """A courier for it."""
    it = Setting(server.url)
    yield it
    it.client.close()


def test_a_batch_is_sent_once(server: Endpoint, setting: Setting) -> None:
    """With the key, and the place is kept behind it."""
    setting.go()
    assert server.events == [{"message_id": "x"}]
    assert server.headers[0]["X-SP-Event-ApiKey"] == KEY
    assert setting.kept == [Cursor("c")]
    assert setting.stats.events_sent == 1
    setting.go(NOW_S + 1)
    assert len(server.posts) == 1


def test_a_large_batch_is_packed(server: Endpoint, setting: Setting) -> None:
    """The log repeats itself."""
    setting.outbox.add(b'{"message_id":"%s"}' % (b"y" * 5000), Cursor("d"), NOW_S)
    setting.go()
    assert len(server.events) == 2
    assert server.headers[0]["Content-Encoding"] == "gzip"


def test_what_is_rejected_is_counted_and_done_with(
    server: Endpoint, setting: Setting
) -> None:
    """The server will not believe it the next time either."""
    server.rejected = 1
    setting.go()
    assert (setting.stats.events_rejected, setting.stats.events_sent) == (1, 0)
    assert setting.kept == [Cursor("c")]


def test_silence_is_broken_by_a_sign_of_life(
    server: Endpoint, setting: Setting
) -> None:
    """An empty batch a minute."""
    setting.go()
    for later_s in (1.0, HEARTBEAT_S - 1, HEARTBEAT_S, HEARTBEAT_S + 1):
        setting.go(NOW_S + later_s)
    assert [len(post["events"]) for post in server.posts] == [1, 0]


@pytest.mark.parametrize("status", [500, 503, 429, 408, 302])
def test_what_may_pass_is_tried_again(
    server: Endpoint, setting: Setting, status: int
) -> None:
    """After 1 s, 2 s, ... 5 minutes, without end; nothing is lost."""
    server.status, now_s, posts = status, NOW_S, []
    for _ in range(100):
        before = setting.stats.posts
        setting.go(now_s)
        if setting.stats.posts > before:
            posts.append(now_s - NOW_S)
        now_s += 1
    assert posts == [0, 1, 3, 7, 15, 31, 63]
    assert setting.kept == []
    server.status = 200
    setting.go(now_s + 300)
    assert len(server.events) == 1
    assert setting.stats.failing_since_s == 0


def test_the_pause_has_a_longest(server: Endpoint, setting: Setting) -> None:
    """A day of failures does not make it an hour."""
    server.status, now_s = 500, NOW_S
    for _ in range(20):
        setting.go(now_s)
        now_s += 300
    assert setting.stats.posts == 20


def test_the_server_may_ask_for_more_patience(
    server: Endpoint, setting: Setting
) -> None:
    """Retry-After, up to five minutes."""
    server.status, server.retry_after = 429, "86400"
    setting.go()
    setting.go(NOW_S + 299)
    assert setting.stats.posts == 1
    setting.go(NOW_S + 300)
    assert setting.stats.posts == 2


def test_a_refused_key_stops_all_until_it_is_read_anew(
    server: Endpoint, setting: Setting
) -> None:
    """401: the same key would be refused again, and guessing is blocked."""
    server.status = 401
    setting.go()
    server.status = 200
    setting.go(NOW_S + 1000)
    assert (setting.stats.refused_key, server.posts) == (True, [])
    setting.key = "fresh"
    setting.courier.reload()
    setting.go(NOW_S + 1001)
    assert server.headers[-1]["X-SP-Event-ApiKey"] == "fresh"
    assert len(server.events) == 1


@pytest.mark.parametrize("status", [400, 404, 413, 422])
def test_what_will_never_be_taken_is_dropped_and_counted(
    server: Endpoint, setting: Setting, status: int
) -> None:
    """It must not stop what comes behind it."""
    server.status = status
    setting.go()
    assert setting.stats.events_failed == 1
    assert setting.kept == [Cursor("c")]


def test_nobody_there_is_tried_again() -> None:
    """The endpoint's machine is down."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    setting = Setting(f"http://127.0.0.1:{port}/x")
    setting.go()
    assert setting.stats.failure
    assert len(setting.outbox) == 1
    with endpoint() as server:
        setting.client = Client(server.url)
        setting.courier._client = setting.client
        setting.go(NOW_S + 1)
        assert len(server.events) == 1
        setting.client.close()


def test_a_clock_that_is_set_back_does_not_stop_it(
    server: Endpoint, setting: Setting
) -> None:
    """ATTACKS 25: time going backwards."""
    server.status = 500
    setting.go()
    server.status = 200
    setting.go(NOW_S - 86_400)
    assert len(server.events) == 1
