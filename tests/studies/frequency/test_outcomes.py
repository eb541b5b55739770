"""Steps and residuals by hand."""

from dataclasses import replace
from math import inf

import pytest

from expunge.errors import ConfigError
from expunge.studies.frequency.outcomes import Arm, Cell
from expunge.studies.frequency.scene import NEIGHBOURS, QUESTION
from made_up_frequency import arm, cell, falling, point

LINE = falling((1.0, 0.6, 0.2), (1.0, 1.0, 0.4))  # steps 0, 5, 10


def read(result: dict, **more: object) -> Arm:
    return Cell(cell({"uniform": {**result, **more}})).arm()


def test_steps_until_forgotten_are_trapezoids_and_what_stopped_stays() -> None:
    assert read(LINE).until(QUESTION, "low", 10) == pytest.approx(5 * 0.8 + 5 * 0.4)
    assert read(LINE).until(QUESTION, "high", 10) == pytest.approx(5 * 1.0 + 5 * 0.7)
    assert read(LINE).until(QUESTION, "low", 20) == pytest.approx(5 * 0.8 + 5 * 0.4 + 10 * 0.2)
    assert read(LINE).until(QUESTION, "low", 7) == pytest.approx(5 * 0.8 + 2 * (0.6 + 0.44) / 2)  # .6 - .4 · 2/5
    only = read(arm(point(0, 0.9, 0.9)))
    assert only.until(QUESTION, "low", 10) == pytest.approx(9)


def test_half_is_between_points() -> None:
    assert read(LINE).half(QUESTION, "low") == pytest.approx(5 + 5 * 0.1 / 0.4)
    assert read(LINE).half(QUESTION, "high") == pytest.approx(5 + 5 * 0.5 / 0.6)
    assert read(falling((1.0, 0.6), (1.0, 0.5))).half(QUESTION, "high") == inf


def said(number: float) -> Arm:
    """So many facts of the rarest bucket were said before."""
    found = read(LINE)
    form = found.start[QUESTION]
    return replace(found, start={**found.start, QUESTION: {**form, "low": {**form["low"], "known": number}}})


def test_of_fewer_than_five_facts_that_were_said_nothing_is_told() -> None:
    enough, few = said(5), said(4)
    assert enough.until(QUESTION, "low", 10) == pytest.approx(6) and enough.half(QUESTION, "low") is not None
    assert enough.gap(LINE["points"][1], QUESTION, "left") == pytest.approx(0.4)
    assert few.curve(QUESTION, "low") == [] and few.left(LINE["points"][1], QUESTION, "low") is None
    assert few.until(QUESTION, "low", 10) is None and few.half(QUESTION, "low") is None
    assert few.gap(LINE["points"][1], QUESTION, "left") is None
    assert few.gap(LINE["points"][1], QUESTION, "level") == pytest.approx(0.4 / 0.9)  # levels need nothing said
    assert few.until("statement", "low", 10) == pytest.approx(6)


def test_midway_is_where_half_is_still_said() -> None:
    """Of all facts .9, .6, .3: .6 is nearest to one half. Of .75 and .25 the earlier one."""
    found = read(arm(point(0, 1.0, 1.0), point(2, 0.8, 1.0), point(4, 0.2, 1.0, kept=0.9), point(6, 0.0, 0.6)))
    middle = found.midway(QUESTION)
    assert middle is not None and middle["step"] == 4
    assert not found.holds(middle, 0.95) and found.holds(middle, 0.9)
    tied = read(arm(point(0, 1.0, 1.0), point(2, 0.5, 1.0), point(4, 0.0, 0.5))).midway(QUESTION)
    assert tied is not None and tied["step"] == 2
    nothing = replace(found, start={QUESTION: {"all": {"known": 4.0}}})
    assert nothing.midway(QUESTION) is None


