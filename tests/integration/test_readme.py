"""The commands of README.md, run as they stand, against a real Postfix and DNS."""

import json
import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.fakes.dns_server import NsdServer
from tests.fakes.postfix import PostfixServer
from tests.fakes.postroom import Postroom, program_words
from tests.fakes.programs import free_port
from tests.fakes.readme import ROOT, commands
from tests.integration.conftest import MakePostroom, Need
from tests.integration.house import dns_settings

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


def in_shell(line: str, postroom: Postroom, **known: str) -> str:
    """What a command prints; `postroom` is the program under test."""
    words = " ".join(map(shlex.quote, program_words()))
    done = subprocess.run(
        ["bash", "-ec", f'postroom() {{ {words} "$@"; }}; {line}'],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=ROOT,
        env={**postroom.environment, "POSTROOM_DATA": str(postroom.data), **known},
    )
    assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_the_readme_s_commands_send_a_mail(
    make_postroom: MakePostroom, nsd: NsdServer, postfix: PostfixServer, need: Need
) -> None:
    """From `init` to the events, copied word for word but for two ports."""
    need("bash", "curl")
    http = f"127.0.0.1:{free_port()}"
    postroom = make_postroom({**dns_settings(nsd), "http.bind": http})
    shown = [
        line.partition("  #")[0]
        .replace("--port 25 ", f"--port {postfix.port} ")
        .replace("127.0.0.1:8025", http)
        for line in commands("sh")
        if not line.startswith("alias ")
    ]
    known = {"KEY": postroom.keys["subAccount"]["key"]}
    answers: dict[str, str] = {}
    for line in shown:
        if line == "postroom serve":
            postroom.start({"http.bind": http})
        elif line == "postroom events tail":
            continue  # it goes on for ever; tests/cli has it
        else:
            what = " ".join(line.split()[:3])
            answers[what] = in_shell(line, postroom, **known)
            if what == "postroom domain add":
                zone = [one for one in answers[what].splitlines() if " IN " in one]
                nsd.serve({"example.com": "\n".join(zone)})
            elif '"messageId"' in answers[what]:
                known["MESSAGE"] = json.loads(answers[what])[0]["messageId"]
    subjects = {one.headers["Subject"] for one in postfix.wait_for(2, 30)}
    assert subjects == {"Postroom connection test", "Your order 4711 has shipped"}
    answered = [json.loads(text) for name, text in answers.items() if "curl" in name]
    assert answered[0][0]["errorCode"] == 0
    assert [event["name"] for event in answered[1]["events"]][:1] == ["processed"]


def test_one_command_shows_the_main_job(tmp_path: Path) -> None:
    """`./scripts/run` builds the zipapp and plays the demo to its end."""
    (line,) = [one for one in commands("console") if "scripts/run" in one]
    done = subprocess.run(
        ["bash", "-c", f"{ROOT}/{line.removeprefix('./')} --once"],
        capture_output=True,
        text=True,
        check=False,
        timeout=250,
        cwd=tmp_path,
        env={k: v for k, v in os.environ.items() if not k.startswith("POSTROOM_")},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    timeline = re.findall(r"s  \d\d  (\w+)", done.stdout)
    assert timeline == ["processed", "sent", "opened", "clicked"]
    assert "DKIM-Signature" in done.stdout
