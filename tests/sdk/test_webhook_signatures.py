"""Our signatures before the vendors' own published verifiers.

The packages come with the other tools of development (scripts/lock/dev.txt).
"""

import importlib
import time
from pathlib import Path

import pytest
import trio

from appliance.core.event import EventType
from appliance.store.webhooks import rotate_secret
from tests.fakes.hooks import SECOND_NS, SECRET, open_hooks
from tests.fakes.receiver import Receiver, status

pytestmark = pytest.mark.sdk
NEW = "whsec_new"


def takes(package: str, body: bytes, header: str, secret: str) -> bool:
    """What the vendor's function says: one raises, the other answers."""
    vendor = importlib.import_module(package)
    try:
        answer = vendor.verify_webhook_signature(body, header, secret)
    except Exception as error:
        if type(error).__name__ != "WebhookVerificationError":
            raise
        return False
    return answer is None or bool(answer.valid)


@pytest.mark.parametrize(
    ("dialect", "header"),
    [("anypost", "anypost-signature"), ("postscale", "x-postscale-signature")],
)
async def test_the_vendors_verifier_takes_every_signature(
    tmp_path: Path, nursery: trio.Nursery, dialect: str, header: str
) -> None:
    """First tries and later ones, and both secrets while one is being replaced.

    A body that was changed, and another secret, it refuses.
    """
    async with open_hooks(tmp_path) as hooks:
        hooks.now_ns = time.time_ns()
        receiver = await Receiver([status(500), status(200)]).start(nursery, hooks.tls)
        made = await hooks.add(receiver.url, dialect)
        await hooks.tell(EventType.PROCESSED)
        await hooks.go(3)
        await hooks.go(61)
        until_ns = hooks.now_ns + 3_600 * SECOND_NS
        await hooks.store.write(rotate_secret, made.id, NEW, until_ns)
        await hooks.directory.refresh()
        await hooks.tell(EventType.OPENED)
        await hooks.go(3)
        assert len(receiver.received) == 3
        for one in receiver.received:
            mark = one.headers[header]
            assert takes(dialect, one.body, mark, SECRET)
            assert not takes(dialect, one.body + b" ", mark, SECRET)
            assert not takes(dialect, one.body, mark, "whsec_other")
        last = receiver.received[-1]
        assert takes(dialect, last.body, last.headers[header], NEW)
