import pytest

from appliance.core.token import TokenKind
from appliance.dialects.sendpost import paths


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/track/tpsp/open/T0_-", TokenKind.OPEN),
        ("/track/tpsp/click/T0_-", TokenKind.CLICK),
        ("/track/tpsp/unsubscribe/T0_-", TokenKind.UNSUBSCRIBE),
        ("/track/open/T0_-", TokenKind.OPEN),
        ("/track/click/T0_-", TokenKind.CLICK),
        ("/track/unsubscribe/T0_-", TokenKind.UNSUBSCRIBE),
    ],
)
def test_both_spellings_of_a_tracking_path_are_read(path: str, kind: TokenKind) -> None:
    """The documentation has both, so mail may hold either."""
    assert paths.read_tracking(path) == (kind, "T0_-")


@pytest.mark.parametrize("kind", list(TokenKind))
def test_what_is_written_into_mail_is_read_back(kind: TokenKind) -> None:
    """A generated link leads home."""
    assert paths.read_tracking(paths.TRACKING[kind] + "x") == (kind, "x")


@pytest.mark.parametrize(
    "path", ["/track/", "/track/open/", "/track/open/a/b", "/track/spam/x", "/", ""]
)
def test_other_paths_hold_no_token(path: str) -> None:
    """An empty token or a deeper path is nobody's."""
    assert paths.read_tracking(path) is None
