"""Addresses that an operator writes become sockets, or one clear error."""

import socket

import pytest

from appliance.edge.listen import BindError, bound_address, open_listeners


async def test_several_binds_on_free_ports() -> None:
    """Port 0 takes a free one; what is bound is said in the operator's words."""
    listeners = open_listeners(["127.0.0.1:0", "[::1]:0"])
    first, second = map(bound_address, listeners)
    for listener in listeners:
        await listener.aclose()
    assert first.startswith("127.0.0.1:")
    assert second.startswith("[::1]:")
    assert not first.endswith(":0")


def test_a_port_in_use_is_named() -> None:
    """One error with the address in it; the other sockets are closed again."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(BindError, match=f"{address}: it is in use"):
            open_listeners(["127.0.0.1:0", address])


def test_a_foreign_address_is_named() -> None:
    """Also what is not of this machine."""
    with pytest.raises(BindError, match=r"192\.0\.2\.1:1"):
        open_listeners(["192.0.2.1:1"])


@pytest.mark.parametrize("bind", ["", "a", ":", "127.0.0.1", "127.0.0.1:x", "1:-1"])
def test_what_is_no_address_is_a_value_error(bind: str) -> None:
    """The settings have refused these before."""
    with pytest.raises(ValueError, match="host:port"):
        open_listeners([bind])


async def test_a_peer_that_is_gone_is_noticed() -> None:
    """Unacknowledged bytes end a connection after 20 s; accepted sockets inherit it."""
    (listener,) = open_listeners(["127.0.0.1:0"])
    async with listener:
        port = listener.socket.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            async with await listener.accept() as stream:
                option = stream.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
                assert option == 20_000
