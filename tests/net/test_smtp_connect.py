import socket
from pathlib import Path

import pytest
import trio
import trio.testing

from appliance.core.provider import AuthMethod, Security
from appliance.net.smtp_client import SmtpConnection
from appliance.net.smtp_connect import Failure, connect, introduce
from appliance.net.upstream import Upstream
from appliance.smtp.grammar import wire_content
from appliance.smtp.outcome import Broken, Fault, Rejected, Stage
from appliance.smtp.reply import EnhancedCode, Reply
from tests.fakes.certificates import Authority
from tests.fakes.upstream import Close, Doing, Endless, FakeUpstream, Hold, Say, Script

LOGIN = ("user", "hunter2")


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority for this run."""
    return Authority(tmp_path_factory.mktemp("authority"))


def secure(
    authority: Authority,
    port: int = 25,
    security: Security = Security.STARTTLS,
    **more: str | AuthMethod | bool,
) -> Upstream:
    """An upstream with TLS and a login."""
    fields: dict[str, object] = {
        "username": LOGIN[0],
        "password": LOGIN[1],
        "ca_file": authority.ca_file,
        **more,
    }
    return Upstream("127.0.0.1", port, security, **fields)  # type: ignore[arg-type]  # fields of several types


async def outcome(
    fake: FakeUpstream, upstream: Upstream
) -> tuple[SmtpConnection | Failure, bool]:
    """What an introduction through memory comes to, and whether TLS came to be."""
    async with trio.open_nursery() as nursery:
        result = await introduce(fake.connect(nursery), upstream)
        encrypted = False
        if isinstance(result, SmtpConnection):
            encrypted = result.client.encrypted
            await result.quit()
        nursery.cancel_scope.cancel()
    return result, encrypted


async def failure(fake: FakeUpstream, upstream: Upstream) -> Failure:
    """What stood in the way."""
    result, _ = await outcome(fake, upstream)
    assert not isinstance(result, SmtpConnection)
    return result


@pytest.mark.parametrize("security", [Security.STARTTLS, Security.TLS])
@pytest.mark.parametrize("method", list(AuthMethod))
async def test_tls_and_login_over_a_real_socket(
    authority: Authority,
    nursery: trio.Nursery,
    security: Security,
    method: AuthMethod,
) -> None:
    """All that is demanded is there before the connection is given out."""
    fake = FakeUpstream(
        context=authority.server_context("127.0.0.1"),
        implicit=security is Security.TLS,
        login=LOGIN,
    )
    port = await fake.start(nursery)
    connection = await connect(secure(authority, port, security, auth_method=method))
    assert isinstance(connection, SmtpConnection)
    assert connection.client.encrypted
    assert connection.client.capabilities.pipelining
    await connection.quit()
    tls = ["EHLO", "STARTTLS"] if security is Security.STARTTLS else []
    assert fake.verbs == [[*tls, "EHLO", "AUTH", "QUIT"]]
    word = "LOGIN" if method is AuthMethod.LOGIN else "PLAIN"
    assert fake.commands[0][-2].startswith(f"AUTH {word}")


async def test_starttls_that_is_not_offered_is_never_done_without(
    authority: Authority,
) -> None:
    """CVE-2016-0772: nothing but EHLO is said to a server without STARTTLS."""
    fake = FakeUpstream(login=LOGIN)
    result = await failure(fake, secure(authority, allow_plaintext_auth=True))
    assert result == Broken(
        Stage.TLS, Fault.NOT_OFFERED, "upstream does not offer STARTTLS"
    )
    assert fake.verbs == [["EHLO"]]


@pytest.mark.parametrize("reply", ["454 4.7.0 not now", "501 what", "421 bye"])
async def test_refused_starttls_is_never_done_without(
    authority: Authority, reply: str
) -> None:
    """ATTACKS 23, CVE-2016-0772: a refusal ends the connection."""
    fake = FakeUpstream(
        Script({"STARTTLS": Say(reply)}),
        context=authority.server_context("127.0.0.1"),
        login=LOGIN,
    )
    result = await failure(fake, secure(authority, allow_plaintext_auth=True))
    assert isinstance(result, Rejected)
    assert result.stage is Stage.TLS
    assert fake.verbs == [["EHLO", "STARTTLS"]]


async def test_replies_injected_behind_starttls_are_not_heard(
    authority: Authority,
) -> None:
    """ATTACKS 23, CVE-2011-0411: clear text behind the 220 ends the connection."""
    evil = b"220 go\r\n250-evil\r\n250 AUTH PLAIN\r\n"
    fake = FakeUpstream(
        Script({"STARTTLS": Say(evil)}), context=authority.server_context("127.0.0.1")
    )
    result = await failure(fake, secure(authority))
    assert isinstance(result, Broken)
    assert (result.stage, result.fault) == (Stage.TLS, Fault.GARBAGE)


@pytest.mark.parametrize("security", [Security.STARTTLS, Security.TLS])
async def test_certificate_that_does_not_fit_is_refused(
    authority: Authority, security: Security
) -> None:
    """ATTACKS 23: no credential and no mail goes to another name."""
    fake = FakeUpstream(
        context=authority.server_context("other.test"),
        implicit=security is Security.TLS,
        login=LOGIN,
    )
    result = await failure(fake, secure(authority, security=security))
    assert isinstance(result, Broken)
    assert (result.stage, result.fault) == (Stage.TLS, Fault.TLS)
    assert "certificate" in result.detail
    assert "AUTH" not in fake.verbs[0]


async def test_verification_can_be_turned_off(authority: Authority) -> None:
    """An operator who says so gets TLS with any certificate."""
    fake = FakeUpstream(context=authority.server_context("other.test"), login=LOGIN)
    upstream = secure(authority, verify_certificate=False)
    _, encrypted = await outcome(fake, upstream)
    assert encrypted


async def test_missing_ca_file_is_a_failure_and_no_crash(
    authority: Authority, tmp_path: Path
) -> None:
    """A setting that points nowhere stops mail, not the process."""
    fake = FakeUpstream(context=authority.server_context("127.0.0.1"))
    upstream = Upstream("127.0.0.1", 25, ca_file=tmp_path / "missing.pem")
    result = await failure(fake, upstream)
    assert isinstance(result, Broken)
    assert result.fault is Fault.TLS


async def test_each_connection_is_judged_anew(authority: Authority) -> None:
    """ATTACKS 23: a capability downgrade on the second connection is noticed."""
    fake = FakeUpstream(
        Script(),
        Script({"EHLO": Say("250-fake.test\r\n250 PIPELINING")}),
        context=authority.server_context("127.0.0.1"),
        login=LOGIN,
    )
    upstream = secure(authority)
    first, encrypted = await outcome(fake, upstream)
    assert isinstance(first, SmtpConnection)
    assert encrypted
    second = await failure(fake, upstream)
    assert isinstance(second, Broken)
    assert second.fault is Fault.NOT_OFFERED


async def test_login_that_was_offered_in_clear_only_is_not_used(
    authority: Authority,
) -> None:
    """RFC 3207 4.2: what the EHLO under TLS offers is what counts."""
    fake = FakeUpstream(
        Script({"EHLO": [None, Say("250 fake.test")]}),
        context=authority.server_context("127.0.0.1"),
        login=LOGIN,
    )
    result = await failure(fake, secure(authority))
    assert isinstance(result, Broken)
    assert (result.stage, result.fault) == (Stage.AUTH, Fault.NOT_OFFERED)


async def test_credentials_are_not_sent_in_clear(authority: Authority) -> None:
    """Without TLS and without leave the login does not begin."""
    fake = FakeUpstream(login=LOGIN)
    result = await failure(fake, secure(authority, security=Security.NONE))
    assert isinstance(result, Broken)
    assert result.stage is Stage.AUTH
    assert fake.verbs == [["EHLO"]]
    upstream = secure(authority, security=Security.NONE, allow_plaintext_auth=True)
    allowed, _ = await outcome(fake, upstream)
    assert isinstance(allowed, SmtpConnection)


async def test_refused_login_is_told_without_the_secret(authority: Authority) -> None:
    """ATTACKS 27: the operator reads the server's words and no password."""
    fake = FakeUpstream(login=("user", "other"))
    upstream = secure(authority, security=Security.NONE, allow_plaintext_auth=True)
    result = await failure(fake, upstream)
    assert result == Rejected(Stage.AUTH, Reply(535, ("no",), EnhancedCode(5, 7, 8)))
    assert "hunter2" not in repr(result)
    assert fake.verbs == [["EHLO", "AUTH"]]


