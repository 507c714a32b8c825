"""What a provider's body must keep to before it is joined to what is there.

A list of named checks, each with the sentence that it answers with.
"""

from collections.abc import Callable

from msgspec import UNSET

from appliance.core.provider import AuthMethod, Security
from appliance.core.queue import NOT_DRAWN
from appliance.core.throttle import MAX_RATE
from appliance.dialects.addresses import read_address
from appliance.dialects.sendpost.errors import Problem, invalid
from appliance.dialects.sendpost.provider_wire import ProviderBody
from appliance.dialects.text import has_control

CUSTOM_SMTP = 3  # the vendor's number for this kind of provider
MAX_NAME_CHARS = 100
MAX_HOST_CHARS = 255
MAX_SECRET_CHARS = 4_096  # not published; far more than a login takes
MAX_PORT = 65_535
SECURITIES = {one.value: one for one in Security}
AUTH_METHODS = {one.value: one for one in AuthMethod}
# The older spelling of each, which the pools' own objects have too.
_SPELLINGS = (
    ("host", "endpoint"),
    ("security", "encryption"),
    ("username", "key"),
    ("password", "secret"),
)


def check_body(body: ProviderBody) -> Problem | None:
    """The first rule that ``body`` breaks, None if it keeps to all of them."""
    for rule in _RULES:
        problem = rule(body)
        if problem is not None:
            return problem
    return None


def check_name(name: str) -> Problem | None:
    """What is wrong with the name of a provider or of a pool."""
    if not 0 < len(name) <= MAX_NAME_CHARS:
        return invalid("name", f"name has 1 to {MAX_NAME_CHARS} characters")
    if has_control(name) or name != name.strip():
        return invalid("name", "name has a control character, or a blank at an end")
    if name.startswith(NOT_DRAWN):  # the queue's filter could not tell it apart
        return invalid("name", f'name begins with "{NOT_DRAWN}"')
    return None


def _is_custom_smtp(body: ProviderBody) -> Problem | None:
    if body.type not in (None, CUSTOM_SMTP):
        return invalid("type", f"Only type {CUSTOM_SMTP} (Custom SMTP) is served")
    return None


def _spellings_agree(body: ProviderBody) -> Problem | None:
    for name, older in _SPELLINGS:
        one, other = getattr(body, name), getattr(body, older)
        # The vendor's own object never shows the secret: "" stands in its place.
        if one is not None and other and one != other:
            return invalid(older, f"{name} and {older} do not say the same")
    return None


def _name_is_good(body: ProviderBody) -> Problem | None:
    return None if body.name is None else check_name(body.name)


def _texts_are_short(body: ProviderBody) -> Problem | None:
    for names, most in (
        (("host", "endpoint"), MAX_HOST_CHARS),
        (("username", "key", "password", "secret"), MAX_SECRET_CHARS),
    ):
        for name in names:
            if len(getattr(body, name) or "") > most:
                return invalid(name, f"{name} has at most {most} characters")
    return None


def _port_is_one(body: ProviderBody) -> Problem | None:
    if body.port is not None and not 1 <= body.port <= MAX_PORT:
        return invalid("port", f"port is a whole number from 1 to {MAX_PORT}")
    return None


def _words_are_known(body: ProviderBody) -> Problem | None:
    for param, word, known in (
        ("security", body.security, SECURITIES),
        ("encryption", body.encryption, SECURITIES),
        ("authMethod", body.auth_method, AUTH_METHODS),
    ):
        if word is not None and word.lower() not in known:
            return invalid(param, f"{param} is one of {', '.join(known)}")
    return None


def _rate_is_one(body: ProviderBody) -> Problem | None:
    rate = body.max_rate_per_hour
    if rate is not None and rate is not UNSET and not 1 <= rate <= MAX_RATE:
        message = f"maxRatePerHour is a whole number from 1 to {MAX_RATE}"
        return invalid("maxRatePerHour", message)
    return None


def _addresses_are_some(body: ProviderBody) -> Problem | None:
    for param, text in (("testFrom", body.test_from), ("testTo", body.test_to)):
        if text and read_address(text) is None:
            return invalid(param, f"{param} is not an address")
    return None


_RULES: tuple[Callable[[ProviderBody], Problem | None], ...] = (
    _is_custom_smtp,
    _spellings_agree,
    _name_is_good,
    _texts_are_short,
    _port_is_one,
    _words_are_known,
    _rate_is_one,
    _addresses_are_some,
)
