"""What sets the editors apart: sequences, joint solves, protected keys, bundles, what is taken back, what is kept."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from expunge.edit.alphaedit import AlphaEdit, alphaedit
from expunge.edit.emmet import emmet
from expunge.edit.facts import Fact
from expunge.edit.keys import Reader
from expunge.edit.memit import memit
from expunge.edit.rome import rome
from expunge.edit.values import Fitting
from expunge.edit.work import Work, blocks
from expunge.errors import ChangeError, ConfigError, RunError
from expunge.models.model import Model
from expunge.models.watching import watch_mlp_input
from expunge.parameters import parameters_of
from fact_work import facts, kept, work
from tiny import tiny_model

QUICK: dict[str, Any] = {"steps": 4, "contexts": 2, "rate": 0.1, "clamp": 4.0, "decay": 1e-3}
ONE: dict[str, Any] = {**QUICK, "layers": 1, "last": 0}
HOW = Fitting(0.1, 4, 0.05, 1e-3, 4.0, 0.0625)
GIVEN: dict[str, Any] = {"layers": 1, "last": 0, "contexts": 0, "energy": 0.9, "threshold": None, "how": HOW,
                         "ridge": 1.0, "inserted": 0.9}  # of AlphaEdit.edit  # fmt: skip


def keys_of(model: Model, job: Work, which: list[Fact], lengths: tuple[int, ...] = (10,)) -> Tensor:
    return Reader(model, job.encoded(which, job.contexts(2, lengths))).read(0, 0).keys


def delta(model: Model, change: Any) -> Tensor:
    """ΔW, [out, in]."""
    name, axis = model.layout.value_vectors(0)
    found = change.delta(name, parameters_of(model.network)[name].detach()).double()
    return found if axis == 1 else found.T


@pytest.mark.parametrize("arch", ["llama", "gpt2"])
def test_rome_meets_its_constraint(arch: str, tmp_path: Path) -> None:
    """(W + ΔW) k_p + b = v*, and ΔW has rank one in the direction C⁻¹ k*."""
    model = tiny_model(arch=arch)
    job = work(tmp_path, facts(1), model)
    edited = rome(job, layer=0, **QUICK)
    read = Reader(model, job.encoded(job.facts, job.contexts(2, (5, 10)))).read(0, 0)
    change = delta(model, edited.change)
    torch.testing.assert_close(
        read.gives[0] + change @ read.bare[0], edited.values[0].vector.double(), rtol=1e-4, atol=1e-4
    )
    direction = torch.linalg.solve(job.statistics([0])[0].moment + 1e-9 * torch.eye(read.keys.shape[1]), read.keys[0])
    _, sizes, rows = torch.linalg.svd(change)
    assert float(sizes[1]) < 1e-4 * float(sizes[0])
    assert float((rows[0] @ direction / direction.norm()).abs()) == pytest.approx(1.0, abs=1e-2)


def test_rome_one_after_the_other_fits_each_on_what_is_there(tmp_path: Path) -> None:
    """Two facts in sequence are the second one edited into the model that has the first."""
    model = tiny_model()
    both = rome(work(tmp_path, facts(2), model), layer=0, **QUICK)
    first = rome(work(tmp_path, facts(1), model), layer=0, **QUICK)
    covariance = work(tmp_path, facts(1), model).statistics([0])[0]
    with first.change.applied_to(model):
        job = work(tmp_path, facts(2)[1:], model)
        job.statistics = lambda layers, weights="": {0: covariance}  # type: ignore[method-assign]  # of the first model
        job.contexts = lambda count, lengths: work(tmp_path, facts(1), tiny_model()).contexts(count, lengths)  # type: ignore[method-assign]
        second = rome(job, layer=0, **QUICK)
        then = delta(model, second.change)
    torch.testing.assert_close(delta(model, both.change), delta(model, first.change) + then, rtol=1e-3, atol=1e-4)


def test_rome_jointly_meets_all_constraints_at_once(tmp_path: Path) -> None:
    model = tiny_model()
    job = work(tmp_path, facts(3), model)
    edited = rome(job, layer=0, joint=True, **QUICK)
    read = Reader(model, job.encoded(job.facts, job.contexts(2, (5, 10)))).read(0, 0)
    got = read.gives + read.bare @ delta(model, edited.change).T
    torch.testing.assert_close(got, torch.stack([v.vector.double() for v in edited.values]), rtol=1e-3, atol=1e-3)


def test_the_covariance_protects_what_the_corpus_holds(tmp_path: Path) -> None:
    """The published settings leave C out; then the same edit moves the corpus's keys more."""
    model = tiny_model()
    moved = []
    for covariance in (True, False):
        edited = rome(work(tmp_path, facts(1), model), layer=0, covariance=covariance, **QUICK)
        change = delta(model, edited.change)
        moment = work(tmp_path, facts(1), model).statistics([0])[0].moment
        moved.append(float((change @ moment @ change.T).trace()))
    assert moved[0] < 0.9 * moved[1]


