"""Mail that has left, so that it can come back."""

import time
from uuid import UUID

from appliance.core.credential import SubAccount
from appliance.core.delivery import NewDelivery, Role, Settlement, State
from appliance.core.event import EventType, NewEvent
from appliance.core.ids import uuid7
from appliance.core.message import NewMessage, Request
from appliance.core.submission import Submission
from appliance.store.about import about_deliveries
from appliance.store.claim import claim
from appliance.store.deliveries import settle
from appliance.store.directory import load_directory
from appliance.store.messages import accept
from appliance.store.transaction import Tx
from tests.fakes.store import CONTENT, recipient


def send_out(
    tx: Tx, owner: SubAccount, *to: str, first: UUID | None = None, settled: bool = True
) -> list[UUID]:
    """The copies of one mail that an upstream took; ``first`` is the id of the first.

    Without ``settled`` it is queued, and has not left.
    """
    directory = load_directory(tx)
    (domain, *_) = (
        one for one in directory.domains.values() if one.sub_account == owner.id
    )
    assert directory.default_pool is not None
    uuids = [first or uuid7(), *(uuid7() for _ in to[1:])]
    now_ns = time.time_ns()  # or upkeep would think it old
    people = [recipient(one) for one in to]
    new = NewMessage(
        submission=Submission(CONTENT, (people[0],), cc=tuple(people[1:])),
        sub_account=owner.id,
        credential=None,
        domain=domain.id,
        pool=directory.default_pool.id,
        pool_name=directory.default_pool.name,
        accepted_ns=now_ns,
        deliveries=tuple(
            NewDelivery(uuid, Role.CC if number else Role.TO, one)
            for number, (uuid, one) in enumerate(zip(uuids, people, strict=True))
        ),
    )
    accept(tx, [Request((new,))])
    if settled:
        _settle_all(tx, uuids, now_ns)
    return uuids


def _settle_all(tx: Tx, uuids: list[UUID], now_ns: int) -> None:
    abouts = about_deliveries(tx, [one.bytes for one in uuids])
    copies = claim(tx, now_ns, len(uuids), 10**9)
    assert {one.uuid for one in copies} == set(uuids)
    sent = (NewEvent(EventType.SENT, now_ns, abouts[one.uuid]) for one in copies)
    settle(
        tx,
        [
            Settlement(one.id, State.SENT, 1, code=250, event=event)
            for one, event in zip(copies, sent, strict=True)
        ],
    )
