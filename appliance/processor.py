"""Floor 0: what OpenSSL is told of the processor, before it is loaded.

OpenSSL chooses its code by what a processor can do, not by what it does fast. AMD's
Zen 3 can do ADX, for which OpenSSL leaves AVX2 aside; a signature by a 2048-bit RSA
key, as DKIM keys are, takes it 1.0 ms so and 0.65 ms by AVX2, and is the one great
cost on a mail's walk. Without ADX other keys are slower, those of 3072 and 4096 bits
by up to a half: who signs by those sets the variable to nothing. Processors that do
not look like a Zen 3 were not measured, and are left alone.
"""

import os
from collections.abc import MutableMapping
from pathlib import Path

VARIABLE = "OPENSSL_ia32cap"  # OpenSSL's manual, OPENSSL_ia32cap(3)
WITHOUT_ADX = ":~0x80000"  # behind the colon: CPUID leaf 7, where ADX is bit 19 of EBX

_CPUINFO = Path("/proc/cpuinfo")
_FIRST = 8192  # octets; what is told of one core is less, and all are alike
_ZEN_3_AND_4 = "25"


def prefer_fast_rsa(
    environment: MutableMapping[str, str] = os.environ, cpuinfo: Path = _CPUINFO
) -> None:
    """Have OpenSSL sign by AVX2 where that is known to be faster.

    What is in the environment already stands. This is without effect on a library
    that is loaded, so it comes before the import of ``cryptography``.
    """
    if _is_zen_3(_read(cpuinfo)):
        environment.setdefault(VARIABLE, WITHOUT_ADX)


def _read(cpuinfo: Path) -> dict[str, str]:
    """What the kernel says of the first core; nothing where it says nothing."""
    try:
        with cpuinfo.open("rb") as file:
            text = file.read(_FIRST).decode(errors="replace")
    except OSError:
        return {}
    lines = (line.partition(":") for line in text.partition("\n\n")[0].splitlines())
    return {name.strip(): value.strip() for name, _, value in lines}


def _is_zen_3(facts: dict[str, str]) -> bool:
    """Zen 4 is of the same family; it has IFMA, which OpenSSL puts first."""
    flags = facts.get("flags", "").split()
    return (
        facts.get("vendor_id") == "AuthenticAMD"
        and facts.get("cpu family") == _ZEN_3_AND_4
        and {"adx", "avx2", "bmi2"}.issubset(flags)
        and "avx512ifma" not in flags
    )
