"""How hard the property tests try, and that each file is compiled once.

The default run takes under two minutes, so it tries few examples of each
property; CI tries many: ``HYPOTHESIS_PROFILE=thorough``.
"""

import os
import sys

from hypothesis import settings

settings.register_profile("quick", max_examples=15, deadline=None)
settings.register_profile("thorough", max_examples=150, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))

# Some fifty real processes are started, and where this is set (images of Docker's do
# it) each would compile all of the program again: a third of its start.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
