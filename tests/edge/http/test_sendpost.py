import base64
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from email import message_from_bytes
from email.policy import default as modern
from pathlib import Path
from uuid import UUID

import httpx
import pytest
import trio

from appliance.core.address import Address, Mailbox
from appliance.core.credential import SubAccount
from appliance.core.domain import Proof
from appliance.core.event import EventType
from appliance.core.ids import ContentId
from appliance.core.submission import Attachment, Content
from appliance.core.suppression import SuppressionReason
from appliance.edge.http.sendpost import STRANGER_BYTES
from appliance.store.captured import get_captured
from appliance.store.contents import load_contents
from appliance.store.credentials import revoke_credential
from appliance.store.messages import get_message
from appliance.store.suppressions import add_suppression
from appliance.store.transaction import Tx
from tests.fakes.house import (
    DOMAIN,
    NOW_NS,
    SEND,
    House,
    add_key,
    add_sender_domain,
    add_tenant,
    lead_to,
    mail,
    open_house,
)
from tests.fakes.upstream import FakeUpstream

SUPPRESSED = "gone@rcpt.example"
CONTRACT = "X-SendPost-Public-Contract"


def _prepare(tx: Tx, ours: SubAccount) -> None:
    """Keys that may not send, each for its own reason, and someone suppressed."""
    add_key(tx, ours, "account-key", whole_account=True)
    add_key(tx, ours, "other-dialect", dialect="anypost")
    add_key(tx, ours, "smtp-password", dialect="smtp")
    add_key(tx, ours, "limited-key", allowed=frozenset({"elsewhere.example"}))
    revoked = add_key(tx, ours, "revoked-key")
    revoke_credential(tx, revoked.uuid, NOW_NS)
    blocked = add_tenant(tx, "blocked")
    add_key(tx, blocked, "blocked-key")
    tx.db.execute("UPDATE sub_account SET blocked = 1 WHERE id = ?", (blocked.id,))
    stranger = add_tenant(tx, "stranger")
    add_key(tx, stranger, "stranger-key")
    add_sender_domain(tx, ours.id, name="unproven.example", proof=Proof.NONE)
    local, _, domain = SUPPRESSED.partition("@")
    add_suppression(
        tx,
        ours.id,
        Address(local, domain),
        reason=SuppressionReason.MANUAL,
        now_ns=NOW_NS,
    )


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """A running server with good keys and bad ones."""
    async with open_house(tmp_path, prepare=_prepare) as one:
        yield one


def codes(answer: httpx.Response) -> list[int]:
    """The error code of each recipient."""
    assert answer.status_code == 200, answer.text
    return [one["errorCode"] for one in answer.json()]


def param(answer: httpx.Response) -> str:
    """What a 422 says is at fault; its body is the vendor's throughout."""
    assert answer.status_code == 422, answer.text
    assert answer.headers.get_list("content-type") == ["application/json"]
    error = answer.json()["error"]
    assert error["code"] == "validation_error"
    assert error["type"] == "invalid_request_error"
    assert error["message"]
    named = str(error.get("param", ""))
    details = [{"field": named, "message": error["message"]}] if named else []
    assert error["details"] == details
    return named


# --- what is taken ------------------------------------------------------------

FULL = {
    "from": {"email": f"orders@{DOMAIN}", "name": "The Shöp"},
    "replyTo": {"email": "help@help.example", "name": "Help"},
    "to": [
        {
            "email": "bob@rcpt.example",
            "name": "Bob",
            "cc": [{"email": "carol@rcpt.example", "name": "Carol"}],
            "bcc": [{"email": "dave@rcpt.example"}],
            "customFields": {"order": 4711, "who": "<Bob>"},
        }
    ],
    "subject": "Order {{order}}",
    "preText": "It is on its way",
    "htmlBody": "<body><p>Dear {{who}}, see <a href='https://a.example/'>it</a></p>"
    "</body>",
    "textBody": "Dear {{who}}",
    "ampBody": "<html amp4email><body>{{order}}</body></html>",
    "ippool": "sandbox",
    "headers": {"X-Campaign": "spring", "X-SendPost-Nothing": "ours alone"},
    "trackOpens": False,
    "trackClicks": True,
    "groups": ["a", "b", "a"],
    "attachments": [
        {"content": base64.b64encode(b"\0\xff data").decode(), "filename": "ä.bin"}
    ],
    "webhookEndpoint": "https://hook.example/x",
    "tpspTemplate": "ignored",
    "nobodyKnowsThis": {"a": [1]},
}


