import pytest
import trio.testing


@pytest.fixture
def autojump_clock() -> trio.testing.MockClock:
    """Jumps when nothing has happened for a moment of real time.

    At once, as the usual one does, would be before the kernel has brought what is
    on its way through a socket.
    """
    return trio.testing.MockClock(autojump_threshold=0.003)
