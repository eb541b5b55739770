"""A second look costs no forward pass and gives the same bits; what differs in any way is looked at anew."""

import shutil
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from expunge.change import WeightChange
from expunge.change.fingerprint import Fingerprint
from expunge.config import ConventionConfig, EvaluateConfig
from expunge.data.convention import Encoder
from expunge.data.example import Example
from expunge.evaluate import columns as columns_module
from expunge.evaluate.columns import columns_of, fields_of, read_columns, write_columns
from expunge.evaluate.identity import observation_key
from expunge.evaluate.measure import Evaluation, measure
from expunge.evaluate.observations import Observed, Scored, observe
from expunge.evaluate.store import Kept, Question, Shelf
from expunge.models.model import Model
from expunge.models.watching import watch_residual
from expunge.parameters import parameters_of
from expunge.store import hash_of
from tiny import tiny_model, tiny_sets

CITIES = [each.answer for each in tiny_sets().forget]
EXAMPLES = [
    replace(each, paraphrased_answer=f"name {each.answer}", perturbed_answers=(*CITIES[:i], *CITIES[i + 1 :])[: 1 + i])
    for i, each in enumerate(tiny_sets().forget)
]
SCORES = ("probability", "extraction_strength", "exact_memorization", "perplexity")
WRONG = ("truth_ratio", "choice_accuracy")
SAID = ("rouge_l_recall", "generated_contains")
WEIGHTS = "weights-0"


@dataclass
class Work:
    """What had to be computed: answers scored, prompts answered."""

    scored: int = 0
    said: int = 0

    def done(self) -> tuple[int, int]:
        now = (self.scored, self.said)
        self.scored = self.said = 0
        return now


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Work:
    done, module = Work(), sys.modules[observe.__module__]
    score, generate = module.score, module.generate_tokens

    def counted_score(model: Model, groups: list, **options: object) -> object:
        done.scored += sum(map(len, groups))
        return score(model, groups, **options)

    def counted_generate(model: Model, prompts: list, **options: object) -> object:
        done.said += len(prompts)
        return generate(model, prompts, **options)

    monkeypatch.setattr(module, "score", counted_score)
    monkeypatch.setattr(module, "generate_tokens", counted_generate)
    return done


def look(kept: Kept | None, *metrics: str, model: Model | None = None, **settings: object) -> Evaluation:
    model = model or tiny_model()
    config = EvaluateConfig(metrics=metrics, max_new_tokens=3, **settings)  # type: ignore[arg-type]
    return measure(model, {"set": EXAMPLES}, Encoder(model.tokenizer), config, kept=kept)


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_a_second_look_measures_nothing_and_gives_the_same_bits(tmp_path: Path, work: Work) -> None:
    every = (*SCORES, *WRONG, *SAID)
    fresh = look(None, *every)
    assert work.done() == (4 + 4 + 9, 4)
    first = look(Kept(tmp_path, WEIGHTS), *every)
    assert work.done() == (4 + 4 + 9, 4)
    second = look(Kept(tmp_path, WEIGHTS), *every)
    assert work.done() == (0, 0)
    assert fresh.metrics == first.metrics == second.metrics
    assert list(second["set"]) == list(fresh["set"])


def test_only_what_is_missing_is_measured_and_what_was_kept_stays(tmp_path: Path, work: Work) -> None:
    fresh = look(None, *SCORES, *WRONG)
    work.done()
    first = look(Kept(tmp_path, WEIGHTS), *SCORES)
    assert work.done() == (4, 0)
    both = look(Kept(tmp_path, WEIGHTS), *SCORES, *WRONG)
    assert work.done() == (4 + 9, 0)
    assert {name: both["set"][name] for name in SCORES} == first["set"]
    assert look(Kept(tmp_path, WEIGHTS), *WRONG) == replace(both, metrics={"set": {n: both["set"][n] for n in WRONG}})
    assert work.done() == (0, 0) and len(list(tmp_path.rglob("*.arrow"))) == 1
    for name in WRONG:  # another packing of the batch
        np.testing.assert_allclose(both["set"][name].per_example, fresh["set"][name].per_example, rtol=1e-5)


