"""``Dimensions`` as the text of an event's column and back.

A JSON object with only what is there, so that the tables can be asked by SQL;
empty text stands for nothing, which is what most mail carries.
"""

import msgspec

from appliance.core.submission import NO_DIMENSIONS, Dimensions


class _Form(msgspec.Struct, omit_defaults=True):
    groups: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    topic: str = ""
    campaign: str = ""
    metadata: dict[str, str] = {}


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Form).decode


def encode_dimensions(dimensions: Dimensions) -> str:
    """The text that ``decode_dimensions`` turns into equal dimensions."""
    if dimensions is NO_DIMENSIONS or dimensions == NO_DIMENSIONS:
        return ""
    form = _Form(
        groups=dimensions.groups,
        tags=dimensions.tags,
        topic=dimensions.topic,
        campaign=dimensions.campaign,
        metadata=dict(dimensions.metadata),
    )
    return _encode(form).decode()


def decode_dimensions(text: str) -> Dimensions:
    """The dimensions that were encoded."""
    if not text:
        return NO_DIMENSIONS
    form = _decode(text)
    return Dimensions(
        groups=form.groups,
        tags=form.tags,
        topic=form.topic,
        campaign=form.campaign,
        metadata=form.metadata,
    )
