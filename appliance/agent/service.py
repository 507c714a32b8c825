"""The agent as a whole: its parts put together, its threads, its end.

The reader has the main thread, the courier and the health door one each. Whatever
fails unexpectedly in one of them ends the process, and systemd starts it again: all
that matters is on disk, and the log is the spool.
"""

import os
import signal
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FrameType

from appliance.agent.client import Client
from appliance.agent.config import JOURNAL, Config
from appliance.agent.correlate import Correlator
from appliance.agent.courier import Courier
from appliance.agent.health import HealthDoor, health, metrics
from appliance.agent.journal import Journal
from appliance.agent.keeper import Keeper
from appliance.agent.outbox import Outbox
from appliance.agent.place import Cursor, FilePlace, Place
from appliance.agent.reader import Reader, Source
from appliance.agent.stats import Stats
from appliance.agent.tail import FileTail
from appliance.log import get

log = get("agent")

END_S = 5.0  # for a post that is under way


class Unfinished(Exception):  # noqa: N818 - the trouble is another's
    """One pass over the log could not be reported; the text says why."""


class Agent:
    """One agent; ``close`` it. ``read_config`` is asked again for a new key."""

    def __init__(
        self, config: Config, read_config: Callable[[], Config], *, follow: bool = True
    ) -> None:
        """Take the state folder and the place in it.

        Raises:
            OSError: the folder or a file named in the options cannot be had.
            Busy: another agent has the folder.
            ConfigError: there is no key.
        """
        self.config = config
        self.stats = Stats()
        self.outbox = Outbox()
        self.correlator = Correlator()
        client = Client(config.endpoint, config.ca_file or None)
        self._keeper = Keeper(Path(config.state_path), config.log_path)
        kept = self._keeper.load()
        self.correlator.ids.load(kept.ids)
        start = kept.ids_place or kept.place
        self._source = _source(config.log_path, start, follow=follow)
        silent_until = kept.place if kept.ids_place else None
        self.reader = Reader(
            self._source,
            self.correlator,
            self.outbox,
            stats=self.stats,
            keeper=self._keeper,
            silent_until=silent_until,
        )
        self.courier = Courier(
            client,
            lambda: read_config().read_key(),
            self.outbox,
            self.stats,
            self._keeper.keep_place,
        )
        self._client = client
        log.info("agent.started", log=config.log_path, place=start)

    def close(self) -> None:
        """Give back everything."""
        self._source.close()
        self._client.close()
        self._keeper.close()

    def once(self) -> None:
        """Read to the end of the log, and send all of it.

        Raises:
            Unfinished: the log cannot be read, or a post failed.
            OSError: the place cannot be written down.
        """
        while not self.stats.at_end or len(self.outbox):
            now_s = time.time()
            self.reader.run_once(now_s)
            at_once = self.stats.at_end or self.outbox.full
            self.courier.run_once(now_s, at_once=at_once)
            if trouble := self._trouble():
                raise Unfinished(trouble)
        self.reader.keep(time.time())

    def _trouble(self) -> str:
        if self.stats.unreadable:
            return f"the log cannot be read: {self.stats.unreadable}"
        if self.stats.refused_key:
            return "the endpoint refuses the key"
        return self.stats.failure

    def run(self, stop: threading.Event, ready: Callable[[str], None]) -> None:
        """Read and send until ``stop``; ``ready`` gets the health door's address.

        Raises:
            OSError: the health door's address, or the state folder, cannot be had.
        """
        door = self._door()
        loops = [partial(_loop, self.courier.run_once, stop)]
        if door is not None:
            loops.append(partial(door.run, stop))
        failures: list[BaseException] = []
        threads = [
            threading.Thread(target=_guarded, args=(one, stop, failures), daemon=True)
            for one in loops
        ]
        for thread in threads:
            thread.start()
        ready(door.address if door else "")
        _guarded(partial(_loop, self.reader.run_once, stop), stop, failures)
        for thread in threads:
            thread.join(END_S)
        if failures:
            raise failures[0]
        self.reader.keep(time.time())
        log.info("agent.stopped", queued=len(self.outbox))

    def _door(self) -> HealthDoor | None:
        if not self.config.health:
            return None
        return HealthDoor(self.config.health, self.health, self.metrics)

    def health(self) -> tuple[int, dict[str, object]]:
        """What ``/health`` tells now."""
        queued = len(self.outbox)
        return health(self.stats, queued, self.config.log_path, time.time())

    def metrics(self) -> str:
        """What ``/metrics`` tells now."""
        counts, queued = self.correlator.counts, len(self.outbox)
        return metrics(self.stats, counts, queued, time.time())


def _source(path: str, place: Place | None, *, follow: bool) -> Source:
    if path == JOURNAL:
        return Journal(place if isinstance(place, Cursor) else None, follow=follow)
    return FileTail(Path(path), place if isinstance(place, FilePlace) else None)


def _loop(run_once: Callable[[float], float], stop: threading.Event) -> None:
    while not stop.is_set():
        if pause_s := run_once(time.time()):
            stop.wait(pause_s)


def _guarded(
    loop: Callable[[], None], stop: threading.Event, failures: list[BaseException]
) -> None:
    try:
        loop()
    except BaseException as error:  # noqa: BLE001 - it is raised by the main thread
        failures.append(error)
    finally:
        stop.set()


def run_until_told(agent: Agent, ready: Callable[[str], None]) -> None:
    """Run until SIGTERM or SIGINT; SIGHUP takes the key anew. For the main thread.

    Raises:
        OSError: as ``Agent.run``.
    """
    stop = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        del number, frame
        stop.set()

    def reload(number: int, frame: FrameType | None) -> None:
        del number, frame
        agent.courier.reload()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    signal.signal(signal.SIGHUP, reload)
    if os.geteuid() == 0:
        log.warning("agent.runs_as_root", hint="it needs to read the log, no more")
    agent.run(stop, ready)
