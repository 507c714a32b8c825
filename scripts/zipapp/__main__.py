"""The archive's first file: the right Python goes on, another gets one sentence.

It must parse on every Python that may be called python3, so it holds no syntax
newer than Python 3.0; the rest is in extensions_in_zip.py.
"""

import sys


def start() -> None:
    """`postroom` runs from this archive."""
    if sys.version_info[:2] not in ((3, 11), (3, 12), (3, 13)):
        version = ".".join(map(str, sys.version_info[:2]))
        sys.exit(
            "postroom: Python 3.11, 3.12 or 3.13 is needed and this is "
            + version
            + "; start it as: python3.11 "
            + sys.argv[0]
        )
    import extensions_in_zip

    extensions_in_zip.install(sys.path[0])
    from appliance.cli import main

    main()


start()
