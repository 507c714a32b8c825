"""What the SMTP doors say to everybody, whoever has logged in or not."""

from typing import Final

from appliance.smtp.reply import EnhancedCode, Reply

GO_AHEAD: Final = Reply(354, ("End data with <CR><LF>.<CR><LF>",))
SENDER_OK: Final = Reply(250, ("Ok",), EnhancedCode(2, 1, 0))
RECIPIENT_OK: Final = Reply(250, ("Ok",), EnhancedCode(2, 1, 5))
BLOCKED: Final = Reply(
    421,
    ("Too many failed authentications, try again later",),
    EnhancedCode(4, 7, 0),
)
