"""`postroom unblock`: lets an address log in again that failed too often."""

import click

from appliance.cli.common import Call, Failure, common, example, run
from appliance.cli.data import open_house
from appliance.cli.show import line, say
from appliance.core.origin import origin_of


@click.command(
    short_help="Let an address log in again.",
    epilog=example("postroom unblock 192.0.2.66"),
)
@click.argument("address", metavar="ADDRESS")
@common
def unblock(call: Call, *, address: str) -> None:
    """Lift the block of an address whose SMTP logins failed too often.

    ADDRESS is an IP address, or what `postroom status` shows; of an IPv6 address
    the whole /64 is blocked, and lifted. A running server knows it within a second.
    """
    try:
        origin = origin_of(address.strip().removesuffix("/64"))
    except ValueError:
        wrong = f"{address!r} is no IP address"
        raise click.BadParameter(wrong, param_hint="ADDRESS") from None
    if not run(lambda: _lift(call, origin)):
        raise Failure(f"{origin} is not blocked", "Who is: postroom status")
    if call.as_json:
        line({"address": origin, "unblocked": True})
    else:
        say(f"{origin} may log in again.")


async def _lift(call: Call, origin: str) -> bool:
    from appliance.store.login_blocks import lift_login_block

    async with open_house(call) as store:
        return await store.write(lift_login_block, origin)