async def test_login_is_tried_where_plain_is_not_taken(authority: Authority) -> None:
    """Auto is PLAIN, then LOGIN; a wrong password is not tried twice."""
    fake = FakeUpstream(Script({"AUTH": [Say("504 5.5.4 no PLAIN")]}), login=LOGIN)
    upstream = secure(authority, security=Security.NONE, allow_plaintext_auth=True)
    result, _ = await outcome(fake, upstream)
    assert isinstance(result, SmtpConnection)
    assert fake.verbs == [["EHLO", "AUTH", "AUTH", "QUIT"]]


async def test_helo_is_said_to_those_who_do_not_know_ehlo() -> None:
    """RFC 5321 3.2: an old server is served in lock-step."""
    fake = FakeUpstream(Script({"EHLO": Say("502 5.5.1 what")}))
    result, _ = await outcome(fake, Upstream("mx.test", 25, Security.NONE))
    assert isinstance(result, SmtpConnection)
    assert fake.verbs == [["EHLO", "HELO", "QUIT"]]


@pytest.mark.parametrize(
    ("steps", "stage", "fault"),
    [
        ({"BANNER": Close()}, Stage.CONNECT, Fault.CLOSED),
        ({"BANNER": Endless(b"220-hi\r\n")}, Stage.CONNECT, Fault.GARBAGE),
        ({"BANNER": Say("SSH-2.0-x")}, Stage.CONNECT, Fault.GARBAGE),
        ({"EHLO": Close()}, Stage.EHLO, Fault.CLOSED),
        ({"EHLO": Endless(b"250-X\r\n")}, Stage.EHLO, Fault.GARBAGE),
        ({"EHLO": Say("354 go on")}, Stage.EHLO, Fault.GARBAGE),
    ],
)
async def test_no_introduction_is_a_value(
    steps: dict[str, Doing], stage: Stage, fault: Fault
) -> None:
    """ATTACKS 23: whatever a server begins with, the caller gets a value."""
    upstream = Upstream("mx.test", 25, Security.NONE)
    result = await failure(FakeUpstream(Script(steps)), upstream)
    assert isinstance(result, Broken)
    assert (result.stage, result.fault) == (stage, fault)


