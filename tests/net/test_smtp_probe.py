import pytest
import trio
import trio.testing

from appliance.core.provider import Security
from appliance.net.smtp_probe import probe
from appliance.net.upstream import Upstream
from appliance.smtp.outcome import FailureClass, ProbeStep, Stage
from tests.fakes.certificates import Authority
from tests.fakes.upstream import Close, Doing, FakeUpstream, Hold, Say, Script

CONTENT = b"Subject: test\r\nX-Test: 1\r\n\r\nA test.\r\n"
ALL = [
    *(Stage.CONNECT, Stage.EHLO, Stage.TLS, Stage.AUTH),
    *(Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.DOT, Stage.QUIT),
]


async def probed(
    fake: FakeUpstream, nursery: trio.Nursery, security: Security = Security.NONE
) -> tuple[ProbeStep, ...]:
    """What a probe of the fake tells."""
    port = await fake.start(nursery)
    upstream = Upstream(
        "127.0.0.1",
        port,
        security,
        username="user" if fake.login else None,
        password="hunter2",
        verify_certificate=False,
        allow_plaintext_auth=True,
    )
    return await probe(upstream, "a@s.test", "b@r.test", CONTENT)


async def test_whole_dialogue_is_told_step_by_step(
    nursery: trio.Nursery, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Each step has its code and words, and the message is really sent."""
    authority = Authority(tmp_path_factory.mktemp("authority"))
    fake = FakeUpstream(
        context=authority.server_context("x.test"), login=("user", "hunter2")
    )
    steps = await probed(fake, nursery, Security.STARTTLS)
    assert [step.stage for step in steps] == ALL
    assert [step.code for step in steps] == [
        220,
        250,
        220,
        235,
        250,
        250,
        354,
        250,
        221,
    ]
    assert not any(step.failure for step in steps)
    assert steps[7].message == "2.0.0 queued as 1"
    assert all(step.milliseconds >= 0 for step in steps)
    assert [m.content for m in fake.received] == [CONTENT]
    assert fake.received[0].encrypted
    assert "hunter2" not in repr(steps)


@pytest.mark.parametrize(
    ("verb", "doing", "stage", "failure"),
    [
        ("BANNER", Say("554 no"), Stage.CONNECT, FailureClass.CONNECTION_REFUSED),
        ("BANNER", Close(), Stage.CONNECT, FailureClass.CONNECTION_REFUSED),
        ("AUTH", Say("535 no"), Stage.AUTH, FailureClass.AUTH_REJECTED),
        ("MAIL", Say("550 no"), Stage.MAIL, FailureClass.MAIL_FAILED),
        ("RCPT", Say("550 no"), Stage.RCPT, FailureClass.RCPT_FAILED),
        ("DATA", Say("451 no"), Stage.DATA, FailureClass.DATA_FAILED),
        ("DOT", Say("554 no"), Stage.DOT, FailureClass.DATA_FAILED),
        ("DOT", Close(), Stage.DOT, FailureClass.DATA_FAILED),
    ],
)
async def test_first_failing_step_is_the_last(
    nursery: trio.Nursery,
    verb: str,
    doing: Doing,
    stage: Stage,
    failure: FailureClass,
) -> None:
    """Each way to fail has its class, and what went well before is told."""
    fake = FakeUpstream(Script({verb: doing}), login=("user", "hunter2"))
    steps = await probed(fake, nursery)
    assert (steps[-1].stage, steps[-1].failure) == (stage, failure)
    assert not any(step.failure for step in steps[:-1])


async def test_missing_starttls_is_a_failure_of_tls(nursery: trio.Nursery) -> None:
    """What is demanded and not offered is told as such."""
    steps = await probed(FakeUpstream(), nursery, Security.STARTTLS)
    assert steps[-1].failure is FailureClass.TLS_FAILED
    assert steps[-1].message == "upstream does not offer STARTTLS"


async def test_message_that_does_not_fit_is_not_sent(nursery: trio.Nursery) -> None:
    """What our own checks refuse fails at MAIL with the reason."""
    fake = FakeUpstream(Script(keywords=("SIZE 5",)))
    steps = await probed(fake, nursery)
    assert steps[-1].failure is FailureClass.MAIL_FAILED
    assert "SIZE" in steps[-1].message
    assert "MAIL" not in fake.verbs[0]


async def test_quit_never_fails(nursery: trio.Nursery) -> None:
    """The server has the message; how it says goodbye is its own affair."""
    steps = await probed(FakeUpstream(Script({"QUIT": Close()})), nursery)
    assert steps[-1].stage is Stage.DOT
    assert not any(step.failure for step in steps)


async def test_one_step_takes_ten_seconds_at_most(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """A silent step is a timeout after 10 s."""
    del autojump_clock
    fake = FakeUpstream(Script({"MAIL": Hold(trio.Event())}))
    steps = await probed(fake, nursery)
    assert (steps[-1].stage, steps[-1].failure) == (Stage.MAIL, FailureClass.TIMEOUT)
    assert steps[-1].milliseconds == pytest.approx(10_000, abs=5)


async def test_whole_probe_takes_thirty_seconds_at_most(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """Four slow steps within their 10 s are a timeout of the whole."""
    del autojump_clock
    events = {verb: trio.Event() for verb in ("BANNER", "EHLO", "MAIL", "RCPT")}
    normal = {
        "BANNER": Say("220 hi"),
        "EHLO": Say("250 hi"),
        "MAIL": Say("250 ok"),
        "RCPT": Say("250 ok"),
    }

    async def tick() -> None:
        for event in events.values():
            await trio.sleep(9)
            event.set()

    nursery.start_soon(tick)
    steps = {verb: (Hold(event), normal[verb]) for verb, event in events.items()}
    began = trio.current_time()
    told = await probed(FakeUpstream(Script(steps)), nursery)
    assert trio.current_time() - began == pytest.approx(30, abs=0.1)
    assert (told[-1].stage, told[-1].failure) == (Stage.RCPT, FailureClass.TIMEOUT)
