"""What the agent's threads know of each other, and `/health` and `/metrics` tell.

Each value has one writer; a reader may see it a moment late.
"""

from dataclasses import dataclass


@dataclass(slots=True)
class Stats:
    """Counts since the start, and moments in seconds since 1970 (0: never)."""

    lines_read: int = 0
    log_bytes_behind: int = 0
    read_until_s: float = 0.0  # the moment of the last line with an event
    at_end: bool = False
    unreadable: str = ""
    places_lost: int = 0
    last_event_s: float = 0.0
    events_queued: int = 0
    events_sent: int = 0
    events_rejected: int = 0
    events_failed: int = 0
    posts_failed: int = 0
    last_post_s: float = 0.0
    failing_since_s: float = 0.0
    failure: str = ""
    refused_key: bool = False
    post_seconds: float = 0.0
    posts: int = 0