def test_emmet_is_memit_with_a_weight_of_nothing(tmp_path: Path) -> None:
    model = tiny_model()
    one = emmet(work(tmp_path, facts(3), model), **ONE)
    other = memit(work(tmp_path, facts(3), model), weight=1e-9, **ONE)
    torch.testing.assert_close(delta(model, one.change), delta(model, other.change), rtol=1e-3, atol=1e-4)
    none = memit(work(tmp_path, facts(3), model), weight=1e9, **ONE)
    assert float(delta(model, none.change).norm()) < 1e-3 * float(delta(model, one.change).norm())


@pytest.mark.parametrize(
    ("edit", "identity"), [(rome, False), (rome, True), (memit, False), (emmet, False), (alphaedit, False)]
)
def test_kept_facts_keep_what_they_have(edit: Any, identity: bool, tmp_path: Path) -> None:
    """At every token of their prompts and answers; the more so, the more they weigh."""
    model, moved = tiny_model(), []
    given: dict[str, Any] = {**QUICK, "layer": 0} if edit is rome else ONE
    given = {**given, "energy": 1e9} if edit is alphaedit else given
    if edit is rome and identity:
        given["covariance"] = False  # the retain set counts there, too
    for others, protect in (([], 1.0), (kept(2), 1.0), (kept(2), 1e3)):
        job = work(tmp_path, facts(2), model, kept=others, protect=protect)
        change = delta(model, edit(job, **given).change)
        gram = work(tmp_path, facts(2), model, kept=kept(2)).kept_moments([0])[0]
        moved.append(float((change @ gram @ change.T).trace().clamp(min=0).sqrt()))
    assert moved[2] < moved[1] < 0.3 * moved[0]


def test_kept_moments_are_sums_over_tokens(tmp_path: Path) -> None:
    model = tiny_model()
    job = work(tmp_path, facts(1), model, kept=kept(2), protect=2.0)
    sums = []
    for fact in kept(2):
        (row,) = job.rows.of(fact)
        with watch_mlp_input(model, 1) as seen, torch.no_grad():
            model.network(torch.tensor([list(row.encoded.ids)]))
        later = seen[0].reshape(-1, seen[0].shape[-1]).double()[1:]
        sums.append(later.T @ later)
    torch.testing.assert_close(job.kept_moments([0, 1])[1], 2 * (sums[0] + sums[1]), rtol=1e-4, atol=1e-5)
    assert float(work(tmp_path, facts(1), model).kept_moments([0])[0].norm()) == 0


