"""DKIM signatures as receivers see them: what is signed here is checked by dkimpy.

dkimpy shares no code with ``dkim``, so what both agree on is what the RFC says. It
reads the signature and decides what is hashed; the key operation is OpenSSL's, and
the canonical forms are ours, since its own take quadratic time. This is the only
file that knows dkimpy.
"""

from collections.abc import Sequence

import dkim

from appliance.core.domain import DkimKey
from appliance.mime.dkim import Signer, sign
from appliance.mime.dkim_keys import UnusableKey
from appliance.mime.dkim_record import PublishedKey
from appliance.mime.headers import Field, split_message
from appliance.mime.relaxed import relaxed_body

_PROBE = b"From: <postmaster@localhost>\r\nSubject: probe\r\n\r\nIs this key sound?\r\n"


def check_signature(message: bytes, index: int, published: Sequence[str]) -> str:
    """What receivers would object to in one signature of a message, "" for nothing.

    ``index`` counts the signatures from the top; ``published`` is what stands in
    the DNS where it says that its key is.

    Raises:
        MalformedMessage: the header block is none.
    """
    fields, body = split_message(message)
    checking = _Checking(fields, relaxed_body(body))
    wrong = [checking.fault(index, record) for record in published]
    return "" if "" in wrong else next(iter(wrong), "no key is published")


def prove(signer: Signer) -> Signer:
    """The signer, having signed what its own public key proves.

    A key whose halves do not belong together would have every mail refused; it
    takes two key operations to know.

    Raises:
        UnusableKey: they do not.
    """
    signed = sign(_PROBE, "localhost", [signer], 0) + _PROBE
    fault = check_signature(signed, 0, [_record(signer.key)])
    if fault:
        raise UnusableKey(f"its own signature: {fault}")
    return signer


def _record(key: DkimKey) -> str:
    kind = key.algorithm.value.partition("-")[0]
    return f"v=DKIM1; k={kind}; p={key.public}"


class _Checking(dkim.DKIM):  # type: ignore[misc]  # dkimpy ships no types
    """dkimpy as a receiver, with a message that is cut already.

    The body comes in relaxed form, which is its own relaxed form.
    """

    def __init__(self, fields: Sequence[Field], body: bytes) -> None:
        super().__init__()
        self.headers = [(one.name, one.value) for one in fields]
        self.body = body

    def fault(self, index: int, record: str) -> str:
        """What is wrong with a signature under the key of this record."""
        try:
            found = self.verify_headerprep(index)
            if not found:
                return "there is no such signature"
            tags, names, signatures = found
            self.pk = PublishedKey(record, tags[b"a"].decode())
            self.ktag = b"ed25519"  # dkimpy then asks the key itself
            self.seqtlsrpt = False
            self.verify_sig_process(tags, names, signatures[index], None)
        except (dkim.DKIMException, ValueError) as error:
            return str(error)
        return "" if self.pk.fits else "it does not fit the key that is published"