def test_the_worst_bucket_counts_and_so_does_going_too_far() -> None:
    """The way is .9, from 1 to the never-known .1."""
    found = read(arm(point(0, 1.0, 1.0), point(5, 0.1, 0.55), point(10, 0.0, 0.1)))
    assert found.shares(found.points[1], QUESTION) == pytest.approx({"low": 0.0, "high": 0.5})
    assert found.worst(found.points[1]) == pytest.approx(0.5)
    assert found.worst(found.points[2]) == pytest.approx(0.1 / 0.9)
    assert found.overshoot(found.points[0], QUESTION, "low") == 0  # log -1 is above -2.3
    assert found.overshoot({**found.points[0], "measures": {QUESTION: {"low": {"log": -3.3}}}}, QUESTION, "low") == (
        pytest.approx(1.0)
    )


def test_what_was_not_known_before_is_left_out() -> None:
    """Never-known is .1: a way of .09 is none, and one of .11 is; below never-known there is none either."""
    found = read(arm(point(0, 0.19, 1.0), point(5, 0.4, 0.55)))
    assert found.judged == {"question": ["high"], "statement": ["high"]}
    assert found.left_out == {"question": ["low"], "statement": ["low"]}
    assert found.shares(found.points[1], QUESTION) == pytest.approx({"high": 0.5})
    assert found.residual(0.9) == pytest.approx(0.5)
    assert found.gap(found.points[1], QUESTION, "level") is None
    assert found.gap(found.points[1], QUESTION, "left") == pytest.approx(0.15)
    assert read(arm(point(0, 0.21, 1.0))).left_out == {}
    below = read(arm(point(0, 0.09, 0.05), point(5, 0.4, 0.55)))
    assert below.judged == {}
    with pytest.raises(ConfigError, match="did not know"):
        below.residual(0.9)


def test_all_arms_of_a_cell_leave_out_the_same() -> None:
    arms = {"uniform": arm(point(0, 0.14, 1.0)), "leave": arm(point(0, 1.0, 0.1), point(5, 0.4, 0.55))}
    found = Cell(cell(arms)).arm("leave")
    assert found.judged["question"] == ["high"]
    assert found.shares(found.points[1], QUESTION) == pytest.approx({"high": 0.5})


def test_a_gap_needs_two_buckets() -> None:
    found = read(arm(point(0, 1.0, 1.0), point(5, 0.1, 0.55)))
    assert found.gap(found.points[1], QUESTION, "level") == pytest.approx(0.5)
    assert found.gap(found.points[1], QUESTION, "left") == pytest.approx(0.45)
    one = replace(found, never={form: {"all": each["all"], "low": each["low"]} for form, each in found.never.items()})
    assert one.gap(one.points[1], QUESTION, "level") is None


def test_equal_utility() -> None:
    """The best point among those that keep enough: of the retained rows that choose, or of the neighbours."""
    result = arm(
        point(0, 1.0, 1.0), point(5, 0.1, 0.55, kept=0.97, beside=0.5), point(10, 0.1, 0.1, kept=0.9, beside=0.95)
    )
    found = read(result)
    assert found.chosen(0.95)["step"] == 5 and found.residual(0.95) == pytest.approx(0.5)
    assert found.chosen(0.9)["step"] == 10 and found.residual(0.9) == pytest.approx(0.0)
    assert found.chosen(0.9, NEIGHBOURS)["step"] == 10
    assert found.chosen(0.99)["step"] == 0 and found.residual(0.99) == pytest.approx(1.0)
    further = read({**result, "further": point(5, 0.1, 0.19, kept=0.96)})
    assert further.residual(0.95) == pytest.approx(0.1)  # the extrapolated point is one of its points


def test_the_point_that_unlearning_keeps_is_the_usual_rules() -> None:
    found = read(arm(point(0, 1.0, 1.0), point(5, 0.3, 0.5, kept=0.97), point(10, 0.0, 0.0, kept=0.97),
                     point(15, 0.1, 0.1, kept=0.5)))  # fmt: skip
    assert found.by_rule(0.95)["step"] == 10  # .1 from never-known; step 5 is .3 away, step 15 breaks the floor
