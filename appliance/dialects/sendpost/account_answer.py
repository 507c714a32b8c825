"""What the calls about providers and pools answer beside the objects themselves."""

from collections.abc import Sequence

import msgspec

from appliance.dialects.sendpost.answer import JSON_TYPE, Answer
from appliance.dialects.sendpost.errors import Fault, Problem, invalid

NO_PROVIDER = Problem(Fault.NOT_FOUND, "There is no such TPSP")
NO_POOL = Problem(Fault.NOT_FOUND, "There is no such IP pool")
BUSY = Problem(Fault.RATE_LIMITED, "Too many tests are under way, try again later")
DEFAULT_POOL = Problem(Fault.EXISTS, "The default IP pool cannot be deleted")


def render(value: object, status: int = 200) -> Answer:
    """An object or a list as a whole answer."""
    return Answer(status, (JSON_TYPE,), msgspec.json.encode(value))


def provider_deleted(number: int, name: str) -> Answer:
    """The answer to a provider that is gone now."""
    return _deleted(number, f"TPSP ({name}) has been deleted successfully.")


def pool_deleted(number: int, name: str) -> Answer:
    """The answer to a pool that is gone now."""
    return _deleted(number, f"IP pool ({name}) has been deleted successfully.")


def provider_exists(name: str) -> Problem:
    """The answer to a second provider of that name."""
    return Problem(Fault.EXISTS, f"There is a TPSP named {name!r} already", "name")


def pool_exists(name: str) -> Problem:
    """The answer to a second pool of that name."""
    return Problem(Fault.EXISTS, f"There is an IP pool named {name!r} already", "name")


def own_pool_exists(name: str) -> Problem:
    """The answer to a provider whose own pool would have a name that is taken."""
    message = f"There is an IP pool named {name!r} already: set createIpPool to false"
    return Problem(Fault.EXISTS, message, "createIpPool")


def provider_in_use(name: str, pools: Sequence[str]) -> Problem:
    """The answer to the wish to delete a provider that pools draw from."""
    shown = ", ".join(map(repr, pools))
    return Problem(Fault.EXISTS, f"The TPSP {name!r} is used by the IP pools {shown}")


def pool_in_use(name: str, why: str) -> Problem:
    """The answer to the wish to delete a pool that something needs."""
    return Problem(Fault.EXISTS, f"The IP pool {name!r} is in use: {why}")


def unfit(field: str, message: str) -> Problem:
    """The answer to a setting with which no mail can be sent."""
    return invalid(field, message[:1].upper() + message[1:])


def _deleted(number: int, message: str) -> Answer:
    return render({"id": number, "message": message})
