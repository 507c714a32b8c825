"""Every setting, declared once: name, kind, default, meaning.

A section is a dataclass, a setting is a field of it; the names, the file in
``etc/``, the help and the checks all come from here. What changes while the
server runs (domains, keys, providers, pools) is a row in the database instead.
"""

import socket
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Generic, TypeVar
from urllib.parse import urlsplit

from appliance.settings.kinds import (
    BOOLEAN,
    HOST,
    LISTENERS,
    NAMESERVERS,
    NETWORKS,
    ORIGINS,
    PATH,
    RETRY_PLAN,
    URL,
    HostPort,
    Kind,
    Network,
    choice,
    duration,
    integer,
    is_ip,
    size,
)

Value = TypeVar("Value")
_MARK = "postroom setting"


@dataclass(frozen=True, slots=True)
class Declared(Generic[Value]):
    """What is known of a setting before any value is given."""

    kind: Kind[Value]
    default: Value
    meaning: str


def _setting(kind: Kind[Value], default: object, meaning: str) -> Value:
    value = kind.read(default)
    return field(default=value, metadata={_MARK: Declared(kind, value, meaning)})


@dataclass(frozen=True, slots=True)
class Http:
    """The HTTP door."""

    bind: tuple[HostPort, ...] = _setting(
        LISTENERS,
        "127.0.0.1:8025",
        "Where the HTTP door listens; port 0 takes a free one.",
    )
    public_url: str = _setting(
        URL,
        "",
        "How the world reaches the HTTP door; tracking and unsubscribe links of"
        " domains without a verified tracking host begin with it. Empty: the"
        " address that is bound.",
    )
    trusted_proxies: tuple[Network, ...] = _setting(
        NETWORKS,
        "127.0.0.1, ::1",
        "Proxies in front of the HTTP door: of theirs it is X-Forwarded-For that tells"
        " who opened or clicked.",
    )
    max_body: int = _setting(
        size(1024, 1 << 30), "40MiB", "The largest request body that is taken."
    )
    max_connections: int = _setting(
        integer(1, 100_000), 1000, "Connections that may be open at a time."
    )
    header_timeout: float = _setting(
        duration(0.1, 3600), "5s", "How long a client may take to send a header."
    )
    body_timeout: float = _setting(
        duration(0.1, 3600), "60s", "How long a client may take to send a body."
    )
    drain_timeout: float = _setting(
        duration(0.001, 3600), "10s", "How long requests may take to end on a stop."
    )


