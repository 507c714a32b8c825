"""Floor 2: the vendors' wire formats, as pure functions over core.

A dialect never sees a socket, a clock or a row. The vendors' words occur in
this folder and nowhere else.
"""
