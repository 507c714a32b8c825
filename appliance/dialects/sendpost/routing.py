"""``routingMetaData``: how a pool chooses, as a string that holds JSON (spec 10.2).

A route's key is a number of the vendor's for a kind of recipient, a sending domain,
or ``others``; its value is a string that holds a JSON array of members, which is also
read as that array. A share is a number, or a string that holds one.
"""

from collections.abc import Mapping, Sequence

import msgspec

from appliance.core.address import is_domain
from appliance.core.ids import ProviderId
from appliance.core.pool import ONLY, OTHERS, NewPool, Route, Routing, check_shares
from appliance.core.recipient_class import RecipientClass
from appliance.dialects.decode import Malformed, decode
from appliance.dialects.sendpost.errors import Problem, invalid

PARAM = "routingMetaData"
MAX_ROUTES = 10_000  # not published
_MEMBER = "TPSP_"
_DIGITS = 4  # of a percentage or a class; more is no number of these
_ID_DIGITS = 18
_NOTHING = ("", "{}", "null")
_OBJECT = msgspec.json.Decoder(dict[str, object])
_NAMES = msgspec.json.Decoder(list[str])


def read_routes(
    routing: Routing, meta: str | Mapping[str, object], members: Sequence[ProviderId]
) -> tuple[Route, ...] | Problem:
    """The routes that ``meta`` describes for a pool of these members."""
    table = _table(meta)
    if isinstance(table, Problem):
        return table
    if routing is Routing.ROUND_ROBIN:
        if table:
            return invalid(PARAM, f"Strategy {routing.value} has no {PARAM}")
        return ()
    read = _read_shares if routing is Routing.SHARES else _read_keyed
    return read(routing, table, members)


def write_routes(pool: NewPool) -> str:
    """The routes of a pool in the vendor's form; "{}" where none are needed."""
    if pool.routing is Routing.ROUND_ROBIN:
        return "{}"
    if pool.routing is Routing.SHARES:
        return _text({_name(one): str(percent) for one, percent in pool.shares})
    return _text(
        {
            _write_key(pool.routing, route.key): _text(
                [_name(one) for one, _ in route.members]
            )
            for route in pool.routes
        }
    )


def _table(meta: str | Mapping[str, object]) -> Mapping[str, object] | Problem:
    if not isinstance(meta, str):
        return meta
    if meta.strip() in _NOTHING:
        return {}
    table = decode(_OBJECT, meta.encode("utf-8", "replace"))
    if isinstance(table, Malformed):
        return invalid(PARAM, f"{PARAM} is not a string that holds a JSON object")
    if len(table) > MAX_ROUTES:
        return invalid(PARAM, f"There are more than {MAX_ROUTES} keys")
    return table


# --- shares -----------------------------------------------------------------------


def _read_shares(
    _routing: Routing, table: Mapping[str, object], members: Sequence[ProviderId]
) -> tuple[Route, ...] | Problem:
    if not table and len(members) == 1:
        return (Route(ONLY, ((members[0], 100),)),)
    shares = []
    for name, value in table.items():
        member, percent = _member(name, members), _percent(value)
        if isinstance(member, Problem):
            return member
        if percent is None:
            return invalid(PARAM, f"The share of {name[:50]} is no whole percentage")
        shares.append((member, percent))
    wrong = check_shares([percent for _, percent in shares])
    if not table:
        wrong = "Strategy 2 needs a percentage for each member"
    if wrong:
        return invalid(PARAM, wrong[:1].upper() + wrong[1:])
    return (Route(ONLY, tuple(shares)),)


def _percent(value: object) -> int | None:
    match value:
        case bool():
            return None
        case int():
            return value
        case float() if value.is_integer():
            return int(value)
        case str() if value.isascii() and value.isdecimal() and len(value) <= _DIGITS:
            return int(value)
    return None


# --- routes by a key --------------------------------------------------------------


def _read_keyed(
    routing: Routing, table: Mapping[str, object], members: Sequence[ProviderId]
) -> tuple[Route, ...] | Problem:
    routes: dict[str, Route] = {}
    for key, value in table.items():
        route = _read_route(routing, key, value, members)
        if isinstance(route, Problem):
            return route
        if route.key in routes:
            return invalid(PARAM, f"{key[:50]!r} is there twice in other spellings")
        routes[route.key] = route
    return tuple(routes.values())


def _read_route(
    routing: Routing, key: str, value: object, members: Sequence[ProviderId]
) -> Route | Problem:
    read = _read_key(routing, key)
    if isinstance(read, Problem):
        return read
    names = _names(value)
    if not names:
        return invalid(PARAM, f"{key[:50]} names no list of members")
    found = []
    for name in names:
        member = _member(name, members)
        if isinstance(member, Problem):
            return member
        if member in found:
            return invalid(PARAM, f"{key[:50]} names {name} twice")
        found.append(member)
    return Route(read, tuple((one, 1) for one in found))


def _read_key(routing: Routing, key: str) -> str | Problem:
    if key == OTHERS:
        return OTHERS
    if routing is Routing.SENDER_DOMAIN:
        domain = key.lower().removesuffix(".")
        if is_domain(domain) and "." in domain:
            return domain
        return invalid(PARAM, f"{key[:50]!r} is no domain")
    number = (
        int(key) if key.isascii() and key.isdecimal() and len(key) <= _DIGITS else -1
    )
    kind = RecipientClass.numbered(number)
    if kind is None:
        most = len(RecipientClass) - 1
        return invalid(PARAM, f"{key[:50]!r} is neither 0 to {most} nor {OTHERS!r}")
    return kind.value


def _write_key(routing: Routing, key: str) -> str:
    if key == OTHERS or routing is Routing.SENDER_DOMAIN:
        return key
    return str(RecipientClass(key).number)


def _names(value: object) -> list[str] | None:
    if isinstance(value, list):
        return value if all(isinstance(one, str) for one in value) else None
    if not isinstance(value, str):
        return None
    names = decode(_NAMES, value.encode("utf-8", "replace"))
    return None if isinstance(names, Malformed) else names


# --- members ----------------------------------------------------------------------


def _member(name: str, members: Sequence[ProviderId]) -> ProviderId | Problem:
    number = name.removeprefix(_MEMBER)
    fits = number != name and number.isascii() and number.isdecimal()
    if fits and len(number) <= _ID_DIGITS and int(number) in members:
        return ProviderId(int(number))
    return invalid(PARAM, f"{name[:50]!r} is not a member of the pool")


def _name(member: ProviderId) -> str:
    return f"{_MEMBER}{member}"


def _text(value: object) -> str:
    return msgspec.json.encode(value).decode()
