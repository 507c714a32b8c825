from uuid import UUID

from appliance.dialects.anypost.ids import email_id


def test_an_id_is_the_deliverys_with_the_vendors_prefix() -> None:
    """Events carry the same id (spec 15.7)."""
    delivery = UUID("018f4f3e-7b2c-7c80-8e21-1a3a4f5b6c7d")
    assert email_id(delivery) == "email_018f4f3e-7b2c-7c80-8e21-1a3a4f5b6c7d"
