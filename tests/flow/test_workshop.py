from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from appliance.core.delivery import Copy
from appliance.core.domain import Algorithm, DkimKey
from appliance.core.message import Request
from appliance.core.submission import Content
from appliance.core.token import TokenMaker
from appliance.dialects.sendpost import paths
from appliance.flow import workshop as workshop_module
from appliance.flow.lane import Job
from appliance.flow.prepare import Links
from appliance.flow.settle import about
from appliance.flow.workshop import (
    CONTENT_GONE,
    Order,
    Stumbled,
    Unmakeable,
    Workshop,
)
from appliance.store.claim import claim
from appliance.store.database import Store
from appliance.store.messages import accept
from tests.fakes.store import CONTENT, NOW_NS, Seeded, open_temp_store, seed


class Bench:
    """A workshop over a real store, and orders for it."""

    def __init__(self, store: Store, seeded: Seeded) -> None:
        self.store = store
        self.seeded = seeded
        links = Links(TokenMaker(b"t" * 32), paths.TRACKING)
        self.workshop = Workshop(store, links, lambda _: (), lambda: NOW_NS, threads=2)
        self.workshop.public_url = "http://postroom.test"

    async def copies(self, *contents: Content) -> list[Copy]:
        """A claimed copy of each content."""
        for content in contents:
            message = self.seeded.message(content=content)
            await self.store.write_each(accept, Request((message,)))
        return await self.store.write(claim, NOW_NS, 99, 1 << 30)

    def order(self, copy: Copy) -> Order:
        """An order under the seeded domain."""
        what = about(copy, "pool", "provider")
        return Order(copy, self.seeded.domain, "bounce.test", what)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """An empty workshop."""
    async with open_temp_store(tmp_path) as store:
        yield Bench(store, await seed(store))


async def test_each_order_becomes_a_job(bench: Bench) -> None:
    """Signed, with the links of this installation."""
    copies = await bench.copies(CONTENT, replace(CONTENT, subject="Another"))
    jobs = await bench.workshop.make([bench.order(one) for one in copies])
    for copy, job, subject in zip(copies, jobs, (b"Hello", b"Another"), strict=True):
        assert isinstance(job, Job)
        assert job.copy is copy
        assert b"\r\nSubject: " + subject in job.content
        assert b"<http://track.sender.example/track/" in job.content
        assert job.content.startswith(b"DKIM-Signature:")


async def test_content_that_is_gone_is_told(bench: Bench) -> None:
    """The others of the hop are made."""
    (copy,) = await bench.copies(CONTENT)
    gone = replace(copy, content=type(copy.content)(999))
    made = await bench.workshop.make([bench.order(gone), bench.order(copy)])
    assert Unmakeable(gone, CONTENT_GONE) in made
    assert sum(isinstance(one, Job) for one in made) == 1


async def test_values_that_make_too_much_end_one_mail(bench: Bench) -> None:
    """ATTACKS 13: a recipient's values cannot blow the process up."""
    (copy,) = await bench.copies(replace(CONTENT, text="{{x}}" * 60_000))
    large = replace(copy, fields={"x": "y" * 1_000})
    (made,) = await bench.workshop.make([bench.order(large)])
    assert isinstance(made, Unmakeable)


async def test_a_damaged_key_costs_a_try(bench: Bench) -> None:
    """No mail leaves unsigned, and none is lost before the key can be mended."""
    (copy,) = await bench.copies(CONTENT)
    bad = DkimKey("pr1", Algorithm.RSA_SHA256, "x", b"not a key")
    order = replace(bench.order(copy), domain=replace(bench.seeded.domain, keys=(bad,)))
    (made,) = await bench.workshop.make([order])
    assert isinstance(made, Stumbled)


async def test_memory_for_contents_is_bounded(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest go; what is needed again is read again."""
    monkeypatch.setattr(workshop_module, "CACHE_BYTES", 1)
    copies = await bench.copies(CONTENT, replace(CONTENT, subject="Another"))
    orders = [bench.order(one) for one in copies]
    assert len(await bench.workshop.make(orders)) == 2
    assert bench.workshop._cached_bytes <= 1
    assert len(await bench.workshop.make(orders)) == 2
