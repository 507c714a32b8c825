"""What the tests do to a Postroom from outside: set it up, post, watch, follow.

The wire here is SendPost's; the paths and field names are those of its
documentation, so that what passes here passes for its users.
"""

import json
import re
import subprocess
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import httpx
import trio
from trio_websocket import ConnectionClosed, open_websocket_url

from tests.fakes.dns_server import NsdServer
from tests.fakes.postfix import Delivered, PostfixServer
from tests.fakes.postroom import Postroom
from tests.fakes.programs import program, wait_until

DOMAIN = "shop.example"
POOL = "custom-smtp-pool"
SEND = "/api/v1/subaccount/email/"
PUBLIC_HOST = "mail.appliance.example"

PROCESSED, SENT, DROPPED, IN_DOUBT = 58, 59, 62, 69
# What may have been sent when the process was killed is sent again soon.
DOUBT = {"relay.in_doubt_after": "1s"}
# An upstream that was away is tried again soon.
SOON = {"relay.breaker_pause": "1s", "relay.breaker_max_pause": "2s"}
OPENED, CLICKED, UNSUBSCRIBED = 65, 66, 68


# ------------------------------------------------------------------- set up


def add_upstream(postroom: Postroom, name: str, port: int) -> None:
    """A provider without TLS on a loopback port, untested."""
    where = ("--host", "127.0.0.1", "--port", str(port), "--security", "none")
    postroom.run("provider", "add", name, *where, "--no-test")


def furnish(postroom: Postroom, upstream: PostfixServer) -> None:
    """The pool of the documentation with one provider, and a trusted domain."""
    add_upstream(postroom, "postfix", upstream.port)
    postroom.run("pool", "add", POOL, "postfix=100")
    postroom.run("domain", "add", DOMAIN)
    postroom.run("domain", "trust", DOMAIN)


def publish(postroom: Postroom, nsd: NsdServer) -> None:
    """The domain's records in a real DNS server, as `domain add` prints them."""
    printed = postroom.run("domain", "add", DOMAIN).out
    zone = [line for line in printed.splitlines() if " IN " in line]
    nsd.serve({DOMAIN: "\n".join(zone)})


def dns_settings(nsd: NsdServer) -> dict[str, str]:
    """The settings by which a Postroom asks that server."""
    return {"dns.nameservers": nsd.address, "domain.public_host": PUBLIC_HOST}


# --------------------------------------------------------------------- post


def mail(
    to: str | Sequence[Mapping[str, object]], **fields: object
) -> dict[str, object]:
    """A request body for one recipient, or for several given in full."""
    recipients = [{"email": to, "name": "Customer"}] if isinstance(to, str) else to
    return {
        "from": {"email": f"orders@{DOMAIN}", "name": "Shop"},
        "to": recipients,
        "subject": "Your order 4711",
        "textBody": "It has shipped.",
        "ippool": POOL,
        **fields,
    }


def api(postroom: Postroom, key: str | None = None) -> httpx.Client:
    """A client of the HTTP door, with the key of the first sub-account."""
    return httpx.Client(
        base_url=postroom.http,
        headers={"X-SubAccount-ApiKey": key or postroom.keys["subAccount"]["key"]},
        timeout=30,
        trust_env=False,
    )


def post(client: httpx.Client, body: Mapping[str, object]) -> list[Any]:
    """The elements of the answer to an accepted request."""
    answer = client.post(SEND, json=body)
    assert answer.status_code == 200, answer.text
    elements: list[Any] = answer.json()
    return elements


def accepted(client: httpx.Client, body: Mapping[str, object]) -> list[str]:
    """The message ids of a request whose every recipient was accepted."""
    elements = post(client, body)
    assert [one["errorCode"] for one in elements] == [0] * len(elements), elements
    return [one["messageId"] for one in elements]