async def test_every_field_arrives(house: House) -> None:
    """What the request says is what is stored, for each of its recipients."""
    (result,) = (await house.send(FULL)).json()
    assert sorted(result) == ["errorCode", "message", "messageId", "submittedAt", "to"]
    assert (result["errorCode"], result["to"]) == (0, "bob@rcpt.example")
    stored = await house.store.read(load_contents, [ContentId(1)])
    assert stored[ContentId(1)] == Content(
        sender=Mailbox(Address("orders", DOMAIN), "The Shöp"),
        subject="Order {{order}}",
        text="Dear {{who}}",
        html=str(FULL["htmlBody"]),
        amp=str(FULL["ampBody"]),
        preheader="It is on its way",
        reply_to=Mailbox(Address("help", "help.example"), "Help"),
        headers=(("X-Campaign", "spring"),),
        attachments=(Attachment("ä.bin", b"\0\xff data"),),
    )
    deliveries = await house.store.read(get_message, UUID(result["messageId"]))
    assert [one.recipient for one in deliveries] == [
        "bob@rcpt.example",
        "carol@rcpt.example",
        "dave@rcpt.example",
    ]
    assert str(deliveries[0].uuid) == result["messageId"]
    assert {one.created_ns for one in deliveries} == {result["submittedAt"]}
    assert {one.pool for one in deliveries} == {"sandbox"}
    processed = [one for one in await house.events() if one.type is EventType.PROCESSED]
    assert [str(one.about.recipient) for one in processed] == [
        one.recipient for one in deliveries
    ]


async def test_what_was_asked_for_is_what_leaves(house: House) -> None:
    """Values are merged, bcc stays unseen, only clicks are tracked as asked."""
    (result,) = (await house.send(FULL)).json()
    await house.heard(EventType.SENT, result["messageId"])
    captured = await house.store.read(get_captured, UUID(result["messageId"]))
    assert captured is not None
    found = message_from_bytes(captured.raw, policy=modern)
    assert found["Subject"] == "Order 4711"
    assert found["To"] == "Bob <bob@rcpt.example>"
    assert found["Cc"] == "Carol <carol@rcpt.example>"
    assert found["Bcc"] is None
    assert b"dave" not in captured.raw
    assert found["X-Campaign"] == "spring"
    assert found["X-SendPost-Nothing"] is None
    part = found.get_body(("html",))
    assert part is not None
    html = part.get_content()
    assert "Dear &lt;Bob&gt;" in html
    assert "/track/tpsp/click/" in html
    assert "/track/tpsp/open/" not in html
    (file,) = found.iter_attachments()
    assert (file.get_filename(), file.get_content()) == ("ä.bin", b"\0\xff data")


async def test_the_path_has_a_slash_or_none_and_never_redirects(house: House) -> None:
    """The vendor's clients send it with one; both spellings mean the same."""
    for path in (SEND, SEND.rstrip("/"), f"{SEND}template"):
        assert codes(await house.send(path=path)) == [0]
    answer = await house.send(mail(templateId="nosuch"), path=f"{SEND}template")
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "resource_not_found"


async def test_an_answer_is_on_disk_for_everyone(house: House) -> None:
    """The 200 leaves after the commit: another connection has it at that moment."""
    async with house.outside() as other:
        for _ in range(20):
            (result,) = (await house.send()).json()
            uuid = UUID(result["messageId"])
            (found,) = await other.read(get_message, uuid)
            assert found.uuid == uuid


