"""A message as it is looked up, in both contracts (spec 12.3, appendix A and B)."""

from collections.abc import Sequence

from appliance.core.address import Mailbox
from appliance.core.sent_mail import SentMail
from appliance.core.webhook import Fact
from appliance.dialects.sendpost.account_answer import render
from appliance.dialects.sendpost.answer import Answer
from appliance.dialects.sendpost.contract import Contract
from appliance.dialects.sendpost.errors import Fault, Problem
from appliance.dialects.sendpost.webhook import SendpostWebhook, event_object
from appliance.dialects.sendpost.webhook_agent import HYBRID

NO_MESSAGE = Problem(Fault.NOT_FOUND, "There is no such message")
_DIALECT = SendpostWebhook()
_Object = dict[str, object]


def render_messages(found: Sequence[SentMail], contract: Contract) -> Answer:
    """A list of messages."""
    return render([_facts(one, contract) for one in found])


def render_message(
    mail: SentMail, contract: Contract, events: Sequence[Fact] | None
) -> Answer:
    """One message, with its events where they were asked for."""
    facts = _facts(mail, contract)
    if events is not None:
        facts["events"] = [
            event_object(one, word, HYBRID)
            for one in events
            if (word := _DIALECT.title(one))
        ]
    return render(facts)


def _facts(mail: SentMail, contract: Contract) -> _Object:
    legacy = contract is Contract.LEGACY
    return _legacy(mail) if legacy else _v1(mail)


def _v1(mail: SentMail) -> _Object:
    cc = [_person(one) for one in mail.cc]
    bcc = [{"email": one, "name": ""} for one in mail.bcc]
    to = {
        **_person(mail.to[0]),
        "cc": cc,
        "bcc": bcc,
        "customFields": dict(mail.fields),
    }
    return {
        "messageId": str(mail.uuid),
        "subAccountId": mail.sub_account,
        "publicIp": "",
        "headerTo": to,
        "headerCc": cc,
        "headerBcc": bcc,
        "attachments": [{"filename": one, "content": ""} for one in _files(mail)],
        "to": to,
        **_shared(mail),
    }


def _legacy(mail: SentMail) -> _Object:
    cc = [str(one.address) for one in mail.cc]
    fields = {name: str(value) for name, value in mail.fields.items()}
    to = {
        **_person(mail.to[0]),
        "cc": cc,
        "bcc": list(mail.bcc),
        "customFields": fields,
    }
    return {
        "messageID": str(mail.uuid),
        "accountID": mail.account,
        "subAccountID": mail.sub_account,
        "ipID": 0,
        "accountIPPoolID": mail.pool,
        "publicIP": "",
        "localIP": "",
        "headerTo": to,
        "headerCc": cc,
        "headerBcc": list(mail.bcc),
        "attachments": _files(mail),
        "to": to,
        "customFields": fields,
        "attempt": mail.attempts,
        "webhookEndpoint": mail.webhook_url,
        "mxRecords": [],
        **_shared(mail),
    }


def _shared(mail: SentMail) -> _Object:
    """What both contracts spell alike; texts that are not kept are empty."""
    content = mail.content
    reply_to = mail.reply_to if content is None else content.reply_to
    return {
        "emailType": mail.recipient_class.value,
        "submittedAt": mail.accepted_ns,
        "from": {
            "email": mail.sender,
            "name": mail.sender_name if content is None else content.sender.name,
        },
        "replyTo": None if reply_to is None else _person(reply_to),
        "groups": list(mail.dimensions.groups),
        "ipPool": mail.pool_name,
        "headers": dict(mail.headers if content is None else content.headers),
        "subject": mail.subject if content is None else content.subject,
        "preText": "" if content is None else content.preheader,
        "htmlBody": (content and content.html) or "",
        "textBody": (content and content.text) or "",
        "ampBody": (content and content.amp) or "",
        "trackOpens": mail.tracking.opens,
        "trackClicks": mail.tracking.clicks,
    }


def _files(mail: SentMail) -> list[str]:
    """Their names: what is in them is not shown."""
    return (
        []
        if mail.content is None
        else [one.filename for one in mail.content.attachments]
    )


def _person(one: Mailbox) -> _Object:
    return {"email": str(one.address), "name": one.name}
