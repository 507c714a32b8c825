"""`postroom demo`: the main job with nothing else installed."""

import click

from appliance.cli.common import Call, Failure, common, example, ungrouped


@click.command(
    short_help="Watch the main job with nothing else installed.",
    epilog=example("postroom demo --once"),
)
@click.option(
    "--once", is_flag=True, help="End when the timeline is complete; status 0 if it is."
)
@common
def demo(call: Call, *, once: bool) -> None:
    """Send one mail to a server inside this process and watch what becomes of it.

    Without --data everything is made in a folder that is gone afterwards.
    """
    from appliance import demo as play
    from appliance.flow.setup import FolderError

    data = call.data if call.named else None
    try:
        with ungrouped():
            status = play.run(once=once, data=data, as_json=call.as_json)
    except FolderError as error:
        raise Failure(str(error), error.hint) from None
    click.get_current_context().exit(status)
