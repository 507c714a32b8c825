from pathlib import Path

import pytest

from appliance.failpoint import POINTS
from tests.crash.campaign import Campaign

pytestmark = [pytest.mark.crash, pytest.mark.timeout(600)]


def test_kill_9_anywhere_breaks_no_promise(tmp_path: Path) -> None:
    """ATTACKS 26: at each named point and at random moments, under load.

    Every 200 and 250 is accounted for, nothing is lost or said twice, nothing is
    called sent without a 2xx, and a second copy is at the upstream only for what
    was in doubt.
    """
    report = Campaign(tmp_path).run(kills=len(POINTS) + 3, seconds=0)
    assert report.faults == []
    assert set(POINTS) < set(report.kills)
    assert report.accepted
