"""The certificate of the SMTP doors: the operator's, or one that signs itself.

The key comes first and is kept; a certificate is made from the key that is there.
So a crash at any point, or two at the same moment, leave a pair that fits or the
half that the next start completes.
"""

import datetime as dt
from pathlib import Path

from appliance.flow.files import make_folder, write_once
from appliance.net.tls_server import (
    CertificateError,
    ServerTls,
    make_private_key,
    sign_itself,
)
from appliance.settings.doors import Smtp


def ensure_pair(certificate: Path, key: Path, host: str) -> None:
    """Make a certificate for ``host``, and its key, unless there is a certificate.

    Raises:
        OSError: the files cannot be written.
        CertificateError: the key that is there is of no use.
    """
    if certificate.exists():
        return
    make_folder(certificate.parent)
    if not key.exists():
        write_once(key, make_private_key())
    signed = sign_itself(key.read_bytes(), host, dt.datetime.now(dt.UTC))
    write_once(certificate, signed)


def open_tls(smtp: Smtp, certificate: Path, key: Path, host: str) -> ServerTls:
    """What the operator's settings name; else this pair, made if it is missing.

    Raises:
        CertificateError: there is no pair that can be used.
    """
    if smtp.certificate:
        return ServerTls(Path(smtp.certificate), Path(smtp.key) if smtp.key else None)
    if smtp.key:
        raise CertificateError("smtp.key is set and smtp.certificate is not")
    try:
        ensure_pair(certificate, key, host)
    except OSError as error:
        raise CertificateError(
            f"{error.filename or certificate}: {error.strerror}"
        ) from None
    return ServerTls(certificate, key)
