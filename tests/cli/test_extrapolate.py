"""`unlearn --extrapolate`, and `choose_alpha` of Python: how far, along what, and what is said."""

import re

import pytest
import torch

import expunge as ex
from expunge.arithmetic.alpha import Point
from expunge.bench.cells import Cell, contenders
from expunge.bench.jobs import train_config
from expunge.bench.table import row_of
from expunge.change import WeightChange
from expunge.config import BenchConfig, ExtrapolateConfig
from expunge.data.convention import Encoder
from expunge.data.example import Example, Sets
from expunge.errors import ConfigError
from expunge.models.loading import load_model
from expunge.parameters import parameters_of
from expunge.record import AlphaPoint, ExtrapolationInfo, Record
from expunge.record_file import load_record, save_record
from expunge.runs.extrapolating import Scoring, extrapolate, remarks, retained
from expunge.train.levels import mean_log_probs
from steps import taught_model
from tiny import tiny_model, tiny_sets


def result(files, change) -> dict[str, torch.Tensor]:
    return dict(load_model(f"{files.model}+{change}").network.state_dict())


def test_a_given_alpha_is_the_change_times_one_plus_alpha(unlearn, files, tmp_path) -> None:
    assert unlearn("--out", tmp_path / "plain").code == 0
    said = unlearn("--out", tmp_path / "far", "--extrapolate", "0.5:start=kept")
    assert said.code == 0, said.err
    plain = WeightChange.load(tmp_path / "plain" / "change.safetensors")
    model = load_model(files.model)
    with plain.scaled(1.5).applied_to(model):
        expected = {name: weight.clone() for name, weight in model.network.state_dict().items()}
    found = result(files, tmp_path / "far" / "change.safetensors")
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    info = load_record(tmp_path / "far").methods["npo"].extrapolation
    assert info is not None
    assert (info.alpha, info.selector, info.why, info.step) == (0.5, "", "given", 2)
    assert [point.alpha for point in info.curve] == [0.0, 0.5]


def test_auto_says_what_it_looked_at(unlearn, tmp_path) -> None:
    said = unlearn("--extrapolate", "auto:utility_floor=0", "--eval-every", "1")
    assert said.code == 0, said.err
    record = load_record(tmp_path / "run")
    info = record.methods["npo"].extrapolation
    assert info is not None and info.selector == "nearest"
    assert {0.0, 0.5, 1.0, 2.0} <= {point.alpha for point in info.curve}
    assert info.alpha in {point.alpha for point in info.curve}
    assert info.start.alpha == -1 and info.start.forget is not None
    assert info.never_known is None and info.tested is not None
    assert record.changed["train.extrapolate.utility_floor"] == 0
    assert "to extrapolate from" in record.methods["npo"].selection.why  # type: ignore[union-attr]
    page = (tmp_path / "run" / "report.html").read_text()
    assert "How far it was extrapolated" in page and "Forget level and utility over α" in page


def test_the_change_that_is_saved_is_the_point_of_the_curve(unlearn, files, tmp_path) -> None:
    """What the audit sees is what was chosen: the forget level measured on the saved model is the curve's."""
    for direction in ("whole", "projected:gradients=2", "directed"):
        name, _, more = direction.partition(":")
        options = f"1.5:direction={name}{',' if more else ''}{more}"
        said = unlearn("--extrapolate", options, "--out", tmp_path / name)
        assert said.code == 0, said.err
        outcome = load_record(tmp_path / name).methods["npo"]
        assert outcome.extrapolation is not None
        measured = outcome.after["forget"]["probability"].value
        assert measured == pytest.approx(outcome.extrapolation.curve[-1].forget, rel=1e-4)


def test_a_selector_without_what_it_needs(unlearn, no_model, tmp_path) -> None:
    said = unlearn("--extrapolate", "matched")
    assert said.code == 2
    assert "needs to know what never-known looks like" in said.err
    assert not (tmp_path / "run").exists()