def test_alphaedit_leaves_what_is_outside_its_null_space(tmp_path: Path) -> None:
    """ΔW lies within it, and what the corpus's keys have moves no further than their energy there allows."""
    model, editor = tiny_model(), AlphaEdit()
    given: dict[str, Any] = {"layers": 1, "last": 0, "contexts": 2, "energy": 0.3, "threshold": None, "how": HOW}
    edited = editor.edit(work(tmp_path, facts(2), model), ridge=None, inserted=0.9, **given)
    projector, change = editor.spaces[0].projector, delta(model, edited.change)
    size = float(change.norm())
    assert size > 0
    assert float((change - change @ projector).norm()) < 1e-5 * size  # float32 weights
    moment = work(tmp_path, facts(2), model).statistics([0])[0].moment
    values, vectors = torch.linalg.eigh(moment)  # and those are the directions that the corpus uses most
    count = editor.spaces[0].basis.shape[1]
    assert 0 < count < len(values)
    assert float((change @ vectors[:, count:]).norm()) < 1e-5 * size
    moved = float((change @ moment @ change.T).trace())
    assert moved <= size**2 * float(values[count - 1]) * (1 + 1e-4)


def test_alphaedit_keeps_nothing_of_a_request_that_failed(tmp_path: Path) -> None:
    editor = AlphaEdit()
    with pytest.raises(ConfigError, match="null space is empty"):
        editor.edit(work(tmp_path, facts(1)), **{**GIVEN, "energy": 1e-12})
    assert not editor.spaces and not editor.made
    again, fresh = (each.edit(work(tmp_path, facts(1)), **GIVEN) for each in (editor, AlphaEdit()))
    assert again.change.result_id == fresh.change.result_id


def test_alphaedit_protects_earlier_edits_from_call_to_call(tmp_path: Path) -> None:
    """With the editor's memory, in the object or in its file, the first fact stays; without, it moves."""
    model = tiny_model()
    given: dict[str, Any] = {"layers": 1, "last": 0, "contexts": 2, "energy": 0.9, "threshold": None, "how": HOW,
                             "ridge": 0.01, "inserted": 0.9}  # fmt: skip
    cache = tmp_path / "cache"
    editor = AlphaEdit()
    first = editor.edit(work(tmp_path, facts(1), model, folder=cache), **given)
    editor.save(tmp_path / "editor.safetensors")
    first_key = keys_of(model, work(tmp_path, facts(1), model), facts(1))
    moved, results = {}, {}
    with first.change.applied_to(model):
        rest = facts(3)[1:]
        for name, each in {
            "object": editor, "file": AlphaEdit.load(tmp_path / "editor.safetensors"), "none": AlphaEdit(),
        }.items():  # fmt: skip
            change = delta(model, each.edit(work(tmp_path, rest, model, folder=cache), **given).change)
            moved[name], results[name] = float((change @ first_key.T).norm()), change
    torch.testing.assert_close(results["object"], results["file"], rtol=1e-4, atol=1e-5)
    assert moved["object"] < 0.3 * moved["none"]
    assert len(editor.earlier[0]) == 3


def test_a_later_request_measures_nothing_on_the_edited_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever became of the cache: the null spaces are in the editor's file, to the bit."""
    model, path = tiny_model(), tmp_path / "editor.safetensors"
    first = alphaedit(work(tmp_path, facts(1), model), **ONE, energy=0.9)
    assert first.keep is not None
    first.keep(path)
    spaces = AlphaEdit.load(path).spaces
    with first.change.applied_to(model):
        job = work(tmp_path, facts(3)[1:], model, folder=tmp_path / "cache")
        monkeypatch.setattr(Work, "statistics", lambda *_: pytest.fail("the edited model was measured"))
        second = alphaedit(job, **ONE, energy=0.9, earlier=str(path))
        other = alphaedit(work(tmp_path, facts(3)[1:], model, corpus=None), **ONE, energy=0.8, earlier=str(path))
    assert not (tmp_path / "cache" / "statistics").exists()
    assert not any("null space" in note for note in second.notes)
    assert {name for note in other.notes for name in ("corpus", "energy", "threshold") if f"`{name}`" in note} == {
        "corpus", "energy",
    }  # fmt: skip
    assert second.keep is not None
    second.keep(path)
    assert torch.equal(AlphaEdit.load(path).spaces[0].basis, spaces[0].basis)
    assert AlphaEdit.load(path).spaces[0].discarded == spaces[0].discarded


