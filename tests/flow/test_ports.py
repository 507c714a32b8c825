import socket
from pathlib import Path

from appliance.flow import ports
from appliance.flow.ports import choose, choose_for_all, has_ipv6, ports_in_use
from appliance.settings.kinds import LISTENERS


def test_the_world_s_ports_on_both_families() -> None:
    """587, 2587 and 465, and 25 for those who bring bounces."""
    choice = choose({22, 80, 3306}, ipv6=True)
    assert choice.settings == {
        "http.bind": "0.0.0.0:8025",
        "smtp.submission": "0.0.0.0:587, [::]:587, 0.0.0.0:2587, [::]:2587",
        "smtp.submissions": "0.0.0.0:465, [::]:465",
        "smtp.mx": "0.0.0.0:25, [::]:25",
    }
    assert choice.notes == ()
    for binds in choice.settings.values():
        LISTENERS.read(binds)


def test_a_machine_without_ipv6() -> None:
    """An address it does not have would refuse the start."""
    assert choose((), ipv6=False).settings["smtp.mx"] == "0.0.0.0:25"


def test_ports_of_others_are_left_to_them_and_named() -> None:
    """A Postfix with all its doors open: ours are what is left."""
    choice = choose({25, 465, 587}, ipv6=True)
    assert choice.settings["smtp.submission"] == "0.0.0.0:2587, [::]:2587"
    assert choice.settings["smtp.submissions"] == choice.settings["smtp.mx"] == ""
    assert len(choice.notes) == 3
    assert choice.notes[0] == (
        "Another program listens on port 587, so smtp.submission leaves it out. Once"
        ' it is free, write submission = "0.0.0.0:587, [::]:587, 0.0.0.0:2587,'
        ' [::]:2587" below [smtp] in postroom.toml.'
    )


def test_listeners_of_this_machine_are_seen() -> None:
    """At whichever address, of whichever user; a connection is no listener."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            own = client.getsockname()[1]
            found = ports_in_use()
            assert port in found
            assert own not in found
    assert port not in ports_in_use()
    if has_ipv6():
        with socket.create_server(("::1", 0), family=socket.AF_INET6) as listener:
            assert listener.getsockname()[1] in ports_in_use()


def test_without_the_kernel_s_tables_nothing_is_known(tmp_path: Path) -> None:
    """Then the start will tell."""
    assert ports_in_use([tmp_path / "tcp"]) == frozenset()


def test_this_machine_gets_a_choice() -> None:
    """Whatever it has."""
    assert set(choose_for_all().settings) == {"http.bind", *ports._SMTP}
