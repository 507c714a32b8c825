"""A Postfix pair: the operator's own server, and all the world behind it.

The first is Postroom's upstream and logs as the agent wants it. The second has people
who take mail, whom it does not know, whose mailbox is full, and who are greylisted.
"""

import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.fakes.greylist import Greylist
from tests.fakes.postfix import MAILDIRS, PostfixServer
from tests.fakes.postroom import ROOT
from tests.fakes.programs import program
from tests.integration.conftest import StartPostfix
from tests.integration.house import DOMAIN

WORLD = "people.example"
RETURN_HOST = f"sp-bounce.{DOMAIN}"
# Not the address that the agent takes for a content filter on its own machine.
ELSEWHERE = "127.0.0.2"
GREY_S = 4.0
# What is put off comes again within seconds, and is given up after half a minute.
_IMPATIENT: Mapping[str, str] = {
    "minimal_backoff_time": "3s",
    "maximal_backoff_time": "5s",
    "queue_run_delay": "2s",
    "maximal_queue_lifetime": "30s",
    "bounce_queue_lifetime": "30s",
}
# As many refusals in one session as there are mails.
_PATIENT: Mapping[str, str] = {
    "smtpd_error_sleep_time": "0",
    "smtpd_soft_error_limit": "100000",
    "smtpd_hard_error_limit": "100000",
}


@dataclass(frozen=True, slots=True)
class People:
    """The addresses of the world, by what becomes of mail to them."""

    kind: str
    addresses: tuple[str, ...]


def people(kind: str, number: int) -> People:
    """So many of that kind."""
    return People(kind, tuple(f"{kind}-{one}@{WORLD}" for one in range(number)))


# What the world says to mail for those of a kind, in the words of access(5).
AT_RCPT = {
    "full": "552 5.2.2 The mailbox is full",
    "filling": "452 4.2.2 The mailbox is full at the moment",
    "grey": "greylist",
    "stranger": "reject_unlisted_recipient",
}
AFTER_DATA = {"gone": "550 5.1.1 There is no such user here"}
# Of whom its list of mailboxes has nothing. Mail for ghosts is taken, and only then
# found to be nobody's: it sends a report to the return path.
NOBODY = ("stranger", "ghost")


def start_world(
    start: StartPostfix, town: Sequence[People], greylist: Greylist, mx_port: int
) -> PostfixServer:
    """The server of all recipients."""
    settings = {
        **MAILDIRS,
        **_PATIENT,
        "virtual_mailbox_domains": WORLD,
        "myhostname": f"mx.{WORLD}",
        "virtual_mailbox_maps": "hash:{folder}/etc/mailboxes",
        "smtpd_reject_unlisted_recipient": "no",
        "smtpd_restriction_classes": "greylist",
        "greylist": f"check_policy_service inet:127.0.0.1:{greylist.port}",
        "smtpd_recipient_restrictions": (
            "check_recipient_access hash:{folder}/etc/at_rcpt, permit"
        ),
        "smtpd_end_of_data_restrictions": (
            "check_recipient_access hash:{folder}/etc/after_data"
        ),
        "transport_maps": "hash:{folder}/etc/transport",
    }
    known = [one for one in town if one.kind not in NOBODY]
    tables = {
        "mailboxes": table(known, {one.kind: "inbox/" for one in known}),
        "at_rcpt": table(town, AT_RCPT),
        "after_data": table(town, AFTER_DATA),
        "transport": to_door(mx_port),
    }
    return start(settings=settings, tables=tables, address=ELSEWHERE)


def start_upstream(
    start: StartPostfix, world: PostfixServer, mx_port: int
) -> PostfixServer:
    """The operator's own server: what it cannot hand on, it returns to our door."""
    settings = {
        **MAILDIRS,
        **_IMPATIENT,
        "virtual_mailbox_domains": "",
        "relayhost": f"[{world.address}]:{world.port}",
        "transport_maps": "hash:{folder}/etc/transport",
        **header_checks(),
    }
    return start(settings=settings, tables={"transport": to_door(mx_port)})


def header_checks() -> Mapping[str, str]:
    """The settings that etc/postfix/ tells the operator to make."""
    return {
        "header_checks": f"regexp:{ROOT}/etc/postfix/header_checks",
        "mime_header_checks": "",
        "nested_header_checks": "",
    }


def to_door(port: int) -> str:
    """The line of a transport table by which reports find our port 25."""
    return f"{RETURN_HOST} smtp:[127.0.0.1]:{port}\n"


def table(town: Sequence[People], answers: Mapping[str, str]) -> str:
    """A lookup table with what each kind in ``answers`` gets."""
    return "".join(
        f"{address} {answers[one.kind]}\n"
        for one in town
        if one.kind in answers
        for address in one.addresses
    )


# ------------------------------------------------------------------- rotation

_RENAME = """\
{log} {{
    rotate 20
    missingok
    create 0644 root root
    postrotate
        {postfix} -c {etc} reload
    endscript
}}
"""
_COPY = """\
{log} {{
    rotate 20
    missingok
    copytruncate
}}
"""


def log_file(server: PostfixServer) -> Path:
    """Where it logs."""
    return server.folder / "log/mail.log"


def rotate(server: PostfixServer, *, copying: bool = False) -> None:
    """Have logrotate rotate its log at once, as the operator has it done at night."""
    folder, logrotate = server.folder, program("logrotate")
    assert logrotate is not None
    rules = folder / "etc/logrotate.conf"
    text = _COPY if copying else _RENAME
    rules.write_text(
        text.format(
            log=log_file(server), etc=folder / "etc", postfix=program("postfix")
        ),
        encoding="ascii",
    )
    rules.chmod(0o644)
    state = folder / "data/logrotate.state"
    done = subprocess.run(
        [logrotate, "--force", "--state", str(state), str(rules)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr


# ---------------------------------------------------------------- the witness

_ID_LINE = re.compile(r" ([0-9A-Z]{6,}): info: header X-Sendpost-Message-UUID: (\S+) ")
_END_LINE = re.compile(
    r"/(?:smtp|error)\[\d+\]: ([0-9A-Z]{6,}): to=<([^>]*)>,.* status=(\w+) "
)
_EXPIRED_LINE = re.compile(r"/qmgr\[\d+\]: ([0-9A-Z]{6,}): from=<.* status=expired")


def witnessed(server: PostfixServer) -> dict[str, list[str]]:
    """What its logs say of each of our mails, read in a way that is not the agent's."""
    ids: dict[str, str] = {}
    told: dict[str, list[str]] = {}
    for line in log_lines(server):
        if match := _ID_LINE.search(line):
            ids[match[1]] = match[2]
        elif match := _END_LINE.search(line):
            if match[1] in ids:
                told.setdefault(ids[match[1]], []).append(match[3])
        elif (match := _EXPIRED_LINE.search(line)) and match[1] in ids:
            told.setdefault(ids[match[1]], []).append("expired")
    return told


def queue_id_of(server: PostfixServer, uuid: str) -> str:
    """The queue id that it logged for one of our mails."""
    found = (_ID_LINE.search(line) for line in log_lines(server))
    return next(match[1] for match in found if match and match[2] == uuid)


def log_lines(server: PostfixServer) -> Iterator[str]:
    """All that it logged, from the oldest rotated file on."""
    logs = sorted(log_file(server).parent.glob("mail.log*"), key=_age_of, reverse=True)
    for file in logs:
        yield from file.read_text(encoding="utf-8", errors="replace").splitlines()


def _age_of(file: Path) -> int:
    number = file.suffix.removeprefix(".")
    return int(number) if number.isdigit() else 0