@pytest.mark.parametrize("reply", ["554 5.7.1 go away", "421 busy", "450 later"])
async def test_banner_that_refuses_is_a_rejection(reply: str) -> None:
    """RFC 5321 3.1: nothing is said to a server that refuses at the door."""
    fake = FakeUpstream(Script({"BANNER": Say(reply)}))
    result = await failure(fake, Upstream("mx.test", 25, Security.NONE))
    assert isinstance(result, Rejected)
    assert result.stage is Stage.CONNECT
    assert fake.verbs == [[]]


@pytest.mark.parametrize(
    ("verb", "stage"), [("BANNER", Stage.CONNECT), ("EHLO", Stage.EHLO)]
)
async def test_silence_ends(
    verb: str, stage: Stage, autojump_clock: trio.testing.MockClock
) -> None:
    """Each step of the introduction has its deadline."""
    del autojump_clock
    fake = FakeUpstream(Script({verb: Hold(trio.Event())}))
    began = trio.current_time()
    result = await failure(fake, Upstream("mx.test", 25, Security.NONE))
    assert trio.current_time() - began == pytest.approx(60)
    assert isinstance(result, Broken)
    assert (result.stage, result.fault) == (stage, Fault.TIMEOUT)


async def test_handshake_that_never_comes_ends(
    authority: Authority, autojump_clock: trio.testing.MockClock
) -> None:
    """ATTACKS 4: a half-open TLS is given up."""
    del autojump_clock
    fake = FakeUpstream(
        Script({"STARTTLS": (Say("220 go"), Hold(trio.Event()))}),
        context=authority.server_context("127.0.0.1"),
    )
    result = await failure(fake, secure(authority))
    assert isinstance(result, Broken)
    assert (result.stage, result.fault) == (Stage.TLS, Fault.TIMEOUT)


async def test_nobody_there_is_told_in_the_systems_words() -> None:
    """A port without a listener is unreachable, with the reason."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    result = await connect(Upstream("127.0.0.1", port, Security.NONE))
    assert result == Broken(Stage.CONNECT, Fault.UNREACHABLE, "Connection refused")


@pytest.mark.parametrize("host", ["a..test", "a" * 70 + ".test"])
async def test_host_that_cannot_be_looked_up_is_a_value(host: str) -> None:
    """No name that passed the settings can raise."""
    result = await connect(Upstream(host, 25, Security.NONE))
    assert isinstance(result, Broken)
    assert result.fault is Fault.UNREACHABLE


async def test_login_that_is_forgotten_refuses_the_mail(authority: Authority) -> None:
    """ATTACKS 23: AUTH accepted and mail refused for want of it is the mail's."""
    fake = FakeUpstream(Script({"MAIL": Say("530 5.7.0 log in first")}), login=LOGIN)
    upstream = secure(authority, security=Security.NONE, allow_plaintext_auth=True)
    async with trio.open_nursery() as nursery:
        connection = await introduce(fake.connect(nursery), upstream)
        assert isinstance(connection, SmtpConnection)
        connection.client.mail("a@s.test", wire_content(b""))
        answer = await connection.ask(Stage.MAIL)
        await connection.abort()
        nursery.cancel_scope.cancel()
    assert isinstance(answer, Reply)
    assert answer.code == 530
    assert answer.is_refusal
