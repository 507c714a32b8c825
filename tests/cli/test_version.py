import json

from click.testing import CliRunner

import appliance
from appliance.cli.version import PARTS, version, version_info


def test_a_checkout_knows_its_version_and_parts() -> None:
    """Without a build the facts come from the checkout and the environment."""
    info = version_info()
    assert info.version.removesuffix("+dirty") == appliance.__version__
    assert tuple(info.parts) == PARTS
    assert all(info.parts.values())


def test_json_is_one_object_with_every_fact() -> None:
    """`version --json` is for programs: one line, every field."""
    done = CliRunner().invoke(version, ["--json"])
    assert done.exit_code == 0
    facts = json.loads(done.output)
    assert list(facts) == [
        "version",
        "commit",
        "python",
        "sqlite",
        "openssl",
        "parts",
    ]
    assert done.output.count("\n") == 1


def test_text_opens_with_the_version() -> None:
    """The first line is the one to quote in a report."""
    done = CliRunner().invoke(version)
    assert done.exit_code == 0
    assert done.output.startswith(f"postroom {appliance.__version__}")