def test_other_questions_about_the_scores_need_no_pass(tmp_path: Path, work: Work) -> None:
    look(Kept(tmp_path, WEIGHTS), "probability")
    work.done()
    assert look(Kept(tmp_path, WEIGHTS), "perplexity", seed=3).metrics == look(None, "perplexity", seed=3).metrics
    assert work.done() == (4, 0)  # those of the look without a store


# ---- texts


def test_answers_stand_on_disk_only_if_they_may(tmp_path: Path, work: Work) -> None:
    said = look(None, *SAID).generations["set"]
    words = {word.encode() for text in said for word in text.split()}
    assert words
    look(Kept(tmp_path / "no", WEIGHTS), *SAID, *SCORES)
    assert files(tmp_path / "no")
    assert not [word for word in words for path in files(tmp_path / "no") if word in path.read_bytes()]
    look(Kept(tmp_path / "yes", WEIGHTS, texts=True), *SAID)
    assert {word for word in words for path in files(tmp_path / "yes") if word in path.read_bytes()} == words
    work.done()
    assert look(Kept(tmp_path / "yes", WEIGHTS, texts=True), *SAID).generations["set"] == said
    assert work.done() == (0, 0)


def test_no_answer_is_written_even_for_a_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    monkeypatch.setattr(sys.modules[Shelf.__module__], "write_columns", lambda _, columns: written.extend(columns))
    look(Kept(tmp_path, WEIGHTS), *SAID, *SCORES)
    assert set(written) == {"right.log_probs", "right.hits", "right.tail"}


def test_answers_are_remembered_within_a_command_and_no_longer(tmp_path: Path, work: Work) -> None:
    model = tiny_model()
    question = Question(model, EXAMPLES, Encoder(model.tokenizer), max_new_tokens=3)
    kept = Kept(None, WEIGHTS)
    said = Shelf(kept, question).observe({"generations"}).generations
    assert Shelf(kept.of(WEIGHTS), question).observe({"generations"}).generations == said
    assert work.done() == (0, 4)
    Shelf(kept.of("others"), question).observe({"generations"})
    Shelf(kept, replace(question, max_new_tokens=2)).observe({"generations"})
    assert work.done() == (0, 8)
    Shelf(Kept(None, WEIGHTS), question).observe({"generations"})
    assert work.done() == (0, 4)


def test_numbers_of_answers_are_of_their_metric_options_and_settings(tmp_path: Path, work: Work) -> None:
    look(Kept(tmp_path, WEIGHTS), "generated_contains")
    work.done()
    for metric, settings in {"generated_exact": {}, "generated_contains": {"seed": 1}}.items():
        assert look(Kept(tmp_path, WEIGHTS), metric, **settings).metrics == look(None, metric, **settings).metrics
        assert work.done() == (0, 8)
    model, config = tiny_model(), EvaluateConfig(metrics=("generated_contains",), max_new_tokens=3)
    other = [replace(each, aliases=("name",)) for each in EXAMPLES]
    measure(model, {"set": other}, Encoder(model.tokenizer), config, kept=Kept(tmp_path, WEIGHTS))
    assert work.done() == (0, 4)


# ---- what a look depends on


def key(model: Model | None = None, examples: list[Example] = EXAMPLES, weights: str = WEIGHTS, **given: object) -> str:
    model = model or tiny_model()
    settings = {"budget": 4096, "bf16": False, **{k: given.pop(k) for k in ("budget", "bf16") if k in given}}
    encoder = Encoder(model.tokenizer, ConventionConfig(**given))  # type: ignore[arg-type]
    return hash_of(observation_key(model, weights, encoder, examples, **settings))  # type: ignore[arg-type]


def changed(**what: object) -> list[Example]:
    return [replace(EXAMPLES[0], **what), *EXAMPLES[1:]]  # type: ignore[arg-type]


def test_the_same_look_has_the_same_key() -> None:
    assert key() == key(tiny_model(seed=1))  # weights are what their digest says
    names_only = changed(id="x", group="g", source="s:1", aliases=("a",), subject="b", count=3, weight=2.0)
    assert key(examples=names_only) == key()
    model = tiny_model()
    model.tokenizer(["a", "b c"], padding=True, truncation=True, max_length=3)
    assert key(model) == key()


