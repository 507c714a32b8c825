"""Frames that are made once for everybody."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto.extensions import PerMessageDeflate
from wsproto.frame_protocol import FrameProtocol

from appliance.edge.compression import WINDOW_BITS, Framer, offers_deflate


def offered(*values: str) -> bool:
    """True if the client that offers this is sent compressed frames."""
    return offers_deflate(
        [(b"host", b"a")]
        + [(b"sec-websocket-extensions", value.encode("latin-1")) for value in values]
    )


@pytest.mark.parametrize(
    ("offer", "deflated"),
    [
        ("permessage-deflate", True),
        ("permessage-deflate; client_max_window_bits", True),
        ("permessage-deflate; client_max_window_bits=15", True),
        ("permessage-deflate; server_max_window_bits=12; client_max_window_bits", True),
        ("permessage-deflate;server_no_context_takeover", True),
        (f"permessage-deflate; server_max_window_bits={WINDOW_BITS}", True),
        (f"permessage-deflate; server_max_window_bits={WINDOW_BITS - 1}", False),
        ("permessage-deflate; server_max_window_bits=8", False),
        ("permessage-deflate; server_max_window_bits", False),
        ("permessage-deflate; server_max_window_bits=16", False),
        ("permessage-deflate; client_max_window_bits=x", False),
        ("permessage-deflate; surprise", False),
        ("permessage-bzip2", False),
        ("permessage-deflate, permessage-deflate", False),
        ("", False),
        ("\xff", False),
    ],
)
def test_an_offer_is_taken_or_let_be(*, offer: str, deflated: bool) -> None:
    """RFC 7692 7.1: what cannot be met is declined, and what is malformed."""
    assert offered(offer) is deflated


def test_without_one_offer_nothing_is_compressed() -> None:
    """None, or one too many."""
    assert not offered()
    assert not offered("permessage-deflate", "permessage-deflate")


@given(st.text())
def test_any_offer_is_no_bug(offer: str) -> None:
    """Whatever a client says."""
    offers_deflate([(b"sec-websocket-extensions", offer.encode("utf-8", "replace"))])


@given(st.lists(st.text(min_size=1), min_size=1, max_size=5))
def test_each_frame_is_read_by_itself(texts: list[str]) -> None:
    """A reader that saw none of the frames before understands each one."""
    for deflated in (False, True):
        framer = Framer(deflated=deflated)
        for text in texts:
            frame = framer.frame(text)
            assert unframed(frame, deflated=deflated) == text


def unframed(frame: bytes, *, deflated: bool) -> str:
    """The text of one frame, as a client reads it that has just connected."""
    extension = PerMessageDeflate()
    extension.finalize(
        f"permessage-deflate; server_max_window_bits={WINDOW_BITS}; "
        "server_no_context_takeover"
    )
    client = FrameProtocol(client=True, extensions=[extension] if deflated else [])
    client.receive_bytes(frame)
    return "".join(str(one.payload) for one in client.received_frames())