async def test_a_thousand_recipients_are_taken_and_no_more(house: House) -> None:
    """Each gets its own message and id, in the order of the request."""
    many = [{"email": f"r{number}@rcpt.example"} for number in range(1001)]
    answer = await house.send(mail(to=many[:1000]))
    assert codes(answer) == [0] * 1000
    results = answer.json()
    assert [one["to"] for one in results] == [one["email"] for one in many[:1000]]
    assert len({one["messageId"] for one in results}) == 1000
    assert param(await house.send(mail(to=many))) == "to"
    assert len(await house.store.read(load_contents, [ContentId(1), ContentId(2)])) == 1


# --- how it is answered ---------------------------------------------------------


async def test_each_recipient_has_its_own_result(house: House) -> None:
    """Accepted, invalid and suppressed side by side, in request order."""
    to: list[dict[str, object]] = [
        {"email": "bob@rcpt.example"},
        {"email": "not an address"},
        {"email": SUPPRESSED},
        {"email": "x@rcpt.example", "cc": [{"email": "@@"}]},
        {"email": ""},
    ]
    answer = await house.send(mail(to=to))
    assert codes(answer) == [0, 1, 2, 1, 1]
    results = answer.json()
    assert [one["to"] for one in results] == [one["email"] for one in to]
    assert [bool(one["messageId"]) for one in results] == [
        True,
        False,
        True,
        *[False] * 2,
    ]
    kinds = [one.type for one in await house.events(results[2]["messageId"])]
    assert kinds == [EventType.PROCESSED, EventType.DROPPED]


@pytest.mark.parametrize(
    ("sender", "code"),
    [("nobody", 5), ("a@nowhere.example", 3), ("a@unproven.example", 3)],
)
async def test_a_sender_that_may_not_send_spoils_every_entry(
    house: House, sender: str, code: int
) -> None:
    """The status stays 200; no entry has an id, and nothing is stored."""
    to = [{"email": "a@rcpt.example"}, {"email": "b@rcpt.example"}]
    answer = await house.send(mail(sender={"email": sender}, to=to))
    assert codes(answer) == [code, code]
    assert [one["messageId"] for one in answer.json()] == ["", ""]
    assert await house.events() == []


async def test_a_domain_of_one_tenant_is_nothing_to_another(house: House) -> None:
    """ATTACKS 12: another tenant's proven domain is not proven for us."""
    assert codes(await house.send(key="stranger-key")) == [3]
    assert codes(await house.send(key="limited-key")) == [3]


async def test_without_a_fitting_key_nothing_is_said(house: House) -> None:
    """401 alike for a missing, wrong, revoked or foreign key, and for two."""
    name = "X-SubAccount-ApiKey"
    cases: list[list[tuple[str, str]]] = [
        [],
        [(name, "")],
        [(name, "wrong")],
        [(name, "revoked-key")],
        [(name, "account-key")],
        [(name, "other-dialect")],
        [(name, "smtp-password")],
        [(name, "x" * 5000)],
        [(name, house.key), (name, house.key)],
        [("X-Account-ApiKey", house.key)],
        [("Authorization", f"Bearer {house.key}")],
    ]
    bodies = set()
    for headers in cases:
        answer = await house.http.post(SEND, json=mail(), headers=headers)
        assert answer.status_code == 401, headers
        bodies.add(answer.content)
    (body,) = bodies
    error = json.loads(body)["error"]
    assert (error["code"], error["type"]) == (
        "authentication_failed",
        "authentication_error",
    )
    assert await house.events() == []


async def test_a_stranger_cannot_make_us_hold_a_large_body(house: House) -> None:
    """ATTACKS 10: without a key, 401 comes before the body is read."""
    large = b"x" * (STRANGER_BYTES + 1)
    answer = await house.send(large, key="wrong")
    assert answer.status_code == 401
    assert param(await house.send(large)) == ""


