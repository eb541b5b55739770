"""Scales and maps put things where they belong."""

import re

import pytest

from expunge.evaluate.metric import mean_metric
from expunge.record import ChangeInfo, Measured
from expunge.report.norms import moved, norms_picture
from expunge.report.strip import strip
from expunge.report.svg import Scale


@pytest.mark.parametrize(
    ("values", "low", "high", "ticks"),
    [
        ([0.0, 1.0], 0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        ([0.0, 1.004], 0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        ([0.0, 37.0], 0, 40, [0, 10, 20, 30, 40]),
        ([5.0], 5, 6, [5, 6]),
        ([0.0], 0, 0.2, [0, 0.2]),
        ([-0.3, 0.2], -0.3, 0.2, [-0.3, -0.2, -0.1, 0, 0.1, 0.2]),
    ],
)
def test_scale_is_round_and_covers(values: list[float], low: float, high: float, ticks: list[float]) -> None:
    scale = Scale.around(values, 0, 100)
    assert (scale.low, scale.high) == pytest.approx((low, high))
    assert scale(low) == pytest.approx(0)
    assert scale(high) == pytest.approx(100)
    assert set(ticks) <= {round(t, 9) for t in scale.ticks()}


def test_steps_have_no_halves() -> None:
    assert Scale.around([0, 2], 0, 1).whole_ticks() == [0, 1, 2]


@pytest.mark.parametrize(
    ("name", "layer", "kind"),
    [
        ("model.layers.12.self_attn.q_proj.weight", 12, "self_attn.q_proj"),
        ("transformer.h.3.attn.c_attn.bias", 3, "attn.c_attn.bias"),
        ("gpt_neox.layers.0.mlp.dense_4h_to_h.weight", 0, "mlp.dense_4h_to_h"),
        ("model.decoder.layers.5.fc1.weight", 5, "fc1"),
        ("model.embed_tokens.weight", None, "embed_tokens"),
        ("lm_head.weight", None, "lm_head"),
    ],
)
def test_layer_and_kind_come_from_the_name(name: str, layer: int | None, kind: str) -> None:
    (found,) = moved(ChangeInfo(kind="dense", norms={name: (1.0, 0.1)}))
    assert (found.layer, found.kind) == (layer, kind)


def test_norms_shade_by_relative_change() -> None:
    norms = {
        "layers.0.a.weight": (3.0, 0.1),
        "layers.1.a.weight": (4.0, 0.2),
        "layers.1.b.weight": (3.0, 0.0),
    }
    picture = norms_picture(ChangeInfo(kind="dense", norms=norms), "npo")
    opacity = dict(re.findall(r"fill-opacity:([\d.]+)\"><title>(layers\S+):", picture))
    assert opacity == {"0.525": "layers.0.a.weight", "1": "layers.1.a.weight", "0.05": "layers.1.b.weight"}
    assert "layer 1: ‖Δ‖ 5</title>" in picture  # √(4² + 3²)
    assert norms_picture(ChangeInfo(kind="dense"), "npo") == ""


def test_strip_draws_values_and_intervals_between_0_and_1() -> None:
    m = Measured.model_validate(mean_metric([0.0, 1.0, 0.5], "higher").to_json())
    drawn = strip("x", [("before", 0, m), ("after", 1, None)])
    assert drawn.count("polygon") + drawn.count("circle") == 2  # one mark: opening and closing tag
    assert strip("x", [("before", 0, m.model_copy(update={"unit": "tokens"}))]) == ""
    assert strip("x", []) == ""
    assert strip("x", [("before", 0, m.model_copy(update={"value": 20.5}))]) == ""  # of a harness: no unit tells
