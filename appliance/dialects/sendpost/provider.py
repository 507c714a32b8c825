"""A provider's body to the settings that it asks for (spec 7.3).

A new provider begins with the defaults and a change with what is there; both are
read by the same steps. Whether the server takes mail, and whether the name is
free, is found out by others.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import msgspec
from msgspec import UNSET

from appliance.core.address import Address
from appliance.core.provider import Kind, NewProvider, Provider, Security
from appliance.core.recipient_class import RecipientClass
from appliance.core.throttle import UNLIMITED, Limits
from appliance.dialects.addresses import read_address
from appliance.dialects.decode import Malformed, decode
from appliance.dialects.sendpost.class_settings import ClassRule, read_class_settings
from appliance.dialects.sendpost.errors import Problem, invalid
from appliance.dialects.sendpost.provider_rules import (
    AUTH_METHODS,
    SECURITIES,
    check_body,
)
from appliance.dialects.sendpost.provider_wire import DECODER, FIELDS, ProviderBody

TEST_HEADER = "X-Sendpost-Test: 1"


@dataclass(frozen=True, slots=True)
class ProviderWish:
    """A body that keeps to the rules, not yet joined to what is there.

    ``test_from`` and ``test_to`` are None where the house's own are to be used.
    """

    body: ProviderBody
    rules: Mapping[RecipientClass, ClassRule]
    test_from: Address | None
    test_to: Address | None

    @property
    def with_pool(self) -> bool:
        """True if a pool of its own is to be made for it."""
        return self.body.create_ip_pool is not False

    def new(
        self, defaults: NewProvider, *, named: bool = True
    ) -> NewProvider | Problem:
        """The provider to make, or to test if it need not be ``named``."""
        settings = _joined(defaults, self.body, self.rules)
        if named and not settings.name:
            return invalid("name", "name is required")
        if not settings.host:
            return invalid("host", "host is required")
        return _check_login(settings, self.body) or settings

    def change(self, old: Provider) -> NewProvider | Problem:
        """The settings of ``old`` with what the body says in their places."""
        settings = _joined(old, self.body, self.rules)
        if old.kind is Kind.SMTP and not settings.host:
            return invalid("host", "host is required")
        wrong = _check_login(settings, self.body)
        return wrong or _check_trust(old, settings, self.body) or settings


def parse_provider(body: bytes) -> ProviderWish | Problem:
    """What a body asks for, or why it is refused; never raises."""
    read = decode(DECODER, body)
    if isinstance(read, Malformed):
        return invalid(read.path, read.what)
    problem = check_body(read)
    if problem is not None:
        return problem
    rules = read_class_settings(_fields(body))
    if isinstance(rules, Problem):
        return rules
    return ProviderWish(read, rules, _address(read.test_from), _address(read.test_to))


def _fields(body: bytes) -> Mapping[str, msgspec.Raw]:
    return FIELDS.decode(body)


def _address(text: str | None) -> Address | None:
    return read_address(text) if text else None


def _joined(
    base: NewProvider, body: ProviderBody, rules: Mapping[RecipientClass, ClassRule]
) -> NewProvider:
    username = _first(body.username, body.key, base.username)
    return replace(
        base,
        name=_first(body.name, base.name),
        host=_first(body.host, body.endpoint, base.host),
        port=base.port if body.port is None else body.port,
        security=SECURITIES[
            _first(body.security, body.encryption, base.security.value).lower()
        ],
        username=username,
        # An answer has no password, and "" in its place in the older form: who sends
        # one back does not mean to take the password away.
        password=(body.password or body.secret or base.password) if username else "",
        auth_method=AUTH_METHODS[
            _first(body.auth_method, base.auth_method.value).lower()
        ],
        verify_certificate=(
            base.verify_certificate
            if body.verify_certificate is None
            else body.verify_certificate
        ),
        limits=_limits(base.limits, body, rules),
    )


def _first(*texts: str | None) -> str:
    """The first text that was given, "" if none was."""
    return next((text for text in texts if text is not None), "")


def _limits(
    base: Limits, body: ProviderBody, rules: Mapping[RecipientClass, ClassRule]
) -> Limits:
    overall = base.overall
    if body.max_rate_per_hour is not UNSET:
        overall = replace(overall, per_hour=body.max_rate_per_hour)
    classes = dict(base.classes)
    for one, rule in rules.items():
        before = classes.pop(one, UNLIMITED)
        limit = replace(before, per_hour=rule.per_hour, at_once=rule.connections)
        if limit:
            classes[one] = limit
    return replace(base, overall=overall, classes=classes)


def _check_login(settings: NewProvider, body: ProviderBody) -> Problem | None:
    if (body.password or body.secret) and not settings.username:
        return invalid("username", "username is required beside password")
    if settings.username and not settings.password:
        return invalid("password", "password is required beside username")
    return None


def _check_trust(
    before: NewProvider, after: NewProvider, body: ProviderBody
) -> Problem | None:
    """A password that nobody is shown must not be sent to a place that is less safe.

    Else whoever has a key could read it by naming a server of their own.
    """
    moved = after.host != before.host
    bared = before.verify_certificate and not after.verify_certificate
    opened = after.security is Security.NONE and before.security is not Security.NONE
    if not (moved or bared or opened) or not after.password:
        return None
    if body.password or body.secret:
        return None
    message = "password must be given again with another host or a weaker protection"
    return invalid("password", message)
