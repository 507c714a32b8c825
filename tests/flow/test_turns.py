from collections import Counter, deque

from hypothesis import given
from hypothesis import strategies as st

from appliance.flow.turns import Turns

puts = st.lists(st.tuples(st.sampled_from("abc"), st.integers()), max_size=30)


@given(puts)
def test_all_of_it_comes_out_and_each_owner_s_in_order(
    items: list[tuple[str, int]],
) -> None:
    """Nothing is lost, doubled, or overtaken by what is of the same owner."""
    turns: Turns[str, tuple[str, int]] = Turns()
    for owner, item in items:
        turns.put(owner, (owner, item))
    assert len(turns) == len(items)
    taken = [turns.take() for _ in items]
    assert not turns
    for owner in "abc":
        assert [one for one in taken if one[0] == owner] == [
            one for one in items if one[0] == owner
        ]


@given(puts)
def test_nobody_is_served_twice_before_the_others(items: list[tuple[str, int]]) -> None:
    """While two have something waiting, they are never more than one apart."""
    turns: Turns[str, str] = Turns()
    left = Counter(owner for owner, _ in items)
    for owner, _ in items:
        turns.put(owner, owner)
    served: Counter[str] = Counter()
    for _ in items:
        served[turns.take()] += 1
        waiting = [served[one] for one in left if served[one] < left[one]]
        assert not waiting or max(waiting) - min(waiting) <= 1


def test_what_is_put_back_is_next() -> None:
    """As if it had not been taken, whoever has joined meanwhile."""
    turns: Turns[str, int] = Turns()
    turns.put("a", 1)
    turns.put("a", 2)
    first = turns.take()
    turns.put("b", 3)
    turns.put_back("a", first)
    order = deque([1, 3, 2])
    while turns:
        assert turns.take() == order.popleft()
    turns.put_back("c", 4)
    assert turns.take() == 4
