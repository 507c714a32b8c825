"""The words by which machines say that a mail failed, waits, or met nobody at home.

All in small letters, as they stand in a text whose blanks and line ends are single
blanks. A phrase is long enough not to be in people's mail by chance; what a subject
says is weaker, and asks for a mail system as its sender where it means a bounce.
"""

# At the beginning of a report; who says so first, as far as it is known.
FAILED = (
    "i wasn't able to deliver your message to the following addresses",  # qmail
    "i'm sorry to have to inform you that your message could not be delivered",
    "a message that you sent could not be delivered to one or more of its recipients",
    "could not be delivered to one or more of its recipients",  # Exim
    "sorry, we were unable to deliver your message to the following address",  # Yahoo
    "this message was created automatically by mail delivery software",  # and 1&1
    "delivery to the following recipient failed permanently",  # Google, once
    "delivery to the following recipients failed",  # Exchange, Windows SMTP
    "delivery has failed to these recipients or",  # Exchange since 2007
    "did not reach the following recipient",  # Exchange 5.5
    "rejected your message to the following e-mail addresses",  # Exchange
    "rejected your message to the following email addresses",  # Office 365
    "couldn't be delivered to the following recipients",  # Office 365
    "your message couldn't be delivered",
    "your message wasn't delivered to",  # Google
    "the following addresses had permanent fatal errors",  # Sendmail
    "the following addresses had delivery problems",
    "the following address had permanent delivery errors",
    "transcript of session follows",
    "your message was not delivered to",
    "your message to the following recipients cannot be delivered",
    "your message cannot be delivered to the following recipients",  # Sun, Oracle
    "failure reasons",  # Notes
    "was not delivered to:",  # Domino
    "unable to deliver message to",  # MailFoundry and others
    "i was unable to deliver your message to the following addresses",  # MessageLabs
    "could not be delivered to the following recipient",
    "could not be delivered to the following address",
    "the following message to <",  # Cisco, IronPort
    "this is the mail system at host",  # Postfix
    "message from yahoo.com. unable to deliver message",
    "the following recipients could not be reached",
    "the following recipient(s) cannot be reached",
    "the message you sent to the following recipients was not delivered",
    "your email could not be delivered",
    "delivery failed for the following reason",
    "an error has occurred while attempting to deliver a message for",  # OpenSMTPD
    "each of the following recipients was rejected by a remote mail server",  # KDDI
    "unknown user: ",  # IMail
    "invalid final delivery userid",
    "delivery failed 20 attempts",
    "recipients did not receive this message",
    "recipients did not receive your message",  # Netscape
    "could not be delivered to one or more destinations",
    "we were not able to deliver your message to the following address",
    "could not be delivered to the following user",
    "unable to deliver your message to",
    "message could not be delivered to",
    "the following recipient(s) could not be reached",  # MailEnable
    "message not delivered to the following",
    "there is no user by that name at this server",  # MDaemon
    "an error was detected while processing the enclosed message",  # LSMTP
    "your message has encountered delivery problems",
    "recipients was aborted after",
    "was automatically rejected:",  # Dovecot, by RFC 5429
    "user mailbox exceeds allowed size: ",
    "undeliverable to ",
    "your message has been rejected by the recipient",
    "не может быть доставлено одному или нескольким получателям",  # Mail.ru
    "ihre nachricht wurde nicht zugestellt",
    "ihre nachricht konnte nicht zugestellt werden",
    "fehler bei der zustellung an folgende empfänger",
    "votre message n'a pas pu être remis",
    "échec de la remise pour ces destinataires ou groupes",
    "no se pudo entregar a estos destinatarios o grupos",
    "não foi possível entregar para estes destinatários",
    "recapito non riuscito verso i destinatari o gruppi",
    "次の受信者またはグループへの配信に失敗しました",
    "传递给以下收件人或组时失败",
    "邮件无法发送到",
)
# These are looked for first: the same texts may go on to say "failed".
DELAYED = (
    "has not yet been delivered",  # Exim
    "has been delayed",
    "message has been queued",
    "still undelivered after",  # Sendmail
    "had transient non-fatal errors",
    "this is a warning message only",
    "you do not need to resend your message",
    "there was a temporary problem delivering your message",  # Google
    "will retry for",
    "delivery will continue to be attempted",
    "will continue to attempt to deliver",
    "will keep trying",
    "has been postponed",
    "will continue to try to deliver",
    "attempts to deliver the message will continue",
    "this is only a warning",
    "delivery to these recipients or groups has been delayed",
    "wurde noch nicht zugestellt",
    "n'a pas encore été remis",
)
# Of a subject, once the sender is a mail system.
FAILED_SUBJECTS = (
    "undeliverable",
    "undelivered",
    "delivery status notification",
    "delivery notification",
    "delivery failure",
    "delivery failed",
    "delivery has failed",
    "delivery error",
    "delivery problem",
    "could not be delivered",
    "not delivered",
    "failure notice",
    "failure notification",
    "returned mail",
    "returning message to sender",
    "mail failure",
    "mail system error",
    "message status - undeliverable",
    "nondeliverable",
    "non-delivery",
    "rejected",
    "unzustellbar",
    "nicht zugestellt",
    "nicht zustellbar",
    "non remis",
    "non distribué",
    "échec de la remise",
    "no se puede entregar",
    "no entregado",
    "não entregue",
    "não é possível entregar",
    "mancata consegna",
    "non recapitabile",
    "onbestelbaar",
    "niet bezorgd",
    "olevererbart",
    "kunne ikke leveres",
    "niedostarczon",
    "nedoručiteln",
    "не доставлен",
    "не удается доставить",
    "недоставлен",
    "配信不能",
    "配信エラー",
    "退信",
    "无法送达",
    "無法傳遞",
)
DELAYED_SUBJECTS = (
    "delayed",
    "delivery incomplete",
    "still being retried",
    "warning: could not send",
    "verzögert",
    "remise différée",
    "retrasad",
)
# Of a subject, whoever sends it.
AUTO_REPLY_SUBJECTS = (
    "out of office",
    "out of the office",
    "out-of-office",
    "automatic reply",
    "automated reply",
    "automatic response",
    "auto reply",
    "auto-reply",
    "autoreply",
    "auto response",
    "auto-response",
    "autoresponder",
    "on vacation",
    "vacation reply",
    "away from my mail",
    "automatische antwort",
    "abwesenheitsnotiz",
    "abwesenheitshinweis",
    "abwesenheitsbenachrichtigung",
    "abwesend",
    "réponse automatique",
    "absence du bureau",
    "absent du bureau",
    "message d'absence",
    "respuesta automática",
    "fuera de la oficina",
    "fuera de oficina",
    "resposta automática",
    "ausência temporária",
    "risposta automatica",
    "fuori sede",
    "fuori ufficio",
    "automatisch antwoord",
    "afwezigheid",
    "autosvar",
    "automatiskt svar",
    "automatisk svar",
    "frånvaro",
    "automaattinen vastaus",
    "poissa toimistosta",
    "automatyczna odpowiedź",
    "autoodpowiedź",
    "automatická odpověď",
    "automatikus válasz",
    "răspuns automat",
    "otomatik yan\u0131t",
    "автоответ",
    "автоматический ответ",
    "αυτόματη απάντηση",
    "自動返信",
    "自動応答",
    "不在通知",
    "自动回复",
    "自動回覆",
    "자동 회신",
    "부재중",
)
# Where the copy of our own mail begins; a line that begins with dashes and has one.
COPY_FOLLOWS = (
    "copy of",
    "original message",
    "original mail",
    "returned message",
    "returned mail",
    "unsent message",
    "header of the",
    "message header",
    "headers of the message",
    "below this line",
    "forwarded message",
    "undelivered message",
)
# The same, as a line of its own.
COPY_LINES = (
    "original message headers:",
    "original message follows",
    "below is a copy of the original message",
    "here is your returned mail:",
    "included is a copy of the message header:",
    "ursprüngliche nachrichtenkopfzeilen:",
)
