"""The settings of the doors: HTTP, SMTP, the websocket, and how they are spoken to."""

from dataclasses import dataclass

from appliance.settings.kinds import (
    BOOLEAN,
    HOST,
    LISTENERS,
    NETWORKS,
    ORIGINS,
    PATH,
    URL,
    HostPort,
    Network,
    choice,
    duration,
    integer,
    size,
)
from appliance.settings.setting import setting


@dataclass(frozen=True, slots=True)
class Http:
    """The HTTP door."""

    bind: tuple[HostPort, ...] = setting(
        LISTENERS,
        "127.0.0.1:8025",
        "Where the HTTP door listens; port 0 takes a free one.",
    )
    public_url: str = setting(
        URL,
        "",
        "How the world reaches the HTTP door; tracking and unsubscribe links of"
        " domains without a verified tracking host begin with it. Empty: the"
        " address that is bound.",
    )
    trusted_proxies: tuple[Network, ...] = setting(
        NETWORKS,
        "127.0.0.1, ::1",
        "Proxies in front of the HTTP door: of theirs it is X-Forwarded-For that tells"
        " who opened or clicked.",
    )
    max_body: int = setting(
        size(1024, 1 << 30), "40MiB", "The largest request body that is taken."
    )
    max_connections: int = setting(
        integer(1, 100_000), 1000, "Connections that may be open at a time."
    )
    header_timeout: float = setting(
        duration(0.1, 3600), "5s", "How long a client may take to send a header."
    )
    body_timeout: float = setting(
        duration(0.1, 3600), "60s", "How long a client may take to send a body."
    )
    drain_timeout: float = setting(
        duration(0.001, 3600), "10s", "How long requests may take to end on a stop."
    )


@dataclass(frozen=True, slots=True)
class Smtp:
    """The SMTP doors."""

    submission: tuple[HostPort, ...] = setting(
        LISTENERS,
        "127.0.0.1:2587",
        "Where mail is taken in with STARTTLS; clients expect 587. Empty: nowhere.",
    )
    submissions: tuple[HostPort, ...] = setting(
        LISTENERS,
        "127.0.0.1:2465",
        "Where mail is taken in with TLS from the start; clients expect 465."
        " Empty: nowhere.",
    )
    mx: tuple[HostPort, ...] = setting(
        LISTENERS,
        "",
        "Where other mail servers bring bounces and complaints, to return-path hosts"
        " that are verified; they expect 25. Whoever logs in may submit there too."
        " Empty: nowhere.",
    )
    mx_max_size: int = setting(
        size(1024, 1 << 30),
        "10MiB",
        "The largest bounce or complaint: some bring the whole mail back.",
    )
    host: str = setting(
        HOST,
        "",
        "Our name in the greeting and in the certificate that is made. Empty: the"
        " host of http.public_url, else the machine's host name.",
    )
    certificate: str = setting(
        PATH,
        "",
        "The certificate with its chain (PEM), read anew when it changes. Empty: a"
        " self-signed one, tls/cert.pem in the data folder.",
    )
    key: str = setting(
        PATH,
        "",
        "The certificate's private key (PEM, no passphrase). Empty: it stands in the"
        " file of the certificate.",
    )
    max_message: int = setting(
        size(1024, 1 << 30),
        "50MiB",
        "The largest mail of an SMTP password; the API keys' logins have their own.",
    )
    max_recipients: int = setting(
        integer(1, 10_000), 100, "Recipients of one mail; the others are told to wait."
    )
    max_messages: int = setting(integer(1), 10_000, "Mails that one session may bring.")
    max_commands: int = setting(
        integer(10, 100_000_000), 200_000, "Commands that one session may give."
    )
    max_errors: int = setting(
        integer(1),
        20,
        "Errors since the last mail that was taken after which a session is closed.",
    )
    max_sessions: int = setting(
        integer(1, 100_000), 3000, "Sessions that may be open at a time."
    )
    max_sessions_per_address: int = setting(
        integer(1, 100_000),
        100,
        "Sessions of one IPv4 address or IPv6 /64 that may be open at a time.",
    )
    max_memory: int = setting(
        size(1 << 20, 1 << 40),
        "256MiB",
        "Memory that mail which is being received may take, in all sessions.",
    )
    idle_timeout: float = setting(
        duration(0.1, 86_400),
        "5m",
        "How long a client may take for a command, or for the next piece of a mail.",
    )
    session_timeout: float = setting(
        duration(0.1, 604_800), "2h", "How long a session may last in all."
    )
    login_failures: int = setting(
        integer(1, 1000), 5, "Failed logins after which an address is blocked."
    )
    login_window: float = setting(
        duration(1, 86_400), "10m", "The time within which failed logins are counted."
    )
    login_block: float = setting(
        duration(1, 86_400),
        "15m",
        "How long an address is blocked the first time; each further time is twice as"
        " long, up to a day.",
    )
    line_ends: str = setting(
        choice("reject", "normalise"),
        "reject",
        "What becomes of mail with a CR or LF that is no line end: refused (reject) or"
        " made a line end (normalise).",
    )
    idempotency_window: float = setting(
        duration(1, 31_536_000),
        "24h",
        "How long a mail that comes again under its idempotency key is not a second"
        " mail.",
    )
    message_id_is_key: bool = setting(
        BOOLEAN, False, "Take the Message-ID of mail without such a key for one."
    )
    max_hops: int = setting(
        integer(1, 1000),
        50,
        "Received fields with which a mail is taken to run in a circle.",
    )
    drain_timeout: float = setting(
        duration(0.001, 3600), "10s", "How long mails may take to end on a stop."
    )


@dataclass(frozen=True, slots=True)
class Live:
    """The event websocket."""

    max_subscribers: int = setting(
        integer(0, 100_000), 1000, "Websocket readers at a time."
    )
    send_timeout: float = setting(
        duration(0.01, 3600), "10s", "How long a reader may block before it is cut off."
    )
    ping_interval: float = setting(
        duration(0.01, 3600), "20s", "The pause between two pings."
    )
    pong_timeout: float = setting(
        duration(0.01, 3600), "20s", "How long a reader may take to answer a ping."
    )
    origins: tuple[str, ...] = setting(
        ORIGINS,
        "",
        "Origins, beside our own, whose pages may open the websocket.",
    )
    compress: bool = setting(
        BOOLEAN, True, "Whether readers that offer it are sent compressed frames."
    )


@dataclass(frozen=True, slots=True)
class Api:
    """The HTTP API."""

    default_contract: str = setting(
        choice("v1", "legacy"),
        "v1",
        "The response contract for requests that name none: v1 or legacy.",
    )
