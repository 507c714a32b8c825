"""A Postroom's SMTP doors, and the accounts that there are for them."""

from typing import Any

from tests.fakes.dns_server import NsdServer
from tests.fakes.postfix import PostfixServer
from tests.fakes.postroom import Postroom
from tests.integration.clients import Door, Login
from tests.integration.house import DOMAIN, PUBLIC_HOST, add_upstream, publish

NAMED = {"smtp.host": PUBLIC_HOST}  # the name in the greeting and the certificate


def furnish_for_smtp(
    postroom: Postroom, upstream: PostfixServer, nsd: NsdServer | None = None
) -> None:
    """A default pool, and the domain: verified by that DNS server, or trusted."""
    add_upstream(postroom, "postfix", upstream.port)
    postroom.run("pool", "add", "default", "postfix=100", "--default")
    if nsd is None:
        postroom.run("domain", "add", DOMAIN)
        postroom.run("domain", "trust", DOMAIN)
    else:
        publish(postroom, nsd)
        postroom.run("domain", "verify", DOMAIN)


def submission(postroom: Postroom) -> Door:
    """The door with STARTTLS."""
    return _door(postroom, "submission")


def submissions(postroom: Postroom) -> Door:
    """The door with TLS from the start."""
    return _door(postroom, "submissions")


def anypost(postroom: Postroom) -> Login:
    """The Anypost key that `init` made."""
    return Login("anypost", postroom.keys["anypostKey"])


def postscale(postroom: Postroom) -> Login:
    """The Postscale key that `init` made."""
    return Login("postscale", postroom.keys["postscaleKey"])


def credential_pair(postroom: Postroom, *words: str) -> tuple[Login, Any]:
    """A new SMTP user name with its password, and what else the command says.

    To be made before the server starts, which learns of it within a second.
    """
    facts = postroom.ask("key", "add", "--smtp", *words)
    return Login(facts["username"], facts["key"]), facts


def _door(postroom: Postroom, name: str) -> Door:
    (address,) = postroom.addresses()[name]
    host, _, port = address.rpartition(":")
    return Door(int(port), postroom.data / "tls/cert.pem", host)
