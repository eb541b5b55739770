"""What settings, sets and the network's outline show to be wrong is said before any weight is read."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest

from expunge.change import WeightChange
from expunge.mask import Mask
from expunge.models import hugging_face
from expunge.parameters import parameters_of
from tiny import tiny_model, tiny_sets

pytestmark = pytest.mark.usefixtures("no_model")


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hugging_face, "_reachable", lambda: False)


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of another architecture, a mask of it, and a change of it."""
    folder, model = tmp_path_factory.mktemp("other"), tiny_model(arch="gpt2")
    model.save(folder / "model")
    Mask.everything(model.network).save(folder / "mask.safetensors")
    weights = dict(parameters_of(model))
    WeightChange.between(weights, {n: w.detach() + 1 for n, w in weights.items()}).save(folder / "change.safetensors")
    return folder


def refused(said, tmp_path: Path, *parts: str) -> None:
    assert (said.code, said.out) == (2, ""), said.err
    assert "Traceback" not in said.err
    for part in parts:
        assert part in said.err.replace("\n", " ")
    assert not (tmp_path / "run").exists()


UNLEARN = {
    "another attention": (("--attention", "sdpa"), ["attention 'sdpa'", "needs 'packed'"]),
    "parameters": (("--parameters", "nothere"), ["no parameter matches 'nothere'"]),
    "layer": (("--method", "rmu:layer=99"), ["layer 99", "numbered 0 to 1"]),
    "layer of a retain loss": (("--retain-loss", "hidden:layer=7"), ["layer 7", "numbered 0 to 1"]),
    "oracle without its mask": (("--localize", "oracle"), ["oracle:mask=FILE"]),
    "mask of another network": (("--localize", "oracle:mask=OTHER/mask.safetensors"), ["mask is for another network"]),
    "no retrained model": (("--method", "mlp_regression", "--retrained", "nofile"), ["'nofile' would have to come"]),
    "another retrained model": (("--retrained", "WIDE"), ["has depth 3, the model that unlearns 2"]),
    "a change of another network": (("--model", "MODEL+OTHER/change.safetensors"), ["does not go on", "is missing"]),
    "metrics without their data": (("--metrics", "truth_ratio"), ["no perturbed answers", "leaves nothing to measure"]),
    "template": (("--template", "foo"), ["template 'foo': use \"auto\""]),
}  # fmt: skip


@pytest.mark.parametrize("mistake", UNLEARN)
def test_unlearn(unlearn: Callable, files, other: Path, tmp_path: Path, mistake: str) -> None:
    tiny_model(arch="llama").save(tmp_path / "wide")
    config = json.loads((tmp_path / "wide" / "config.json").read_text())
    config |= {"num_hidden_layers": 3, "layer_types": None}
    (tmp_path / "wide" / "config.json").write_text(json.dumps(config))
    stands = {"OTHER": other, "MODEL": files.model, "WIDE": tmp_path / "wide"}
    given, said = UNLEARN[mistake]
    for name, path in stands.items():
        given = tuple(each.replace(name, str(path)) for each in given)
    refused(unlearn(*given), tmp_path, *said)


def test_redirect_has_to_have_twins(expunge: Callable, files, tmp_path: Path) -> None:
    rows = [{k: asdict(each)[k] for k in ("prompt", "answer", "subject")} for each in tiny_sets().forget]
    (tmp_path / "subjects.jsonl").write_text("\n".join(map(json.dumps, rows)))
    for forget, says in (
        (tmp_path / "subjects.jsonl", "needs twins: examples with a `subject` (`--twins FILE`)"),
        (files.forget, "needs the `subject` of every forget example"),
    ):
        said = expunge(
            "edit", "--model", files.model, "--forget", forget, "--editor", "redirect", "--out", tmp_path / "run"
        )
        refused(said, tmp_path, says)


def test_clue_has_to_have_something_to_compare_with(expunge: Callable, files, tmp_path: Path) -> None:
    given = ("unlearn", "--model", files.model, "--forget", files.forget, "--out", tmp_path / "run", "--method")
    refused(expunge(*given, "clue"), tmp_path, "compares the forget circuit", "--retain FILE")
    said = expunge(*given, "clue:swap=subject", "--retain", files.retain)
    refused(said, tmp_path, "swap='subject' needs rows with a `subject`")
    said = expunge(*given, "clue:loss=rmu", "--retain", files.retain, "--wrap", "lat:layer=9")
    refused(said, tmp_path, "layer 9", "numbered 0 to 1")


