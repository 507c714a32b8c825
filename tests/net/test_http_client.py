"""Posts to hosts that strangers named."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from appliance.core.webhook import Request
from appliance.net.http_client import HttpClient
from appliance.net.http_connect import judge_of
from appliance.net.tls import web_context
from tests.fakes.certificates import Authority
from tests.fakes.receiver import Receiver, reset, status

REQUEST = Request((("Content-Type", "application/json"),), b'{"a":1}')


class Names:
    """A resolver that answers each question with the next of its answers."""

    def __init__(self, *answers: list[str]) -> None:
        self._answers: Iterator[list[str]] = iter(answers)
        self.asked = 0

    async def look_up(self, _host: str, _port: int) -> list[str]:
        """The next answer; a good client does not ask for more than there are."""
        self.asked += 1
        return next(self._answers)


def judge(address: str, _port: int) -> str:
    """Of this machine one address is public and all the others are not."""
    return "" if address == "127.0.0.1" else "private"


async def test_the_address_that_was_checked_is_the_one_that_is_dialled(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    """ATTACKS 21 (DNS rebinding): the name is asked for once, a second answer never."""
    authority = Authority(tmp_path)
    receiver = await Receiver().start(nursery, authority.server_context("hook.example"))
    names = Names(["127.0.0.1"], ["127.0.0.2"])
    tls = web_context(ca_file=authority.ca_file)
    client = HttpClient(judge, tls, names.look_up)
    url = receiver.url.replace("localhost", "hook.example")
    response = await client.post(url, REQUEST)
    assert response.status == 200
    assert names.asked == 1
    assert receiver.received[0].headers["host"].startswith("hook.example:")
    await client.aclose()
    client = HttpClient(judge, tls, names.look_up)
    response = await client.post(url, REQUEST)
    assert response.error == "hook.example is not to be talked to: private"
    assert len(receiver.received) == 1
    await client.aclose()


async def test_one_bad_address_among_good_ones_spoils_a_name(
    nursery: trio.Nursery,
) -> None:
    """ATTACKS 21: nobody publishes both for a good reason."""
    receiver = await Receiver().start(nursery)
    names = Names(["127.0.0.1", "127.0.0.3"])
    client = HttpClient(judge, web_context(), names.look_up)
    response = await client.post(receiver.url, REQUEST)
    assert "not to be talked to" in response.error
    assert receiver.connections == 0
    await client.aclose()


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "0177.0.0.1", "127.1"])
async def test_odd_spellings_of_loopback_lead_nowhere(
    host: str, nursery: trio.Nursery
) -> None:
    """ATTACKS 21: decimal, octal and short forms are judged as what they mean."""
    receiver = await Receiver().start(nursery)
    client = HttpClient(judge_of(()), web_context())
    response = await client.post(receiver.url.replace("localhost", host), REQUEST)
    assert response.error
    assert receiver.connections == 0
    await client.aclose()


async def test_the_environment_sends_nothing_elsewhere(
    nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ATTACKS 21: no proxy that somebody named there is asked."""
    proxy = await Receiver().start(nursery)
    receiver = await Receiver().start(nursery)
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy.url)
    client = HttpClient(judge, web_context())
    assert (await client.post(receiver.url, REQUEST)).good
    assert proxy.connections == 0
    await client.aclose()


async def test_a_kept_connection_that_was_closed_is_made_again(
    nursery: trio.Nursery,
) -> None:
    """A receiver may close between two requests; that is no failure."""
    receiver = await Receiver([status(200), reset, status(200)]).start(nursery)
    client = HttpClient(judge, web_context())
    assert (await client.post(receiver.url, REQUEST)).good
    assert (await client.post(receiver.url, REQUEST)).good
    assert [one.connection for one in receiver.received] == [1, 1, 2]
    await client.aclose()


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        *(("120", 120), ("999999999999", 86_400), ("-1", 0), ("soon", 0), ("", 0)),
        *(("Wed, 21 Oct 2015 07:28:00 GMT", 0), ("Fri, 01 Jan 2100 00:00 GMT", 86_400)),
    ],
)
async def test_retry_after_has_a_bound(
    nursery: trio.Nursery, value: str, seconds: int
) -> None:
    """Both forms of RFC 9110 10.2.3, a day at most."""
    receiver = await Receiver([status(503, retry_after=value)]).start(nursery)
    client = HttpClient(judge, web_context())
    assert (await client.post(receiver.url, REQUEST)).retry_after_s == seconds
    await client.aclose()


async def test_nobody_there_is_said_in_words(nursery: trio.Nursery) -> None:
    """What went wrong, without an address in it."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    listener.close()
    client = HttpClient(judge, web_context())
    response = await client.post(f"http://127.0.0.1:{port}/", REQUEST)
    assert response.status == 0
    assert response.error == "Connection refused"
    await client.aclose()
    assert nursery