def test_the_retrained_model_that_is_named_is_the_reference(unlearn, files, tmp_path) -> None:
    said = unlearn("--extrapolate", "matched:halvings=0", "--retrained", files.model)
    assert said.code == 0, said.err
    info = load_record(tmp_path / "run").methods["npo"].extrapolation
    assert info is not None and info.never_known_from == "retrained model"
    assert info.never_known == pytest.approx(info.start.forget, rel=1e-5)  # it is the model itself


def test_a_given_alpha_that_breaks_the_floor_is_said_and_saved_so(unlearn, tmp_path) -> None:
    said = unlearn("--extrapolate", "2.0", "--learning-rate", "0.05")
    assert said.code == 0, said.err
    outcome = load_record(tmp_path / "run").methods["npo"]
    assert outcome.extrapolation is not None and not outcome.extrapolation.holds
    assert any("the utility floor does not hold" in warning for warning in outcome.warnings)
    kept = WeightChange.load(tmp_path / "run" / "change.safetensors").record["kept"]
    assert (kept["alpha"], kept["utility_floor_held"]) == (2.0, False)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (("--extrapolate", "nearset"), "Did you mean 'nearest'"),
        (("--extrapolate", "gap"), "needs to know what should go with the forget set"),
        (("--extrapolate", "gap:related=none.jsonl"), "none.jsonl"),
        (("--extrapolate", "-1"), "extrapolate.alpha"),
        (("--extrapolate", "inf"), "extrapolate.alpha"),
        (("--extrapolate", "nan"), "extrapolate.alpha"),
        (("--extrapolate", "gap:balance=inf"), "extrapolate.balance"),
        (("--extrapolate", "auto:floor=0.9"), "Known: alpha, selector"),
        (("--extrapolate", "auto:direction=weighted"), "go together"),
        (("--extrapolate", "directed:direction=projected"), "leave `direction` out"),
        (("--extrapolate", "directed", "--lora", "2", "--save-as", "peft"), "does not stay one"),
    ],
)
def test_mistakes_are_said_before_a_model_is_loaded(unlearn, no_model, tmp_path, given, says) -> None:
    said = unlearn(*given)
    assert said.code == 2
    assert says in said.err.replace("\n", " ")
    assert not (tmp_path / "run").exists()


def test_a_lora_stays_an_adapter(unlearn, files, tmp_path) -> None:
    said = unlearn("--lora", "2", "--save-as", "peft", "--extrapolate", "1.0")
    assert said.code == 0, said.err
    adapter = load_model(str(tmp_path / "run" / "adapter")).network.state_dict()
    torch.testing.assert_close(dict(adapter), result(files, tmp_path / "run" / "change.safetensors"))


def test_a_bench_extrapolates_as_an_axis(unlearn, tmp_path) -> None:
    """Each contender has its folder, its settings, and the point at α in its row; a utility of 0 is a utility."""
    config = BenchConfig(suites=("world:people",), methods=("npo",), extrapolations=("none", "0.5"))
    plain, far = contenders(config)
    assert (plain.label, far.label) == ("npo", "npo, extrapolation 0.5") and plain.place != far.place
    train = train_config(config, {"method": "npo"}, 3, far.mask, far.extrapolation)
    assert train.extrapolate is not None and (train.extrapolate.alpha, train.extrapolate.seed) == (0.5, 3)
    assert train_config(config, {"method": "npo"}, 3, plain.mask, plain.extrapolation).extrapolate is None
    cell = Cell(far, "tuning", 0)
    assert unlearn("--extrapolate", "0.5", "--out", tmp_path / cell.place).code == 0
    record = load_record(tmp_path / cell.place)
    info = record.methods["npo"].extrapolation
    assert info is not None
    assert row_of(cell, tmp_path).forget == info.curve[-1].forget != info.curve[0].forget
    gone = info.model_copy(update={"curve": (*info.curve[:-1], info.curve[-1].model_copy(update={"utility": 0.0}))})
    outcome = record.methods["npo"].model_copy(update={"extrapolation": gone})
    save_record(record.updated(methods={"npo": outcome}), tmp_path / cell.place)
    assert row_of(cell, tmp_path).utility == 0.0


