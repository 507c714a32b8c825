"""Events with all that may be told of each."""

from dataclasses import replace

from appliance.core.address import Address, Mailbox
from appliance.core.event import EventType
from appliance.core.message import Request
from appliance.core.recipient_class import RecipientClass
from appliance.core.suppression import Stop, SuppressionReason, suppressed_by
from appliance.store.database import Store
from appliance.store.messages import accept
from appliance.store.recipient_classes import Known, keep_classes
from appliance.store.webhook_facts import load_page
from tests.fakes.store import CONTENT, NOW_NS, recipient, seed

HELP = Mailbox(Address("help", "sender.example"), "Help")


async def test_what_the_sender_gave_is_told_of_each_event(store: Store) -> None:
    """Own headers, names and the recipient's values; the content is not read."""
    seeded = await seed(store)
    content = replace(CONTENT, headers=(("X-Order", "4711"),), reply_to=HELP)
    plain = seeded.message(content=content)
    to = replace(recipient("rcpt@other.example"), fields={"plan": "gold"})
    (copy,) = plain.deliveries
    mail = replace(plain, deliveries=(replace(copy, recipient=to),))
    await store.write_each(accept, Request((mail,)))
    (fact,) = (await store.read(load_page, 0, 9)).facts
    assert fact.mail.headers == {"X-Order": "4711"}
    assert fact.mail.fields == {"plan": "gold"}
    assert fact.mail.reply_to == HELP
    assert fact.mail.sender_name == CONTENT.sender.name


async def test_whose_servers_take_the_mail_in_is_told(store: Store) -> None:
    """By the domain's name, or by what its MX records said."""
    seeded = await seed(store)
    known = Known("other.example", RecipientClass.MIMECAST, NOW_NS)
    await store.write(keep_classes, [known], 9)
    for one in ("a@gmail.com", "b@other.example", "c@unknown.example"):
        await store.write_each(accept, Request((seeded.message(one),)))
    facts = (await store.read(load_page, 0, 9)).facts
    assert [one.recipient_class for one in facts] == [
        RecipientClass.GMAIL,
        RecipientClass.MIMECAST,
        RecipientClass.DEFAULT,
    ]


async def test_a_drop_at_the_door_says_which_suppression_it_is(store: Store) -> None:
    """For programs, beside the reason for people."""
    seeded = await seed(store)
    stop = Stop(SuppressionReason.SPAM_COMPLAINT)
    plain = seeded.message(dropped="Recipient is suppressed")
    (copy,) = plain.deliveries
    mail = replace(plain, deliveries=(replace(copy, stop=stop),))
    await store.write_each(accept, Request((mail,)))
    _, dropped = (await store.read(load_page, 0, 9)).facts
    assert dropped.event.type is EventType.DROPPED
    assert suppressed_by(dropped.event.data) is SuppressionReason.SPAM_COMPLAINT
    assert suppressed_by({"reason": "Recipient is suppressed"}) is None
