"""Every setting, declared once: name, kind, default, meaning.

A section is a dataclass, a setting is a field of it; the names, the file in
``etc/``, the help and the checks all come from here. What changes while the
server runs (domains, keys, providers, pools) is a row in the database instead.
"""

import socket
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from urllib.parse import urlsplit

from appliance.settings.doors import Api, Http, Live, Smtp
from appliance.settings.kinds import (
    BOOLEAN,
    HOST,
    NAMESERVERS,
    NETWORKS,
    PATH,
    RETRY_PLAN,
    HostPort,
    Network,
    choice,
    duration,
    integer,
    is_ip,
    size,
)
from appliance.settings.setting import MARK, Declared, setting


@dataclass(frozen=True, slots=True)
class Tracking:
    """What is kept of opens, clicks and unsubscribes."""

    ip: str = setting(
        choice("keep", "truncate", "drop"),
        "truncate",
        "What is kept of a visitor's IP address: all (keep), its network of 256, of"
        " IPv6 its /48 (truncate), or nothing (drop).",
    )


@dataclass(frozen=True, slots=True)
class Suppression:
    """How long an address gets no mail."""

    hard_bounce_expiry: float = setting(
        duration(0),
        "0s",
        "After how long a hard bounce suppresses its address no more; 0s is never. An"
        " entry keeps the end that it was made with.",
    )


@dataclass(frozen=True, slots=True)
class Dns:
    """How names are looked up."""

    nameservers: tuple[HostPort, ...] = setting(
        NAMESERVERS, "", "The resolvers to ask. Empty: those of the system."
    )
    timeout: float = setting(
        duration(0.01, 300), "5s", "How long one lookup may take in all."
    )


@dataclass(frozen=True, slots=True)
class Domain:
    """The hosts that the DNS records of sender domains point to."""

    public_host: str = setting(
        HOST,
        "",
        "Where tracking hosts point (CNAME). Empty: the host of http.public_url,"
        " else the machine's host name.",
    )
    bounce_host: str = setting(
        HOST,
        "",
        "Where return-path hosts point (CNAME). Empty: as domain.public_host.",
    )


@dataclass(frozen=True, slots=True)
class Relay:
    """How mail is handed to the upstream servers."""

    enabled: bool = setting(
        BOOLEAN, True, "Hand mail over; false: it is taken in and waits."
    )
    retry_plan: tuple[int, ...] = setting(
        RETRY_PLAN,
        "1h,2h,3h,4h,5h",
        "The pauses after the first, second, ... failed try; then the mail is"
        " dropped. A provider may have its own.",
    )
    permanent_5xx: bool = setting(
        BOOLEAN,
        False,
        "Drop at once when an upstream answers 5xx, instead of trying again.",
    )
    breaker_failures: int = setting(
        integer(1, 1000),
        3,
        "Failures in a row to connect, to agree on TLS or to log in after which a"
        " provider counts as down; a 421 is one too.",
    )
    breaker_pause: float = setting(
        duration(0.1, 86_400),
        "30s",
        "How long a provider that is down is left alone before one mail tries it; the"
        " next pause is twice as long.",
    )
    breaker_max_pause: float = setting(
        duration(0.1, 86_400), "15m", "The longest of these pauses."
    )
    classify_by_mx: bool = setting(
        BOOLEAN,
        True,
        "Look up the MX records of recipients' domains, in the background, to tell the"
        " class of those that are no mailbox provider's own; only if there are limits,"
        " or routes by class.",
    )
    max_connections: int = setting(
        integer(1, 1000), 5, "Connections to a provider that names no number."
    )
    limit_wait: float = setting(
        duration(1, 30 * 86_400),
        "72h",
        "How long a limit of a provider may hold a mail back that is due; then it is"
        " dropped. The time begins anew after the provider was down.",
    )
    default_rate_per_hour: int = setting(
        integer(0, 1_000_000_000),
        0,
        "Mails an hour to a new provider that names no number; 0: any number. Other"
        " services begin with 100.",
    )
    max_in_flight: int = setting(
        integer(1, 100_000), 500, "Deliveries that may be under way at a time."
    )
    max_memory: int = setting(
        size(1 << 20, 1 << 40), "64MiB", "Memory that mail under way may take."
    )
    signing_threads: int = setting(
        integer(1, 64),
        2,
        "Threads that sign mail. Measured on two cores: the second one brings a tenth"
        " more mail, a third one nothing.",
    )
    connect_timeout: float = setting(
        duration(0.01, 3600), "30s", "How long connecting to an upstream may take."
    )
    command_timeout: float = setting(
        duration(0.01, 3600), "60s", "How long an upstream may take for a reply."
    )
    data_timeout: float = setting(
        duration(0.01, 3600),
        "600s",
        "How long the message and the reply to its final dot may take"
        " (RFC 5321 4.5.3.2.6).",
    )
    in_doubt_after: float = setting(
        duration(0.001, 31_536_000),
        "10m",
        "How long evidence is waited for about a mail that may have been sent: its"
        " final dot left, and the connection or Postroom ended before the answer.",
    )
    in_doubt: str = setting(
        choice("resend", "hold", "drop"),
        "resend",
        "What is done when no evidence came: send it again with the same Message-ID"
        " (resend), wait for the operator (hold) or give up (drop).",
    )
    plaintext_auth: bool = setting(
        BOOLEAN,
        False,
        "Send user names and passwords to upstreams also over connections without TLS.",
    )
    idle_timeout: float = setting(
        duration(0, 3600), "30s", "How long an unused connection is kept."
    )
    drain_timeout: float = setting(
        duration(0.001, 3600), "30s", "How long deliveries may take to end on a stop."
    )
    ehlo_name: str = setting(
        HOST, "", "What we call ourselves in EHLO. Empty: the machine's host name."
    )