def test_memory_of_another_model_is_refused_and_of_other_weights_told(tmp_path: Path) -> None:
    """The right model is the one that the last request left; the one before it, and one trained since, are told of."""
    model, path, rest = tiny_model(), tmp_path / "editor.safetensors", facts(3)[1:]
    first = alphaedit(work(tmp_path, facts(1), model), **ONE, energy=0.9)
    assert first.keep is not None
    first.keep(path)
    options: dict[str, Any] = {**ONE, "energy": 0.9, "earlier": str(path)}
    told = lambda other: [n for n in alphaedit(work(tmp_path, rest, other), **options).notes if "BASE+CHANGE" in n]
    with first.change.applied_to(model):
        assert told(model) == []
        model.network.get_parameter("model.layers.1.mlp.up_proj.weight").data[0, 0] += 1
        assert ["not those that the last one left" in note for note in told(model)] == [True]
    assert ["those from before the first request" in note for note in told(tiny_model())] == [True]
    with pytest.raises(ConfigError, match="of another model"):
        alphaedit(work(tmp_path, rest, tiny_model(seed=5)), **options)


def test_memory_that_does_not_name_its_model_is_read(tmp_path: Path) -> None:
    """As files of earlier versions do not."""
    path = tmp_path / "editor.safetensors"
    editor = AlphaEdit()
    editor.edit(work(tmp_path, facts(1)), **GIVEN)
    editor.save(path)
    with safe_open(path, "pt") as file:
        about = {key: text for key, text in file.metadata().items() if key not in ("model", "result", "matrices")}
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    save_file(tensors, path, about)
    edited = AlphaEdit.load(path).edit(work(tmp_path, facts(2)[1:]), **GIVEN)
    assert any("does not say of which model" in note for note in edited.notes)


def test_a_fact_that_is_taken_back_is_not_remembered(tmp_path: Path) -> None:
    """The editor is then as if it had never been asked for, in the object and in its file."""
    model, asked, path = tiny_model(), facts(3), tmp_path / "editor.safetensors"
    editor, never = AlphaEdit(), AlphaEdit()
    edited = editor.edit(work(tmp_path, asked, model), **GIVEN).keeping(editor.save)
    kept = edited.without(asked[1].example.id)
    other = never.edit(work(tmp_path, [asked[0], asked[2]], model), **GIVEN)
    assert edited.keep is not None
    edited.keep(path)
    loaded = AlphaEdit.load(path)
    for each in (editor, loaded):
        torch.testing.assert_close(each.earlier[0], never.earlier[0], rtol=1e-5, atol=1e-6)
        assert (each.result, each.model) == (kept.result_id, other.change.base.id)
    edited.without()  # what was asked for last counts: all three again
    assert len(editor.earlier[0]) == 3 and editor.result == edited.change.result_id
    with edited.change.applied_to(model):  # an earlier request gives up a fact, the later one stays as it is
        editor.edit(work(tmp_path, facts(4)[3:], model), **GIVEN)
    last = editor.result
    edited.without(asked[0].example.id)
    assert len(editor.earlier[0]) == 3 and editor.result == last


def test_memory_of_a_model_of_another_size_is_refused(tmp_path: Path) -> None:
    editor = AlphaEdit()
    given: dict[str, Any] = {"layers": 1, "last": 0, "contexts": 0, "energy": 0.9, "threshold": None, "how": HOW,
                             "ridge": 1.0, "inserted": 0.9}  # fmt: skip
    editor.edit(work(tmp_path, facts(1)), **given)
    size = editor.earlier[0].shape[1]
    editor.requests[0][0] = torch.zeros(1, size + 3, dtype=torch.float64)
    with pytest.raises(ConfigError, match=f"{size + 3} neurons, not {size}"):
        editor.edit(work(tmp_path, facts(1)), **given)