def curl_send(postroom: Postroom, body: Mapping[str, object], folder: Path) -> Any:
    """The answer to the documentation's curl, byte for byte but for host and key."""
    curl = program("curl")
    assert curl is not None
    file = folder / "body.json"
    file.write_text(json.dumps(body), encoding="utf-8")
    key = postroom.keys["subAccount"]["key"]
    done = subprocess.run(
        [
            *(curl, "-sS", "--fail-with-body", "--noproxy", "*"),
            *("-X", "POST", f"{postroom.http}{SEND}"),
            *("-H", "Content-Type: application/json"),
            *("-H", f"X-SubAccount-ApiKey: {key}"),
            *("--data-binary", f"@{file}"),
        ],
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, (done.stdout, done.stderr)
    return json.loads(done.stdout)


# ------------------------------------------------------------------- events


def events(postroom: Postroom, after: int = 0, **query: object) -> list[Any]:
    """All events behind a number, page by page, as the API tells them."""
    found: list[Any] = []
    headers = {"Authorization": f"Bearer {postroom.keys['subAccount']['key']}"}
    with api(postroom) as client:
        while True:
            params = {"after": str(after), "limit": "500"}
            params |= {name: str(value) for name, value in query.items()}
            answer = client.get("/postroom/v1/events", params=params, headers=headers)
            assert answer.status_code == 200, answer.text
            page = answer.json()
            found += page["events"]
            after = page["next"]
            if after >= page["last"]:
                return found


def story_of(postroom: Postroom, uuid: str) -> Any:
    """The story of one copy, as the API tells it."""
    key = postroom.keys["subAccount"]["key"]
    answer = httpx.get(
        f"{postroom.http}/postroom/v1/messages/{uuid}/explain",
        headers={"Authorization": f"Bearer {key}"},
        trust_env=False,
    )
    assert answer.status_code == 200, answer.text
    found = answer.json()["deliveries"]
    (delivery,) = (one for one in found if one["id"] == uuid)
    return delivery


def codes(facts: Iterable[Any], delivery: str) -> list[int]:
    """The event codes of one delivery, in order."""
    return [one["type"] for one in facts if one["delivery"] == delivery]


def assert_told_well(facts: Iterable[Any], copies: Mapping[str, int]) -> None:
    """Each delivery was processed and sent once; twice came what was in doubt only."""
    for delivery, number in copies.items():
        told = codes(facts, delivery)
        doubts = told.count(IN_DOUBT)
        assert [one for one in told if one != IN_DOUBT] == [PROCESSED, SENT]
        assert number == 1 or doubts, delivery


def wait_for_event(
    postroom: Postroom, code: int, delivery: str, seconds: float = 10
) -> Any:
    """The first event of that code for that delivery, once it is there."""
    found: list[Any] = []

    def there() -> bool:
        found[:] = [
            one
            for one in events(postroom, message=delivery)
            if one["type"] == code and one["delivery"] == delivery
        ]
        return bool(found)

    wait_until(there, seconds, f"event {code} of {delivery}")
    return found[0]


class Watcher:
    """A websocket client in a thread of its own that keeps all it is told."""

    def __init__(self, postroom: Postroom, after: int = 0) -> None:
        self._url = f"{postroom.addresses()['live']}?after={after}"
        self._key = postroom.keys["subAccount"]["key"]
        self.seen: list[Any] = []
        self._connected = threading.Event()
        self._token: trio.lowlevel.TrioToken | None = None
        self._scope = trio.CancelScope()
        self._thread = threading.Thread(target=trio.run, args=[self._watch])

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._connected.wait(10), "the websocket did not open"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._token is not None
        self._token.run_sync_soon(self._scope.cancel)
        self._thread.join(10)

    def count(self, code: int) -> int:
        """How many events of this code it was told."""
        return sum(1 for one in list(self.seen) if one.get("type") == code)

    async def _watch(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        headers = [(b"Authorization", f"Bearer {self._key}".encode())]
        with self._scope:
            async with open_websocket_url(self._url, extra_headers=headers) as socket:
                self._connected.set()
                try:
                    while True:
                        self.seen.append(json.loads(await socket.get_message()))
                except ConnectionClosed:
                    return


# ------------------------------------------------------------------- trouble


def all_arrived(postfix: PostfixServer, ids: set[str]) -> Callable[[], bool]:
    """Tells whether each of these deliveries is at the end of its way."""

    def check() -> bool:
        if postfix.count() < len(ids):
            return False
        return ids <= {delivery_of(one) for one in postfix.messages()}

    return check


def idle(postroom: Postroom) -> bool:
    """True if nothing waits and nothing is under way."""
    state: dict[str, Any] = postroom.ask("status")
    return not state["queued"] and not state["inFlight"]


def fill(file: Path) -> None:
    """Make a file that takes all the room of its file system."""
    with file.open("wb", buffering=0) as stream:
        size = 1 << 20
        while size:
            try:
                stream.write(bytes(size))
            except OSError:
                size //= 2


# ---------------------------------------------------------- what was delivered


@dataclass(frozen=True, slots=True)
class Links:
    """The tracking links of one delivered mail, as paths on the HTTP door."""

    pixel: str
    clicks: tuple[str, ...]
    unsubscribe: str


def delivery_of(one: Delivered) -> str:
    """The id that the mail says it has."""
    return str(one.headers["X-Sendpost-Message-UUID"])


def html_of(one: Delivered) -> str:
    """The HTML part, decoded, with the line ends of text files."""
    return _part(one, "text/html")


def text_of(one: Delivered) -> str:
    """The text part, decoded, with the line ends of text files."""
    return _part(one, "text/plain")


def links_of(one: Delivered) -> Links:
    """What can be followed from a delivered mail."""
    html = html_of(one)
    (pixel,) = re.findall(r"https?://[^\"'\s>]+/track/tpsp/open/[\w-]+", html)
    clicks = re.findall(r"https?://[^\"'\s>]+/track/tpsp/click/[\w-]+", html)
    header = re.sub(r"\s", "", str(one.headers["List-Unsubscribe"]))
    match = re.fullmatch(r"<(https?://[^>]+)>", header)
    assert match is not None, header
    return Links(
        urlsplit(pixel).path,
        tuple(urlsplit(url).path for url in clicks),
        urlsplit(match[1]).path,
    )


def _part(one: Delivered, kind: str) -> str:
    message = message_from_bytes(one.wire)
    (part,) = (part for part in message.walk() if part.get_content_type() == kind)
    assert isinstance(part, Message)
    content = part.get_payload(decode=True)
    assert isinstance(content, bytes)
    return content.decode("utf-8").replace("\r\n", "\n")
