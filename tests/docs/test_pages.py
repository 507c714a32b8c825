import pytest

from appliance.dialects.sendpost.contract import DEPRECATION_PAGE
from appliance.docs import read_page


def test_the_page_that_answers_point_to_is_there() -> None:
    """The Link header of an old contract leads somewhere."""
    page = read_page(DEPRECATION_PAGE.removeprefix("/docs/"))
    assert page is not None
    assert "v1" in page


@pytest.mark.parametrize("name", ["", "nothing", "../setup", "__init__", "a/b", "%2e"])
def test_only_pages_are_read(name: str) -> None:
    """No path leads out of the folder."""
    assert read_page(name) is None
