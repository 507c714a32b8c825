"""The command `postroom`: a tree of thin commands, each imported when it is asked for.

A command parses, calls a lower floor and prints. Results go to standard output
and nothing else does; errors go to standard error, under ``--json`` as one
object ``{"error": {"message", "hint"}}``. The exit status is 0 for done, 1 for
refused or failed, 2 for wrong usage.
"""

import importlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import click

from appliance.cli.common import example, report

# Where each command lives; reading the table costs nothing, importing does.
COMMANDS: Mapping[str, str] = MappingProxyType(
    {
        "init": "appliance.cli.init:init",
        "serve": "appliance.cli.serve:serve",
        "demo": "appliance.cli.demo:demo",
        "send": "appliance.cli.send:send",
        "domain": "appliance.cli.domain:domain",
        "provider": "appliance.cli.provider:provider",
        "pool": "appliance.cli.pool:pool",
        "key": "appliance.cli.key:key",
        "events": "appliance.cli.events:events",
        "explain": "appliance.cli.explain:explain",
        "classify": "appliance.cli.classify:classify",
        "queue": "appliance.cli.queue:queue",
        "suppression": "appliance.cli.suppression:suppression",
        "webhook": "appliance.cli.webhook:webhook",
        "stats": "appliance.cli.stats:stats",
        "status": "appliance.cli.status:status",
        "agent": "appliance.cli.agent:agent",
        "unblock": "appliance.cli.unblock:unblock",
        "config": "appliance.cli.config:config",
        "version": "appliance.cli.version:version",
    }
)
_AS_JSON = "the caller wants JSON"


class _Root(click.Group):
    """The tree's root: loads a command on demand and words every error."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all commands, in the order in which they are needed."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command called ``cmd_name``, imported now."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        """The context of this call; what is wrong with it is reported."""
        as_json = "--json" in args
        with report(as_json=as_json):
            ctx = super().make_context(info_name, args, parent, **extra)
        ctx.meta[_AS_JSON] = as_json
        return ctx

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; what it refuses is reported."""
        with report(as_json=ctx.meta[_AS_JSON]):
            return super().invoke(ctx)


@click.group(
    cls=_Root,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=example("postroom demo"),
)
def main() -> None:
    """Run and steer Postroom, the control plane over your own mail server.

    Each command has --help with an example, --json for scripts, and works with
    the server running or stopped.
    """
