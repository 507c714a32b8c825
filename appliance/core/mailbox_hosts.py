"""Which class a recipient's domain belongs to, by its name or by its MX hosts.

The large mailbox providers are known by name. A business keeps its mail at one of
them, or behind a filter, under a domain of its own; that is seen by where its MX
records lead. The tables need not be complete: a domain of Yahoo's that is missing
here has Yahoo's MX hosts. What is found nowhere is of the class ``DEFAULT``.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from appliance.core.recipient_class import RecipientClass

_Words = Mapping[RecipientClass, str]

_DOMAINS: _Words = {
    RecipientClass.GMAIL: "gmail.com googlemail.com",
    RecipientClass.YAHOO: "ymail.com rocketmail.com myyahoo.com",
    # Verizon gave its mailboxes to AOL in 2017.
    RecipientClass.AOL: "aim.com love.com ygm.com wow.com games.com netscape.net"
    " verizon.net",
    RecipientClass.MICROSOFT: "msn.com passport.com windowslive.com",
    RecipientClass.COMCAST: "comcast.net",
    RecipientClass.YANDEX: "ya.ru yandex.com yandex.ru yandex.by yandex.kz yandex.ua"
    " yandex.uz yandex.com.tr yandex.com.ge yandex.com.am yandex.az yandex.co.il"
    " yandex.ee yandex.fr yandex.lt yandex.lv yandex.md yandex.kg yandex.tj yandex.tm"
    " narod.ru",
    RecipientClass.MAILRU: "mail.ru inbox.ru list.ru bk.ru internet.ru xmail.ru"
    " mail.ua",
    RecipientClass.ICLOUD: "icloud.com me.com mac.com",
    RecipientClass.ZOHO: "zoho.com zoho.eu zoho.in zohomail.com zohomail.eu"
    " zohomail.in",
    RecipientClass.QQ: "qq.com vip.qq.com foxmail.com",
    RecipientClass.ATT: "att.net sbcglobal.net bellsouth.net ameritech.net pacbell.net"
    " swbell.net nvbell.net snet.net prodigy.net flash.net wans.net currently.com",
}

# Names that are used under many endings. Yahoo Japan is another company, with
# servers of its own: yahoo.co.jp is not among them.
_BRANDS: Mapping[str, RecipientClass] = {
    "yahoo": RecipientClass.YAHOO,
    "aol": RecipientClass.AOL,
    "outlook": RecipientClass.MICROSOFT,
    "hotmail": RecipientClass.MICROSOFT,
    "live": RecipientClass.MICROSOFT,
    "gmx": RecipientClass.GMX,
}
_ENDINGS: Mapping[str, str] = {
    "yahoo": "com ca de dk es fi fr gr ie in it nl no pl pt ro se com.ar com.au com.br"
    " com.cn com.co com.hk com.mx com.my com.ph com.pe com.sg com.tr com.tw com.ua"
    " com.ve com.vn co.id co.il co.in co.kr co.nz co.th co.uk co.za",
    "aol": "com at be ch cl cz de dk es fi fr hk in it jp kr nl pl ru se tw co.nz co.uk"
    " com.ar com.au com.br com.co com.mx com.tr com.ve",
    "outlook": "com at be bg cl cz de dk es fr hu ie in it jp kr lv ph pt sa sg sk"
    " co.id co.il co.nz co.th com.ar com.au com.br com.gr com.hr com.pe com.tr com.vn",
    "hotmail": "com be ca ch cl cz de dk es fi fr gr hu it lt lv my nl no ph rs se sg"
    " sk co.id co.il co.in co.jp co.kr co.nz co.th co.uk co.za com.ar com.au com.br"
    " com.hk com.tr com.tw com.vn",
    "live": "com at be ca cl cn de dk fi fr hk ie in it jp nl no ph ru se co.kr co.uk"
    " co.za com.ar com.au com.mx com.my com.ph com.pt com.sg",
    "gmx": "com at biz ch co.uk de es eu fr info it li net org pt tm us",
}

# By the end of an MX host's name; the longest end that fits counts.
_MX_ENDS: _Words = {
    RecipientClass.GMAIL: "gmail-smtp-in.l.google.com",
    RecipientClass.GOOGLEWORKSPACE: "google.com googlemail.com",
    RecipientClass.YAHOO: "yahoodns.net",
    RecipientClass.AOL: "mx-aol.mail.gm0.yahoodns.net",
    RecipientClass.MICROSOFT: "olc.protection.outlook.com hotmail.com",
    # The last three: with DNSSEC, of the US government, and in China.
    RecipientClass.OFFICE365: "mail.protection.outlook.com mail.eo.outlook.com"
    " mx.microsoft mail.protection.office365.us mail.protection.partner.outlook.cn",
    RecipientClass.COMCAST: "comcast.net",
    RecipientClass.YANDEX: "yandex.net yandex.ru",
    RecipientClass.GMX: "gmx.net",
    RecipientClass.MAILRU: "mail.ru",
    RecipientClass.ICLOUD: "mail.icloud.com",
    RecipientClass.QQ: "qq.com",
    RecipientClass.ATT: "prodigy.net att.net",
    RecipientClass.PROOFPOINT: "pphosted.com ppe-hosted.com",
    RecipientClass.MIMECAST: "mimecast.com mimecast.co.za mimecast-offshore.com",
    RecipientClass.BARRACUDA: "barracudanetworks.com barracuda.com",
    RecipientClass.CISCOIRONPORT: "iphmx.com",
    RecipientClass.RACKSPACE: "emailsrvr.com",
    RecipientClass.ZOHOBUSINESS: "zoho.com zoho.eu zoho.in zoho.jp zoho.sa zoho.com.au"
    " zoho.com.cn zohocloud.ca zohomail.com",
    RecipientClass.SYMANTEC: "messagelabs.com",
    RecipientClass.FORTINET: "fortimailcloud.com fortimail.com",
    RecipientClass.SOPHOS: "sophos.com",
    RecipientClass.TRENDMICRO: "trendmicro.com trendmicro.eu trendmicro.co.jp",
    RecipientClass.CHECKPOINT: "checkpointcloudsec.com cpmails.com avanan.net",
}
_WORKMAIL = "inbound-smtp", "amazonaws.com"  # the region stands between them


def _by_word(table: _Words) -> Iterator[tuple[str, RecipientClass]]:
    for each, words in table.items():
        for word in words.split():
            yield word, each


_CLASS_OF_DOMAIN = dict(_by_word(_DOMAINS)) | {
    f"{brand}.{ending}": _BRANDS[brand]
    for brand, endings in _ENDINGS.items()
    for ending in endings.split()
}
_CLASS_OF_END = dict(_by_word(_MX_ENDS))


def class_of_domain(domain: str) -> RecipientClass | None:
    """The class of a mailbox provider's own domain, None for all others."""
    return _CLASS_OF_DOMAIN.get(domain)


