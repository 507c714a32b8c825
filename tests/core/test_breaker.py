from dataclasses import replace

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
)

from appliance.core.breaker import HEALTHY, Condition, Health, Patience

SECOND = 1_000_000_000
PATIENCE = Patience(3, 30 * SECOND, 900 * SECOND)
START = 1_700_000_000 * SECOND
DAY = 86_400 * SECOND


def failed(health: Health, now_ns: int) -> Health:
    """The health after a try that failed as soon as it was begun."""
    return health.failed("no route", now_ns, now_ns, PATIENCE)


def failed_often(times: int) -> tuple[Health, int]:
    """The health after so many failures, each tried when it was due, and the time."""
    health, now = HEALTHY, START
    for _ in range(times):
        now = health.again_ns(now, PATIENCE) + 1
        health = failed(health, now)
    return health, now


def test_it_is_up_until_it_failed_so_often() -> None:
    """A blip is no outage."""
    assert [
        failed_often(times)[0].condition(failed_often(times)[1]) for times in range(4)
    ] == [Condition.UP, Condition.UP, Condition.UP, Condition.DOWN]


def test_pauses_grow_to_a_bound() -> None:
    """Half a minute, then twice that, and so on, never above a quarter of an hour."""
    pauses = []
    for times in range(3, 11):
        health, now = failed_often(times)
        assert health.probe_ns is not None
        pauses.append((health.probe_ns - now) // SECOND)
    assert pauses == [30, 60, 120, 240, 480, 900, 900, 900]


def test_a_crowd_that_fails_together_is_one_failure() -> None:
    """A hundred mails that waited for one connection count once."""
    health = HEALTHY
    for late in range(100):
        health = health.failed("no route", START, START + 5 * SECOND + late, PATIENCE)
    assert health.failures == 1


def test_a_straggler_does_not_push_the_trial_away() -> None:
    """What was under way when it went down changes nothing."""
    health, now = failed_often(3)
    assert health.failed("late", now - SECOND, now + SECOND, PATIENCE) == health
    assert health.probe_ns is not None
    on_trial = health.failed("late", now - SECOND, health.probe_ns + 1, PATIENCE)
    assert on_trial == health


def test_a_clock_that_goes_back_a_day_closes_nothing_for_a_day() -> None:
    """ATTACKS 26: it is tried again at once, and failures count again."""
    health, now = failed_often(5)
    earlier = now - DAY
    assert health.condition(earlier) is Condition.ON_TRIAL
    after = failed(health, earlier)
    assert after.probe_ns == earlier + PATIENCE.pause_after(6)


def test_new_settings_are_tried_at_once() -> None:
    """Who mends the password does not wait for the pause."""
    health, now = failed_often(8)
    assert health.changed(now).condition(now + 1) is Condition.ON_TRIAL
    assert HEALTHY.changed(now) is HEALTHY


class Upstream(RuleBasedStateMachine):
    """An upstream that comes and goes, and a sender that obeys its health."""

    def __init__(self) -> None:
        super().__init__()
        self.health = HEALTHY
        self.now = START
        self.in_a_row = 0

    @rule(seconds=st.integers(1, 2_000))
    def time_passes(self, seconds: int) -> None:
        """Nobody sends anything."""
        self.now += seconds * SECOND

    @rule(days=st.sampled_from([-1, 1]))
    def the_clock_jumps(self, days: int) -> None:
        """ATTACKS 26."""
        self.now += days * DAY

    @precondition(lambda self: self.may_send)
    @rule()
    def it_fails(self) -> None:
        """No connection, no login, or a 421."""
        self.now += 1
        was = self.health
        self.health = failed(was, self.now)
        self.in_a_row += 1
        assert self.health.failures == self.in_a_row
        assert self.health.last_error_ns == self.now
        again = self.health.again_ns(self.now, PATIENCE) - self.now
        assert 0 < again <= PATIENCE.max_pause_ns
        if was.probe_ns is not None:  # a trial that failed closes it again
            assert self.health.condition(self.now) is Condition.DOWN
            assert self.health.opened_ns == was.opened_ns

    @precondition(lambda self: self.may_send)
    @rule()
    def it_answers(self) -> None:
        """A mail was taken or refused."""
        self.health = self.health.answered()
        self.in_a_row = 0
        assert self.health.condition(self.now) is Condition.UP

    @rule(ago=st.integers(0, 10))
    def a_straggler_fails(self, ago: int) -> None:
        """Begun before the last failure: no news."""
        if self.health.last_error_ns <= self.now:
            began = self.health.last_error_ns - ago
            assert self.health.failed("late", began, self.now, PATIENCE) == self.health

    @rule()
    def the_process_starts_again(self) -> None:
        """All that counts is in the value, which is a row of the database."""
        self.health = replace(self.health)

    @property
    def may_send(self) -> bool:
        """What the relay asks."""
        return self.health.condition(self.now) is not Condition.DOWN

    @invariant()
    def it_is_down_after_so_many_failures_and_only_then(self) -> None:
        """Failures in a row decide, nothing else."""
        assert (self.health.probe_ns is not None) == (
            self.in_a_row >= PATIENCE.failures
        )
        assert (self.health.probe_ns is None) == (self.health.opened_ns is None)

    @invariant()
    def a_trial_is_never_further_away_than_the_longest_pause(self) -> None:
        """It is never given up."""
        later = self.now + PATIENCE.max_pause_ns
        assert self.health.condition(later) is not Condition.DOWN


TestUpstream = Upstream.TestCase