def test_alphaedit_says_when_there_is_no_null_space(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="empty"):
        alphaedit(work(tmp_path, facts(3)), **ONE, energy=1e-12)
    second = float(torch.linalg.eigvalsh(work(tmp_path, facts(1)).statistics([0])[0].moment)[1])
    edited = alphaedit(work(tmp_path, facts(3)), **ONE, threshold=1.001 * second)
    assert any("protected" in note for note in edited.notes)
    assert not any("protected" in note for note in alphaedit(work(tmp_path, facts(1)), **ONE, energy=0.9).notes)


def test_memory_is_of_one_model_and_its_layers(tmp_path: Path) -> None:
    editor = AlphaEdit()
    given: dict[str, Any] = {"last": 1, "contexts": 0, "energy": 0.9, "threshold": None, "how": HOW, "ridge": 1.0,
                             "inserted": 0.9}  # fmt: skip
    editor.edit(work(tmp_path, facts(1)), layers=1, **given)
    with pytest.raises(ConfigError, match="layers"):
        editor.edit(work(tmp_path, facts(1)), layers=2, **given)
    (tmp_path / "broken").write_bytes(b"no")
    with pytest.raises(ConfigError, match="cannot be read"):
        AlphaEdit.load(tmp_path / "broken")


# ---- bundles, and what is taken back


@pytest.mark.parametrize("edit", [rome, memit, emmet, alphaedit])
def test_a_bundle_has_one_value_and_several_keys(edit: Any, tmp_path: Path) -> None:
    model = tiny_model()
    bundled = [replace(fact, bundle="one") for fact in facts(2)]
    given = {**QUICK, "layer": 0} if edit is rome else ONE
    edited = edit(work(tmp_path, [*bundled, *facts(3)[2:]], model), **given)
    assert len(edited.values) == 2
    assert edited.change.kind == "low-rank"