def class_of_mx(records: Sequence[str]) -> RecipientClass:
    """The class that these MX records lead to, each as ``10 mx.example.com``.

    Only the most preferred hosts count: what stands behind them is for bad days.
    """
    hosts = list(map(_preference_and_host, records))
    best = min((preference for preference, _ in hosts), default=0)
    return _class_of_hosts(host for preference, host in hosts if preference == best)


def _class_of_hosts(hosts: Iterable[str]) -> RecipientClass:
    for host in hosts:
        if (found := _class_of_host(host)) is not None:
            return found
    return RecipientClass.DEFAULT


def _class_of_host(host: str) -> RecipientClass | None:
    service, _, rest = host.partition(".")
    if service == _WORKMAIL[0] and rest.endswith(f".{_WORKMAIL[1]}"):
        return RecipientClass.AMAZONWORKMAIL
    end = host
    while end:
        if (found := _CLASS_OF_END.get(end)) is not None:
            return found
        end = end.partition(".")[2]
    return None


def _preference_and_host(record: str) -> tuple[int, str]:
    """A record without a number is as good as none (RFC 7505: ``0 .`` has no host)."""
    preference, _, host = record.partition(" ")
    if not (preference.isascii() and preference.isdigit()):
        return 1 << 16, ""
    return int(preference[:5]), host.strip().rstrip(".").lower()