@pytest.mark.parametrize("method", ["dpo", "idk", "altpo", "clue"])
def test_nothing_else_can_be_said_to_a_document(expunge: Callable, files, tmp_path: Path, method: str) -> None:
    (tmp_path / "texts.jsonl").write_text('{"text": "the capital of arland is bexton"}\n')
    given = ("--model", files.model, "--forget", tmp_path / "texts.jsonl", "--retain", files.retain)
    said = expunge("unlearn", *given, "--method", method, "--out", tmp_path / "run")
    refused(said, tmp_path, "is a document, which asks nothing", "texts.jsonl:1", "choose another method")


@pytest.mark.parametrize(
    ("command", "given", "says"),
    [
        ("evaluate", ("--template", "{prompt}"), "template '{prompt}': use"),
        ("evaluate", ("--template", "{answer}{prompt}"), "{prompt} and then {answer}"),
        ("evaluate", ("--metrics", "truth_ratio"), "forget: 4 of 4 examples have no perturbed answers"),
        ("circuits", ("--explain", "foo"), "no node called 'foo' to explain; the first are 0.q"),
        ("circuits", ("--swap", "subject"), "no contrast could be made of 4 examples (forget)"),
        ("relate", ("--parameters", "zzz"), "no parameter matches 'zzz'"),
        ("relate", ("--after", "nofile"), "'nofile' would have to come from the Hub"),
        ("localize", ("--localizer", "oracle:mask=OTHER/mask.safetensors"), "mask is for another network"),
        ("localize", ("--localizer", "random", "--truth", "OTHER/mask.safetensors"), "mask is for another network"),
    ],
)
def test_other_commands(expunge, files, other, tmp_path, command, given, says) -> None:
    given = (each.replace("OTHER", str(other)) for each in given)
    sets = ("--forget", files.forget, "--retain", files.retain)
    out = tmp_path / ("run.safetensors" if command == "localize" else "run")
    refused(expunge(command, "--model", files.model, *sets, "--out", out, *given), tmp_path, says)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (("--mask", "OTHER/mask.safetensors"), "mask is for another network"),
        (("--parameters", "nothere"), "no parameter matches 'nothere'"),
        (("--metrics", "truth_ratio"), "no perturbed answers"),
    ],
)
def test_finetune(expunge, files, other, tmp_path, given, says) -> None:
    given = (each.replace("OTHER", str(other)) for each in given)
    refused(expunge("finetune", "--model", files.model, "--data", files.retain, "--out", tmp_path / "run", *given),
            tmp_path, says)  # fmt: skip


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (("--after", "nofile2"), "'nofile2' would have to come from the Hub"),
        (("--before", "nofile2"), "'nofile2' would have to come from the Hub"),
        (("--retrained", "nofile2"), "'nofile2' would have to come from the Hub"),
        (("--after", "MODEL+OTHER/change.safetensors"), "change.safetensors does not go on"),
        (("--after", "MODEL+OTHER/mask.safetensors"), "holds no change"),
        (("--retrained", "world:people@nobody"), "no model called 'nobody'"),
    ],
)
def test_audit(expunge, files, other, tmp_path, given, says) -> None:
    models = {"--before": files.model, "--after": files.model}
    given = tuple(each.replace("OTHER", str(other)).replace("MODEL", files.model) for each in given)
    models = [part for name, value in models.items() if name not in given for part in (name, value)]
    sets = ("--forget", files.forget, "--retain", files.retain)
    refused(expunge("audit", *models, *sets, "--out", tmp_path / "run", *given), tmp_path, says)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (("--retain", "none.jsonl"), "none.jsonl"), (("--retrained", "nofile"), "'nofile' would have to come"),
        (("--tuned", "nofile"), "'nofile' would have to come"),
    ],
)  # fmt: skip
def test_extrapolate_reads_the_sets_before_a_folder_is_made(expunge, files, other, tmp_path, given, says) -> None:
    """What is applied to another network would be found while the folder is made."""
    tuned = () if "--tuned" in given else ("--tuned", f"{files.model}+{other / 'change.safetensors'}")
    said = expunge("extrapolate", "--base", files.model, *tuned, "--alpha", "auto", "--forget", files.forget, *given,
                   "--out", tmp_path / "run")  # fmt: skip
    refused(said, tmp_path, says)
