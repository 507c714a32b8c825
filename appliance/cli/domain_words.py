"""How `postroom domain` shows domains, records and findings."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from appliance.cli.show import note, plain, say, table, when, yes
from appliance.cli.zone import txt_strings, zone_line
from appliance.core.domain import (
    FAILED_LOOKS,
    DkimKey,
    Purpose,
    Record,
    SenderDomain,
    Stage,
)

if TYPE_CHECKING:  # these take 0.3 s to import, and --help needs none
    from appliance.flow.verification import Finding
    from appliance.settings import Settings


def show_records(one: SenderDomain) -> None:
    """What is to be published, and below it what is kept for a while."""
    _show(_to_publish(one))
    retired = [key for key in one.keys if key.stage is Stage.RETIRED]
    if retired:
        say("\nKeep these until mail that they signed has arrived:\n")
        rows = [
            (f"{key.selector}._domainkey.{one.name}", _until(key)) for key in retired
        ]
        table(("HOST", "UNTIL"), rows)


def show_key_record(one: SenderDomain, key: DkimKey) -> None:
    """The record of one key, as for all of them."""
    _show([record for record in one.records if record.selector == key.selector])


def _to_publish(one: SenderDomain) -> tuple[Record, ...]:
    return one.at(Stage.ACTIVE) + one.at(Stage.NEXT)


def _show(records: Sequence[Record]) -> None:
    """Twice: for a zone file, and for forms on the web."""
    for record in records:
        say(zone_line(record))
    say("")
    rows = [row for record in records for row in _record_rows(record)]
    table(("FOR", "STATE", "TYPE", "HOST", "VALUE"), rows)


def _until(key: DkimKey) -> str:
    return str(when(key.kept_until_ns))


def _record_rows(record: Record) -> list[tuple[object, ...]]:
    """A row, and one more for each further string of a long value."""
    first, *more = txt_strings(record.value)
    head = (record.purpose.value, _state(record), record.type, record.host, first)
    return [head, *(("", "", "", "", part) for part in more)]


def show_findings(findings: Sequence["Finding"]) -> None:
    """What was asked, expected and found, record by record."""
    for finding in findings:
        record = finding.record
        say(f"{record.purpose.value}: {_state(record)}")
        say(f"  asked     {plain(record.host)} {record.type}")
        say(f"  expected  {plain(record.value)}")
        for value in finding.found or ("nothing",):
            say(f"  found     {plain(value)}")
        if record.failure:
            say(f"  {plain(record.failure)}")


def warn_of_local_name(settings: "Settings") -> None:
    """Records that point to a name only this machine knows are of no use."""
    if "." not in settings.public_host:
        note(
            f"\nWarning: {settings.public_host!r} is no public host name. Set"
            " domain.public_host (or http.public_url), then remove the domain and add"
            " it again."
        )


def _state(record: Record) -> str:
    if record.misses:
        return f"verified, failed {record.misses} of {FAILED_LOOKS} looks"
    if record.verified:
        return f"verified ({record.proof.value})"
    return "failed" if record.failure else "not checked"


def facts(one: SenderDomain) -> dict[str, object]:
    """The domain as JSON shows it."""
    return {
        "name": one.name,
        "id": str(one.uuid),
        "subAccount": int(one.sub_account),
        "created": when(one.created_ns),
        "verified": one.verified,
        "tracking": {"opens": one.tracking.opens, "clicks": one.tracking.clicks},
        "records": [_record_facts(record) for record in _to_publish(one)],
        "keys": [key_facts(one, key) for key in one.keys],
    }


def key_facts(one: SenderDomain, key: DkimKey) -> dict[str, object]:
    """A DKIM key as JSON shows it; never its private half."""
    retired = key.stage is Stage.RETIRED
    return {
        "selector": key.selector,
        "algorithm": key.algorithm.value,
        "stage": key.stage.value,
        "since": when(key.since_ns or one.created_ns),
        "keepUntil": when(key.kept_until_ns) if retired else None,
        "host": f"{key.selector}._domainkey.{one.name}",
    }


def _record_facts(record: Record) -> dict[str, object]:
    return {
        "purpose": record.purpose.value,
        "stage": record.stage.value,
        "host": record.host,
        "type": record.type,
        "value": record.value,
        "zone": zone_line(record),
        "verified": record.verified,
        "proof": record.proof.value,
        "checked": when(record.checked_ns),
        "failedLooks": record.misses,
        "failure": record.failure,
    }


def finding_facts(finding: "Finding") -> dict[str, object]:
    """A record as JSON shows it, with what the DNS had."""
    return {**_record_facts(finding.record), "found": list(finding.found)}


def row(one: SenderDomain) -> tuple[object, ...]:
    """The domain as a row of the list."""
    columns = (Purpose.DKIM, Purpose.RETURN_PATH, Purpose.TRACKING, Purpose.DMARC)
    proofs = (one.record(purpose) for purpose in columns)
    states = (_state(record) if record else "" for record in proofs)
    return (one.name, one.sub_account, yes(one.verified), *states)
