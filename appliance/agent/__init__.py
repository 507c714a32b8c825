"""Rides beside Postfix: reads its log and reports what became of Postroom's mail.

The standard library does all of it, with three threads and blocking calls: the whole
has to fit into 40 MB beside a mail server, and an event loop with its libraries would
take a quarter of that.
"""
