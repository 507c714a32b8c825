"""``/health`` and ``/metrics`` on loopback: for a look, a monitor, and Prometheus.

One connection at a time, each with a deadline and a bound: this is no web server.
"""

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator

from appliance import __version__
from appliance.agent.correlate import Counts
from appliance.agent.stats import Stats

TIMEOUT_S = 2.0
MAX_REQUEST = 4096
FAILING_S = 300.0
_LOOK_S = 0.1  # at whether to end
_KINDS = {"/health": "application/json", "/metrics": "text/plain; version=0.0.4"}


def health(
    stats: Stats, queued: int, log_path: str, now_s: float
) -> tuple[int, dict[str, object]]:
    """The status and what is told: 503 if the log or the endpoint is out of reach."""
    failing_s = now_s - stats.failing_since_s if stats.failing_since_s else 0.0
    trouble = _trouble(stats, failing_s)
    told: dict[str, object] = {
        "status": "failing" if trouble else "ok",
        "version": __version__,
        "log_path": log_path,
        "last_event_at": _moment(stats.last_event_s),
        "last_post_at": _moment(stats.last_post_s),
        "queued": queued,
    }
    if trouble:
        told["error"] = trouble
    return 503 if trouble else 200, told


def _trouble(stats: Stats, failing_s: float) -> str:
    if stats.unreadable:
        return f"the log cannot be read: {stats.unreadable}"
    if stats.refused_key:
        return "the endpoint refuses the key"
    if failing_s >= FAILING_S:
        return f"posting has failed for {failing_s:.0f} s: {stats.failure}"
    return ""


def metrics(stats: Stats, counts: Counts, queued: int, now_s: float) -> str:
    """The figures in Prometheus' text format."""
    lag_s = 0.0
    if not stats.at_end and stats.read_until_s:
        lag_s = max(0.0, now_s - stats.read_until_s)
    totals: dict[str, float] = {
        "lines_read": stats.lines_read,
        "parse_errors": counts.not_understood,
        "unknown_queue_ids": counts.unknown_queue_ids,
        "other_mail": counts.other_mail,
        "requeues": counts.requeues,
        "found_by_header": counts.by_header,
        "found_by_return_path": counts.by_return_path,
        "found_by_message_id": counts.by_message_id,
        "events_queued": stats.events_queued,
        "events_sent": stats.events_sent,
        "events_rejected": stats.events_rejected,
        "events_failed": stats.events_failed,
        "posts_failed": stats.posts_failed,
        "places_lost": stats.places_lost,
    }
    gauges = {
        "queued": queued,
        "log_lag_seconds": round(lag_s, 3),
        "log_bytes_behind": stats.log_bytes_behind,
        "key_refused": int(stats.refused_key),
    }
    return "".join(
        [
            *(_metric(f"{name}_total", "counter", it) for name, it in totals.items()),
            *(_metric(name, "gauge", value) for name, value in gauges.items()),
            "# TYPE postroom_agent_post_latency_seconds summary\n",
            f"postroom_agent_post_latency_seconds_sum {stats.post_seconds:.3f}\n",
            f"postroom_agent_post_latency_seconds_count {stats.posts}\n",
        ]
    )


def _metric(name: str, kind: str, value: float) -> str:
    full = f"postroom_agent_{name}"
    return f"# TYPE {full} {kind}\n{full} {value}\n"


def _moment(at_s: float) -> str | None:
    if not at_s:
        return None
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at_s))


class HealthDoor:
    """Answers on a socket until it is told to stop."""

    def __init__(
        self,
        bind: str,
        tell_health: Callable[[], tuple[int, dict[str, object]]],
        tell_metrics: Callable[[], str],
    ) -> None:
        """Listen.

        Raises:
            OSError: the address cannot be had.
        """
        host, _, port = bind.rpartition(":")
        host = host.strip("[]")
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.create_server((host, int(port)), family=family)
        self._socket.settimeout(_LOOK_S)
        self._tell_health = tell_health
        self._tell_metrics = tell_metrics

    @property
    def address(self) -> str:
        """Where it listens."""
        host, port = self._socket.getsockname()[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def run(self, stop: threading.Event) -> None:
        """Answer one after the other."""
        with self._socket:
            while not stop.is_set():
                with contextlib.suppress(OSError):
                    self._answer_one()

    def _answer_one(self) -> None:
        connection, _ = self._socket.accept()
        with connection:
            connection.settimeout(TIMEOUT_S)
            request = b"".join(_head(connection))
            connection.sendall(self._answer(request))

    def _answer(self, request: bytes) -> bytes:
        words = request.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
        path = words[1].partition("?")[0] if len(words) == 3 else ""  # noqa: PLR2004
        if words[0] not in ("GET", "HEAD") or path not in _KINDS:
            return _page(404, "text/plain", b"/health and /metrics are here\n")
        if path == "/metrics":
            return _page(200, _KINDS[path], self._tell_metrics().encode())
        status, told = self._tell_health()
        return _page(status, _KINDS[path], json.dumps(told).encode() + b"\n")


def _head(connection: socket.socket) -> Iterator[bytes]:
    """The request up to its empty line, its bound, or its deadline."""
    size, last = 0, b""
    end_s = time.monotonic() + TIMEOUT_S
    while size < MAX_REQUEST and time.monotonic() < end_s:
        data = connection.recv(MAX_REQUEST)
        yield data
        size += len(data)
        last = (last + data)[-4:]
        if not data or last == b"\r\n\r\n":
            return


def _page(status: int, kind: str, body: bytes) -> bytes:
    head = (
        f"HTTP/1.1 {status} {'OK' if status == 200 else 'Not so'}\r\n"  # noqa: PLR2004
        f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
        "Cache-Control: no-store\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body
