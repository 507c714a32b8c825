"""How Anypost's ids are written."""

from uuid import UUID


def email_id(delivery: UUID) -> str:
    """The id of one recipient's copy."""
    return f"email_{delivery}"
