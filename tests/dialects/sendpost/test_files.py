from base64 import b64encode, encodebytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.core.submission import Attachment
from appliance.dialects.sendpost import wire
from appliance.dialects.sendpost.errors import Fault, Problem
from appliance.dialects.sendpost.files import read_files


@given(st.binary(max_size=500))
def test_a_file_comes_out_as_it_went_in(content: bytes) -> None:
    """With and without the line breaks that encoders put in."""
    for text in (b64encode(content), encodebytes(content)):
        crlf = text.replace(b"\n", b"\r\n").decode()
        read = read_files([wire.File(crlf, "a.bin")], len(content))
        assert read == (Attachment("a.bin", content),)


@pytest.mark.parametrize(
    "text",
    [
        "YQ",
        "YQ=",
        "YQ===",
        "=",
        "YQ==YQ==",
        "Y Q==",
        "-_-_",
        "data:text/plain;base64,YQ==",
        "Ü===",
        "YQ==\0",
        "not base64!",
    ],
)
def test_what_is_no_base64_is_refused(text: str) -> None:
    """ATTACKS 10: garbage is never decoded to something else in silence."""
    files = [wire.File("", "a"), wire.File(text, "b")]
    problem = read_files(files, 100)
    assert isinstance(problem, Problem)
    assert problem.param == "attachments[1].content"


def test_the_sum_of_the_files_is_bounded() -> None:
    """ATTACKS 10: many small files weigh as much as a large one."""
    files = [wire.File("YWJj", f"{n}") for n in range(10)]
    read = read_files(files, 30)
    assert isinstance(read, tuple)
    assert len(read) == 10
    problem = read_files(files, 29)
    assert isinstance(problem, Problem)
    assert (problem.fault, problem.param) == (Fault.INVALID, "attachments")


@given(st.text())
def test_reading_never_raises(text: str) -> None:
    """Any text at all is a file or a refusal."""
    assert isinstance(read_files([wire.File(text, "a")], 1000), tuple | Problem)