async def test_what_is_wrong_is_found_in_the_documented_order(house: House) -> None:
    """Spec 5.6: each fault hides all those behind it."""
    blocked, wrong = "blocked-key", "wrong"
    everything = mail(sender={"email": "nobody"}, to=[{"email": "@@"}], ippool="nosuch")
    answer = await house.send(b"{", key=wrong)
    assert answer.status_code == 401
    assert param(await house.send(b"{", key=blocked)) == ""
    answer = await house.send(everything, key=blocked)
    assert answer.status_code == 403
    assert answer.json()["error"]["type"] == "authentication_error"
    assert codes(await house.send(everything)) == [5]
    everything["from"] = {"email": "a@nowhere.example"}
    assert codes(await house.send(everything)) == [3]
    everything["from"] = {"email": f"a@{DOMAIN}"}
    assert param(await house.send(everything)) == "ippool"
    everything["ippool"] = "sandbox"
    assert codes(await house.send(everything)) == [1]


async def test_both_contracts_say_which_they_are(house: House) -> None:
    """Spec 2.2: the header decides, then the client, then the setting."""
    cases: list[tuple[dict[str, str], str]] = [
        ({}, "v1"),
        ({CONTRACT: "legacy"}, "legacy"),
        ({CONTRACT: "V1"}, "v1"),
        ({"User-Agent": "OpenAPI-Generator/2.0.1/python"}, "legacy"),
        ({"User-Agent": "OpenAPI-Generator/3.0.0/python"}, "v1"),
        ({"User-Agent": "OpenAPI-Generator/2.0.1/python", CONTRACT: "v1"}, "v1"),
    ]
    for headers, applied in cases:
        for body in (mail(), mail(subject=None)):
            answer = await house.send(body, headers=headers)
            assert answer.headers[CONTRACT] == applied
            assert answer.headers.get_list("content-type") == ["application/json"]
            legacy = applied == "legacy"
            for name in ("Deprecation", "Sunset", "Link"):
                assert (name in answer.headers) is legacy
    answer = await house.send(headers={CONTRACT: "v2"})
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == CONTRACT


async def test_only_post_sends(house: House) -> None:
    """405 with what is allowed, and no redirect."""
    for method in ("GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"):
        for path in (SEND, SEND.rstrip("/")):
            answer = await house.http.request(method, path)
            assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
            assert answer.headers["X-SendPost-Public-Contract"] == "v1"


async def test_a_path_that_is_not_served_has_the_vendor_s_error(house: House) -> None:
    """Spec 1.4, and the contract in which it is said (2.1)."""
    for method in ("GET", "POST", "PUT", "DELETE"):
        answer = await house.http.request(method, "/api/v1/account/nosuch")
        assert answer.status_code == 404
        error = answer.json()["error"]
        assert (error["code"], error["type"]) == (
            "resource_not_found",
            "not_found_error",
        )
        assert answer.headers["X-SendPost-Public-Contract"] == "v1"


# --- what is refused ------------------------------------------------------------


async def test_what_is_no_request_is_refused(house: House) -> None:
    """ATTACKS 10: not JSON, not an object, not UTF-8, without an end."""
    for body, at in (
        (b"", ""),
        (b"null", ""),
        (b"[]", ""),
        (b'"text"', ""),
        (b"{", ""),
        (b"{}", "from"),
        (b'{"from":{"email":"a@b.c"}}', "to"),
        (b"\xff\xfe{}", ""),
        (b'{"' + b"a" * 100, ""),
        (b'{"a":' * 100_000, ""),
        (b"[" * 1_000_000, ""),
    ):
        assert param(await house.send(body)) == at, body[:20]
    assert await house.events() == []


