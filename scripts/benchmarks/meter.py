"""CPU time and memory of whole process trees, from /proc."""

import os
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

_TICK = os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")
_MB = 1 << 20


@dataclass(frozen=True, slots=True)
class Memory:
    """Megabytes; shared pages count in full in ``rss`` and in part in ``pss``."""

    rss: float
    pss: float


def tree(roots: Iterable[int]) -> list[int]:
    """The living processes at and below these."""
    children: dict[int, list[int]] = {}
    for folder in _PROC.iterdir():
        if folder.name.isdigit() and (words := _stat(int(folder.name))):
            children.setdefault(int(words[1]), []).append(int(folder.name))
    found: list[int] = []
    waiting = list(roots)
    while waiting:
        found.append(waiting.pop())
        waiting += children.get(found[-1], [])
    return found


def cpu_seconds(roots: Iterable[int]) -> float:
    """What the trees have used so far, ended children included."""
    stats = (_stat(pid) for pid in tree(roots))
    return sum(sum(map(int, words[11:15])) for words in stats if words) / _TICK


def memory(roots: Iterable[int]) -> Memory:
    """What the trees occupy now."""
    rss = pss = 0
    for pid in tree(roots):
        try:
            text = (_PROC / f"{pid}/smaps_rollup").read_text(encoding="ascii")
        except OSError:  # ended meanwhile
            continue
        for line in text.splitlines():
            words = line.split()
            rss += int(words[1]) if words[0] == "Rss:" else 0
            pss += int(words[1]) if words[0] == "Pss:" else 0
    return Memory(rss * 1024 / _MB, pss * 1024 / _MB)


def _stat(pid: int) -> list[str]:
    """The fields of stat behind the name: state, parent, ..., times."""
    try:
        text = (_PROC / f"{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return text[text.rindex(")") + 2 :].split()


class Meter:
    """CPU used and peak memory while the body runs."""

    def __init__(self, roots: Iterable[int]) -> None:
        self._roots = tuple(roots)
        self._over = threading.Event()
        self._sampler = threading.Thread(target=self._sample, daemon=True)
        self._cpu_before = 0.0
        self.cpu_s = 0.0
        self.peak = Memory(0, 0)

    def __enter__(self) -> Self:
        self._cpu_before = cpu_seconds(self._roots)
        self._sampler.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.cpu_s = cpu_seconds(self._roots) - self._cpu_before
        self._over.set()
        self._sampler.join()

    def _sample(self) -> None:
        while True:
            seen = memory(self._roots)
            self.peak = Memory(
                max(seen.rss, self.peak.rss), max(seen.pss, self.peak.pss)
            )
            if self._over.wait(0.5):
                return


def cores_busy(seconds: float) -> float:
    """How many cores the machine uses while we wait."""
    before = _busy()
    time.sleep(seconds)
    return (_busy() - before) / seconds


def _busy() -> float:
    line = (_PROC / "stat").read_text(encoding="ascii").split("\n", 1)[0]
    user, nice, system, _, _, irq, softirq = map(int, line.split()[1:8])
    return (user + nice + system + irq + softirq) / _TICK
