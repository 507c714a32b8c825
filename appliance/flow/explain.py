"""How the story of a message is told: one JSON object, in API and command alike."""

from collections.abc import Sequence

from appliance.core.attempt import Attempt, Connection, Said
from appliance.core.breaker import Condition
from appliance.core.delivery import State
from appliance.core.engagement import Tally
from appliance.core.event import Event
from appliance.core.report import ENDS, Via
from appliance.core.story import Deferral, Head, Key, Plot, Story, Verdict
from appliance.flow.facts import event_facts, moment

Facts = dict[str, object]


def story_facts(story: Story, now_ns: int) -> Facts:
    """Everything about a message, as plain values; texts may be from outside."""
    told = {one.uuid for one in story.plots}
    return {
        "message": None if story.head is None else _head(story.head),
        "deliveries": [_plot(story, one, now_ns) for one in story.plots],
        "more": story.more,
        # What is about no delivery above: of rows that are gone, or left out.
        "events": [
            event_facts(one) for one in story.events if one.about.delivery not in told
        ],
    }


def _head(head: Head) -> Facts:
    key: Facts | None = None if head.key is None else _key(head.key)
    return {
        "id": str(head.uuid),
        "subAccount": {"id": int(head.sub_account), "name": head.sub_account_name},
        "key": key,
        "sentBy": "a key that is gone" if head.key_gone else _sent_by(head.key),
        "domain": {"name": head.domain, "verified": head.domain_verified},
        "from": head.sender,
        "subject": head.subject,
        "sizeBytes": head.size_bytes,
        "acceptedAt": moment(head.accepted_ns),
    }


def _key(key: Key) -> Facts:
    return {
        "id": str(key.uuid),
        "name": key.name,
        "hint": key.hint,
        "dialect": key.dialect,
        "scope": key.scope,
        "revokedAt": _moment(key.revoked_ns or None),
    }


def _sent_by(key: Key | None) -> str:
    return "the operator" if key is None else f"key {key.name} (...{key.hint})"


def _plot(story: Story, plot: Plot, now_ns: int) -> Facts:
    events = [one for one in story.events if one.about.delivery == plot.uuid]
    return {
        "id": str(plot.uuid),
        "number": int(plot.id),
        "to": plot.recipient,
        "role": plot.role.name.lower(),
        "state": plot.state.name.lower(),
        "attempts": plot.attempts,
        "pool": plot.pool,
        "provider": _provider(story, plot),
        "share": plot.share,
        "draw": plot.draw,
        "suppression": None if plot.suppression is None else _verdict(plot.suppression),
        "acceptedAt": moment(plot.created_ns),
        "settledAt": _moment(plot.settled_ns),
        "lastCode": plot.last_code,
        "lastText": plot.last_text,
        "next": _next(story, plot, now_ns),
        "end": _end(events),
        "deferred": None if plot.deferral is None else _deferral(plot.deferral),
        "engagement": None if plot.engagement is None else _tally(plot.engagement),
        "tries": [_try(story, one) for one in plot.tries],
        "events": [event_facts(one) for one in events],
    }


def _provider(story: Story, plot: Plot) -> str:
    if plot.provider is None:
        return ""
    return story.providers.get(plot.provider, "removed")


def _verdict(verdict: Verdict) -> Facts:
    return {
        "reason": verdict.reason,
        "at": moment(verdict.at_ns),
        "description": verdict.description,
    }


def _end(events: Sequence[Event]) -> Facts | None:
    """What became of it behind the upstream, and where that was learnt."""
    ends = [one for one in events if one.type in ENDS]
    if not ends:
        return None
    last = ends[-1]  # the one that overruled those before it
    via = last.data.get("via")
    return {
        "what": last.type.label,
        "at": moment(last.at_ns),
        "reason": last.data.get("reason", ""),
        "learntFrom": Via(via).words if via in list(Via) else "",
    }


def _deferral(one: Deferral) -> Facts:
    return {
        "since": moment(one.first_ns),
        "last": moment(one.last_ns),
        "tries": one.tries,
        "code": one.code,
        "enhanced": one.enhanced,
        "text": one.text,
        "relay": one.relay,
    }


def _tally(one: Tally) -> Facts:
    return {
        "opens": one.opens,
        "humanOpens": one.human_opens,
        "clicks": one.clicks,
        "humanClicks": one.human_clicks,
    }


# --- what comes next ------------------------------------------------------------


def _next(story: Story, plot: Plot, now_ns: int) -> Facts:
    """What happens next, when, and what it waits for."""
    what, at_ns, waits_for = _NEXT[plot.state], plot.due_ns, plot.waits_for
    if plot.state is State.QUEUED:
        at_ns, waits_for = _wait(story, plot, now_ns)
    if plot.state is State.IN_FLIGHT and plot.dot_ns is not None:
        what += "; its final dot may have left"
    return {"what": what, "at": _moment(at_ns), "waitsFor": waits_for}


def _wait(story: Story, plot: Plot, now_ns: int) -> tuple[int | None, str]:
    """When it is tried, which an upstream that is down puts off."""
    health = None if plot.provider is None else story.health.get(plot.provider)
    if health is None or health.probe_ns is None or plot.due_ns is None:
        return _limited(plot)
    name = _provider(story, plot)
    why = f"provider {name} is {health.condition(now_ns).value}: {health.last_error}"
    if health.condition(now_ns) is Condition.ON_TRIAL:
        why += " (one mail at a time)"
    return max(plot.due_ns, health.probe_ns), why


def _limited(plot: Plot) -> tuple[int | None, str]:
    """When it is tried, which a limit puts off."""
    if plot.limit is None:
        return plot.due_ns, plot.waits_for
    told, until_ns = plot.limit
    return until_ns, told


_NEXT = {
    State.QUEUED: "it is tried",
    State.IN_FLIGHT: "it is on its way to the upstream",
    State.SENT: "nothing: the upstream has it",
    State.DROPPED: "nothing: it was given up",
    State.HELD: "nothing until the operator releases or drops it",
    State.IN_DOUBT: "evidence is waited for, then the setting relay.in_doubt decides",
}


# --- tries ----------------------------------------------------------------------


def _try(story: Story, one: Attempt) -> Facts:
    return {
        "number": one.number,
        "counts": one.counts,
        "provider": story.providers.get(one.provider, "removed"),
        "beganAt": moment(one.began_ns),
        "endedAt": moment(one.ended_ns),
        "ending": one.ending.value,
        "stage": one.stage,
        "code": one.code,
        "text": one.text,
        "envelopeMs": _ms(one.envelope_s),
        "answerMs": _ms(one.answer_s),
        "connection": None if one.connection is None else _connection(one.connection),
        "dialogue": _dialogue(one.dialogue),
    }


def _connection(one: Connection) -> Facts:
    return {
        "peer": one.peer,
        "tls": one.tls,
        "cipher": one.cipher,
        "certificate": dict(one.certificate),
        "connectMs": _ms(one.connect_s),
        "tlsMs": _ms(one.tls_s),
        "readyMs": _ms(one.ready_s),
        "dialogue": _dialogue(one.dialogue),
    }


def _dialogue(lines: Sequence[Said]) -> list[str]:
    """Each line with who said it: the client or the server."""
    return [("C: " if one.ours else "S: ") + one.text for one in lines]


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 1)


def _moment(ns: int | None) -> str | None:
    return None if ns is None else moment(ns)
