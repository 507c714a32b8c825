"""Settings: the order of the sources, and what is said when something is wrong."""

import contextlib
import socket
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.settings import HostPort, Settings, SettingsError, load_settings
from appliance.settings.declared import declared
from appliance.settings.load import load_with_places


def written(data: Path, text: str) -> Path:
    """The data folder with a settings file that says ``text``."""
    (data / "postroom.toml").write_text(text)
    return data


def complaints(
    data: Path, overrides: Sequence[str] = (), environ: dict[str, str] | None = None
) -> list[str]:
    """What is said about these sources."""
    with pytest.raises(SettingsError) as caught:
        load_settings(data, overrides, environ)
    return [str(one).removeprefix(f"{data}/") for one in caught.value.problems]


def test_without_sources_the_defaults_hold(tmp_path: Path) -> None:
    """Neither the file nor the folder needs to be there."""
    settings = load_settings(tmp_path / "nowhere")
    assert settings == Settings()
    assert settings.http.bind == (HostPort("127.0.0.1", 8025),)
    assert settings.relay.retry_plan == (3600, 7200, 10800, 14400, 18000)


def test_later_sources_win(tmp_path: Path) -> None:
    """File over default, environment over file, --set over environment."""
    written(tmp_path, '[dns]\ntimeout = "1s"\n[log]\nlevel = "error"\nformat = "json"')
    environ = {"POSTROOM_LOG_LEVEL": "debug", "POSTROOM_LOG_FORMAT": "text"}
    loaded = load_with_places(tmp_path, ["log.level=warning"], environ)
    assert loaded.settings.dns.timeout == 1
    assert loaded.settings.log.format == "text"
    assert loaded.settings.log.level == "warning"
    assert loaded.place("log.level") == "--set"
    assert loaded.place("log.format") == "environment POSTROOM_LOG_FORMAT"
    assert loaded.place("dns.timeout") == f"{tmp_path}/postroom.toml, line 2"
    assert loaded.place("http.bind") == "default"


def test_names_with_underscores_are_found_in_the_environment(tmp_path: Path) -> None:
    """Only the first underscore parts the section from the name."""
    settings = load_settings(tmp_path, (), {"POSTROOM_HTTP_MAX_BODY": "1MiB"})
    assert settings.http.max_body == 1 << 20


def test_variables_that_are_no_settings_are_left_alone(tmp_path: Path) -> None:
    """The data folder and a password may stand in the environment."""
    environ = {"POSTROOM_DATA": "/x", "POSTROOM_PROVIDER_PASSWORD": "y", "HOME": "/"}
    assert load_settings(tmp_path, (), environ) == Settings()


def test_unknown_settings_are_named_with_line_and_nearest_name(tmp_path: Path) -> None:
    """A typing mistake refuses the start and says what was probably meant."""
    written(tmp_path, '[http]\n\nbnid = "127.0.0.1:1"\n')
    assert complaints(tmp_path) == [
        "postroom.toml, line 3: http.bnid is no setting; did you mean http.bind?"
    ]


def test_a_name_in_the_wrong_section_is_sent_to_the_right_one(tmp_path: Path) -> None:
    """The section is as easy to get wrong as the name."""
    (found,) = complaints(written(tmp_path, 'nameservers = "::1"'))
    assert found.endswith("is no setting; did you mean dns.nameservers?")


def test_wrong_values_are_named_with_line_and_expected_type(tmp_path: Path) -> None:
    """The complaint shows what was written and what would be taken."""
    written(tmp_path, '[relay]\npermanent_5xx = "perhaps"\nconnect_timeout = "soon"')
    first, second = complaints(tmp_path)
    assert first == (
        "postroom.toml, line 2: relay.permanent_5xx is 'perhaps';"
        " expected true or false"
    )
    assert second.startswith(
        "postroom.toml, line 3: relay.connect_timeout is 'soon'; expected a duration"
    )