WRONG: list[tuple[dict[str, object], str]] = [
    ({"sender": None}, "from"),
    ({"sender": "a@b.c"}, "from"),
    ({"sender": {}}, "from.email"),
    ({"to": None}, "to"),
    ({"to": []}, "to"),
    ({"to": {"email": "a@b.c"}}, "to"),
    ({"to": [{}]}, "to[0].email"),
    ({"to": [{"email": 1}]}, "to[0].email"),
    ({"subject": None}, "subject"),
    ({"subject": 7}, "subject"),
    ({"subject": "x" * 999}, "subject"),
    ({"textBody": None}, "htmlBody"),
    ({"textBody": ["x"]}, "textBody"),
    ({"trackOpens": "yes"}, "trackOpens"),
    ({"groups": "a"}, "groups"),
    ({"headers": {"X-A": 1}}, "headers"),
    ({"headers": {"Subject": "mine"}}, "headers.Subject"),
    ({"headers": {"dkim-signature": "mine"}}, "headers.dkim-signature"),
    ({"replyTo": {"email": "nobody"}}, "replyTo.email"),
    ({"ippool": "nosuch"}, "ippool"),
    ({"webhookEndpoint": "ftp://x"}, "webhookEndpoint"),
    (
        {"attachments": [{"content": "%%%%", "filename": "a"}]},
        "attachments[0].content",
    ),
    (
        {"attachments": [{"content": "QQ", "filename": "a"}]},
        "attachments[0].content",
    ),
]


async def test_a_wrong_field_is_named(house: House) -> None:
    """422 with the path at fault; nothing is stored."""
    for change, at in WRONG:
        assert param(await house.send(mail(**change))) == at, change
    assert await house.events() == []


@pytest.mark.parametrize("evil", ["x\r\nBcc: evil@x.example", "x\ny", "x\ry", "x\0y"])
async def test_no_string_starts_a_header_of_its_own(house: House, evil: str) -> None:
    """ATTACKS 9: line breaks and NUL are refused wherever a header could begin."""
    person = {"email": "a@rcpt.example", "name": evil}
    file = {"content": "QUE=", "filename": evil}
    for change, at in (
        ({"subject": evil}, "subject"),
        ({"sender": {"email": f"a@{DOMAIN}", "name": evil}}, "from.name"),
        ({"replyTo": person}, "replyTo.name"),
        ({"to": [person]}, "to[0].name"),
        ({"to": [{"email": "a@b.c", "cc": [person]}]}, "to[0].cc[0].name"),
        ({"to": [{"email": "a@b.c", "bcc": [person]}]}, "to[0].bcc[0].name"),
        ({"headers": {"X-A": evil}}, "headers.X-A"),
        ({"headers": {evil: "x"}}, "headers"),
        ({"groups": [evil]}, "groups[0]"),
        ({"ippool": evil}, "ippool"),
        ({"attachments": [file]}, "attachments[0].filename"),
    ):
        assert param(await house.send(mail(**change))) == at
    assert codes(await house.send(mail(to=[{"email": f"a@b.example{evil}"}]))) == [1]
    assert codes(await house.send(mail(sender={"email": f"{evil}@{DOMAIN}"}))) == [5]
    assert await house.events() == []


@pytest.mark.parametrize(
    "evil",
    ["x\r\nBcc: evil@x.example", "x\u2028Bcc: evil@x.example", "\udcff", "{{b}}"],
)
async def test_a_value_cannot_start_a_header_either(house: House, evil: str) -> None:
    """ATTACKS 9 and 13: values are merged once, and stay within their header."""
    to = [
        {
            "email": "bob@rcpt.example",
            "customFields": {"a": evil, "b": "expanded"},
        }
    ]
    body = json.dumps(mail(to=to, subject="Hello {{a}}")).encode()
    answer = await house.send(body)
    if answer.status_code == 422:  # a lone surrogate is no text
        assert "\udcff" in evil
        return
    (result,) = answer.json()
    assert result["errorCode"] == 0
    await house.heard(EventType.PROCESSED, result["messageId"])
    uuid = UUID(result["messageId"])
    settled = {EventType.SENT, EventType.DROPPED}
    while not settled & {one.type for one in await house.events(str(uuid))}:
        pass
    captured = await house.store.read(get_captured, uuid)
    if captured is None:
        return
    found = message_from_bytes(captured.raw, policy=modern)
    assert found["Bcc"] is None
    assert "expanded" not in found["Subject"]


