"""The decisions for who brings mail to port 25 without a login: what came back.

Only our own return paths, complaint addresses and ways out are taken, each proven
before the content is let come; the 250 is given when what follows is on disk. It is
never passed on or answered: whatever goes wrong with it ends here (ATTACKS 8).
"""

from typing import Final

from appliance import log as logs
from appliance.dialects.addresses import read_address
from appliance.edge.smtp.words import GO_AHEAD, RECIPIENT_OK, SENDER_OK
from appliance.flow.return_places import Place, Refused
from appliance.flow.returns import ReturnDesk
from appliance.smtp.reply import EnhancedCode, Reply
from appliance.smtp.server import SmtpServer
from appliance.smtp.server_events import (
    ContentAsked,
    ContentReceived,
    Event,
    MailGiven,
    RcptGiven,
)
from appliance.smtp.server_words import TOO_BIG
from appliance.store.errors import StoreUnavailable

log = logs.get("postroom.smtp")

NOTED: Final = Reply(250, ("Noted",), EnhancedCode(2, 6, 0))
NOT_OURS: Final = Reply(
    550,
    ("Without a login only bounces and complaints are taken here",),
    EnhancedCode(5, 7, 1),
)
UNKNOWN: Final = Reply(
    550, ("No mail of ours has this return path",), EnhancedCode(5, 1, 1)
)
LATER: Final = Reply(
    451, ("It cannot be recorded now, try again later",), EnhancedCode(4, 3, 0)
)
_REFUSALS: Final = {Refused.NOT_OURS: NOT_OURS, Refused.UNKNOWN: UNKNOWN}


class ReturnSession:
    """What one stranger has said so far; each event gets its answer here."""

    def __init__(self, desk: ReturnDesk, server: SmtpServer, max_bytes: int) -> None:
        self._desk = desk
        self._server = server
        self._max_bytes = max_bytes
        self._places: list[Place] = []

    async def decide(self, event: Event) -> Reply:
        """The answer to one event; what a peer did never raises."""
        match event:
            case MailGiven():
                return self._take_sender(event)
            case RcptGiven(recipient):
                return await self._take_recipient(recipient)
            case ContentAsked():
                return GO_AHEAD
            case ContentReceived(data):
                return await self._take_content(data)
            case _:
                raise RuntimeError(f"{event} is not for a stranger")

    def _take_sender(self, given: MailGiven) -> Reply:
        """Anybody's: bounces have none, and it proves nothing."""
        self._places = []
        self._server.max_size = self._max_bytes
        if given.size is not None and given.size > self._max_bytes:
            return TOO_BIG
        return SENDER_OK

    async def _take_recipient(self, text: str) -> Reply:
        address = read_address(text)
        if address is None:
            return NOT_OURS
        try:
            place = await self._desk.place(address)
        except StoreUnavailable as error:
            log.warning("smtp.store_unavailable", error=error)
            return LATER
        if isinstance(place, Refused):
            log.info("smtp.return_refused", reason=place.value)
            return _REFUSALS[place]
        if place not in self._places:
            self._places.append(place)
        return RECIPIENT_OK

    async def _take_content(self, data: bytes) -> Reply:
        try:
            await self._desk.take(self._places, data)
        except StoreUnavailable as error:
            log.warning("smtp.store_unavailable", error=error)
            return LATER
        return NOTED
