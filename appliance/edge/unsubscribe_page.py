"""The page that asks before it unsubscribes, and the one that says that it has.

In the language that the browser asks for, of those in ``_LANGUAGES``: a further one is
one more entry there. Who gets the mail is shown in part only, since links travel with
forwarded mail. Nothing here runs, loads or links to anything.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from types import MappingProxyType

from appliance.flow.engagement import Parting

_MAX_LANGUAGES = 10
_MAX_CHARS = 200
_HIDDEN = "\u2022" * 3


@dataclass(frozen=True, slots=True)
class Words:
    """What the pages say; ``{}`` is the address, the topic or the sender."""

    title: str
    ask: str
    who: str
    topic: str
    sender: str
    button: str
    done: str
    done_text: str


_LANGUAGES: Mapping[str, Words] = MappingProxyType(
    {
        "en": Words(
            title="Unsubscribe",
            ask="Do you want no more mail of this kind?",
            who="Address: {}",
            topic="List: {}",
            sender="From: {}",
            button="Unsubscribe",
            done="You are unsubscribed",
            done_text="You will get no more mail of this kind.",
        ),
        "de": Words(
            title="Abbestellen",
            ask="M\u00f6chten Sie keine solchen E-Mails mehr bekommen?",
            who="Adresse: {}",
            topic="Liste: {}",
            sender="Von: {}",
            button="Abbestellen",
            done="Sie sind abgemeldet",
            done_text="Sie bekommen keine solchen E-Mails mehr.",
        ),
        "fr": Words(
            title="Se d\u00e9sabonner",
            ask="Souhaitez-vous ne plus recevoir ce type de message\u00a0?",
            who="Adresse\u00a0: {}",
            topic="Liste\u00a0: {}",
            sender="De\u00a0: {}",
            button="Se d\u00e9sabonner",
            done="Vous \u00eates d\u00e9sabonn\u00e9",
            done_text="Vous ne recevrez plus ce type de message.",
        ),
        "es": Words(
            title="Cancelar suscripci\u00f3n",
            ask="\u00bfNo desea recibir m\u00e1s correos de este tipo?",
            who="Direcci\u00f3n: {}",
            topic="Lista: {}",
            sender="De: {}",
            button="Cancelar suscripci\u00f3n",
            done="Suscripci\u00f3n cancelada",
            done_text="No recibir\u00e1 m\u00e1s correos de este tipo.",
        ),
    }
)
_DEFAULT = "en"
_PAGE = (
    '<!doctype html><html lang="{lang}"><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width, initial-scale=1">'
    "<title>{title}</title><style>body{{font:16px/1.5 system-ui,sans-serif;"
    "max-width:32rem;margin:4rem auto;padding:0 1rem}}button{{font:inherit;"
    "padding:.5rem 1rem}}</style><h1>{title}</h1>{body}"
)


@dataclass(frozen=True, slots=True)
class Page:
    """A page and the language that it is in."""

    language: str
    body: bytes


def asking(parting: Parting | None, accepted: str) -> Page:
    """The page that asks; ``accepted`` is what Accept-Language says."""
    language = choose(accepted)
    words = _LANGUAGES[language]
    about = "<br>".join(_about(parting, words)) if parting is not None else ""
    body = (
        f"<p>{words.ask}</p>"
        + (f"<p>{about}</p>" if about else "")
        + f'<form method="post"><button>{words.button}</button></form>'
    )
    return _page(language, words.title, body)


def done(accepted: str) -> Page:
    """The page that says that it is done."""
    language = choose(accepted)
    words = _LANGUAGES[language]
    return _page(language, words.done, f"<p>{words.done_text}</p>")


def choose(accepted: str) -> str:
    """The first language of ours that is asked for (RFC 9110 12.5.4), else English."""
    wishes: list[tuple[float, str]] = []
    for item in accepted[:_MAX_CHARS].split(",")[:_MAX_LANGUAGES]:
        name, _, weight = item.partition(";")
        language = name.strip().lower().partition("-")[0]
        if language in _LANGUAGES and (much := _weight(weight)) > 0:
            wishes.append((-much, language))
    return min(wishes, key=lambda wish: wish[0])[1] if wishes else _DEFAULT


def masked(address: str) -> str:
    """An address as its owner knows it again and nobody else learns it."""
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}{_HIDDEN}@{domain}"


def _about(parting: Parting, words: Words) -> list[str]:
    lines = [words.who.format(masked(parting.recipient))]
    if parting.topic:
        lines.append(words.topic.format(parting.topic))
    if parting.sender:
        lines.append(words.sender.format(parting.sender))
    return list(map(escape, lines))


def _weight(text: str) -> float:
    """The q of a wish: 1 if it has none, 0 if it is not to be read."""
    name, _, value = text.strip().partition("=")
    if not name:
        return 1.0
    try:
        return max(0.0, min(1.0, float(value))) if name.strip() == "q" else 0.0
    except ValueError:
        return 0.0


def _page(language: str, title: str, body: str) -> Page:
    return Page(language, _PAGE.format(lang=language, title=title, body=body).encode())
