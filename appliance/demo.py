"""The main job with nothing else installed, shown as it happens.

A server of its own, the capture provider as upstream, a domain trusted on our
own word, one mail posted over HTTP as anyone would. Then the demo does what a
recipient does: it loads the pixel and follows the link, both out of the mail
that left. Everything is real but the world outside.
"""

import email
import json
import re
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import default as modern
from html import unescape
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import trio
from trio_websocket import WebSocketConnection, open_websocket_url

from appliance import log as logs
from appliance.core.domain import Purpose
from appliance.core.event import EventType
from appliance.dialects.sendpost import paths
from appliance.dialects.sendpost.login import KeyKind
from appliance.flow.new_domain import take_on
from appliance.flow.setup import (
    DataFolder,
    FolderError,
    Initialised,
    initialise,
    open_data,
)
from appliance.serve import Addresses, run_server
from appliance.settings import Settings, load_settings
from appliance.store.domain_checks import trust_domain

DOMAIN = "demo.postroom.test"
TARGET = "https://www.example.com/orders/4711?from=mail"
PATIENCE_SECONDS = 30.0
# The ports of the demo are whatever is free, so that it runs beside a server.
OVERRIDES = (
    "http.bind=127.0.0.1:0",
    "smtp.submission=127.0.0.1:0",
    "smtp.submissions=127.0.0.1:0",
    "log.level=warning",
)


@dataclass(frozen=True, slots=True)
class _Manner:
    """How the demo was asked for."""

    once: bool
    as_json: bool


@dataclass(frozen=True, slots=True)
class _Stage:
    """Where the demo plays, and for whom."""

    made: Initialised
    addresses: Addresses
    manner: _Manner

    def say(self, text: str = "") -> None:
        """For people only."""
        if not self.manner.as_json:
            print(text, flush=True)  # noqa: T201 - the demo is a show


def run(*, once: bool, data: Path | None, as_json: bool) -> int:
    """Plays the demo; 0 if its timeline came to its end.

    Without ``data`` it plays in a folder that is gone afterwards.

    Raises:
        FolderError: the data folder holds an account already, or cannot be made.
    """
    with _folder(data) as folder:
        settings = load_settings(folder.root, OVERRIDES, {})
        logs.configure(settings.log.level, settings.log.format)
        try:
            manner = _Manner(once, as_json)
            complete = trio.run(_play, folder, settings, manner)
        except* KeyboardInterrupt:
            complete = not once  # else it was in the middle of it
        except* BrokenPipeError:  # nobody looks any more
            complete = False
    return 0 if complete else 1


@contextmanager
def _folder(data: Path | None) -> Iterator[DataFolder]:
    if data is not None:
        yield DataFolder(data)
        return
    with tempfile.TemporaryDirectory(prefix="postroom-demo-") as temporary:
        yield DataFolder(Path(temporary) / "data")


async def _play(folder: DataFolder, settings: Settings, manner: _Manner) -> bool:
    # The end of a terminal or a polite kill must not leave the folder behind.
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGHUP) as signals:
        made = await _set_up(folder)
        async with trio.open_nursery() as around:
            around.start_soon(_end_as_by_hand, signals)
            complete = await _perform(folder, settings, made, manner)
            around.cancel_scope.cancel()
    return complete


async def _end_as_by_hand(signals: AsyncIterator[int]) -> None:
    async for _ in signals:
        raise KeyboardInterrupt


async def _perform(
    folder: DataFolder, settings: Settings, made: Initialised, manner: _Manner
) -> bool:
    stop = trio.Event()
    async with trio.open_nursery() as nursery:

        async def server(task_status: trio.TaskStatus[Addresses]) -> None:
            await run_server(folder, settings, stop, task_status)

        addresses: Addresses = await nursery.start(server)
        stage = _Stage(made, addresses, manner)
        complete = await _show(stage)
        if complete and not manner.once:
            stage.say("\nThe server stays up. Ctrl-C ends it.")
            await trio.sleep_forever()
        stop.set()
    return complete


async def _set_up(folder: DataFolder) -> Initialised:
    """A data folder with a domain that is trusted on our own word."""
    made = await initialise(folder, time.time_ns())
    if made is None:
        raise FolderError(
            f"{folder.root} is in use already",
            "The demo wants a folder of its own: leave --data out.",
        )
    async with open_data(folder) as store:
        domain = await take_on(store, made.sub_account.id, DOMAIN, "vm.test", "vm.test")
        assert domain is not None
        purposes = [Purpose.DKIM, Purpose.DKIM_ED25519, Purpose.RETURN_PATH]
        await store.write(trust_domain, domain.id, purposes, time.time_ns())
    return made


