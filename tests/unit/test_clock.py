"""Virtual time: order of events, cancelling, cycles at changing frequencies."""

from hypothesis import given
from hypothesis import strategies as st

from k210kit.board.core.clock import PS_PER_SECOND, Clock, duration, ticks
from k210kit.board.core.cycle_clock import CycleClock


def test_events_run_in_order_of_time_then_of_scheduling():
    clock, seen = Clock(), []
    for name, time in (("c", 30), ("a", 10), ("b", 10), ("d", 40)):
        clock.at(time, lambda name=name: seen.append((name, clock.now)))
    clock.advance(35)
    assert seen == [("a", 10), ("b", 10), ("c", 30)]
    assert clock.now == 35 and clock.next_time() == 40


def test_a_cancelled_event_does_not_run_and_an_event_may_schedule_another():
    clock, seen = Clock(), []
    gone = clock.after(5, lambda: seen.append("gone"))
    clock.after(5, lambda: clock.after(5, lambda: seen.append(clock.now)))
    gone.cancel()
    clock.advance(20)
    assert seen == [10] and not gone.pending


def test_postponed_events_keep_their_order_and_the_others_their_time():
    clock, seen = Clock(), []
    moving = [clock.at(time, lambda time=time: seen.append(time)) for time in (10, 20)]
    clock.at(50, lambda: seen.append("fixed"))
    clock.postpone(lambda event: event in moving, 100)
    clock.advance(109)
    assert seen == ["fixed"]
    clock.advance(20)
    assert seen == ["fixed", 10, 20]


class Harts:
    """What the run loop tells a CycleClock."""

    def __init__(self):
        self.cycle, self.shortened = 0, []


def cycle_clock(hz):
    harts = Harts()
    return harts, CycleClock(lambda: harts.cycle, harts.shortened.append, hz)


def test_time_follows_the_frequency_in_force():
    harts, clock = cycle_clock(26_000_000)
    harts.cycle = 26
    assert clock.now == PS_PER_SECOND // 1_000_000
    clock.set_hz(390_000_000)
    harts.cycle += 390
    assert clock.now == 2 * PS_PER_SECOND // 1_000_000


def test_time_never_falls_when_the_harts_take_turns():
    harts, clock = cycle_clock(400_000_000)
    harts.cycle = 1000
    before = clock.now
    harts.cycle = 400
    assert clock.now == before


def test_scheduling_tells_the_run_loop_the_cycle():
    harts, clock = cycle_clock(400_000_000)
    clock.after(10_001, lambda: None)
    assert harts.shortened == [5]  # cycles of 2,500 ps: the first that begins at or after 10,001 ps


@given(st.integers(1_000_000, 800_000_000), st.integers(0, 10**15))
def test_cycle_at_is_the_first_cycle_not_before_the_time(hz, time):
    _, clock = cycle_clock(hz)
    cycle = clock.cycle_at(time)
    assert clock.time_of(cycle) + 1 >= time > clock.time_of(cycle - 1)


@given(st.integers(0, 10**6), st.integers(1, 10**9))
def test_duration_holds_that_many_ticks(count, hz):
    assert ticks(duration(count, hz), hz) >= count
    assert ticks(max(duration(count, hz) - 2, 0), hz) <= count