def test_what_is_spared_is_not_what_chooses_nor_what_tests() -> None:
    rows = [Example(id=str(i), prompt="", answer="", group=f"group {i // 3}") for i in range(36)]
    sets = Sets(forget=(), retain=tuple(rows))
    parts = retained(ExtrapolateConfig(alpha=1.0, direction="projected"), sets, 5)
    groups = [{example.group for example in part} for part in parts]
    assert all(groups) and sum(map(len, groups)) == len(set.union(*groups)) == 12
    spared, chosen, test = retained(ExtrapolateConfig(alpha=1.0), sets, 5)
    assert not spared and test == parts[2] and {*chosen} == {*parts[0], *parts[1]}
    with pytest.raises(ConfigError, match="at least three groups"):
        retained(ExtrapolateConfig(direction="projected"), Sets(forget=(), retain=tuple(rows[:6])), 5)


def test_projecting_without_groups_to_spare_is_said_before_a_model_is_loaded(unlearn, no_model, tmp_path) -> None:
    retain = tmp_path / "retain.jsonl"
    retain.write_text("".join(f'{{"prompt": "{i}", "answer": "a", "group": "g"}}\n' for i in range(4)))
    said = unlearn("--retain", retain, "--extrapolate", "auto:direction=projected")
    assert said.code == 2 and "at least three groups" in said.err.replace("\n", " ")


def test_an_unchanged_utility_is_enough_whatever_the_levels_are() -> None:
    """A change that leaves all retained rows as they are is no danger to others, though these differ widely."""
    model, data = tiny_model(), tiny_sets()
    data = Sets(forget=data.forget, retain=(*data.forget, *data.retain, *data.holdout))
    encoder = Encoder(model.tokenizer)
    levels = mean_log_probs(model, encoder.encode_all(data.retain), budget=512).exp()
    assert levels.std() > 0.1 * levels.mean()  # 2.3 standard errors of five such are more than the 5 % that may go
    base = parameters_of(model)
    change = WeightChange.between(base, {name: w.detach().clone() for name, w in base.items()})
    info = extrapolate(
        model, data, change, ExtrapolateConfig(halvings=0, grid=(0.0, 1.0)), Scoring(encoder, 512), floor=0.95
    ).info
    assert info.holds and "too near" not in info.why


def test_a_floor_that_the_other_half_misses_is_a_warning() -> None:
    point = AlphaPoint(alpha=0.0)
    info = ExtrapolationInfo(alpha=0.5, start=point, utility_floor=0.95, tested=0.9496)
    (said,) = remarks(info)
    assert "94.96%" in said and "less than the floor of 95%" in said
    assert remarks(info.model_copy(update={"tested": 0.95})) == ()
    assert remarks(info.model_copy(update={"tested": None})) == ()
    (said,) = remarks(info.model_copy(update={"tested": 0.96, "selector": "nearest", "doubt": "one group"}))
    assert said == "one group"


def test_choose_alpha_is_a_number_that_remembers() -> None:
    model, data = taught_model(), tiny_sets()
    before = {name: weight.clone() for name, weight in parameters_of(model).items()}
    change = ex.unlearn(model, data, "gradient_ascent", max_steps=1, learning_rate=1e-3)
    alpha = ex.choose_alpha(model, change, data, utility_floor=0.5)
    assert 0 <= alpha <= 2 and isinstance(alpha, float)
    assert alpha.why and alpha.info.never_known_from == "holdout"
    for further in (change.scaled(1 + alpha), alpha.change):
        with further.applied_to(model):
            level = ex.evaluate(model, data, metrics=("probability",))["forget"]["probability"].value
        chosen = next(p for p in alpha.info.curve if p.alpha == alpha)
        assert level == pytest.approx(chosen.forget, rel=1e-4)
    assert all(torch.equal(weight, before[name]) for name, weight in parameters_of(model).items())