@dataclass(frozen=True, slots=True)
class Smtp:
    """The SMTP doors."""

    submission: tuple[HostPort, ...] = _setting(
        LISTENERS,
        "127.0.0.1:2587",
        "Where mail is taken in with STARTTLS; clients expect 587. Empty: nowhere.",
    )
    submissions: tuple[HostPort, ...] = _setting(
        LISTENERS,
        "127.0.0.1:2465",
        "Where mail is taken in with TLS from the start; clients expect 465."
        " Empty: nowhere.",
    )
    mx: tuple[HostPort, ...] = _setting(
        LISTENERS,
        "",
        "Where other mail servers bring bounces and complaints, to return-path hosts"
        " that are verified; they expect 25. Whoever logs in may submit there too."
        " Empty: nowhere.",
    )
    mx_max_size: int = _setting(
        size(1024, 1 << 30),
        "10MiB",
        "The largest bounce or complaint: some bring the whole mail back.",
    )
    host: str = _setting(
        HOST,
        "",
        "Our name in the greeting and in the certificate that is made. Empty: the"
        " host of http.public_url, else the machine's host name.",
    )
    certificate: str = _setting(
        PATH,
        "",
        "The certificate with its chain (PEM), read anew when it changes. Empty: a"
        " self-signed one, tls/cert.pem in the data folder.",
    )
    key: str = _setting(
        PATH,
        "",
        "The certificate's private key (PEM, no passphrase). Empty: it stands in the"
        " file of the certificate.",
    )
    max_message: int = _setting(
        size(1024, 1 << 30),
        "50MiB",
        "The largest mail of an SMTP password; the API keys' logins have their own.",
    )
    max_recipients: int = _setting(
        integer(1, 10_000), 100, "Recipients of one mail; the others are told to wait."
    )
    max_messages: int = _setting(
        integer(1), 10_000, "Mails that one session may bring."
    )
    max_commands: int = _setting(
        integer(10, 100_000_000), 200_000, "Commands that one session may give."
    )
    max_errors: int = _setting(
        integer(1),
        20,
        "Errors since the last mail that was taken after which a session is closed.",
    )
    max_sessions: int = _setting(
        integer(1, 100_000), 3000, "Sessions that may be open at a time."
    )
    max_sessions_per_address: int = _setting(
        integer(1, 100_000),
        100,
        "Sessions of one IPv4 address or IPv6 /64 that may be open at a time.",
    )
    max_memory: int = _setting(
        size(1 << 20, 1 << 40),
        "256MiB",
        "Memory that mail which is being received may take, in all sessions.",
    )
    idle_timeout: float = _setting(
        duration(0.1, 86_400),
        "5m",
        "How long a client may take for a command, or for the next piece of a mail.",
    )
    session_timeout: float = _setting(
        duration(0.1, 604_800), "2h", "How long a session may last in all."
    )
    login_failures: int = _setting(
        integer(1, 1000), 5, "Failed logins after which an address is blocked."
    )
    login_window: float = _setting(
        duration(1, 86_400), "10m", "The time within which failed logins are counted."
    )
    login_block: float = _setting(
        duration(1, 86_400),
        "15m",
        "How long an address is blocked the first time; each further time is twice as"
        " long, up to a day.",
    )
    line_ends: str = _setting(
        choice("reject", "normalise"),
        "reject",
        "What becomes of mail with a CR or LF that is no line end: refused (reject) or"
        " made a line end (normalise).",
    )
    idempotency_window: float = _setting(
        duration(1, 31_536_000),
        "24h",
        "How long a mail that comes again under its idempotency key is not a second"
        " mail.",
    )
    message_id_is_key: bool = _setting(
        BOOLEAN, False, "Take the Message-ID of mail without such a key for one."
    )
    max_hops: int = _setting(
        integer(1, 1000),
        50,
        "Received fields with which a mail is taken to run in a circle.",
    )
    drain_timeout: float = _setting(
        duration(0.001, 3600), "10s", "How long mails may take to end on a stop."
    )


@dataclass(frozen=True, slots=True)
class Live:
    """The event websocket."""

    max_subscribers: int = _setting(
        integer(0, 100_000), 1000, "Websocket readers at a time."
    )
    send_timeout: float = _setting(
        duration(0.01, 3600), "10s", "How long a reader may block before it is cut off."
    )
    ping_interval: float = _setting(
        duration(0.01, 3600), "20s", "The pause between two pings."
    )
    pong_timeout: float = _setting(
        duration(0.01, 3600), "20s", "How long a reader may take to answer a ping."
    )
    origins: tuple[str, ...] = _setting(
        ORIGINS,
        "",
        "Origins, beside our own, whose pages may open the websocket.",
    )
    compress: bool = _setting(
        BOOLEAN, True, "Whether readers that offer it are sent compressed frames."
    )


@dataclass(frozen=True, slots=True)
class Tracking:
    """What is kept of opens, clicks and unsubscribes."""

    ip: str = _setting(
        choice("keep", "truncate", "drop"),
        "truncate",
        "What is kept of a visitor's IP address: all (keep), its network of 256, of"
        " IPv6 its /48 (truncate), or nothing (drop).",
    )


@dataclass(frozen=True, slots=True)
class Suppression:
    """How long an address gets no mail."""

    hard_bounce_expiry: float = _setting(
        duration(0),
        "0s",
        "After how long a hard bounce suppresses its address no more; 0s is never. An"
        " entry keeps the end that it was made with.",
    )


@dataclass(frozen=True, slots=True)
class Dns:
    """How names are looked up."""

    nameservers: tuple[HostPort, ...] = _setting(
        NAMESERVERS, "", "The resolvers to ask. Empty: those of the system."
    )
    timeout: float = _setting(
        duration(0.01, 300), "5s", "How long one lookup may take in all."
    )


