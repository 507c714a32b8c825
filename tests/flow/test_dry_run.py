import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from appliance.core.breaker import Health
from appliance.core.delivery import Role
from appliance.core.ids import ProviderId
from appliance.core.pool import Pool, by_shares
from appliance.core.refusal import Reason, Refusal
from appliance.core.submission import Content, Recipient, Submission
from appliance.core.suppression import SuppressionReason
from appliance.core.token import TokenMaker
from appliance.dialects.sendpost import paths
from appliance.flow import outlook
from appliance.flow.directory import DirectoryKeeper
from appliance.flow.dry_run import DryRun, Report, Trial
from appliance.flow.dry_run_facts import report_facts
from appliance.flow.intake import Intake
from appliance.flow.prepare import Links
from appliance.flow.relay import NO_RETURN_PATH
from appliance.flow.room import NO_DISK
from appliance.flow.route import Origin
from appliance.flow.workshop import Rehearsed, Workshop
from appliance.net.dns import Found, Trouble
from appliance.store.choosing import load_choices
from appliance.store.claim import claim
from appliance.store.events import last_number
from appliance.store.health import save_health
from appliance.store.pools import add_pool
from appliance.store.providers import NewProvider, add_provider
from appliance.store.suppressions import add_suppression
from appliance.store.transaction import Tx
from tests.fakes.dkim import public_record
from tests.fakes.keys import dkim_key
from tests.fakes.store import (
    CONTENT,
    SENDER,
    Seeded,
    open_temp_store,
    recipient,
    seed,
)

NOW_NS = time.time_ns()  # a verifier compares t= with its own clock
RECORD = "pr1._domainkey.sender.example"
LINKED = replace(CONTENT, html='<a href="https://a.example/x?y=1&amp;z=2">go</a>')


class Zone:
    """A DNS with what a test publishes."""

    def __init__(self) -> None:
        self.found = Found((public_record(dkim_key()),))
        self.asked: list[tuple[str, str]] = []

    async def lookup(self, name: str, kind: str) -> Found:
        """What is published under a name."""
        self.asked.append((name, kind))
        return self.found


class Bench:
    """A dry run over a real store."""

    def __init__(self, seeded: Seeded, intake: Intake, keeper: DirectoryKeeper) -> None:
        self.seeded = seeded
        self.store = intake._store
        self.keeper = keeper
        self.intake = intake
        self.zone = Zone()
        links = Links(TokenMaker(b"t" * 32), paths.TRACKING)
        workshop = Workshop(
            self.store,
            links,
            lambda one: (("X-Trace", str(one.provider)),),
            lambda: NOW_NS,
            threads=2,
        )
        workshop.public_url = "http://postroom.test"
        self.dry_run = DryRun(
            self.store,
            keeper,
            intake,
            workshop,
            lambda: self.zone,
            dns_seconds=5,
            clock=lambda: NOW_NS,
        )

    async def all(self, *submissions: Submission) -> list[Report | Refusal]:
        """What would become of them."""
        return await self.dry_run.run(Origin(self.seeded.sub_account.id), submissions)

    async def one(self, submission: Submission) -> Trial:
        """What would become of the only copy."""
        (report,) = await self.all(submission)
        assert isinstance(report, Report)
        (trial,) = report.trials
        return trial

    async def refusal(self, submission: Submission) -> Refusal:
        """Why it would be refused."""
        (report,) = await self.all(submission)
        assert isinstance(report, Refusal)
        return report


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """A seeded store and a DNS that has its key."""
    async with open_temp_store(tmp_path) as store:
        seeded = await seed(store)
        keeper = await DirectoryKeeper.load(store)
        yield Bench(seeded, Intake(store, keeper, lambda: NOW_NS), keeper)


def to(*addresses: str, content: Content = LINKED, pool: str = "") -> Submission:
    """A submission to the first, the others in copy."""
    first, *others = map(recipient, addresses or ("bob@rcpt.example",))
    return Submission(content, (first,), cc=tuple(others), pool=pool)


