"""How hard the property tests try.

The default run takes under two minutes, so it tries few examples of each
property; CI tries many: ``HYPOTHESIS_PROFILE=thorough``.
"""

import os

from hypothesis import settings

settings.register_profile("quick", max_examples=25, deadline=None)
settings.register_profile("thorough", max_examples=150, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))
