"""What is noted of a connection, for those who ask why."""

import pytest
import trio

from appliance.core.provider import AuthMethod, Security
from appliance.net.smtp_client import SmtpConnection
from appliance.net.smtp_connect import connect
from appliance.net.upstream import Upstream
from appliance.smtp.outcome import Rejected
from appliance.smtp.trail import LOGIN, Opening, Trail
from appliance.store.attempt_codec import decode_trail, encode_trail
from tests.fakes.certificates import Authority
from tests.fakes.upstream import Close, FakeUpstream, Say, Script

USER, PASSWORD = "user", "hunter2"
TOKENS = ("hunter2", "aHVudGVyMg==", "AHVzZXIAaHVudGVyMg==")


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority for this run."""
    return Authority(tmp_path_factory.mktemp("authority"))


async def opening_of(fake: FakeUpstream, **settings: object) -> tuple[Opening, object]:
    """How a connection over a real socket came to be, or did not."""
    async with trio.open_nursery() as nursery:
        port = await fake.start(nursery)
        opening = Opening(trio.current_time())
        upstream = Upstream("127.0.0.1", port, **settings)  # type: ignore[arg-type]  # fields of several types
        result = await connect(upstream, opening=opening)
        if isinstance(result, SmtpConnection):
            await result.quit()
        nursery.cancel_scope.cancel()
    return opening, result


def words(opening: Opening) -> list[str]:
    """The dialogue as it is told."""
    trail = Trail()
    trail.begin(opening, 0)
    connection = decode_trail(encode_trail(trail)).connection
    assert connection is not None
    return [("C: " if one.ours else "S: ") + one.text for one in connection.dialogue]


@pytest.mark.parametrize("security", [Security.STARTTLS, Security.TLS])
async def test_tls_certificate_peer_and_times_are_noted(
    authority: Authority, security: Security
) -> None:
    """Enough to see what was talked to, and how well it was covered."""
    fake = FakeUpstream(
        context=authority.server_context("127.0.0.1"),
        implicit=security is Security.TLS,
    )
    opening, _ = await opening_of(fake, security=security, ca_file=authority.ca_file)
    assert opening.peer.startswith("127.0.0.1:")
    assert opening.tls == "TLSv1.3"
    assert opening.cipher.startswith("TLS_")
    assert opening.certificate["subject"] == "CN=server"
    assert opening.certificate["names"] == "127.0.0.1"
    assert opening.certificate["issuer"] == "CN=Postroom test authority"
    assert opening.certificate["verified"] == "yes"
    assert len(opening.certificate["sha256"]) == 64
    assert opening.connect_s is not None
    assert opening.tls_s is not None
    assert opening.ready_s is not None
    assert opening.ready_s >= opening.tls_s > 0


async def test_a_certificate_that_nobody_vouches_for_is_noted_so(
    authority: Authority,
) -> None:
    """Taken because the operator said so."""
    fake = FakeUpstream(context=authority.server_context("elsewhere.example"))
    opening, _ = await opening_of(fake, verify_certificate=False)
    assert opening.certificate["verified"] == "no"
    assert opening.certificate["names"] == "elsewhere.example"


@pytest.mark.parametrize("method", list(AuthMethod))
async def test_a_login_is_noted_without_its_secrets(
    authority: Authority, method: AuthMethod
) -> None:
    """ATTACKS 23: not even a server that repeats them makes them be kept."""
    echo = Say("535 5.7.8 no such user, not with " + " or ".join(TOKENS))
    fake = FakeUpstream(
        Script({"AUTH": echo}),
        context=authority.server_context("127.0.0.1"),
        login=(USER, PASSWORD),
    )
    opening, result = await opening_of(
        fake,
        ca_file=authority.ca_file,
        username=USER,
        password=PASSWORD,
        auth_method=method,
    )
    told = words(opening)
    assert told[-2:] == [
        "C: " + LOGIN.decode(),
        "S: 535 5.7.8 no such user, not with [hidden] or [hidden] or [hidden]",
    ]
    assert isinstance(result, Rejected)
    everything = "\n".join([*told, str(result.reply)])
    assert not any(token in everything for token in TOKENS)


async def test_the_dialogue_stands_in_order(authority: Authority) -> None:
    """Greeting, EHLO, STARTTLS, and EHLO again under TLS."""
    fake = FakeUpstream(context=authority.server_context("127.0.0.1"))
    opening, _ = await opening_of(fake, ca_file=authority.ca_file)
    ours = [text for text in words(opening) if text.startswith("C: ")]
    assert ours == ["C: EHLO localhost", "C: STARTTLS", "C: EHLO localhost"]
    assert words(opening)[0] == "S: 220 fake.test ESMTP"


async def test_what_did_not_come_to_be_is_noted_as_far_as_it_came() -> None:
    """The last words are there, the times of what was not done are not."""
    fake = FakeUpstream(Script({"EHLO": Close()}))
    opening, _ = await opening_of(fake, security=Security.NONE)
    assert words(opening) == ["S: 220 fake.test ESMTP", "C: EHLO localhost"]
    assert opening.connect_s is not None
    assert (opening.tls_s, opening.ready_s) == (None, None)