def _with_config(**values: object) -> Model:
    model = tiny_model()
    for name, value in values.items():
        setattr(model.network.config, name, value)
    return model


def _with_buffer() -> Model:
    model = tiny_model()
    model.network.register_buffer("scale", torch.ones(2))
    return model


OTHERS: dict[str, Callable[[], str]] = {
    "weights": lambda: key(weights="others"),
    "architecture": lambda: key(tiny_model(arch="qwen2")),
    "configuration": lambda: key(_with_config(rms_norm_eps=1e-3)),
    "buffer": lambda: key(_with_buffer()),
    "attention": lambda: key(tiny_model(attention="sdpa")),
    "prompt": lambda: key(examples=changed(prompt="the city is")),
    "answer": lambda: key(examples=changed(answer="name")),
    "wrong answers": lambda: key(examples=changed(perturbed_answers=("name",))),
    "paraphrase": lambda: key(examples=changed(paraphrased_answer=None)),
    "order": lambda: key(examples=EXAMPLES[::-1]),
    "fewer": lambda: key(examples=EXAMPLES[1:]),
    "end": lambda: key(end=True),
    "template": lambda: key(template="{prompt}: {answer}"),
    "budget": lambda: key(budget=64),
    "bf16": lambda: key(bf16=True),
}


@pytest.mark.parametrize("what", OTHERS)
def test_another_look_has_another_key(what: str) -> None:
    assert OTHERS[what]() != key()


def test_other_arithmetic_has_another_key(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = key()
    monkeypatch.setattr(torch, "get_num_threads", lambda: 77)
    assert key() != usual


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("chat_template", "{{ messages }}"),
        ("clean_up_tokenization_spaces", True),  # what generated tokens read as
    ],
)
def test_the_tokenizer_counts(monkeypatch: pytest.MonkeyPatch, name: str, value: object) -> None:
    usual = key(template="plain")
    monkeypatch.setattr(tiny_model().tokenizer, name, value)  # all tiny models share it
    assert key(template="plain") != usual


def test_the_padding_that_attention_does_not_see_counts() -> None:
    tokenizer = tiny_model().tokenizer
    encoders = [Encoder(tokenizer, ConventionConfig(compat="openunlearning")) for _ in range(2)]
    encoders[1].hidden = 3
    assert encoders[0].digest != encoders[1].digest


@pytest.mark.parametrize("weights", ["", WEIGHTS])
def test_a_model_that_its_weights_do_not_describe_is_not_kept(tmp_path: Path, work: Work, weights: str) -> None:
    model = tiny_model()
    if weights:  # a side memory, a steering vector: weights that say nothing of it
        with watch_residual(model, 0):
            look(Kept(tmp_path, weights), "probability", *SAID, model=model)
    else:
        look(Kept(tmp_path, weights), "probability", *SAID, model=model)
    assert files(tmp_path) == [] and work.done() == (4, 4)


def test_the_digest_of_a_result_needs_no_second_hashing() -> None:
    model, other = tiny_model(), tiny_model()
    with torch.no_grad():
        other.network.model.layers[0].mlp.down_proj.weight.mul_(1.01)  # type: ignore[union-attr,operator]
    change = WeightChange.between(model.network, other.network)
    assert change.result_id == Fingerprint.of(parameters_of(other.network)).id != change.base.id
    assert change.scaled(0.5).result_id == ""


# ---- files


