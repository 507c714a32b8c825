"""A provider, and a test of one, as they are shown (spec 7.2, 7.3).

The form is the same in both contracts: these calls are in none of the vendor's
clients. Never the password, and the event key only in the answer that makes it.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import msgspec

from appliance.core.ids import AccountId
from appliance.core.provider import Provider, Security
from appliance.core.recipient_class import RecipientClass
from appliance.dialects.failures import FAILURE_WORDS
from appliance.dialects.sendpost.answer import JSON_TYPE, Answer
from appliance.dialects.sendpost.class_settings import ClassRule, class_columns
from appliance.dialects.sendpost.errors import Fault
from appliance.dialects.sendpost.provider_rules import CUSTOM_SMTP
from appliance.smtp.outcome import ProbeStep, Stage

AGENT_IS_STALE_NS = 300 * 1_000_000_000  # not published; an agent reports far oftener
_STEPS: Mapping[Stage, str] = MappingProxyType(
    {
        Stage.CONNECT: "CONNECT",
        Stage.EHLO: "EHLO",
        Stage.TLS: "STARTTLS",
        Stage.AUTH: "AUTH",
        Stage.MAIL: "MAIL FROM",
        Stage.RCPT: "RCPT TO",
        Stage.DATA: "DATA",
        Stage.DOT: "END OF DATA",
        Stage.QUIT: "QUIT",
    }
)


def provider_facts(
    one: Provider, account: AccountId, now_ns: int, event_key: str = ""
) -> dict[str, object]:
    """A provider as an object; with the event key where it was just made."""
    facts: dict[str, object] = {
        "id": one.id,
        "accountId": account,
        "name": one.name,
        "type": CUSTOM_SMTP,
        "host": one.host,
        "port": one.port,
        "security": one.security.value,
        "username": one.username,
        "authMethod": one.auth_method.value,
        "verifyCertificate": one.verify_certificate,
        "maxRatePerHour": one.limits.overall.per_hour,
        **dict(class_columns(_rules(one))),
        "agentLastSeenAt": one.agent_last_seen_ns,
        "agent_last_seen_at": one.agent_last_seen_ns,
        "agentStatus": _agent_status(one.agent_last_seen_ns, now_ns),
        "eventIngestionApiKeyHint": one.event_key_hint,
        "created": one.created_ns,
    }
    if event_key:
        facts["eventIngestionApiKey"] = event_key
    return facts


def legacy_provider(one: Provider) -> dict[str, object]:
    """A provider as the pools of the legacy contract hold it; no other keys."""
    return {
        "id": one.id,
        "name": one.name,
        "type": CUSTOM_SMTP,
        "domain": "",
        "endpoint": one.host,
        "key": one.username,
        "secret": "",
        "port": one.port,
        "oauthToken": "",
        "retryTime": 0,
        "created": one.created_ns,
    }


def render_test(steps: Sequence[ProbeStep], security: Security) -> Answer:
    """The answer to a test: 200, or 422 with the class of the failure.

    ``steps`` are all that were taken, and the last may have failed.
    """
    shown = [_step(one, security) for one in steps]
    last = steps[-1]
    if last.failure is None:
        body = msgspec.json.encode({"success": True, "steps": shown})
        return Answer(200, (JSON_TYPE,), body)
    fault, where = Fault.INVALID, _step_name(last.stage, security)
    error = {
        "code": fault.code,
        "message": FAILURE_WORDS[last.failure],
        "param": where,
        "type": fault.type,
        "details": [{"field": where, "message": last.message}],
    }
    body = msgspec.json.encode({"error": error, "success": False, "steps": shown})
    return Answer(fault.status, (JSON_TYPE,), body)


def _rules(one: Provider) -> dict[RecipientClass, ClassRule]:
    return {
        each: ClassRule(limit.per_hour, limit.at_once)
        for each, limit in one.limits.classes.items()
    }


def _agent_status(seen_ns: int, now_ns: int) -> str:
    if not seen_ns:
        return "never"
    return "stale" if now_ns - seen_ns > AGENT_IS_STALE_NS else "ok"


def _step(one: ProbeStep, security: Security) -> dict[str, object]:
    return {
        "step": _step_name(one.stage, security),
        "code": one.code,
        "message": one.message,
        "ms": one.milliseconds,
    }


def _step_name(stage: Stage, security: Security) -> str:
    implicit = stage is Stage.TLS and security is Security.TLS
    return "TLS" if implicit else _STEPS[stage]