def test_rome_gives_all_of_a_bundle_the_same_output(tmp_path: Path) -> None:
    model = tiny_model()
    job = work(tmp_path, [replace(fact, bundle="one") for fact in facts(2)], model)
    edited = rome(job, layer=0, **QUICK)
    read = Reader(model, job.encoded(job.facts, job.contexts(2, (5, 10)))).read(0, 0)
    got = read.gives + read.bare @ delta(model, edited.change).T
    value = edited.values[0].vector.double()
    torch.testing.assert_close(got, torch.stack([value, value]), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("others", [0, 2], ids=["alone", "beside what is kept"])
@pytest.mark.parametrize("edit", [memit, emmet, alphaedit, rome])
def test_one_layer_gives_a_fact_back_exactly(edit: Any, others: int, tmp_path: Path) -> None:
    """With the usual settings: λ, too, is what it would have been without the fact."""
    model, asked = tiny_model(), facts(3)
    given: dict[str, Any] = {**QUICK, "layer": 0, "joint": True} if edit is rome else ONE
    given = {**given, "energy": 0.9} if edit is alphaedit else given
    three = edit(work(tmp_path, asked, model, kept=kept(others)), **given)
    back = three.without(asked[1].example.id)
    alone = edit(work(tmp_path, [asked[0], asked[2]], model, kept=kept(others)), **given)
    expected = delta(model, alone.change)
    assert float((delta(model, three.change) - expected).norm()) > 0.05 * float(expected.norm())
    torch.testing.assert_close(delta(model, back), expected, rtol=1e-3, atol=1e-4 * float(expected.abs().max()))
    with pytest.raises(ChangeError, match="no fact"):
        three.without("nobody")


def test_of_a_bundle_nothing_can_be_taken_back_alone(tmp_path: Path) -> None:
    bundled = [replace(fact, bundle="one") for fact in facts(2)]
    edited = rome(work(tmp_path, [*bundled, *facts(3)[2:]]), layer=0, joint=True, **QUICK)
    with pytest.raises(ChangeError, match="bundle"):
        edited.without(bundled[0].example.id)
    model = tiny_model()
    alone = rome(work(tmp_path, facts(3)[2:], model), layer=0, joint=True, **QUICK)
    rest = edited.without(*(fact.example.id for fact in bundled))
    torch.testing.assert_close(delta(model, rest), delta(model, alone.change), rtol=1e-3, atol=1e-4)


def test_where_it_cannot_be_taken_back_it_says_so(tmp_path: Path) -> None:
    model, asked = tiny_model(), facts(3)
    several = memit(work(tmp_path, asked, model), **{**ONE, "layers": 2, "last": 1})
    with pytest.raises(ChangeError, match="later layers"):
        several.without(asked[0].example.id)
    sequence = rome(work(tmp_path, asked, model), layer=0, **QUICK)
    with pytest.raises(ChangeError, match="later facts"):
        sequence.without(asked[0].example.id)
    # the last of a sequence can go: then it is as if it had not been asked for
    shorter = rome(work(tmp_path, asked[:2], model), layer=0, **QUICK)
    torch.testing.assert_close(delta(model, sequence.without(asked[2].example.id)), delta(model, shorter.change))
    nothing = sequence.without(*(fact.example.id for fact in asked))
    assert float(delta(model, nothing).norm()) == 0


def test_blocks_by_share_and_number() -> None:
    assert blocks(30, 0.4, 5) == [8, 9, 10, 11, 12]
    assert blocks(48, 0.34, 1) == [16]
    assert blocks(2, 0.4, 5) == [0]
    assert blocks(12, 11, 3) == [9, 10, 11]
    assert blocks(4, 0.999, 2) == [2, 3]
    with pytest.raises(ConfigError):
        blocks(4, 4, 1)


# ---- what is told, and what cannot be


@pytest.mark.parametrize("edit", [rome, memit, emmet, alphaedit])
def test_a_change_that_is_not_finite_is_none(edit: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_model()
    before = {name: each.detach().clone() for name, each in parameters_of(model.network).items()}
    whole = Work.values

    def broken(*args: Any, **given: Any) -> list[Any]:
        return [replace(value, vector=value.vector * float("nan")) for value in whole(*args, **given)]

    monkeypatch.setattr(Work, "values", broken)
    given = {**QUICK, "layer": 0} if edit is rome else ONE
    with pytest.raises(RunError, match="not finite"):
        edit(work(tmp_path, facts(2), model), **given)
    for name, each in parameters_of(model.network).items():
        assert torch.equal(each.detach(), before[name])


def test_a_short_corpus_and_its_ridge_are_told(tmp_path: Path) -> None:
    short = memit(work(tmp_path, facts(1), corpus_tokens=20), **ONE)
    assert any("fewer than a block has neurons" in note for note in short.notes)
    assert any("added to the diagonal" in note for note in short.notes)
    assert not any("neurons" in note for note in memit(work(tmp_path, facts(1)), **ONE).notes)


@pytest.mark.parametrize("edit", [rome, memit, emmet, alphaedit])
def test_weights_in_bfloat16(edit: Any, tmp_path: Path) -> None:
    """The edit arrives as far as such weights can hold it, and the model is as it was to the bit."""
    model = tiny_model()
    model.network.to(torch.bfloat16)
    given: dict[str, Any] = {**QUICK, "contexts": 0, "layer": 0} if edit is rome else {**ONE, "contexts": 0}
    given = {**given, "energy": 1e9} if edit is alphaedit else given
    before = {name: each.detach().clone() for name, each in parameters_of(model.network).items()}
    job = work(tmp_path, facts(1), model)
    edited = edit(job, **given)
    goal = edited.values[0].vector.double()

    def distance() -> float:
        read = Reader(model, job.encoded(job.facts, ("",))).read(0, 0)
        return float(((read.gives if edit is rome else read.state)[0] - goal).norm())

    start = distance()
    with edited.change.applied_to(model):
        assert distance() < 0.35 * start
    for name, each in parameters_of(model.network).items():
        assert torch.equal(each.detach(), before[name])