@dataclass(frozen=True, slots=True)
class Domain:
    """The hosts that the DNS records of sender domains point to."""

    public_host: str = _setting(
        HOST,
        "",
        "Where tracking hosts point (CNAME). Empty: the host of http.public_url,"
        " else the machine's host name.",
    )
    bounce_host: str = _setting(
        HOST,
        "",
        "Where return-path hosts point (CNAME). Empty: as domain.public_host.",
    )


@dataclass(frozen=True, slots=True)
class Relay:
    """How mail is handed to the upstream servers."""

    enabled: bool = _setting(
        BOOLEAN, True, "Hand mail over; false: it is taken in and waits."
    )
    retry_plan: tuple[int, ...] = _setting(
        RETRY_PLAN,
        "1h,2h,3h,4h,5h",
        "The pauses after the first, second, ... failed try; then the mail is"
        " dropped. A provider may have its own.",
    )
    permanent_5xx: bool = _setting(
        BOOLEAN,
        False,
        "Drop at once when an upstream answers 5xx, instead of trying again.",
    )
    breaker_failures: int = _setting(
        integer(1, 1000),
        3,
        "Failures in a row to connect, to agree on TLS or to log in after which a"
        " provider counts as down; a 421 is one too.",
    )
    breaker_pause: float = _setting(
        duration(0.1, 86_400),
        "30s",
        "How long a provider that is down is left alone before one mail tries it; the"
        " next pause is twice as long.",
    )
    breaker_max_pause: float = _setting(
        duration(0.1, 86_400), "15m", "The longest of these pauses."
    )
    classify_by_mx: bool = _setting(
        BOOLEAN,
        True,
        "Look up the MX records of recipients' domains, in the background, to tell the"
        " class of those that are no mailbox provider's own; only if there are limits,"
        " or routes by class.",
    )
    max_connections: int = _setting(
        integer(1, 1000), 5, "Connections to a provider that names no number."
    )
    limit_wait: float = _setting(
        duration(1, 30 * 86_400),
        "72h",
        "How long a limit of a provider may hold a mail back that is due; then it is"
        " dropped. The time begins anew after the provider was down.",
    )
    default_rate_per_hour: int = _setting(
        integer(0, 1_000_000_000),
        0,
        "Mails an hour to a new provider that names no number; 0: any number. Other"
        " services begin with 100.",
    )
    max_in_flight: int = _setting(
        integer(1, 100_000), 500, "Deliveries that may be under way at a time."
    )
    max_memory: int = _setting(
        size(1 << 20, 1 << 40), "64MiB", "Memory that mail under way may take."
    )
    signing_threads: int = _setting(
        integer(1, 64),
        1,
        "Threads that prepare and sign mail. Measured on two cores: a second one"
        " only fights for the interpreter.",
    )
    connect_timeout: float = _setting(
        duration(0.01, 3600), "30s", "How long connecting to an upstream may take."
    )
    command_timeout: float = _setting(
        duration(0.01, 3600), "60s", "How long an upstream may take for a reply."
    )
    data_timeout: float = _setting(
        duration(0.01, 3600),
        "600s",
        "How long the message and the reply to its final dot may take"
        " (RFC 5321 4.5.3.2.6).",
    )
    in_doubt_after: float = _setting(
        duration(0.001, 31_536_000),
        "10m",
        "How long evidence is waited for about a mail that may have been sent: its"
        " final dot left, and the connection or Postroom ended before the answer.",
    )
    in_doubt: str = _setting(
        choice("resend", "hold", "drop"),
        "resend",
        "What is done when no evidence came: send it again with the same Message-ID"
        " (resend), wait for the operator (hold) or give up (drop).",
    )
    plaintext_auth: bool = _setting(
        BOOLEAN,
        False,
        "Send user names and passwords to upstreams also over connections without TLS.",
    )
    idle_timeout: float = _setting(
        duration(0, 3600), "30s", "How long an unused connection is kept."
    )
    drain_timeout: float = _setting(
        duration(0.001, 3600), "30s", "How long deliveries may take to end on a stop."
    )
    ehlo_name: str = _setting(
        HOST, "", "What we call ourselves in EHLO. Empty: the machine's host name."
    )


