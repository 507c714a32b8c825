from appliance.core.recipient_class import RecipientClass

IN_ORDER = (
    "gmail yahoo aol microsoft comcast yandex gmx mailru icloud zoho qq default att"
    " office365 googleworkspace proofpoint mimecast barracuda ciscoironport rackspace"
    " zohobusiness amazonworkmail symantec fortinet sophos trendmicro checkpoint"
)


def test_the_classes_stand_in_the_order_that_callers_know() -> None:
    """Routes name a class by its number, so none may ever move."""
    assert [one.value for one in RecipientClass] == IN_ORDER.split()
    assert [one.number for one in RecipientClass] == list(range(27))


def test_a_number_names_a_class_or_none() -> None:
    """What is no position of the list is no class."""
    assert RecipientClass.numbered(0) is RecipientClass.GMAIL
    assert RecipientClass.numbered(11) is RecipientClass.DEFAULT
    assert RecipientClass.numbered(26) is RecipientClass.CHECKPOINT
    assert RecipientClass.numbered(27) is None
    assert RecipientClass.numbered(-1) is None
