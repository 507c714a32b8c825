import pytest

from appliance.core.ids import uuid7
from appliance.store import captured as captured_module
from appliance.store.captured import (
    Captured,
    CapturedLine,
    add_captured,
    get_captured,
    list_captured,
)
from appliance.store.database import Store
from tests.fakes.store import NOW_NS


def mail(size: int = 5) -> Captured:
    """A mail of ``size`` bytes."""
    return Captured(uuid7(), NOW_NS, "bounces@b.example", "rcpt@x.example", b"x" * size)


async def test_a_captured_mail_is_listed_and_read(store: Store) -> None:
    """Byte for byte, newest first; a delivery has one."""
    one, two = mail(), mail(6)
    await store.write(add_captured, [one], keep=9)
    await store.write(add_captured, [two], keep=9)
    await store.write(add_captured, [one], keep=9)
    assert await store.read(get_captured, one.delivery) == one
    assert await store.read(get_captured, uuid7()) is None
    assert await store.read(list_captured, 10) == [
        CapturedLine(two.delivery, NOW_NS, two.sender, two.recipient, 6),
        CapturedLine(one.delivery, NOW_NS, one.sender, one.recipient, 5),
    ]


async def test_the_number_kept_is_bounded(store: Store) -> None:
    """The oldest go."""
    mails = [mail() for _ in range(5)]
    await store.write(add_captured, mails, keep=3)
    kept = [one.delivery for one in await store.read(list_captured, 10)]
    assert kept == [one.delivery for one in reversed(mails[2:])]


async def test_the_bytes_kept_are_bounded_but_the_newest_stays(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sandbox cannot fill the disk."""
    monkeypatch.setattr(captured_module, "KEPT_BYTES", 100)
    await store.write(add_captured, [mail(60), mail(60)], keep=9)
    assert len(await store.read(list_captured, 10)) == 1
    await store.write(add_captured, [mail(500)], keep=9)
    (only,) = await store.read(list_captured, 10)
    assert only.size_bytes == 500
