"""`postroom serve`: runs the server until it is told to stop."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

import click

from appliance.cli.common import (
    Call,
    Failure,
    common,
    example,
    read_overrides,
    ungrouped,
)
from appliance.cli.data import settings_of
from appliance.processor import prefer_fast_rsa

_BIND_HINT = (
    "Another program may have the port, and those below 1024 need a right of their"
    " own. Ours are the settings http.bind, smtp.submission, smtp.submissions and"
    " smtp.mx."
)


@click.command(
    short_help="Run the server.",
    epilog=example("postroom serve --set http.bind=127.0.0.1:0"),
)
@click.option(
    "--set",
    "overrides",
    multiple=True,
    callback=read_overrides,
    metavar="A.B=VALUE",
    help="Change a setting for this run; can be repeated.",
)
@common
def serve(call: Call, *, overrides: tuple[str, ...]) -> None:
    """Run the server until SIGTERM or Ctrl-C; a second one stops it at once.

    Where it listens is written to run/addresses.json in the data folder.
    """
    settings = settings_of(call, overrides)
    prefer_fast_rsa()
    with _no_collections():  # a tenth of the time that this takes
        from appliance import serve as server
        from appliance.edge.listen import BindError
        from appliance.flow.setup import DataFolder, FolderError
        from appliance.net.tls_server import CertificateError

    try:
        DataFolder(call.data).read_secret()  # is there a data folder at all?
        with ungrouped():
            status = server.serve(call.data, settings)
    except FolderError as error:
        raise Failure(str(error), error.hint) from None
    except BindError as error:
        raise Failure(str(error), _BIND_HINT) from None
    except CertificateError as error:
        hint = "What is served is set by smtp.certificate and smtp.key."
        raise Failure(f"no certificate for SMTP: {error}", hint) from None
    except OSError as error:  # a bug, of which all is to be seen
        raise RuntimeError("the server failed") from error
    click.get_current_context().exit(status)


@contextmanager
def _no_collections() -> Iterator[None]:
    """Look for no garbage: what is made meanwhile is here to stay."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