@dataclass(frozen=True, slots=True)
class Intake:
    """What one submission may hold."""

    max_recipients: int = _setting(
        integer(1, 100_000),
        10_000,
        "Envelope recipients of one request, cc and bcc included.",
    )
    max_attachments: int = _setting(
        size(1, 1 << 30), "25MiB", "Attachments of one mail, decoded, in all."
    )
    min_free_disk: int = _setting(
        size(0, 1 << 50),
        "64MiB",
        "Take no mail in that would leave less of the disk than this.",
    )
    max_queued: int = _setting(
        integer(1, 1_000_000_000),
        1_000_000,
        "Take no mail in while so many deliveries are queued.",
    )


@dataclass(frozen=True, slots=True)
class Api:
    """The HTTP API."""

    default_contract: str = _setting(
        choice("v1", "legacy"),
        "v1",
        "The response contract for requests that name none: v1 or legacy.",
    )


@dataclass(frozen=True, slots=True)
class Webhooks:
    """Events that are told over HTTP."""

    enabled: bool = _setting(
        BOOLEAN, True, "Whether this process tells endpoints of events."
    )
    timeout: float = _setting(
        duration(0.1, 60), "10s", "How long an endpoint has to answer."
    )
    at_a_time: int = _setting(
        integer(1, 100), 8, "Requests to one endpoint at a time, at most."
    )
    max_rate: int = _setting(
        integer(1, 100_000),
        560,
        "Requests a second to all endpoints together, at most: sending goes first.",
    )
    first_retries: tuple[int, ...] = _setting(
        RETRY_PLAN,
        "",
        'Pauses before the first retries; "": as the dialect documents them.',
    )
    retry_plan: tuple[int, ...] = _setting(
        RETRY_PLAN,
        "6h,12h,24h,24h,24h",
        "Pauses before the retries that follow those.",
    )
    max_waiting: int = _setting(
        integer(500),
        5000,
        "Requests that wait for one endpoint; then the rest waits in the log.",
    )
    kept: int = _setting(
        integer(1, 10_000), 100, "Deliveries kept for viewing, of each endpoint."
    )
    allow_http: bool = _setting(
        BOOLEAN, False, "Whether URLs may begin with http://, for tests."
    )
    allowed_networks: tuple[Network, ...] = _setting(
        NETWORKS,
        "",
        "Private networks in which endpoints may be, such as 10.1.2.0/24.",
    )
    ca_file: str = _setting(
        PATH,
        "",
        'More issuers whose certificates are good, in one PEM file; "": none.',
    )


@dataclass(frozen=True, slots=True)
class Retention:
    """How long what is finished is kept."""

    events: float = _setting(duration(60), "90d", "How long events are kept.")
    engagement: float = _setting(
        duration(60), "90d", "How long opens and clicks are kept, as events at most."
    )
    messages: float = _setting(
        duration(60), "30d", "How long finished messages are kept."
    )
    bodies: float = _setting(
        duration(60), "30d", "How long their bodies are kept, as messages at most."
    )
    captured: int = _setting(
        integer(1), 1000, "Mails that the capture provider keeps for viewing."
    )


@dataclass(frozen=True, slots=True)
class Log:
    """What is logged, to standard error."""

    level: str = _setting(
        choice("debug", "info", "warning", "error"),
        "info",
        "The least that is logged: debug, info, warning or error.",
    )
    format: str = _setting(
        choice("text", "json"),
        "text",
        "Lines for people (text), or one JSON object a line (json).",
    )


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of one process."""

    http: Http = Http()
    smtp: Smtp = Smtp()
    live: Live = Live()
    tracking: Tracking = Tracking()
    suppression: Suppression = Suppression()
    dns: Dns = Dns()
    domain: Domain = Domain()
    relay: Relay = Relay()
    intake: Intake = Intake()
    api: Api = Api()
    webhooks: Webhooks = Webhooks()
    retention: Retention = Retention()
    log: Log = Log()

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
            yield f"{section}.{one.name}", one.metadata[_MARK]
