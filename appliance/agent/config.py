"""The agent's own few options: a YAML file, the environment, flags.

In rising order: defaults, the file, ``POSTROOM_AGENT_LOG_PATH`` and so on, flags. The
file's names are the documented ones, with ``-`` or ``_``. The key is never a flag: what
is on a command line is shown to everybody who lists processes.
"""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from urllib.parse import urlsplit

import yaml

from appliance.agent.names import CONFIG_FILE, ENDPOINT

PREFIX = "POSTROOM_AGENT_"
JOURNAL = "journal"
MAX_BYTES = 64 * 1024
_KEY = re.compile(r"[!-~]{1,500}")  # what a header can hold
_BIND = re.compile(r"(?:[\w.-]{1,253}|\[[0-9a-fA-F:]{2,45}\]):\d{1,5}", re.ASCII)


class ConfigError(Exception):
    """An option is wrong; the text names it and where it stands."""


@dataclass(frozen=True, slots=True)
class Config:
    """The options; each is a text until somebody needs it to be more.

    ``log_path`` is a file, or "journal" for systemd's journal. ``state_path`` is a
    folder of the agent's own. ``health`` is host:port, "" for none.
    """

    api_key: str = field(default="", repr=False)
    api_key_file: str = ""
    mta: str = "postfix"
    endpoint: str = ENDPOINT
    log_path: str = "/var/log/mail.log"
    state_path: str = "/var/lib/postroom-agent"
    health: str = "127.0.0.1:9113"
    ca_file: str = ""
    log_level: str = "info"
    log_format: str = "text"

    def read_key(self) -> str:
        """The key; the file is read anew each time.

        Raises:
            ConfigError: there is none, or it cannot be one.
            OSError: the file cannot be read.
        """
        key = self.api_key
        if self.api_key_file:
            with Path(self.api_key_file).open(encoding="ascii", errors="replace") as it:
                key = it.read(MAX_BYTES).strip()
        if not key:
            raise ConfigError("api-key or api-key-file has to be given")
        if not _KEY.fullmatch(key):
            raise ConfigError("the key has characters that no key has")
        return key

    @property
    def in_clear(self) -> bool:
        """True if the key would cross a network that anybody may read."""
        url = urlsplit(self.endpoint)
        here = url.hostname in ("localhost", "127.0.0.1", "::1")
        return url.scheme == "http" and not here


def load_config(
    file: Path | None, flags: Mapping[str, str], environ: Mapping[str, str] = os.environ
) -> Config:
    """The options from everywhere; the documented file is used if it is there.

    Raises:
        ConfigError: an option is unknown or wrong, or the file cannot be read.
    """
    named = CONFIG_FILE if file is None and CONFIG_FILE.exists() else file
    given = {} if named is None else _from_file(named)
    # A key in one place and a key file in another: the stronger place wins.
    for stronger in (_from_environ(environ), flags):
        if stronger.get("api_key") or stronger.get("api_key_file"):
            given = given | {"api_key": "", "api_key_file": ""}
        given = {**given, **stronger}
    config = Config(**given)
    _check(config)
    return config


_NAMES = frozenset(one.name for one in fields(Config))


def _from_file(path: Path) -> dict[str, str]:
    try:
        with path.open("rb") as file:
            told = yaml.safe_load(file.read(MAX_BYTES))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path} is no YAML: {error}") from None
    if told is None:
        return {}
    if not isinstance(told, dict):
        raise ConfigError(f"{path} holds no options, such as log-path: /var/log/x")
    return {_name(name, path): _text(name, it, path) for name, it in told.items()}


def _name(name: object, path: Path) -> str:
    plain = str(name).replace("-", "_")
    if plain not in _NAMES:
        known = ", ".join(sorted(_NAMES)).replace("_", "-")
        raise ConfigError(f"{path}: there is no option {name}; there are {known}")
    return plain


def _text(name: object, value: object, path: Path) -> str:
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ConfigError(f"{path}: {name} is no text")
    return str(value)


def _from_environ(environ: Mapping[str, str]) -> dict[str, str]:
    found = {
        name.removeprefix(PREFIX).lower(): value
        for name, value in environ.items()
        if name.startswith(PREFIX)
    }
    if unknown := sorted(found.keys() - _NAMES):
        raise ConfigError(f"environment {PREFIX}{unknown[0].upper()} is no option")
    return found


def _check(config: Config) -> None:
    for name, sound, expected in _RULES:
        if not sound(getattr(config, name)):
            shown = name.replace("_", "-")
            value = getattr(config, name)
            raise ConfigError(f"{shown} is {value!r}; expected {expected}")


def _is_url(text: str) -> bool:
    try:
        url = urlsplit(text)
        named = bool(url.hostname) and (url.port is None or url.port > 0)
    except ValueError:
        return False
    printable = text.isascii() and text.isprintable() and " " not in text
    return printable and named and url.scheme in ("http", "https")


def _is_log(text: str) -> bool:
    return text == JOURNAL or Path(text).is_absolute()


_RULES: tuple[tuple[str, Callable[[str], object], str], ...] = (
    ("mta", lambda text: text == "postfix", "postfix"),
    ("endpoint", _is_url, "a URL with http or https"),
    ("log_path", _is_log, f"a path from the root on, or {JOURNAL}"),
    ("state_path", lambda text: Path(text).is_absolute(), "a path from the root on"),
    ("health", lambda text: not text or _BIND.fullmatch(text), "host:port, or nothing"),
    (
        "log_level",
        lambda text: text in ("debug", "info", "warning", "error"),
        "debug, info, warning or error",
    ),
    ("log_format", lambda text: text in ("text", "json"), "text or json"),
)