def made(trial: Trial) -> Rehearsed:
    """The mail of a trial."""
    assert trial.mail is not None
    return trial.mail


async def test_the_exact_bytes_are_shown(bench: Bench) -> None:
    """Those that leave if the same is sent, but for ids and moments."""
    trial = await bench.one(to())
    mail = made(trial)
    assert mail.content.startswith(b"DKIM-Signature: ")
    assert b"\r\nX-Trace: %d\r\n" % bench.seeded.provider.id in mail.content
    assert b"\r\nSubject: Hello\r\n" in mail.content
    assert b"\r\nTo: bob@rcpt.example\r\n" in mail.content
    assert mail.sender.endswith("@bounce.sender.example")
    assert (trial.recipient, trial.role) == ("bob@rcpt.example", Role.TO)
    assert (trial.provider, trial.due_ns, trial.waits_for) == ("upstream", NOW_NS, "")


async def test_nothing_is_stored(bench: Bench) -> None:
    """No message, no event, and the draw that was made does not count."""
    pool = bench.seeded.pool.id
    before = await bench.store.read(load_choices, [pool])
    await bench.all(to(), to())
    assert await bench.store.read(last_number) == 0
    assert await bench.store.write(claim, NOW_NS, 9, 1 << 30) == []
    assert await bench.store.read(load_choices, [pool]) == before


async def test_links_stand_beside_what_they_become(bench: Bench) -> None:
    """As a browser follows them, in order; none if clicks are not tracked."""
    ((original, rewritten),) = made(await bench.one(to())).links
    assert original == "https://a.example/x?y=1&z=2"
    assert rewritten.startswith("http://track.sender.example/track/tpsp/click/")
    untracked = replace(LINKED, html="<p>no link</p>")
    assert made(await bench.one(to(content=untracked))).links == ()


async def test_the_signature_is_checked_by_the_dns_of_now(bench: Bench) -> None:
    """What was believed when the domain was verified does not matter."""
    (good,) = (await bench.one(to())).signatures
    assert (good.selector, good.record, good.fault) == ("pr1", RECORD, "")
    assert good.valid
    assert bench.zone.asked == [(RECORD, "TXT")]
    for found, fault in (
        (Found(trouble=Trouble.NO_NAME), "the name does not exist"),
        (Found(("v=DKIM1; p=",)), "the published key says that it was revoked"),
        (Found(("v=spf1 -all",)), "what is published is no DKIM key"),
    ):
        bench.zone.found = found
        (bad,) = (await bench.one(to())).signatures
        assert not bad.valid
        assert fault in bad.fault


async def test_a_dns_that_is_silent_does_not_hold_it_up(
    bench: Bench, autojump_clock: object
) -> None:
    """A wait without a deadline is none of ours."""
    import trio

    async def silent(name: str, kind: str) -> Found:
        assert (name, kind) == (RECORD, "TXT")
        await trio.sleep_forever()
        raise AssertionError

    assert autojump_clock is not None
    bench.zone.lookup = silent  # type: ignore[method-assign]
    bench.dry_run._dns_seconds = 0.01
    (signature,) = (await bench.one(to())).signatures
    assert "no resolver answered" in signature.fault


async def test_refusals_are_those_of_a_real_send(bench: Bench) -> None:
    """By the same checks in the same order."""
    assert (await bench.refusal(to(pool="nosuch"))).reason is Reason.UNKNOWN_POOL
    stranger = replace(SENDER, address=replace(SENDER.address, domain="x.example"))
    other = to(content=replace(LINKED, sender=stranger))
    assert (await bench.refusal(other)).reason is Reason.SENDER_NOT_VERIFIED
    bench.intake.no_room = lambda _: NO_DISK
    assert await bench.refusal(to()) == NO_DISK


