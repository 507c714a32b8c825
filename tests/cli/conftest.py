import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from appliance.cli import main
from tests.fakes.mould import Mould
from tests.fakes.zone_thread import Zone, zone_served

Postroom = Callable[..., Result]


@pytest.fixture(autouse=True)
def _no_settings_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands see no settings but the test's own."""
    _forget_settings(monkeypatch)


def _forget_settings(environment: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("POSTROOM_"):
            environment.delenv(name)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Where the data folder is, or will be."""
    return tmp_path / "data"


@pytest.fixture
def postroom(data: Path, monkeypatch: pytest.MonkeyPatch) -> Postroom:
    """Runs a command on the data folder."""
    monkeypatch.setenv("POSTROOM_DATA", str(data))

    def invoke(*words: str, typed: str | None = None) -> Result:
        result = CliRunner().invoke(main, list(words), input=typed)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return invoke


@pytest.fixture(scope="session")
def initialised(tmp_path_factory: pytest.TempPathFactory) -> Mould:
    """What `init` makes."""
    folder = tmp_path_factory.mktemp("initialised") / "data"
    with pytest.MonkeyPatch.context() as environment:
        _forget_settings(environment)
        assert CliRunner().invoke(main, ["init", "--data", str(folder)]).exit_code == 0
    return Mould(folder)


@pytest.fixture(scope="session")
def furnished(tmp_path_factory: pytest.TempPathFactory, initialised: Mould) -> Mould:
    """The same with example.com, which may send; its RSA key takes time to find."""
    folder = tmp_path_factory.mktemp("furnished") / "data"
    initialised.cast(folder)
    with pytest.MonkeyPatch.context() as environment:
        _forget_settings(environment)
        for act in ("add", "trust"):
            words = ["domain", act, "example.com", "--data", str(folder)]
            assert CliRunner().invoke(main, words).exit_code == 0
    return Mould(folder)


@pytest.fixture
def ready(postroom: Postroom, data: Path, initialised: Mould) -> Postroom:
    """As ``postroom``, on a folder that `init` has made."""
    initialised.cast(data)
    return postroom


@pytest.fixture
def sender(postroom: Postroom, data: Path, furnished: Mould) -> Postroom:
    """As ``postroom``, on a folder in which example.com may send."""
    furnished.cast(data)
    return postroom


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Zone]:
    """The DNS that commands ask."""
    with zone_served() as zone:
        monkeypatch.setenv("POSTROOM_DNS_NAMESERVERS", zone.address)
        monkeypatch.setenv("POSTROOM_DOMAIN_PUBLIC_HOST", "mail.example.net")
        monkeypatch.setenv("POSTROOM_DOMAIN_BOUNCE_HOST", "bounce.example.net")
        yield zone
