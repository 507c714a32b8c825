"""What each command does, once `server_moves` says that it may be said.

Decides what needs no knowledge of people and mail, and asks the caller for the
rest. A function returns the event to decide, the reply to give (a refusal is
counted), or None if it has seen to both itself.
"""

from collections.abc import Callable
from typing import Final

from appliance.smtp import server_words as words
from appliance.smtp.commands import (
    parse_auth,
    parse_chunk,
    parse_command,
    parse_mail,
    parse_name,
    parse_rcpt,
)
from appliance.smtp.reply import Reply
from appliance.smtp.sasl import Exchange
from appliance.smtp.server_events import CONTENT_ASKED, Event, TlsAsked
from appliance.smtp.server_moves import ASIDE, Verb
from appliance.smtp.server_session import Chunk, Session, Transaction


def obey(session: Session, line: bytes | Reply) -> Event | None:
    """Do what a line says; one that is no line comes as its refusal."""
    session.commands += 1
    if session.commands > session.manners.max_commands:
        session.close(words.TOO_MANY_COMMANDS)
        return None
    command = line if isinstance(line, Reply) else parse_command(line)
    if isinstance(command, Reply):
        session.refuse(command)
        return None
    verb, argument = command
    done = _do(session, verb, argument)
    if not isinstance(done, Reply):
        return done
    if done.is_refusal:
        session.refuse(done, verb)
    else:
        session.say(done)
    return None


def _do(session: Session, verb: Verb, argument: str) -> Event | Reply | None:
    if verb is Verb.BDAT:
        return _bdat(session, argument)
    if verb not in ASIDE:
        move = session.moves[verb]
        if isinstance(move, Reply):
            return move
    if argument and verb in _BARE:
        return words.NO_ARGUMENT
    return _DEEDS[verb](session, argument)


def respond(session: Session, exchange: Exchange, line: bytes | Reply) -> Event | None:
    """Take one line of an AUTH exchange on."""
    step = line if isinstance(line, Reply) else exchange.take(line)
    if not isinstance(step, Reply):
        return session.ask(Verb.RESPONSE, step)
    if step.is_go_on:
        session.say(step)
    else:
        session.refuse(step, Verb.RESPONSE)
    return None


def _ehlo(session: Session, argument: str) -> Reply | None:
    name = parse_name(argument)
    if isinstance(name, Reply):
        return name
    session.hello, session.extended = name, True
    session.move(Verb.EHLO)
    answer = words.capabilities(
        session.manners.host,
        size=session.max_size,
        recipients=session.max_recipients,
        messages=session.manners.max_messages,
        starttls=session.manners.starttls and not session.encrypted,
        auth=session.encrypted and not session.authenticated,
    )
    session.out.append(answer)
    return None


def _helo(session: Session, argument: str) -> Reply:
    name = parse_name(argument)
    if isinstance(name, Reply):
        return name
    session.hello, session.extended = name, False
    session.move(Verb.HELO)
    return Reply(250, (session.manners.host,))


def _starttls(session: Session, _: str) -> Event | Reply:
    if not session.manners.starttls:
        return words.NO_STARTTLS
    session.say(words.START_TLS)
    session.move(Verb.STARTTLS)
    return session.ask(Verb.HANDSHAKE, TlsAsked())


def _auth(session: Session, argument: str) -> Event | Reply | None:
    wish = parse_auth(argument)
    if isinstance(wish, Reply):
        return wish
    exchange = Exchange(wish.mechanism)
    session.move(Verb.AUTH)
    session.exchange = exchange
    if wish.initial is None:
        return exchange.prompt
    return respond(session, exchange, wish.initial)


def _mail(session: Session, argument: str) -> Event | Reply | None:
    session.messages += 1
    if session.messages > session.manners.max_messages:
        session.close(words.TOO_MANY_MESSAGES)
        return None
    given = parse_mail(argument)
    if isinstance(given, Reply):
        return given
    if (given.size or 0) > session.max_size:
        return session.too_big
    session.transaction = Transaction(utf8=given.utf8)
    return session.ask(Verb.MAIL, given)


def _rcpt(session: Session, argument: str) -> Event | Reply | None:
    if session.transaction.taken >= session.max_recipients:
        # No error: the client is to send these in a transaction of their own.
        session.say(words.TOO_MANY_RECIPIENTS)
        return None
    given = parse_rcpt(argument, utf8=session.transaction.utf8)
    if isinstance(given, Reply):
        return given
    return session.ask(Verb.RCPT, given)


def _data(session: Session, _: str) -> Event:
    return session.ask(Verb.DATA, CONTENT_ASKED)


def _bdat(session: Session, argument: str) -> Event | None:
    """Begin a chunk; it is read whether it has a place here or not."""
    announced = parse_chunk(argument)
    if isinstance(announced, Reply):
        # What follows cannot be told from commands any more.
        session.close(announced)
        return None
    verb, size = announced
    move = session.moves[verb]
    refusal = move if isinstance(move, Reply) else None
    session.chunk = Chunk(verb, size, size, refusal)
    if refusal is None and session.transaction.content is None:
        return session.ask(verb, CONTENT_ASKED)
    return None


def _rset(session: Session, _: str) -> Reply:
    session.move(Verb.RSET)
    return words.OK


def _noop(_session: Session, _: str) -> Reply:
    return words.OK


def _help(_session: Session, _: str) -> Reply:
    return words.HELP


def _vrfy(_session: Session, argument: str) -> Reply:
    return words.NOT_VERIFIED if argument else words.VRFY_SYNTAX


def _expn(_session: Session, _: str) -> Reply:
    return words.NO_EXPN


def _quit(session: Session, _: str) -> None:
    session.close(words.BYE)


_BARE: Final = frozenset({Verb.STARTTLS, Verb.DATA, Verb.RSET, Verb.QUIT})

_DEEDS: Final[dict[Verb, Callable[[Session, str], Event | Reply | None]]] = {
    Verb.EHLO: _ehlo,
    Verb.HELO: _helo,
    Verb.STARTTLS: _starttls,
    Verb.AUTH: _auth,
    Verb.MAIL: _mail,
    Verb.RCPT: _rcpt,
    Verb.DATA: _data,
    Verb.RSET: _rset,
    Verb.NOOP: _noop,
    Verb.HELP: _help,
    Verb.VRFY: _vrfy,
    Verb.EXPN: _expn,
    Verb.QUIT: _quit,
}