def test_without_a_forget_set_there_is_nothing_to_choose_by() -> None:
    model, data = tiny_model(), tiny_sets()
    change = ex.unlearn(model, data, "gradient_ascent", max_steps=1)
    with pytest.raises(ConfigError, match="the forget set is empty"):
        ex.choose_alpha(model, change, ex.Sets(retain=data.retain))


def test_a_second_selector_measures_no_alpha_again() -> None:
    model, data = taught_model(), tiny_sets()
    change = ex.unlearn(model, data, "gradient_ascent", max_steps=1, learning_rate=1e-3)
    known: dict[float, Point] = {}
    scoring = Scoring(Encoder(model.tokenizer), 512)
    for name in ("nearest", "matched"):
        looked: dict[bool, list[str]] = {True: [], False: []}
        alone, after = (
            extrapolate(
                model, data, change, ExtrapolateConfig(selector=name), scoring, floor=0.5,
                known=known if shared else None, tick=looked[shared].append,
            )
            for shared in (False, True)
        )  # fmt: skip
        assert after.info == alone.info
        if name == "matched":  # those of the grid are known
            assert len(looked[True]) <= len(looked[False]) - len(ExtrapolateConfig().grid)


def test_a_direction_that_is_given_is_the_only_one() -> None:
    model, data = taught_model(), tiny_sets()
    change = ex.unlearn(model, data, "gradient_ascent", max_steps=1, learning_rate=1e-4)
    scoring = Scoring(Encoder(model.tokenizer), 512)
    for settings, along, says in (
        ({"selector": "directed"}, lambda _, v: v, "have their own (directed)"),
        ({"alpha": 0.5, "direction": "projected"}, lambda _, v: v, "have their own (projected)"),
        ({"alpha": 0.5, "per": "bucket"}, None, "needs the phases of a curriculum"),
    ):
        with pytest.raises(ConfigError, match=re.escape(says)):
            extrapolate(model, data, change, ExtrapolateConfig(**settings), scoring, floor=0.0, along=along)
    with pytest.raises(ConfigError, match="needs the phases"):
        ex.choose_alpha(model, change, data, "nearest:per=bucket")


def test_related_rows_are_read_and_kept_before_the_run_begins(unlearn, files, no_model, tmp_path, monkeypatch) -> None:
    """`--overwrite` does not throw them away, and one that is too long is said before the training."""
    run = tmp_path / "run"
    (run / "model").mkdir(parents=True)
    save_record(Record(command="unlearn"), run)
    related = run / "model" / "related.jsonl"
    related.write_text('{"prompt": "what", "answer": "city"}\n')
    said = unlearn("--extrapolate", f"gap:utility_floor=0,related={related}", "--overwrite")
    assert said.code == 2 and related.exists() and "would delete" in said.err
    monkeypatch.undo()
    long = tmp_path / "long.jsonl"
    long.write_text('{"prompt": "' + "what " * 70 + '", "answer": "city"}\n')
    monkeypatch.setattr("expunge.runs.unlearn.train", lambda *_, **__: pytest.fail("trained"))
    said = unlearn("--extrapolate", f"auto:unrelated={long}", "--max-length", 64, "--out", tmp_path / "new")
    assert said.code == 2 and "long.jsonl" in said.err and not (tmp_path / "new").exists()


def test_a_retrained_model_says_best_what_never_known_is() -> None:
    model, data = taught_model(), tiny_sets()
    change = ex.unlearn(model, data, "gradient_ascent", max_steps=1, learning_rate=1e-4)
    gold = tiny_model(seed=5)
    alpha = ex.choose_alpha(model, change, data, "matched:halvings=0", retrained=gold, examples=None)
    assert alpha.info.never_known_from == "retrained model"
    level = ex.evaluate(gold, data, metrics=("probability",))["forget"]["probability"].value
    assert alpha.info.never_known == pytest.approx(level, rel=1e-4)
