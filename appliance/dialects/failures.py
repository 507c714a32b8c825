"""What a failed test of an upstream is called, as the documentation names it."""

from collections.abc import Mapping
from types import MappingProxyType

from appliance.smtp.outcome import FailureClass

FAILURE_WORDS: Mapping[FailureClass, str] = MappingProxyType(
    {
        FailureClass.CONNECTION_REFUSED: "Connection refused",
        FailureClass.TLS_FAILED: "TLS handshake failed",
        FailureClass.AUTH_REJECTED: "Auth rejected",
        FailureClass.MAIL_FAILED: "MAIL FROM failure",
        FailureClass.RCPT_FAILED: "RCPT TO failure",
        FailureClass.DATA_FAILED: "DATA failure",
        FailureClass.TIMEOUT: "Timeout",
    }
)
