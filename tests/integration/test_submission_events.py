"""What becomes of mail that came by SMTP: its ids and its events."""

import re

import pytest

from tests.fakes.postfix import PostfixServer
from tests.fakes.postroom import Postroom
from tests.fakes.programs import wait_until
from tests.integration.clients import ids_of, logged_in, queued_as
from tests.integration.doors import (
    anypost,
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
    assert_as_sent,
    dropped_from_anypost,
)

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

TO = "b@rcpt.example"


# ---------------------------------------------------------------------- ids


def test_ids_are_those_of_the_events_in_the_order_of_rcpt(
    postroom: Postroom, postfix: PostfixServer
) -> None:
    """Many mails on a connection, one id for each recipient, each with 58 and 59.

    An address that is given twice gets one mail, and no copy names another's
    recipient but where the sender wrote it.
    """
    ids: dict[str, str] = {}
    with logged_in(submission(postroom), anypost(postroom)) as client:
        for number in range(10):
            to = [f"{name}{number}@rcpt.example" for name in "zabyc"]
            again = [*to, to[1].upper(), to[0]]
            client.sendmail(SENDER, again, small(f"{number}"))
            found = ids_of(client.answers[-1])
            assert len(found) == len(again)
            assert found[5:] == [found[1], found[0]]
            ids |= dict(zip(to, found, strict=False))
    assert len(set(ids.values())) == 50
    arrived = postfix.wait_for(50)
    assert {one.recipient: delivery_of(one) for one in arrived} == ids
    wait_until(lambda: idle(postroom), 10, "the end of the queue")
    facts = events(postroom)
    for recipient, uuid in ids.items():
        assert codes(facts, uuid) == [PROCESSED, SENT]
        assert {one["to"] for one in facts if one["delivery"] == uuid} == {recipient}
    for one in arrived:
        named = set(re.findall(rb"\b[zabyc]\d@rcpt\.example", one.wire))
        assert named == {one.recipient.encode()}


def test_postscale_answers_with_the_id_of_the_mail(
    postroom: Postroom, postfix: PostfixServer
) -> None:
    """`Ok: queued as` names the message of all its events; metadata stays in it."""
    mail = small("metadata", "X-Postscale-Metadata-order-id: ord_456")
    with logged_in(submission(postroom), postscale(postroom)) as client:
        client.sendmail(SENDER, [TO, "c@rcpt.example"], mail)
    uuid = queued_as(client.answers[0])
    for one in postfix.wait_for(2):
        assert_as_sent(mail, one)
        event = wait_for_event(postroom, SENT, delivery_of(one))
        assert event["message"] == uuid
        assert event["dimensions"] == {"metadata": {"order-id": "ord_456"}}


def test_what_the_headers_attach_is_in_the_events(
    postroom: Postroom, postfix: PostfixServer
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
            client.sendmail(SENDER, [f"{name}@rcpt.example"], mail)
    attached = {
        "tags": ["welcome", "onboarding"],
        "topic": "product.updates",
        "campaign": "Spring_26",
    }
    for one in postfix.wait_for(2):
        name = one.recipient.partition("@")[0]
        assert_as_sent(tagged[name], one, dropped_from_anypost)
        for code in (PROCESSED, SENT):
            event = wait_for_event(postroom, code, delivery_of(one))
            assert event["dimensions"] == attached


def test_the_same_mail_under_the_same_key_is_one_mail(
    postroom: Postroom, postfix: PostfixServer
) -> None:
    """A mail that comes again has the answer that it had, also after a restart."""
    mail = small("once", "X-Postroom-Idempotency-Key: order-4711-shipped")
    answers = []
    for login in (anypost(postroom), anypost(postroom)):
        with logged_in(submission(postroom), login) as client:
            client.sendmail(SENDER, [TO, "c@rcpt.example"], mail)
            answers += client.answers
        assert postroom.stop() == 0
        postroom.start()
    assert answers[0] == answers[1]
    arrived = postfix.wait_for(2)
    wait_until(lambda: idle(postroom), 10, "the end of the queue")
    assert postfix.count() == 2
    by_name = {one.recipient: delivery_of(one) for one in arrived}
    assert ids_of(answers[0]) == [by_name[TO], by_name["c@rcpt.example"]]
    for one in arrived:
        assert_as_sent(mail, one)