async def test_a_suppressed_recipient_is_not_made(bench: Bench) -> None:
    """The others are."""
    bob = recipient("bob@rcpt.example").mailbox.address
    await bench.store.write(
        add_suppression,
        bench.seeded.sub_account.id,
        bob,
        reason=SuppressionReason.MANUAL,
        now_ns=NOW_NS,
    )
    await bench.keeper.refresh()
    submission = replace(to("amy@rcpt.example"), cc=(recipient(str(bob)),))
    (report,) = await bench.all(submission)
    assert isinstance(report, Report)
    amy, dropped = report.trials
    assert amy.mail is not None
    assert (dropped.mail, dropped.role) == (None, Role.CC)
    assert dropped.dropped == "Recipient is suppressed: bob@rcpt.example (manual)"


async def test_what_the_relay_would_drop_is_told(bench: Bench) -> None:
    """With the sentence that the event would have."""
    domain = bench.seeded.domain
    bare = replace(domain, records=domain.records[:1])
    current = bench.keeper.current
    bench.keeper.current = replace(current, domains_by_id={domain.id: bare})
    trial = await bench.one(to())
    assert (trial.mail, trial.dropped) == (None, NO_RETURN_PATH)


async def test_mail_that_cannot_be_made_says_why(bench: Bench) -> None:
    """As when it is sent: dropped, with a reason."""
    greedy = Recipient(recipient("bob@rcpt.example").mailbox, {"x": "y" * 1_000})
    content = replace(CONTENT, text="{{x}}" * 60_000)
    trial = await bench.one(Submission(content, (greedy,)))
    assert trial.mail is None
    assert trial.dropped


def two_ways(tx: Tx, other: ProviderId) -> Pool:
    """A pool that draws in turns."""
    new = add_provider(tx, NewProvider("second", host="127.0.0.1", port=26))
    assert new is not None
    pool = add_pool(tx, by_shares("both", [(other, 50), (new.id, 50)]))
    assert isinstance(pool, Pool)
    return pool


async def test_each_copy_is_drawn_for(bench: Bench) -> None:
    """As the next draws would go, over all entries of a request."""
    await bench.store.write(two_ways, bench.seeded.provider.id)
    await bench.keeper.refresh()
    reports = await bench.all(
        to("a@x.example", "b@x.example", pool="both"), to(pool="both")
    )
    drawn = [
        trial.provider
        for report in reports
        if isinstance(report, Report)
        for trial in report.trials
    ]
    assert drawn == ["upstream", "second", "upstream"]


async def test_a_provider_that_is_down_is_waited_for(bench: Bench) -> None:
    """Until it is tried again, with its last error."""
    health = Health(3, NOW_NS - 5, NOW_NS + 60, "Connection refused", NOW_NS - 5)
    provider = bench.seeded.provider.id
    await bench.store.write(save_health, [(provider, health)])
    trial = await bench.one(to())
    assert trial.due_ns == NOW_NS + 60
    assert trial.waits_for == "provider upstream is down: Connection refused"


async def test_only_some_copies_are_shown(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request to a thousand is answered within bounds, and says what it left out."""
    many = to(*(f"{number}@x.example" for number in range(25)))
    (report, other) = await bench.all(many, to())
    assert isinstance(report, Report)
    assert (len(report.trials), report.left_out) == (10, 15)
    assert isinstance(other, Report)
    assert (other.trials, other.left_out) == ((), 1)
    monkeypatch.setattr(outlook, "MAX_BYTES", 10)
    (report,) = await bench.all(many)
    assert isinstance(report, Report)
    assert (len(report.trials), report.left_out) == (1, 24)


async def test_all_of_it_is_told(bench: Bench) -> None:
    """In JSON, the bytes in base64."""
    (report,) = await bench.all(to())
    facts = report_facts("Bob@rcpt.example", report)
    assert facts["to"] == "Bob@rcpt.example"
    assert (facts["pool"], facts["refusal"], facts["leftOut"]) == ("main", None, 0)
    refused = report_facts("x", NO_DISK)
    assert refused["refusal"] == str(NO_DISK)
    assert refused["deliveries"] == []
