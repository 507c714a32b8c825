"""What people do to the list of those who get no mail, many entries at a time."""

from collections.abc import Sequence
from dataclasses import dataclass

from appliance.core.ids import SubAccountId
from appliance.core.suppression import (
    EVERYTHING,
    Scope,
    Source,
    Suppression,
    SuppressionReason,
    Target,
)
from appliance.store.suppressions import (
    NEXT_CHANGE,
    add_suppression,
    count_change,
    get_suppression,
    get_suppressions,
    lift,
)
from appliance.store.transaction import Tx


@dataclass(frozen=True, slots=True)
class NewSuppression:
    """An entry to be, by hand: what is suppressed, why, since when and until when.

    No reason is MANUAL for what is new, and changes none that is there.
    """

    target: Target
    reason: SuppressionReason | None
    at_ns: int
    description: str = ""
    scope: Scope = EVERYTHING
    expires_ns: int | None = None


def add_suppressions(
    tx: Tx, sub_account: SubAccountId, items: Sequence[NewSuppression]
) -> int:
    """How many of these are new; those that are there may end later, no more."""
    return sum(_add(tx, sub_account, item) for item in items)


def put_suppressions(
    tx: Tx, sub_account: SubAccountId, items: Sequence[NewSuppression]
) -> list[tuple[Suppression, bool]]:
    """The entry of each of these as it is now, and whether it is new.

    One that is there already becomes as it is told: its reason, its end, and what is
    said of it if something is. Since when it is there stays.
    """
    made: list[tuple[Suppression, bool]] = []
    for item in items:
        here = get_suppressions(tx, sub_account, item.target, now_ns=item.at_ns)
        is_new = item.scope not in {one.scope for one in here}
        if is_new:
            _add(tx, sub_account, item)
        else:
            _change(tx, sub_account, item)
        one = get_suppression(tx, sub_account, item.target, item.scope)
        assert one is not None
        made.append((one, is_new))
    return made


def remove_suppressions(
    tx: Tx,
    sub_account: SubAccountId,
    targets: Sequence[Target],
    scope: Scope | None = EVERYTHING,
) -> list[Suppression]:
    """The entries that were lifted: of that scope, of None all."""
    lifted: list[Suppression] = []
    for target in targets:
        for one in get_suppressions(tx, sub_account, target):
            if scope in (None, one.scope):
                lift(tx, one)
                lifted.append(one)
    return lifted


def _change(tx: Tx, sub_account: SubAccountId, item: NewSuppression) -> None:
    reason = None if item.reason is None else int(item.reason)
    done = tx.db.execute(
        "UPDATE suppression"  # noqa: S608 - our own text
        " SET reason = coalesce(:reason, reason),"
        " description = iif(:text = '', description, :text), source = 0,"
        f" expires_ns = :expires_ns, change = {NEXT_CHANGE}"
        " WHERE sub_account = :owner AND address = :address AND topic = :topic"
        " AND domain = :domain AND lifted = 0"
        " AND (reason <> coalesce(:reason, reason) OR expires_ns IS NOT :expires_ns"
        " OR :text NOT IN ('', description))",
        {
            "reason": reason,
            "text": item.description,
            "expires_ns": item.expires_ns,
            "owner": sub_account,
            "address": item.target.key,
            **item.scope._asdict(),
        },
    )
    count_change(tx, done.rowcount)


def _add(tx: Tx, sub_account: SubAccountId, item: NewSuppression) -> bool:
    return add_suppression(
        tx,
        sub_account,
        item.target,
        reason=SuppressionReason.MANUAL if item.reason is None else item.reason,
        now_ns=item.at_ns,
        description=item.description,
        source=Source.HAND,
        scope=item.scope,
        expires_ns=item.expires_ns,
    )