async def test_odd_json_does_no_harm(house: House) -> None:
    """ATTACKS 10: deep or huge values that nobody asked for; doubled names."""
    deep = '{"a":' * 50_000 + "1" + "}" * 50_000
    nobody = json.dumps(mail())[:-1]
    assert param(await house.send(f'{nobody},"x":{deep}}}'.encode())) == ""
    huge = f'{nobody},"x":{"9" * 10_000},"y":1e999999,"subject":"last"}}'
    answer = await house.send(huge.encode())
    assert codes(answer) == [0]
    fields = {"email": "b@rcpt.example", "customFields": {"f": 1}}
    text = json.dumps(mail(to=[fields])).replace('"f": 1', f'"f": {deep}')
    assert param(await house.send(text.encode())) in ("", "to[0].customFields")
    assert len([one for one in await house.events() if one.type == 58]) == 1


async def test_a_body_over_the_limit_is_refused_and_others_go_on(house: House) -> None:
    """ATTACKS 10: 41 MB get the vendor's 422; announced or in chunks."""
    size, piece = 41 * 1024 * 1024, b" " * (1024 * 1024)

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(size // len(piece)):
            yield piece

    headers = {"X-SubAccount-ApiKey": house.key}
    for content in (b" " * size, pieces()):
        answer = await house.http.post(SEND, content=content, headers=headers)
        assert param(answer) == ""
        assert answer.headers["connection"] == "close"
        assert codes(await house.send()) == [0]


async def test_attachments_are_counted_decoded(tmp_path: Path) -> None:
    """Up to the limit they pass, whatever base64 makes of it; not a byte more."""
    most = 1024 * 1024
    async with open_house(tmp_path, f"intake.max_attachments={most}") as house:
        for size, status in ((most, 200), (most + 1, 422)):
            content = base64.b64encode(bytes(size)).decode()
            file = {"content": content, "filename": "a.bin"}
            answer = await house.send(mail(attachments=[file]))
            assert answer.status_code == status


@pytest.fixture
async def relaying(tmp_path: Path, nursery: trio.Nursery) -> AsyncIterator[House]:
    """A running server with an upstream that is one."""
    port = await FakeUpstream().start(nursery)
    async with open_house(tmp_path, prepare=lambda tx, _: lead_to(tx, port)) as one:
        yield one


async def test_a_full_disk_is_503_and_half_of_nothing(relaying: House) -> None:
    """ATTACKS 26: no id that is not stored, none stored without its answer."""
    house = relaying
    await house.limit_pages(40)
    to = [{"email": f"r{number}@rcpt.example"} for number in range(10)]
    body = mail(to=to, textBody="x" * 4000)
    ids: set[str] = set()
    answer = await house.send(body)
    while answer.status_code == 200:
        ids |= {one["messageId"] for one in answer.json()}
        answer = await house.send(body)
    assert answer.status_code == 503
    assert answer.headers["Retry-After"]
    assert answer.json()["error"]["type"] == "api_error"
    await house.limit_pages(10_000)
    assert codes(await house.send()) == [0]
    processed = [one for one in await house.events() if one.type == 58]
    assert ids <= {str(one.about.message) for one in processed}
    assert len(processed) == len(ids) + 1


async def test_the_same_request_twice_is_two_mails(house: House) -> None:
    """The dialect has no idempotency key; contents are kept once a request."""
    first, second = [(await house.send()).json()[0] for _ in range(2)]
    assert first["messageId"] != second["messageId"]
    found = await house.store.read(load_contents, [ContentId(1), ContentId(2)])
    assert replace(found[ContentId(1)]) == found[ContentId(2)]
