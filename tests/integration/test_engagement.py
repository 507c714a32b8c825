"""What a reader does with a mail that went through real servers comes back."""

import html
import re

import pytest

from tests.fakes.postfix import Delivered, PostfixServer
from tests.fakes.postroom import Postroom
from tests.integration.conftest import MakePostroom
from tests.integration.house import (
    CLICKED,
    DOMAIN,
    OPENED,
    UNSUBSCRIBED,
    accepted,
    api,
    codes,
    events,
    furnish,
    links_of,
    mail,
    post,
    wait_for_event,
)

pytestmark = pytest.mark.integration

TARGET = "https://www.shop.example/item/1?ref=mail&amp;c=4711"
TO = "reader@rcpt.example"


@pytest.fixture
def postroom(make_postroom: MakePostroom, postfix: PostfixServer) -> Postroom:
    """A serving Postroom with that Postfix as its upstream."""
    one = make_postroom()
    furnish(one, postfix)
    one.start()
    return one


@pytest.fixture
def delivered(postroom: Postroom, postfix: PostfixServer) -> tuple[str, Delivered]:
    """A mail with a link, in the reader's Maildir, and its id."""
    body = mail(TO, htmlBody=f'<body><a href="{TARGET}">item</a></body>')
    with api(postroom) as client:
        (uuid,) = accepted(client, body)
    (one,) = postfix.wait_for(1)
    return uuid, one


def test_a_click_leads_where_the_sender_wrote(
    postroom: Postroom, delivered: tuple[str, Delivered]
) -> None:
    """302 to the very target and event 66; HEAD leads there too and is no click."""
    uuid, one = delivered
    (path,) = links_of(one).clicks
    with api(postroom) as client:
        answer = client.get(path)
        assert answer.status_code == 302
        assert answer.headers["Location"] == html.unescape(TARGET)
        wait_for_event(postroom, CLICKED, uuid)
        assert client.head(path).headers["Location"] == html.unescape(TARGET)
        wait_for_event(postroom, CLICKED, uuid)
    assert codes(events(postroom), uuid).count(CLICKED) == 1


def test_the_pixel_tells_of_an_open(
    postroom: Postroom, delivered: tuple[str, Delivered]
) -> None:
    """A GIF that nobody caches, and event 65."""
    uuid, one = delivered
    with api(postroom) as client:
        answer = client.get(links_of(one).pixel)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "image/gif"
    assert "no-store" in answer.headers["Cache-Control"]
    assert answer.content.startswith(b"GIF8")
    wait_for_event(postroom, OPENED, uuid)


def test_unsubscribe_acts_on_post_only(
    postroom: Postroom, delivered: tuple[str, Delivered]
) -> None:
    """GET shows a page and changes nothing; the one-click POST suppresses.

    ATTACKS 17: scanners GET. After the POST the next send gives errorCode 2.
    """
    uuid, one = delivered
    path = links_of(one).unsubscribe
    with api(postroom) as client:
        page = client.get(path)
        assert page.status_code == 200
        assert page.headers["Content-Type"].startswith("text/html")
        accepted(client, mail(TO))
        answer = client.post(path, data={"List-Unsubscribe": "One-Click"})
        assert answer.status_code == 200
        wait_for_event(postroom, UNSUBSCRIBED, uuid)
        (refused,) = post(client, mail(TO))
    assert refused["errorCode"] == 2
    assert codes(events(postroom), uuid).count(UNSUBSCRIBED) == 1


def test_a_forged_token_is_not_found(
    postroom: Postroom, delivered: tuple[str, Delivered]
) -> None:
    """ATTACKS 16: one changed character, or the token of another kind: 404."""
    uuid, one = delivered
    links = links_of(one)
    token = links.clicks[0].rsplit("/", 1)[1]
    changed = token[:-4] + re.sub("[A-Za-z]", "0", token[-4:-2]) + "xx"
    with api(postroom) as client:
        for path in (
            f"/track/tpsp/click/{changed}",
            f"/track/tpsp/open/{token}",
            f"/track/tpsp/unsubscribe/{token}",
            "/track/tpsp/click/",
            f"/track/tpsp/click/{token}x",
        ):
            answer = client.get(path)
            assert answer.status_code == 404, path
            assert "Location" not in answer.headers
        assert client.post(f"/track/tpsp/unsubscribe/{changed}").status_code == 404
    found = codes(events(postroom), uuid)
    assert not {OPENED, CLICKED, UNSUBSCRIBED} & set(found)
    assert DOMAIN in str(one.headers["From"])
