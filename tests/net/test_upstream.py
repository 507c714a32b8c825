import pytest

from appliance.core.provider import Security
from appliance.net.upstream import Timeouts, Upstream
from appliance.smtp.outcome import Stage


def test_password_is_never_shown() -> None:
    """ATTACKS 27: no repr holds the secret."""
    upstream = Upstream("mx.test", 25, username="u", password="hunter2")
    assert "hunter2" not in repr(upstream)


def test_tls_is_demanded_unless_told_otherwise() -> None:
    """The default is the safe one."""
    upstream = Upstream("mx.test", 25)
    assert upstream.security is Security.STARTTLS
    assert upstream.verify_certificate
    assert not upstream.allow_plaintext_auth


@pytest.mark.parametrize(
    "change",
    [
        {"host": ""},
        {"host": ".mx.test"},
        {"host": "mx.test\r\nQUIT"},
        {"host": "mx.test:25"},
        {"host": "127.0.0.1:25"},
        {"host": "127.0.0.256"},
        {"host": "[127.0.0.1]"},
        {"host": "[::1]"},
        {"host": "::1%lo"},
        {"host": "1234"},
        {"port": 0},
        {"port": 65536},
        {"ehlo_name": "a b"},
        {"username": "a\0b"},
        {"password": "hun\0ter2"},
        {"password": "hun\ud800ter2"},
    ],
)
def test_what_cannot_be_sent_is_refused_without_showing_it(
    change: dict[str, str | int],
) -> None:
    """A bad field is named, its value is not."""
    fields: dict[str, str | int] = {"host": "mx.test", "port": 25, **change}
    [name] = change
    with pytest.raises(ValueError, match=name) as caught:
        Upstream(**fields)  # type: ignore[arg-type]  # the wrong values on purpose
    assert "ter2" not in str(caught.value)


@pytest.mark.parametrize(
    "host", ["mx.test", "mx.test.", "localhost", "mail_relay", "127.0.0.1", "::1"]
)
def test_names_and_addresses_are_hosts(host: str) -> None:
    """What the resolver knows, private names too, and addresses without brackets."""
    assert Upstream(host, 25).host == host


def test_each_stage_has_its_own_patience() -> None:
    """RFC 5321 4.5.3.2: the final dot may take ten minutes, a command one."""
    timeouts = Timeouts()
    assert timeouts.of(Stage.DOT) == 600
    assert timeouts.of(Stage.MAIL) == timeouts.of(Stage.DATA) == 60
    assert timeouts.of(Stage.QUIT) == 5
