"""What becomes of mail that came by SMTP: its ids and its events."""

import re
import smtplib
from collections.abc import Iterator

import pytest

from tests.fakes.postfix import PostfixServer
from tests.fakes.postroom import Postroom
from tests.fakes.programs import wait_until
from tests.integration.clients import ids_of, logged_in, queued_as, said
from tests.integration.conftest import postfix_servers, postrooms
from tests.integration.doors import (
    anypost,
    furnish_for_smtp,
    postscale,
    submission,
)
from tests.integration.house import (
    PROCESSED,
    SENT,
    codes,
    delivery_of,
    events,
    idle,
    wait_for_event,
)
from tests.integration.letters import SENDER, small
from tests.integration.travel import (
    arrived,
    assert_as_sent,
    dropped_from_anypost,
)

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

MAX_ANYPOST = 5 * 1024 * 1024


@pytest.fixture(scope="module")
def end() -> Iterator[PostfixServer]:
    """Where the mail of all tests here goes."""
    with postfix_servers() as start:
        yield start()


@pytest.fixture(scope="module")
def postroom(
    end: PostfixServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Postroom]:
    """Serving in front of it, for all tests here."""
    with postrooms(tmp_path_factory.mktemp("events")) as make:
        one = make()
        furnish_for_smtp(one, end)
        one.start()
        yield one


def test_ids_are_those_of_the_events_in_the_order_of_rcpt(
    postroom: Postroom, end: PostfixServer
) -> None:
    """Many mails on a connection, one id for each recipient, each with 58 and 59.

    An address that is given twice gets one mail, and no copy names another's
    recipient but where the sender wrote it.
    """
    ids: dict[str, str] = {}
    with logged_in(submission(postroom), anypost(postroom)) as client:
        for number in range(10):
            to = [f"{name}{number}@ids.example" for name in "zabyc"]
            again = [*to, to[1].upper(), to[0]]
            client.sendmail(SENDER, again, small(f"{number}"))
            answered = ids_of(client.answers[-1])
            assert len(answered) == len(again)
            assert answered[5:] == [answered[1], answered[0]]
            ids |= dict(zip(to, answered, strict=False))
    assert len(set(ids.values())) == 50
    found = arrived(end, *ids)
    assert {to: delivery_of(one) for to, one in found.items()} == ids
    wait_until(lambda: idle(postroom), 10, "the end of the queue")
    facts = events(postroom)
    for recipient, uuid in ids.items():
        assert codes(facts, uuid) == [PROCESSED, SENT]
        assert {one["to"] for one in facts if one["delivery"] == uuid} == {recipient}
    for one in found.values():
        named = set(re.findall(rb"\b[zabyc]\d@ids\.example", one.wire))
        assert named == {one.recipient.encode()}


def test_one_recipient_too_many_is_told_to_wait(
    postroom: Postroom, end: PostfixServer
) -> None:
    """452 4.5.3 for the 101st; the others' 100 ids come on one line."""
    to = [f"u{number}@crowd.example" for number in range(101)]
    with logged_in(submission(postroom), anypost(postroom)) as client:
        refused = client.sendmail(SENDER, to, small("crowd"))
    assert set(refused) == {to[100]}
    code, text = refused[to[100]]
    assert (code, text[:5]) == (452, b"4.5.3")
    found = arrived(end, *to[:100])
    assert ids_of(client.answers[0]) == [delivery_of(found[one]) for one in to[:100]]


def test_the_largest_mail_arrives_and_a_larger_one_is_refused(
    postroom: Postroom, end: PostfixServer
) -> None:
    """552 to MAIL that says its SIZE, else at the end; the session goes on."""
    mail = small("large")
    mail += b"x" * (MAX_ANYPOST - len(mail) - 2) + b"\r\n"
    with logged_in(submission(postroom), anypost(postroom)) as client:
        with pytest.raises(smtplib.SMTPSenderRefused) as caught:
            client.sendmail(SENDER, ["b@large.example"], mail + b"\r\n")
        assert said(caught.value).startswith("552 5.3.4")
        client.docmd("MAIL", f"FROM:<{SENDER}>")
        client.docmd("RCPT", "TO:<b@large.example>")
        code, text = client.data(mail + b"\r\n")
        assert (code, text[:5]) == (552, b"5.3.4")
        client.sendmail(SENDER, ["b@large.example"], mail)
    assert_as_sent(mail, arrived(end, "b@large.example")["b@large.example"])


def test_postscale_answers_with_the_id_of_the_mail(
    postroom: Postroom, end: PostfixServer
) -> None:
    """`Ok: queued as` names the message of all its events; metadata stays in it."""
    mail = small("metadata", "X-Postscale-Metadata-order-id: ord_456")
    with logged_in(submission(postroom), postscale(postroom)) as client:
        client.sendmail(SENDER, ["b@meta.example", "c@meta.example"], mail)
    uuid = queued_as(client.answers[0])
    for one in arrived(end, "b@meta.example", "c@meta.example").values():
        assert_as_sent(mail, one)
        event = wait_for_event(postroom, SENT, delivery_of(one))
        assert event["message"] == uuid
        assert event["dimensions"] == {"metadata": {"order-id": "ord_456"}}


def test_what_the_headers_attach_is_in_the_events(
    postroom: Postroom, end: PostfixServer
) -> None:
    """Tags, topic and campaign, in both spellings of tags, and in no mail."""
    rest = ("X-Anypost-Topic: product.updates", "X-Campaign: Spring_26")
    tagged = {
        "list": small("1", 'X-Anypost-Tags: ["welcome",\r\n "onboarding"]', *rest),
        "single": small(
            "2", "x-anypost-tag: welcome", *rest, "X-ANYPOST-TAG:onboarding"
        ),
    }
    with logged_in(submission(postroom), anypost(postroom)) as client:
        for name, mail in tagged.items():
            client.sendmail(SENDER, [f"{name}@tags.example"], mail)
    attached = {
        "tags": ["welcome", "onboarding"],
        "topic": "product.updates",
        "campaign": "Spring_26",
    }
    found = arrived(end, *(f"{name}@tags.example" for name in tagged))
    for to, one in found.items():
        assert_as_sent(tagged[to.partition("@")[0]], one, dropped_from_anypost)
        for code in (PROCESSED, SENT):
            event = wait_for_event(postroom, code, delivery_of(one))
            assert event["dimensions"] == attached


def test_the_same_mail_under_the_same_key_is_one_mail(
    postroom: Postroom, end: PostfixServer
) -> None:
    """A mail that comes again has the answer that it had, also after a restart."""
    mail = small("once", "X-Postroom-Idempotency-Key: order-4711-shipped")
    to = ["b@once.example", "c@once.example"]
    answers = []
    for login in (anypost(postroom), anypost(postroom)):
        with logged_in(submission(postroom), login) as client:
            client.sendmail(SENDER, to, mail)
            answers += client.answers
        assert postroom.stop() == 0
        postroom.start()
    assert answers[0] == answers[1]
    wait_until(lambda: idle(postroom), 10, "the end of the queue")
    wait_until(lambda: end.queued() == 0, 10, "the end of Postfix's queue")
    found = arrived(end, *to)
    assert ids_of(answers[0]) == [delivery_of(found[one]) for one in to]
    for one in found.values():
        assert_as_sent(mail, one)
