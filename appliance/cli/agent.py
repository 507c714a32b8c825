"""`postroom agent`: reports from Postfix's log what became of the mail."""

from pathlib import Path

import click

from appliance.cli.common import Call, Failure, common, example
from appliance.cli.show import line, note, pairs


@click.command(
    short_help="Report from Postfix's log what became of the mail.",
    epilog=example("postroom agent --config /etc/sendpost-agent/config.yaml"),
)
@click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="The YAML file with the options. Default: /etc/sendpost-agent/config.yaml if"
    " it is there.",
)
@click.option(
    "--api-key-file", metavar="FILE", help="A file that holds the event key alone."
)
@click.option("--endpoint", metavar="URL", help="Where events are posted.")
@click.option(
    "--log-path", metavar="FILE", help="Postfix's log, or \"journal\" for systemd's."
)
@click.option("--state-path", metavar="DIR", help="Where the agent keeps its place.")
@click.option(
    "--health", metavar="HOST:PORT", help='Where /health and /metrics are; "" for none.'
)
@click.option("--mta", metavar="NAME", help="postfix; there is no other yet.")
@click.option("--once", is_flag=True, help="Read to the end of the log, and end.")
@common
def agent(
    call: Call, /, *, config_file: Path | None, once: bool, **flags: str | None
) -> None:
    """Read Postfix's log and report what became of each mail, until SIGTERM.

    It runs beside the mail server, as a user that may read the log and no more.
    Flags win over POSTROOM_AGENT_LOG_PATH and so on, and these over the file. The event
    key is in the file or in one of its own, never on the command line. SIGHUP takes it
    anew. Nothing is read from the data folder.
    """
    from appliance.agent.config import Config, ConfigError, load_config
    from appliance.agent.keeper import Busy
    from appliance.agent.service import Agent, Unfinished, run_until_told
    from appliance.log import configure

    given = {name: value for name, value in flags.items() if value is not None}

    def read_config() -> Config:
        return load_config(config_file, given)

    try:
        config = read_config()
        configure(config.log_level, config.log_format)
        if config.in_clear:
            note("The endpoint is not https: who listens on the way has the key.")
        it = Agent(config, read_config, follow=not once)
    except ConfigError as error:
        raise Failure(str(error), "postroom agent --help shows the options.") from None
    except Busy as error:
        raise Failure(f"another agent keeps its place in {error}") from None
    try:
        if once:
            it.once()
        else:
            run_until_told(it, lambda address: _show_address(call, address))
    except Unfinished as error:
        raise Failure(str(error)) from None
    finally:
        it.close()
    if once:
        _show(call, it.stats.lines_read, it.stats.events_sent, it.stats.events_rejected)


def _show_address(call: Call, address: str) -> None:
    if address and call.as_json:
        line({"health": f"http://{address}/health"})
    elif address:
        note(f"Health: http://{address}/health")


def _show(call: Call, lines: int, sent: int, rejected: int) -> None:
    facts = {"lines_read": lines, "events_sent": sent, "events_rejected": rejected}
    if call.as_json:
        line(facts)
    else:
        pairs(facts)
