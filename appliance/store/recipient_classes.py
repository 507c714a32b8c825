"""What MX records said of domains, so that it need not be asked after each start."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import msgspec

from appliance.core.mailbox_hosts import class_of_domain
from appliance.core.recipient_class import RecipientClass
from appliance.store.rows import insert_rows
from appliance.store.transaction import Tx, View


@dataclass(frozen=True, slots=True)
class Known:
    """The class of a domain, and when its MX records were looked at."""

    domain: str
    recipient_class: RecipientClass
    checked_ns: int


_Row: TypeAlias = tuple[str, str, int]
_COLUMNS = "domain, class, checked_ns"


def keep_classes(tx: Tx, items: Sequence[Known], most: int) -> None:
    """Record these; of more than ``most`` in all, the oldest are forgotten."""
    latest: Mapping[str, Known] = {one.domain: one for one in items}
    insert_rows(
        tx.db,
        f"INSERT OR REPLACE INTO recipient_class ({_COLUMNS})",
        [
            (one.domain, one.recipient_class.value, one.checked_ns)
            for one in latest.values()
        ],
    )
    (number,) = tx.db.execute("SELECT count(*) FROM recipient_class").fetchone()
    if number > most:
        tx.db.execute(
            "DELETE FROM recipient_class WHERE domain IN (SELECT domain"
            " FROM recipient_class ORDER BY checked_ns LIMIT ?)",
            (number - most,),
        )


def load_classes(view: View, domains: Sequence[str]) -> list[Known]:
    """What is recorded of these domains."""
    rows = view.db.execute(
        f"SELECT {_COLUMNS} FROM recipient_class"  # noqa: S608 - our own text
        " WHERE domain IN (SELECT value FROM json_each(?))",
        (msgspec.json.encode(domains).decode(),),
    )
    return list(map(_known, rows))


def classes_of(view: View, domains: Sequence[str]) -> dict[str, RecipientClass]:
    """The class of each domain, as far as it is known by now."""
    by_name = {domain: class_of_domain(domain) for domain in domains}
    others = [domain for domain, found in by_name.items() if found is None]
    known = (
        {one.domain: one.recipient_class for one in load_classes(view, others)}
        if others
        else {}
    )
    return {
        domain: found or known.get(domain, RecipientClass.DEFAULT)
        for domain, found in by_name.items()
    }


def load_latest_classes(view: View, most: int) -> list[Known]:
    """Those that were looked at last, oldest first."""
    rows = view.db.execute(
        f"SELECT {_COLUMNS} FROM recipient_class"  # noqa: S608 - our own text
        " ORDER BY checked_ns DESC LIMIT ?",
        (most,),
    )
    return list(map(_known, rows))[::-1]


def _known(row: _Row) -> Known:
    domain, word, checked_ns = row
    return Known(domain, RecipientClass(word), checked_ns)