@dataclass(frozen=True, slots=True)
class Intake:
    """What one submission may hold."""

    max_recipients: int = setting(
        integer(1, 100_000),
        10_000,
        "Envelope recipients of one request, cc and bcc included.",
    )
    max_attachments: int = setting(
        size(1, 1 << 30), "25MiB", "Attachments of one mail, decoded, in all."
    )
    min_free_disk: int = setting(
        size(0, 1 << 50),
        "64MiB",
        "Take no mail in that would leave less of the disk than this.",
    )
    max_queued: int = setting(
        integer(1, 1_000_000_000),
        1_000_000,
        "Take no mail in while so many deliveries are queued.",
    )


@dataclass(frozen=True, slots=True)
class Webhooks:
    """Events that are told over HTTP."""

    enabled: bool = setting(
        BOOLEAN, True, "Whether this process tells endpoints of events."
    )
    timeout: float = setting(
        duration(0.1, 60), "10s", "How long an endpoint has to answer."
    )
    at_a_time: int = setting(
        integer(1, 100), 8, "Requests to one endpoint at a time, at most."
    )
    max_rate: int = setting(
        integer(1, 100_000),
        560,
        "Requests a second to all endpoints together, at most: sending goes first.",
    )
    first_retries: tuple[int, ...] = setting(
        RETRY_PLAN,
        "",
        'Pauses before the first retries; "": as the dialect documents them.',
    )
    retry_plan: tuple[int, ...] = setting(
        RETRY_PLAN,
        "6h,12h,24h,24h,24h",
        "Pauses before the retries that follow those.",
    )
    max_waiting: int = setting(
        integer(500),
        5000,
        "Requests that wait for one endpoint; then the rest waits in the log.",
    )
    kept: int = setting(
        integer(1, 10_000), 100, "Deliveries kept for viewing, of each endpoint."
    )
    allow_http: bool = setting(
        BOOLEAN, False, "Whether URLs may begin with http://, for tests."
    )
    allowed_networks: tuple[Network, ...] = setting(
        NETWORKS,
        "",
        "Private networks in which endpoints may be, such as 10.1.2.0/24.",
    )
    ca_file: str = setting(
        PATH,
        "",
        'More issuers whose certificates are good, in one PEM file; "": none.',
    )


@dataclass(frozen=True, slots=True)
class Retention:
    """How long what is finished is kept."""

    events: float = setting(duration(60), "90d", "How long events are kept.")
    engagement: float = setting(
        duration(60), "90d", "How long opens and clicks are kept, as events at most."
    )
    messages: float = setting(
        duration(60), "30d", "How long finished messages are kept."
    )
    bodies: float = setting(
        duration(60), "30d", "How long their bodies are kept, as messages at most."
    )
    captured: int = setting(
        integer(1), 1000, "Mails that the capture provider keeps for viewing."
    )


@dataclass(frozen=True, slots=True)
class Log:
    """What is logged, to standard error."""

    level: str = setting(
        choice("debug", "info", "warning", "error"),
        "info",
        "The least that is logged: debug, info, warning or error.",
    )
    format: str = setting(
        choice("text", "json"),
        "text",
        "Lines for people (text), or one JSON object a line (json).",
    )


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of one process."""

    http: Http = field(default_factory=Http)
    smtp: Smtp = field(default_factory=Smtp)
    live: Live = field(default_factory=Live)
    tracking: Tracking = field(default_factory=Tracking)
    suppression: Suppression = field(default_factory=Suppression)
    dns: Dns = field(default_factory=Dns)
    domain: Domain = field(default_factory=Domain)
    relay: Relay = field(default_factory=Relay)
    intake: Intake = field(default_factory=Intake)
    api: Api = field(default_factory=Api)
    webhooks: Webhooks = field(default_factory=Webhooks)
    retention: Retention = field(default_factory=Retention)
    log: Log = field(default_factory=Log)

    @property
    def public_host(self) -> str:
        """The host that tracking CNAMEs point to."""
        return (
            self.domain.public_host
            or urlsplit(self.http.public_url).hostname
            or socket.gethostname()
        )

    @property
    def smtp_host(self) -> str:
        """The name we greet SMTP clients with."""
        host = self.smtp.host or self.public_host
        return socket.gethostname() if is_ip(host) else host

    @property
    def bounce_host(self) -> str:
        """The host that return-path CNAMEs point to."""
        return self.domain.bounce_host or self.public_host

    @property
    def ehlo_name(self) -> str:
        """The name we greet upstream servers with."""
        return self.relay.ehlo_name or socket.gethostname()


_DEFAULTS = Settings()
SECTIONS = {one.name: type(getattr(_DEFAULTS, one.name)) for one in fields(Settings)}


def declared() -> Iterator[tuple[str, Declared[object]]]:
    """Each setting's full name, such as ``http.bind``, with its declaration."""
    for section, kind in SECTIONS.items():
        for one in fields(kind):
            yield f"{section}.{one.name}", one.metadata[MARK]
