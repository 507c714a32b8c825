"""What the agent says of itself, and the door at which it does."""

import socket
import threading

import pytest

from appliance.agent.correlate import Counts
from appliance.agent.health import FAILING_S, HealthDoor, health, metrics
from appliance.agent.stats import Stats

NOW_S = 1_000_000.0


@pytest.mark.parametrize(
    ("stats", "status"),
    [
        (Stats(), 200),
        (Stats(unreadable="gone"), 503),
        (Stats(refused_key=True), 503),
        (Stats(failing_since_s=NOW_S - FAILING_S + 1), 200),
        (Stats(failing_since_s=NOW_S - FAILING_S), 503),
    ],
)
def test_it_fails_when_nothing_gets_through(stats: Stats, status: int) -> None:
    """The log cannot be read, or posting has failed for five minutes (spec 11.4)."""
    code, told = health(stats, 3, "/var/log/mail.log", NOW_S)
    assert code == status
    assert told["status"] == ("ok" if status == 200 else "failing")
    assert {"version", "log_path", "last_event_at", "last_post_at", "queued"} <= set(
        told
    )


def test_the_lag_is_that_of_the_log() -> None:
    """None at its end; else from the last line that was read."""
    stats = Stats(read_until_s=NOW_S - 30)
    assert "log_lag_seconds 30.0\n" in metrics(stats, Counts(), 0, NOW_S)
    stats.at_end = True
    assert "log_lag_seconds 0.0\n" in metrics(stats, Counts(), 0, NOW_S)


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET /health HTTP/1.1\r\n\r\n", b"200"),
        (b"GET /metrics HTTP/1.0\r\nHost: x\r\n\r\n", b"200"),
        (b"POST /health HTTP/1.1\r\n\r\n", b"404"),
        (b"GET /../etc/passwd HTTP/1.1\r\n\r\n", b"404"),
        (b"nonsense\r\n\r\n", b"404"),
        (b"\xff" * 5000, b"404"),
    ],
)
def test_the_door_answers_two_questions(request_bytes: bytes, status: bytes) -> None:
    """And is no web server."""
    door = HealthDoor("127.0.0.1:0", lambda: (200, {}), lambda: "")
    host, _, port = door.address.rpartition(":")
    stop = threading.Event()
    thread = threading.Thread(target=door.run, args=(stop,))
    with socket.create_connection((host, int(port)), timeout=5) as client:
        client.sendall(request_bytes)
        thread.start()
        assert client.recv(100).split(b" ")[1] == status
    stop.set()
    thread.join()