def test_everything_wrong_is_said_at_once(tmp_path: Path) -> None:
    """The operator mends all sources in one go."""
    written(tmp_path, "[intake]\nmax_recipients = 0\n")
    environ = {"POSTROOM_LOG_LEVEL": "loud", "POSTROOM_LIVE_ORIGIN": ""}
    found = complaints(tmp_path, ["api.default_contract", "relay.x=1"], environ)
    assert [one.partition(":")[0] for one in found] == [
        "--set",
        "postroom.toml, line 2",
        "environment POSTROOM_LIVE_ORIGIN",
        "environment POSTROOM_LOG_LEVEL",
        "--set",
    ]
    assert "did you mean live.origins?" in found[2]


def test_a_broken_file_is_named_with_its_line(tmp_path: Path) -> None:
    """What TOML cannot read is placed too."""
    (found,) = complaints(written(tmp_path, '[http]\nbind "x"\n'))
    assert found.startswith("postroom.toml, line 2: Expected '='")
    assert found.endswith("; write name = value as TOML does")


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"\xff\xfe", "is not UTF-8 text"), (b"#" * (1 << 21), "cannot be read: larger")],
)
def test_files_that_are_no_text_are_refused(
    tmp_path: Path, content: bytes, said: str
) -> None:
    """A wrong file in that place is a clear refusal, whatever its size."""
    (tmp_path / "postroom.toml").write_bytes(content)
    (found,) = complaints(tmp_path)
    assert found.startswith(f"postroom.toml: {said}")


@pytest.mark.parametrize(
    "text",
    [
        '\n"http"."bind" = 5',
        "\nhttp.bind = 5",
        "\n  http . bind=5",
        "\nhttp = { bind = 5 }",
        "[ http ] # comment\nbind = 5",
        '["http"]\n"bind" = 5',
    ],
)
def test_the_line_is_found_however_the_key_is_written(
    tmp_path: Path, text: str
) -> None:
    """TOML has many spellings of one key; the line is right in each."""
    (found,) = complaints(written(tmp_path, text))
    assert found.startswith("postroom.toml, line 2: http.bind is 5; expected host:port")


def test_a_section_that_is_a_value_is_refused(tmp_path: Path) -> None:
    """``http = 5`` does not pass for a section."""
    (found,) = complaints(written(tmp_path, "http = 5"))
    assert found.startswith("postroom.toml, line 1: http is no setting")


@given(st.text(alphabet='[]ab=."\n#http bind{}', max_size=60))
def test_no_file_breaks_the_loader(text: str) -> None:
    """Any file is taken or refused by SettingsError."""
    with (
        tempfile.TemporaryDirectory() as folder,  # one for each example
        contextlib.suppress(SettingsError),
    ):
        load_settings(written(Path(folder), text))


def test_every_setting_says_what_it_means() -> None:
    """No setting without a sentence, and none whose default it would refuse."""
    for key, setting in declared():
        assert setting.meaning.endswith("."), key
        assert setting.kind.read(setting.kind.spell(setting.default)) == (
            setting.default
        ), key


@pytest.mark.parametrize(
    ("overrides", "host"),
    [
        (["domain.public_host=track.example.com"], "track.example.com"),
        (["http.public_url=https://mail.example.com:8443"], "mail.example.com"),
    ],
)
def test_public_host_follows_from_what_is_set(
    tmp_path: Path, overrides: list[str], host: str
) -> None:
    """DNS records point to the host that was named, or to that of the public URL."""
    settings = load_settings(tmp_path, overrides)
    assert settings.public_host == host
    assert settings.bounce_host == host


@pytest.mark.parametrize(
    ("overrides", "host"),
    [
        (["smtp.host=mx.example.com"], "mx.example.com"),
        (["http.public_url=https://mail.example.com:8443"], "mail.example.com"),
        (["http.public_url=https://192.0.2.1"], socket.gethostname()),
        (["http.public_url=http://[::1]:8025"], socket.gethostname()),
    ],
)
def test_the_smtp_name_is_a_name(
    tmp_path: Path, overrides: list[str], host: str
) -> None:
    """RFC 5321 4.2: an address is no name, so then the machine's is taken."""
    assert load_settings(tmp_path, overrides).smtp_host == host


def test_host_names_default_to_the_machines(tmp_path: Path) -> None:
    """Nothing needs to be set for a first run."""
    settings = load_settings(tmp_path)
    assert settings.public_host
    assert settings.ehlo_name
