"""OpenSSL is told to leave ADX aside on the processors that are slower by it."""

import subprocess
import sys
from pathlib import Path

import pytest

from appliance.processor import VARIABLE, WITHOUT_ADX, prefer_fast_rsa

CORE = """processor\t: {number}
vendor_id\t: {vendor}
cpu family\t: {family}
model\t\t: 1
flags\t\t: fpu {flags} fsrm
bogomips\t: 4890.43

"""
ZEN_3 = {"vendor": "AuthenticAMD", "family": "25", "flags": "bmi1 avx2 bmi2 adx"}


def told(folder: Path, **changed: str) -> dict[str, str]:
    """The environment after a look at a machine with two such cores."""
    cpuinfo = folder / "cpuinfo"
    facts = ZEN_3 | changed
    cpuinfo.write_text("".join(CORE.format(number=n, **facts) for n in range(2)))
    environment = {"HOME": "/"}
    prefer_fast_rsa(environment, cpuinfo)
    return environment


def test_zen_3_signs_by_avx2(tmp_path: Path) -> None:
    """Where it was measured, ADX is hidden from OpenSSL."""
    assert told(tmp_path) == {"HOME": "/", VARIABLE: WITHOUT_ADX}


@pytest.mark.parametrize(
    "changed",
    [
        {"vendor": "GenuineIntel"},
        {"family": "23"},
        {"family": "26"},
        {"flags": "bmi1 avx2 bmi2 adx avx512ifma"},
        {"flags": "bmi1 avx2 bmi2"},
        {"flags": "bmi1 bmi2 adx"},
    ],
)
def test_other_processors_are_left_alone(
    tmp_path: Path, changed: dict[str, str]
) -> None:
    """What was not measured, or has something better, keeps OpenSSL's own choice."""
    assert told(tmp_path, **changed) == {"HOME": "/"}


def test_the_operators_word_stands(tmp_path: Path) -> None:
    """A variable that is set, even to nothing, is not touched."""
    told(tmp_path)
    environment = {VARIABLE: ""}
    prefer_fast_rsa(environment, tmp_path / "cpuinfo")
    assert environment == {VARIABLE: ""}


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe\n:::\n\n", b"flags"])
def test_a_kernel_that_tells_nothing_is_no_error(
    tmp_path: Path, content: bytes | None
) -> None:
    """No file, an empty one, or one of another architecture: nothing is changed."""
    if content is not None:
        (tmp_path / "cpuinfo").write_bytes(content)
    environment: dict[str, str] = {}
    prefer_fast_rsa(environment, tmp_path / "cpuinfo")
    assert environment == {}


def test_nothing_has_loaded_openssls_keys_before() -> None:
    """The command is there without ``cryptography``: what it is told comes in time."""
    program = "import sys, appliance.cli.serve; print('cryptography' in sys.modules)"
    said = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, text=True
    )
    assert said.stdout == "False\n"
