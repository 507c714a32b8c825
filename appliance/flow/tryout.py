"""Trying a provider out with a message that says what it is."""

from email.utils import formatdate, make_msgid

from appliance.core.address import Address
from appliance.net.smtp_probe import probe
from appliance.net.upstream import Upstream
from appliance.smtp.outcome import ProbeStep

TEST_HEADER = "X-Postroom-Test: 1"


async def try_out(
    upstream: Upstream, sender: Address, recipient: Address, mark: str = TEST_HEADER
) -> tuple[ProbeStep, ...]:
    """The steps of handing over one test message, which is really sent.

    ``mark`` is the header line by which the message is known for a test.
    """
    lines = (
        f"From: Postroom <{sender}>",
        f"To: <{recipient}>",
        "Subject: Postroom connection test",
        f"Date: {formatdate()}",
        f"Message-ID: {make_msgid(domain=sender.domain)}",
        mark,
        "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=us-ascii",
        "",
        "This message tests the connection. There is nothing to do.",
        "",
    )
    content = "\r\n".join(lines).encode()
    return await probe(upstream, str(sender), str(recipient), content)
