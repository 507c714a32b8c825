"""Golden reply tables: a row says who refuses what, when, and in which words."""

from pathlib import Path

import pytest

from appliance.core.refusal import Reason, Refusal
from appliance.dialects.submission import Moment, SubmissionDialect

SENTENCE = "<sentence>"  # stands in a reply for the detail of the refusal


def rows(file: str) -> pytest.MarkDecorator:
    """Run the test for each row of the ``golden/replies.txt`` beside ``file``."""
    table = (Path(file).parent / "golden" / "replies.txt").read_text()
    lines = [one for one in table.splitlines() if one and not one.startswith("#")]
    return pytest.mark.parametrize("row", lines)


def check_row(dialect: SubmissionDialect, row: str) -> None:
    """Fail unless the dialect says what stands in the row."""
    moment, reason, field, said = row.split(maxsplit=3)
    refusal = Refusal(Reason[reason], field.removeprefix("-"), SENTENCE)
    assert str(dialect.refuse(refusal, Moment[moment])) == said
