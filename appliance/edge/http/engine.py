"""How hypercorn's protocols are set: our limits, our log, no access log.

An access log costs a good part of a request; what matters has its own line.
"""

import logging
import sys
import time
from wsgiref.handlers import format_date_time

from hypercorn.config import Config

from appliance.edge.http.limits import Limits


class Engine(Config):
    """Hypercorn's configuration as we want it."""

    def __init__(self, limits: Limits) -> None:
        super().__init__()
        self.accesslog = None
        self.errorlog = logging.getLogger("postroom.http")
        self.h11_max_incomplete_size = limits.max_header_bytes
        self.h2_max_header_list_size = limits.max_header_bytes
        self.keep_alive_max_requests = sys.maxsize
        self._date_at = 0
        self._date: list[tuple[bytes, bytes]] = []

    def response_headers(self, protocol: str) -> list[tuple[bytes, bytes]]:
        """Only the date, worded once a second; which server this is stays unsaid."""
        del protocol
        now = int(time.time())
        if now != self._date_at:
            self._date_at = now
            self._date = [(b"date", format_date_time(now).encode())]
        return self._date
