"""The classes of recipients' domains, by the MX records of a real DNS server."""

from pathlib import Path

import pytest

from appliance.core.recipient_class import RecipientClass
from appliance.flow.classifier import Classifier
from appliance.net.dns import Resolver
from tests.fakes.dns_server import NsdServer
from tests.fakes.store import NOW_NS, open_temp_store

pytestmark = pytest.mark.integration

ZONES = {
    "filtered.example": "@ IN MX 10 mxa-1.gslb.pphosted.com.\n"
    "@ IN MX 20 aspmx.l.google.com.",
    "own.example": "@ IN MX 10 mail",
    "null.example": "@ IN MX 0 .",
    "bare.example": "",
}


async def test_mx_records_of_a_real_server_give_classes(
    nsd: NsdServer, tmp_path: Path
) -> None:
    """Filters, own hosts, a null MX (RFC 7505), and a domain without any."""
    nsd.serve(ZONES)
    async with open_temp_store(tmp_path) as store:
        classifier = Classifier(
            store,
            lambda: Resolver([nsd.address]),
            dns_seconds=5,
            clock=lambda: NOW_NS,
        )
        for name in ZONES:
            classifier.of(name)
        await classifier.run_once(NOW_NS)
        classes = {name: classifier.of(name) for name in ZONES}
        assert classes.pop("filtered.example") is RecipientClass.PROOFPOINT
        assert set(classes.values()) == {RecipientClass.DEFAULT}
        assert await classifier.run_once(NOW_NS) > 0
        assert classifier._asked == {}
