"""How `postroom domain` shows domains, records and findings."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from appliance.cli.show import note, plain, say, table, when, yes
from appliance.cli.zone import txt_strings, zone_line
from appliance.core.domain import Purpose, Record, SenderDomain

if TYPE_CHECKING:  # these take 0.3 s to import, and --help needs none
    from appliance.flow.verification import Finding
    from appliance.settings import Settings


def show_records(one: SenderDomain) -> None:
    """Twice: for a zone file, and for forms on the web."""
    for record in one.records:
        say(zone_line(record))
    say("")
    rows = [row for record in one.records for row in _record_rows(record)]
    table(("FOR", "STATE", "TYPE", "HOST", "VALUE"), rows)


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
        "records": [_record_facts(record) for record in one.records],
    }


def _record_facts(record: Record) -> dict[str, object]:
    return {
        "purpose": record.purpose.value,
        "host": record.host,
        "type": record.type,
        "value": record.value,
        "zone": zone_line(record),
        "verified": record.verified,
        "proof": record.proof.value,
        "checked": when(record.checked_ns),
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
