"""Floor 2: the only SQL and the only aiosqlite.

``database.open_store`` gives a ``Store``; every other file is named after a
noun and holds functions of one transaction each, handed to ``Store.write``,
``write_each``, ``write_later`` or ``read``. Functions over the same transaction
may be called from one another, so a caller can make one of several.
"""
