"""DKIM keys of sender domains: made or brought along, and replaced with an overlap.

A new key waits until its record is seen in the DNS; the old one signs meanwhile.
Then the new one signs, and the record of the old one stays where it is for mail that
is still under way. Nothing is published here: that is for the domain's owner.
"""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import trio

from appliance.core.domain import (
    Algorithm,
    DkimKey,
    SenderDomain,
    Stage,
    is_selector,
)
from appliance.dialects.sendpost.domain import (
    dkim_record,
    first_selector,
    next_selector,
    selector_beside,
)
from appliance.mime.dkim_keys import (
    UnusableKey,
    generate_ed25519_key,
    generate_rsa_key,
    import_key,
)
from appliance.store.database import Store
from appliance.store.domain_keys import add_next_key
from appliance.store.domains import get_domain

SECOND_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class KeyWish:
    """The key that is wanted: one in PEM, which its owner brings, or else a new one.

    ``selector`` "" leaves the name to us; ``algorithm`` is that of a new key.
    """

    selector: str = ""
    pem: bytes = field(default=b"", repr=False)
    algorithm: Algorithm = Algorithm.RSA_SHA256


class KeyRefused(ValueError):  # noqa: N818 - an expected answer, worded for people
    """The key cannot be had as it is wanted; ``hint`` says what would help."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


async def first_keys(wish: KeyWish) -> tuple[DkimKey, ...]:
    """The keys of a new domain: the one that is wanted, and one of the other kind.

    Raises:
        KeyRefused: there is no such key or name.
    """
    key = await _make(wish)
    other = _OTHER[key.algorithm]
    if wish.selector:
        beside = selector_beside(wish.selector, other)
        return key, await _generate(other, beside)
    key = replace(key, selector=first_selector(key.algorithm))
    return key, await _generate(other, first_selector(other))


async def rotate(
    store: Store, domain: SenderDomain, wish: KeyWish, now_ns: int
) -> tuple[SenderDomain, DkimKey]:
    """The domain with a key that waits for its record, and that key.

    Raises:
        KeyRefused: there is no such key or name, or one waits already.
        StoreUnavailable: nothing was stored.
    """
    _check(domain, wish.selector)
    key = await _make(wish)
    waiting = _waiting(domain, key.algorithm)
    if waiting is not None:
        name, old = domain.name, waiting.selector
        hint = f"Take it back: postroom domain retire {name} --selector {old}"
        raise KeyRefused(f"the key {old} waits for its record already", hint)
    if not wish.selector:
        taken = [one.selector for one in domain.keys]
        key = replace(key, selector=_dated(key.algorithm, now_ns, taken))
    key = replace(key, stage=Stage.NEXT, since_ns=now_ns)
    record = dkim_record(domain.name, key)
    added = await store.write(add_next_key, domain.id, key, record)
    found = await store.read(get_domain, domain.sub_account, domain.name)
    if not added or found is None:
        raise KeyRefused(f"{domain.name} was changed at the same time")
    return found, key


def _check(domain: SenderDomain, selector: str) -> None:
    if domain.key(selector) is not None:
        raise KeyRefused(f"{domain.name} has a key {selector} already")


def _waiting(domain: SenderDomain, algorithm: Algorithm) -> DkimKey | None:
    of_its_kind = (one for one in domain.keys if one.algorithm is algorithm)
    return next((one for one in of_its_kind if one.stage is Stage.NEXT), None)


async def _make(wish: KeyWish) -> DkimKey:
    if wish.selector and not is_selector(wish.selector):
        hint = "Letters, digits and hyphens, as in: key2"
        raise KeyRefused(f"{wish.selector!r} is no selector", hint)
    if not wish.pem:
        return await _generate(wish.algorithm, wish.selector)
    try:
        return await trio.to_thread.run_sync(import_key, wish.selector, wish.pem)
    except UnusableKey as error:
        raise KeyRefused(str(error)) from None


async def _generate(algorithm: Algorithm, selector: str) -> DkimKey:
    make = _GENERATORS[algorithm]
    return await trio.to_thread.run_sync(make, selector)


def _dated(algorithm: Algorithm, now_ns: int, taken: Collection[str]) -> str:
    day = datetime.fromtimestamp(now_ns // SECOND_NS, UTC)
    return next_selector(algorithm, f"{day:%Y%m%d}", taken)


_GENERATORS = {
    Algorithm.RSA_SHA256: generate_rsa_key,
    Algorithm.ED25519_SHA256: generate_ed25519_key,
}
_OTHER = {
    Algorithm.RSA_SHA256: Algorithm.ED25519_SHA256,
    Algorithm.ED25519_SHA256: Algorithm.RSA_SHA256,
}
