"""Ranks, means and remarks, worked by hand; the picture's front against brute force."""

import json
import random

import pytest

from expunge.bench.leaderboard import Spread, dates, lines, standings, to_json, to_markdown
from expunge.bench.pareto import Dot, dots, front, pareto
from made_up_rows import final, tried

ROWS = [
    *[final("good", seed, rate=0.6 + 0.1 * seed, ceiling=0.0, utility_kept=0.96 + 0.02 * seed) for seed in range(3)],
    *[final("strict", seed, rate=0.5, ceiling=0.9, utility_kept=1.0) for seed in range(3)],
    *[final("quick", seed, passed=9) for seed in range(3)],
    *[final("harmful", seed, rate=0.95, utility_kept=0.5) for seed in range(3)],
    *[final("broken", seed, audit_status="failed", reason="ValueError: why") for seed in range(3)],
    *[final("lost", seed, status="waiting", audit_status="waiting") for seed in range(3)],
    *[tried(0, 0.1, 1.0, status="diverged"), final("npo", 0, status="waiting", audit_status="waiting")],
]


def test_order() -> None:
    """Those at the floor by rate, then without a rate; those below it, whatever their rate; those that failed."""
    (ranked,) = standings(ROWS, 0.95).values()
    names = [standing.contender.method for standing in ranked]
    assert names[:4] == ["good", "strict", "quick", "harmful"]
    assert {*names[4:]} == {"broken", "lost", "npo"}
    assert [line[0] for line in lines(ranked)] == ["1", "2", "3", "", "", "", ""]


def test_means_and_counts() -> None:
    (ranked,) = standings(ROWS, 0.95).values()
    good = ranked[0]
    assert good.rate is not None
    assert (good.rate.mean, good.rate.sd, good.rate.n) == (pytest.approx(0.7), pytest.approx(0.1), 3)
    assert good.ceiling == 0.0  # a ceiling of nothing is one
    assert (good.at_floor, good.at_strict, good.seeds) == (3, 1, 3)
    assert good.passed == Spread(0.5, 0.0, 3)
    assert ranked[2].rate is None
    assert ranked[2].score == Spread(0.9, 0.0, 3)


def test_what_keeps_rates_from_being_headlines_stands_above_them() -> None:
    rows = [final("a", seed, rate=0.5, not_headline="160 items, of 200 that it takes") for seed in range(2)]
    assert "Sorted by never-knew rate (not a headline: 160 items, of 200 that it takes);" in to_markdown(rows, 0.95)
    assert "headline" not in to_markdown([final("a", 0, rate=0.5)], 0.95)


def test_nobody_is_hidden() -> None:
    text = to_markdown(ROWS, 0.95)
    for method in ("good", "strict", "quick", "harmful", "broken", "lost", "npo"):
        assert method in text
    assert "the audit of seed 0 failed: ValueError: why" in text
    assert "every tuning trial diverged" in text
    assert "2026-01-01 to 2026-01-03" in text
    strict = text.split("keep at least 99 %")[1]
    assert "strict" in strict and "good" not in strict


def test_json_says_the_same() -> None:
    content = json.loads(json.dumps(to_json(ROWS, 0.95)))
    first = content["suites"]["s"][0]
    assert (first["method"], first["rate"]["mean"], first["failed"]) == ("good", pytest.approx(0.7), False)
    assert content["suites"]["s"][-1]["failed"] is True


def test_without_any_rate_the_share_of_quick_cells_is_named_so() -> None:
    text = to_markdown([final("a", 0), final("b", 0, passed=7)], 0.95)
    assert "No rate, which needs the full panel: by share of quick cells passed" in text
    assert text.index("| b |") < text.index("| a |")
    assert dates([]) == ""


def test_the_front_is_nobody_beaten() -> None:
    draw = random.Random(0)
    for _ in range(50):
        placed = [
            Dot(str(i), i, Spread(draw.randint(0, 4) / 4, 0, 1), Spread(draw.randint(0, 4) / 4, 0, 1)) for i in range(8)
        ]
        pairs = [(dot.quality.mean, dot.utility.mean) for dot in placed]
        kept = [
            (q, u)
            for q, u in pairs
            if not any((a >= q and b > u) or (a > q and b >= u) for a, b in pairs)
        ]  # fmt: skip
        assert sorted((dot.quality.mean, dot.utility.mean) for dot in front(placed)) == sorted(kept)


def test_the_picture_compares_like_with_like() -> None:
    (ranked,) = standings(ROWS, 0.95).values()
    placed, quality = dots(ranked)
    assert ({dot.label for dot in placed}, quality) == ({"good", "strict", "harmful"}, "never-knew rate")
    drawn = pareto(ranked, 0.95)
    assert drawn.count('class="mark"') == 3
    assert pareto([each for each in ranked if each.failed], 0.95) == ""
