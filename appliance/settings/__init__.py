"""Floor 0: every setting declared once, with where its value comes from.

``declared`` lists them, ``kinds`` reads values, ``load`` gathers the sources,
``template`` writes the file with all of them.
"""

from appliance.settings.declared import Settings
from appliance.settings.kinds import HostPort
from appliance.settings.load import Problem, SettingsError, load_settings

__all__ = ["HostPort", "Problem", "Settings", "SettingsError", "load_settings"]
