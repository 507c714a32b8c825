"""`postroom explain`: the whole story of one message."""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

import click

from appliance.cli.common import Call, Failure, common, example, run
from appliance.cli.data import open_house
from appliance.cli.show import line, plain, say
from appliance.core.ids import parse_uuid

Facts = Mapping[str, Any]


def _read_id(ctx: click.Context, param: click.Parameter, value: str) -> UUID:
    uuid = parse_uuid(value)
    if uuid is None:
        raise click.BadParameter(f"{value!r} is no message id", ctx, param)
    return uuid


@click.command(
    short_help="Tell the whole story of a message.",
    epilog=example("postroom explain 01980d3c-5a7e-7c41-9f2b-1d2e3f4a5b6c"),
)
@click.argument("message", callback=_read_id)
@common
def explain(call: Call, *, message: UUID) -> None:
    """Tell all that is known of a message, or of one delivery by its own id.

    Who sent it, where each copy stands and what it waits for, and every try with
    its connection, times and dialogue. Logins and content are not in it.
    """
    facts = run(lambda: _load(call, message))
    if facts is None:
        hint = "Ids are in: postroom events list"
        raise Failure(f"nothing is known of {message}", hint)
    if call.as_json:
        line(facts)
        return
    for text in _tell(facts):
        say(text)


async def _load(call: Call, message: UUID) -> Facts | None:
    from appliance.flow.explain import story_facts
    from appliance.store.explain import explain as read_story

    async with open_house(call) as store:
        now_ns = time.time_ns()
        story = await store.read(read_story, message, now_ns)
        return None if story is None else story_facts(story, now_ns)


def _tell(facts: Facts) -> Iterator[str]:
    if facts["message"] is None:
        yield "The message itself is no longer kept; these are its events."
    else:
        yield from _tell_head(facts["message"])
    for one in facts["deliveries"]:
        yield ""
        yield from _tell_delivery(one)
    if facts["more"]:
        yield ""
        yield f"{facts['more']} more copies; ask for one by its own id."
    for event in sorted(facts["events"], key=_number):
        yield _event(event)


def _number(event: Facts) -> int:
    return int(event["number"])


def _tell_head(head: Facts) -> Iterator[str]:
    domain, owner = head["domain"], head["subAccount"]
    proof = "verified" if domain["verified"] else "not verified"
    yield f"Message  {head['id']}, {head['sizeBytes']} bytes"
    yield f"Taken    {head['acceptedAt']} from {plain(head['sentBy'])}"
    yield f"Of       {plain(owner['name'])} ({owner['id']})"
    yield f"From     {plain(head['from'])} (domain {domain['name']}, {proof})"
    yield f"Subject  {plain(head['subject'])}"


def _tell_delivery(one: Facts) -> Iterator[str]:
    tried = "1 try" if one["attempts"] == 1 else f"{one['attempts']} tries"
    yield f"To {plain(one['to'])} ({one['role']}): {_words(one['state'])}, {tried}"
    yield f"  Id     {one['id']}"
    yield f"  Next   {plain(_next(one['next']))}"
    yield f"  Way    {plain(_way(one))}"
    yield f"  Suppressed  {plain(_suppressed(one['suppression']))}"
    if one["lastText"]:
        yield f"  Last   {plain(one['lastText'])}"
    if one["end"]:
        yield f"  End    {plain(_end(one['end']))}"
    if one["deferred"]:
        yield f"  Put off  {plain(_put_off(one['deferred']))}"
    if one["engagement"]:
        yield f"  Seen   {_engaged(one['engagement'])}"
    moments: list[tuple[str, int, list[str]]] = [
        (event["at"], event["number"], [_event(event)]) for event in one["events"]
    ]
    # A try ends before the event that comes of it.
    moments += [(each["endedAt"], 0, [*_tell_try(each)]) for each in one["tries"]]
    for _, _, lines in sorted(moments, key=lambda moment: moment[:2]):
        yield from lines


def _next(facts: Facts) -> str:
    at = f" at {facts['at']}" if facts["at"] else ""
    holds = f"; waits for: {facts['waitsFor']}" if facts["waitsFor"] else ""
    return f"{facts['what']}{at}{holds}"


def _way(one: Facts) -> str:
    if not one["provider"]:
        return f"pool {one['pool']}, no provider drawn"
    share = "" if one["share"] is None else f" ({one['share']} % of it)"
    why = f" ({one['draw']})" if one["draw"] else share
    return f"pool {one['pool']}, provider {one['provider']}{why}"


def _suppressed(verdict: Facts | None) -> str:
    if verdict is None:
        return "no"
    return f"yes, {verdict['reason']} at {verdict['at']} {verdict['description']}"


def _end(facts: Facts) -> str:
    """What became of it behind the upstream."""
    reason = f" ({_words(facts['reason'])})" if facts["reason"] else ""
    source = f", learnt from {facts['learntFrom']}" if facts["learntFrom"] else ""
    return f"{_words(facts['what'])}{reason} at {facts['at']}{source}"


def _put_off(facts: Facts) -> str:
    """What the upstream's log said of tries that did not end."""
    times = "once" if facts["tries"] == 1 else f"{facts['tries']} times"
    words = [str(facts["code"] or ""), facts["enhanced"], facts["text"]]
    why = " ".join(filter(None, words))
    by = f" ({facts['relay']})" if facts["relay"] else ""
    return (
        f"by the upstream {times} since {facts['since']},"
        f" last at {facts['last']}: {why}{by}"
    )


def _engaged(facts: Facts) -> str:
    """How often it was opened and its links followed, in all and by people."""
    return (
        f"opened {facts['opens']} times ({facts['humanOpens']} by people),"
        f" clicked {facts['clicks']} ({facts['humanClicks']})"
    )


def _event(event: Facts) -> str:
    pairs = [f"{name}={value}" for name, value in event["data"].items()]
    words = (event["at"], f"event {event['number']}", event["name"], *pairs)
    return "  " + " ".join(map(plain, words))


def _tell_try(one: Facts) -> Iterator[str]:
    counted = "" if one["counts"] else " (does not count)"
    code = f"{one['code']} " if one["code"] else ""
    told = f"{one['ending']} at {one['stage']}: {code}{one['text']}"
    at, name = one["endedAt"], one["provider"]
    yield f"  {at} try {one['number']}{counted} by {plain(name)} {plain(told)}"
    connection = one["connection"]
    if connection is not None:
        yield from _tell_connection(connection)
    times = _times(("MAIL to dot", one["envelopeMs"]), ("answer", one["answerMs"]))
    if times:
        yield f"      {times}"
    yield from _spoken(one["dialogue"])


def _tell_connection(one: Facts) -> Iterator[str]:
    cover = f"{one['tls']} {one['cipher']}" if one["tls"] else "no TLS"
    times = _times(
        ("connect", one["connectMs"]), ("TLS", one["tlsMs"]), ("ready", one["readyMs"])
    )
    yield f"      {plain(one['peer'] or 'nobody reached')}, {plain(cover)}; {times}"
    if one["certificate"]:
        pairs = (f"{name}={value}" for name, value in one["certificate"].items())
        yield f"      certificate {plain(' '.join(pairs))}"
    yield from _spoken(one["dialogue"])


def _times(*named: tuple[str, float | None]) -> str:
    return ", ".join(f"{name} {ms} ms" for name, ms in named if ms is not None)


def _spoken(dialogue: Sequence[str]) -> Iterator[str]:
    for text in dialogue:
        yield f"        {plain(text)}"


def _words(state: str) -> str:
    return state.replace("_", " ")
