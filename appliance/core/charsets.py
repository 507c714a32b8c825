"""Which character sets are known, by the names that mail gives them.

A literal table. To ask Python's codecs for whatever name a stranger makes up
would import modules and fill a cache that has no bound; and some of what is
found there is no character set, or takes quadratic time (idna, punycode).
Names are taken as readers take them: gb2312 means its superset.
"""

_AS_NAMED = (
    "big5",
    "euc-jp",
    "gb18030",
    "gbk",
    "iso-2022-jp",
    "koi8-r",
    "koi8-u",
    "macintosh",
    "tis-620",
    "us-ascii",
    "utf-8",
    # There is no part 12.
    *(f"iso-8859-{number}" for number in (*range(1, 12), *range(13, 17))),
    *(f"windows-{number}" for number in range(1250, 1259)),
)
_OTHERWISE = {
    "ascii": "us-ascii",
    "big5-hkscs": "big5hkscs",
    "cp866": "cp866",
    "cp932": "cp932",
    "cp936": "gbk",
    "cp949": "cp949",
    "euc-kr": "cp949",
    "gb2312": "gb18030",
    "ibm866": "cp866",
    "ks-c-5601-1987": "cp949",
    "latin1": "iso-8859-1",
    "shift-jis": "cp932",
    "utf8": "utf-8",
    "windows-31j": "cp932",
    "windows-874": "cp874",
    "x-sjis": "cp932",
    **{f"cp{number}": f"windows-{number}" for number in range(1250, 1259)},
}
_CODECS = {name: name for name in _AS_NAMED} | _OTHERWISE
_SHIFTING = frozenset({"iso-2022-jp"})  # ASCII octets may be halves of characters
_UNREPEATABLE = frozenset({"big5hkscs"})  # two characters may make one code


def find_codec(charset: str) -> str:
    """The name by which Python knows ``charset``, "" if it is not known here."""
    return _CODECS.get(charset.lower().replace("_", "-"), "")


def is_spliceable(codec: str) -> bool:
    """True if ASCII can be put into encoded text without a look at the rest."""
    return codec not in _SHIFTING and codec not in _UNREPEATABLE
