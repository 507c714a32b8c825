from appliance.core.ids import ContentId
from appliance.core.message import Request
from appliance.core.submission import Attachment, Content
from appliance.store.claim import claim
from appliance.store.contents import load_contents
from appliance.store.database import Store
from appliance.store.messages import accept
from tests.fakes.store import NOW_NS, SENDER, Seeded


async def test_the_relay_reads_what_the_sender_wrote(
    store: Store, seeded: Seeded
) -> None:
    """Contents come back by the ids of the claim; unknown ones are left out."""
    content = Content(
        SENDER,
        "Grüße",
        html="<p>",
        attachments=(Attachment("a.bin", bytes(100_000)),),
    )
    await store.write_each(accept, Request((seeded.message(content=content),)))
    (copy,) = await store.write(claim, NOW_NS, 1, 1_000_000)
    loaded = await store.read(load_contents, [copy.content, ContentId(99)])
    assert loaded == {copy.content: content}
    assert await store.read(load_contents, []) == {}
