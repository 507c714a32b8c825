from hypothesis import given
from hypothesis import strategies as st

from appliance.edge.smtp.limits import Limits, Places
from appliance.settings.doors import Smtp


def test_limits_are_the_operator_s() -> None:
    """Each setting reaches the place where it holds."""
    limits = Limits.of(
        Smtp(
            max_sessions=7,
            max_sessions_per_address=3,
            max_memory=1 << 20,
            idle_timeout=11.0,
            session_timeout=13.0,
            drain_timeout=17.0,
        )
    )
    assert (limits.max_sessions, limits.max_sessions_per_origin) == (7, 3)
    assert limits.max_memory == 1 << 20
    assert (limits.patience.idle, limits.patience.session) == (11.0, 13.0)
    assert limits.drain_timeout == 17.0


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans())))
def test_places_are_counted_right(steps: list[tuple[str, bool]]) -> None:
    """ATTACKS 4: whoever comes and goes; of who has gone nothing is kept."""
    places = Places(Limits(max_sessions=4, max_sessions_per_origin=2))
    taken: list[str] = []
    for origin, comes in steps:
        if comes and not places.all_taken and not places.all_taken_by(origin):
            places.take(origin)
            taken.append(origin)
        elif not comes and origin in taken:
            places.give_back(origin)
            taken.remove(origin)
        assert places.all_taken is (len(taken) == 4)
        for one in "abc":
            assert places.all_taken_by(one) is (taken.count(one) == 2)
        assert set(places._taken) == set(taken)
