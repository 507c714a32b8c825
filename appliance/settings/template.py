"""The settings file that is shipped and that `postroom init` writes.

Made from the declarations, so it never says anything that does not hold.
"""

import json
import textwrap
from collections.abc import Mapping

from appliance.settings.declared import SECTIONS, declared
from appliance.settings.setting import Declared

_HEAD = """\
# Postroom's settings. Each is shown with its default; remove the "#" to change
# it. A setting may also come from the environment (POSTROOM_HTTP_BIND) or from
# the command line (--set http.bind=...), which wins. They are read at the start.
# What changes while the server runs (domains, keys, providers, pools) is not
# here: see `postroom --help`.
#
# Durations: 500ms, 90s, 5m, 1h, 2d. Sizes: 512KiB, 40MiB. Several addresses are
# separated by commas.
"""
_WIDTH = 78


def template(chosen: Mapping[str, object] | None = None) -> str:
    """The settings file, with the settings in ``chosen`` set and all others shown."""
    chosen = chosen or {}
    known = dict(declared())
    parts = [_HEAD]
    for section, kind in SECTIONS.items():
        doc = (kind.__doc__ or "").rstrip(".")
        parts.append(f"\n# {doc}\n[{section}]\n")
        for key, setting in known.items():
            if key.startswith(f"{section}."):
                parts.append(_entry(key, setting, chosen))
    return "".join(parts)


def spell(setting: Declared[object], value: object) -> str:
    """The TOML literal of a value of this setting."""
    text = setting.kind.spell(value)
    return text if setting.kind.bare else json.dumps(text)


def _entry(key: str, setting: Declared[object], chosen: Mapping[str, object]) -> str:
    comment = textwrap.wrap(setting.meaning, _WIDTH)
    lines = "".join(f"# {line}\n" for line in comment)
    name = key.partition(".")[2]
    if key in chosen:
        value = setting.kind.read(chosen[key])
        return f"{lines}{name} = {spell(setting, value)}\n"
    return f"{lines}#{name} = {spell(setting, setting.default)}\n"