async def _show(stage: _Stage) -> bool:
    """The timeline as it happens; true if it came to its end in time."""
    key = stage.made.keys["accountKey"]
    live = stage.addresses.facts()["live"]
    headers = [(b"authorization", f"Bearer {key}".encode())]
    started = trio.current_time()
    with trio.move_on_after(PATIENCE_SECONDS):
        async with open_websocket_url(f"{live}?after=0", extra_headers=headers) as feed:
            message_id = await _post(stage)
            await _await(stage, feed, EventType.PROCESSED, started)
            await _await(stage, feed, EventType.SENT, started)
            raw = await _fetch_raw(stage, message_id)
            pixel, link = _links(raw)
            await _visit(pixel)
            await _await(stage, feed, EventType.OPENED, started)
            await _visit(link)
            await _await(stage, feed, EventType.CLICKED, started)
        _tell_the_rest(stage, message_id, raw)
        return True
    print(f"The timeline did not end in {PATIENCE_SECONDS:.0f} s.", file=sys.stderr)  # noqa: T201
    return False


async def _post(stage: _Stage) -> str:
    """Post one mail as any client would; its message id."""
    url = f"{stage.addresses.http_url}{paths.SEND}/"
    stage.say(f"POST {url}")
    body = {
        "from": {"email": f"shop@{DOMAIN}", "name": "The Demo Shop"},
        "to": [
            {
                "email": "bob@recipient.test",
                "name": "Bob",
                "customFields": {"order": "4711"},
            }
        ],
        "subject": "Your order {{order}} has shipped",
        "htmlBody": "<html><body><p>Hello! Your order {{order}} is on its way.</p>"
        f'<p><a href="{TARGET}">Follow it</a></p></body></html>',
        "textBody": f"Hello! Your order {{{{order}}}} is on its way: {TARGET}",
    }
    headers = {
        KeyKind.SUB_ACCOUNT.value.decode(): stage.made.keys["subAccountKey"],
        "Content-Type": "application/json",
    }
    answer = await _call("POST", url, headers, json.dumps(body).encode())
    return str(json.loads(answer)[0]["messageId"])


async def _await(
    stage: _Stage, feed: WebSocketConnection, kind: EventType, started: float
) -> None:
    """Show events as they come, until one of this kind."""
    while True:
        line = await feed.get_message()
        event = json.loads(line)
        if stage.manner.as_json:
            print(line, flush=True)  # noqa: T201
        seconds = trio.current_time() - started
        more = event["data"].get("url") or event["data"].get("text") or ""
        stage.say(
            f"  {seconds:6.2f} s  {event['type']}  {event['name']:<10}"
            f" {event['to']}  {more}"
        )
        if event["type"] == kind:
            return


async def _fetch_raw(stage: _Stage, message_id: str) -> bytes:
    """The mail as it left."""
    url = f"{stage.addresses.http_url}/postroom/v1/captured/{message_id}"
    key = stage.made.keys["accountKey"]
    return await _call("GET", url, {"Authorization": f"Bearer {key}"})


def _links(raw: bytes) -> tuple[str, str]:
    """The pixel and the tracked link in the HTML of a mail."""
    mail = email.message_from_bytes(raw, EmailMessage, policy=modern)
    part = mail.get_body(("html",))
    assert part is not None
    html = part.get_content()
    pixel, link = re.search('<img src="([^"]+)', html), re.search('href="([^"]+)', html)
    assert pixel
    assert link
    return unescape(pixel[1]), unescape(link[1])


async def _visit(url: str) -> None:
    """What a recipient's mail reader does, without leaving this machine."""
    await _call("GET", url, {"User-Agent": "Postroom demo"})


def _tell_the_rest(stage: _Stage, message_id: str, raw: bytes) -> None:
    stage.say("\nThe mail that left:\n")
    for line in raw.decode("utf-8", "replace").splitlines():
        stage.say(f"  | {line}")
    stage.say(f"\nLook at it: {stage.addresses.http_url}/messages/{message_id}")
    stage.say(f"User {stage.made.user}, password {stage.made.password}")


async def _call(
    method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
) -> bytes:
    """The body of the answer; a redirect is an answer and is not followed."""
    parts = urlsplit(url)

    def call() -> bytes:
        connection = HTTPConnection(parts.netloc, timeout=PATIENCE_SECONDS)
        with closing(connection):
            connection.request(method, parts.path, body, dict(headers))
            return connection.getresponse().read()

    return await trio.to_thread.run_sync(call)