def broken(path: Path, how: str) -> None:
    whole = path.read_bytes()
    contents = {"empty": b"", "cut": whole[: len(whole) // 2], "other": b"x" * len(whole), "zeros": bytes(len(whole))}
    path.unlink()  # a file that is mapped stays what it is
    path.write_bytes(contents[how])


@pytest.mark.parametrize("how", ["empty", "cut", "other", "zeros"])
@pytest.mark.parametrize("texts", [True, False])
def test_a_broken_file_is_told_of_and_made_again(tmp_path: Path, work: Work, how: str, texts: bool) -> None:
    metrics = (*SCORES, *SAID)
    whole = look(Kept(tmp_path, WEIGHTS, texts), *metrics)
    found = files(tmp_path)
    assert len([path for path in found if path.suffix == ".arrow"]) == (2 if texts else 1)
    for path in found:
        broken(path, how)
    said: list[str] = []
    work.done()
    assert look(Kept(tmp_path, WEIGHTS, texts, said.append), *metrics).metrics == whole.metrics
    assert work.done() == (4, 4)
    assert len(said) == len(found) and all("broken" in text for text in said)
    assert look(Kept(tmp_path, WEIGHTS, texts, said.append), *metrics).metrics == whole.metrics
    assert work.done() == (0, 0)


def test_a_file_under_another_name_is_not_taken(tmp_path: Path, work: Work) -> None:
    look(Kept(tmp_path, WEIGHTS), "probability")
    look(Kept(tmp_path, WEIGHTS), "probability", budget=64)
    one, two = sorted(tmp_path.rglob("*.arrow"))
    one.write_bytes(two.read_bytes())
    shutil.rmtree(tmp_path / "metrics")
    said: list[str] = []
    work.done()
    for budget in (64, 4096):
        look(Kept(tmp_path, WEIGHTS, say=said.append), "probability", budget=budget)
    assert work.done() == (4, 0) and len(said) == 1


def test_a_folder_that_cannot_be_written_to_costs_time_only(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    said: list[str] = []
    kept = Kept(tmp_path / "file", WEIGHTS, say=said.append)
    assert look(kept, "probability").metrics == look(None, "probability").metrics
    assert len(said) == 2 and all("cannot keep" in text for text in said)


def scored(*lengths: int) -> list[Scored]:
    draw = np.random.default_rng(sum(lengths))
    return [Scored(np.log(draw.random(n)), draw.random(n) > 0.5, int(n > 1), draw.random((n, 2))) for n in lengths]


def same(one: Scored, other: Scored) -> bool:
    pairs = [(getattr(one, each.name), getattr(other, each.name)) for each in fields(one)]
    return all(np.array_equal(a, b) and np.asarray(a).dtype == np.asarray(b).dtype for a, b in pairs)


def test_columns_come_back_as_they_were(tmp_path: Path) -> None:
    right, wrong = scored(3, 1, 7), [scored(2, 5), [], scored(1)]
    path = tmp_path / "key.arrow"
    write_columns(path, columns_of(Observed(right, perturbed=wrong, gradient_norms=[0.1, 5e-324, 1.0])))
    found = read_columns(path, rows=3)
    fields = fields_of(found)
    back, several = fields["right"], fields["perturbed"]
    assert all(map(same, back, right)) and [len(each) for each in several] == [2, 0, 1]
    assert all(same(a, b) for some, others in zip(several, wrong, strict=True) for a, b in zip(some, others))
    assert not back[0].log_probs.flags.writeable and fields["paraphrased"] == []
    assert fields["gradient_norms"] == [0.1, 5e-324, 1.0]
    with pytest.raises(ValueError, match="rows"):
        read_columns(path, rows=4)


@dataclass(frozen=True)
class Wider(Scored):
    """Scores with one observation more, which need not have been made."""

    means: np.ndarray | None = None


def test_a_new_observation_is_a_new_column(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns_module, "Scored", Wider)
    plain = scored(3, 2)
    wider = [Wider(each.log_probs, each.hits, each.tail, None, each.log_probs / 2) for each in plain]
    path = tmp_path / "key.arrow"
    write_columns(path, columns_of(Observed(list(wider))))
    found = read_columns(path, rows=2)
    assert set(found) == {"right.log_probs", "right.hits", "right.tail", "right.means"}
    assert all(map(same, fields_of(found)["right"], wider))
    del found["right.means"]
    assert [each.means for each in fields_of(found)["right"]] == [None, None]


def test_writers_at_once_do_no_harm(tmp_path: Path) -> None:
    path, values, wrong = tmp_path / "key.arrow", scored(3, 1, 7), []
    columns = columns_of(Observed(values))
    write_columns(path, columns)

    def write() -> None:
        for _ in range(20):
            write_columns(path, columns)

    def read() -> None:
        for _ in range(60):
            if not all(map(same, fields_of(read_columns(path, 3))["right"], values)):
                wrong.append(1)

    threads = [threading.Thread(target=each) for each in (write, write, read)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert not wrong and files(tmp_path) == [path]
