"""The test message."""

from email import message_from_bytes
from email.policy import SMTP

import trio

from appliance.core.address import Address
from appliance.core.provider import Security
from appliance.flow.tryout import try_out
from appliance.net.upstream import Upstream
from tests.fakes.upstream import FakeUpstream


async def test_the_message_says_what_it_is(nursery: trio.Nursery) -> None:
    """It is a whole message, so that a filter has nothing to mind."""
    fake = FakeUpstream()
    port = await fake.start(nursery)
    upstream = Upstream("127.0.0.1", port, Security.NONE)
    sender, recipient = Address("a", "s.example"), Address("b", "r.example")
    steps = await try_out(upstream, sender, recipient)
    assert not any(step.failure for step in steps)
    (received,) = fake.received
    assert received.recipients == ("<b@r.example>",)
    mail = message_from_bytes(received.content, policy=SMTP)
    assert mail["X-Postroom-Test"] == "1"
    assert mail["From"].addresses[0].addr_spec == "a@s.example"
    assert mail["To"].addresses[0].addr_spec == "b@r.example"
    assert mail["Message-ID"].endswith("@s.example>")
    assert mail["Date"].datetime is not None
    assert not mail.defects
    nursery.cancel_scope.cancel()
