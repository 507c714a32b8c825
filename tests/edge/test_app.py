from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from appliance.edge.web import MAX_BODY_BYTES
from tests.fakes.house import House, open_house


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """A running server."""
    async with open_house(tmp_path) as one:
        yield one


async def test_it_lives_and_is_ready(house: House) -> None:
    """For a supervisor: the process answers, and so does its database."""
    for path in ("/healthz", "/readyz", "/healthz/"):
        for method in ("GET", "HEAD"):
            answer = await house.http.request(method, path)
            assert answer.status_code == 200
        assert (await house.http.get(path)).json() == {"status": "ok"}


async def test_a_path_that_nothing_has_is_404(house: House) -> None:
    """In JSON, without a redirect, whoever asks."""
    for path in ("/nosuch", "/api/v1", "/postroom/v1/x", "//evil.example/"):
        answer = await house.http.get(f"{house.addresses.http_url}{path}")
        assert answer.status_code == 404
        assert answer.json() == {"message": "not found"}
        assert answer.headers.get_list("content-type") == ["application/json"]


async def test_a_body_to_the_pages_has_a_bound(house: House) -> None:
    """ATTACKS 10: nothing that Quart answers takes a large body."""
    large = b"x" * (MAX_BODY_BYTES + 1)
    for path in ("/", "/postroom/v1/events", "/nosuch"):
        answer = await house.http.post(path, content=large)
        assert answer.status_code in (401, 404, 405, 413)
    assert (await house.http.get("/healthz")).status_code == 200


async def test_answers_say_neither_server_nor_version(house: House) -> None:
    """What an attacker would look up first."""
    for path in ("/healthz", "/", "/postroom/v1/events", "/nosuch"):
        answer = await house.http.get(path)
        assert "server" not in answer.headers
        assert "x-powered-by" not in answer.headers
