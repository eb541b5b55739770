"""Subjects and their noise: where it goes, and that nothing else decides it."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from byte_tokenizer import CHATML, byte_tokenizer
from expunge.data.convention import Convention, Encoder
from expunge.data.example import Example, Turn
from expunge.errors import ConfigError
from expunge.localize import Scene
from expunge.localize.corruption import corruption_of
from expunge.localize.units import units_of
from expunge.models.scoring import forward
from expunge.models.watching import edit_embeddings, only_reading
from steps import unequal_sets
from tiny import ARCHITECTURES, tiny_model


def scene_of(arch: str = "llama", **changes: object) -> Scene:
    model = tiny_model(arch=arch)
    scene = Scene(model, units_of(model, "layers"), Encoder(model.tokenizer), unequal_sets().forget, budget=14)
    return replace(scene, **changes)


@pytest.mark.parametrize("template", [None, CHATML, "Question: {prompt}\nAnswer: {answer}"])
@pytest.mark.parametrize("bos", [False, True])
def test_mentions_are_the_tokens_that_cover_them(template: str | None, bos: bool) -> None:
    chat = template if template == CHATML else None
    convention = Convention(template=template) if template and not chat else None
    encoder = Encoder(byte_tokenizer(("Ġ A", "n a"), bos, chat), convention)
    turns = (Turn("user", "Who is Anna?"), Turn("assistant", "Anna is she.")) if chat else ()
    example = Example(id="x", prompt="Did Anna say that Anna knows Annabel? ", answer="Anna did", turns=turns)
    found = encoder.mentions(example, "Anna")
    ids = encoder.encode(example).ids
    texts = [encoder.tokenizer.decode([ids[place] for place in places]).strip() for places in found]
    assert texts == ["Anna", "Anna", "Anna"]  # the third is a part of another name
    assert [list(places) for places in found] == [list(range(places[0], places[-1] + 1)) for places in found]
    assert max(max(places) for places in found) < encoder.encode(example).start
    before = [encoder.tokenizer.decode(list(ids[: places[0]])).rstrip() for places in found]
    assert [text.endswith(word) for text, word in zip(before, ["Did", "that", "knows"])] == [True] * 3
    assert encoder.mentions(example, "Berta") == encoder.mentions(example, "") == []
    assert encoder.mentions(replace(example, prompt=None, turns=()), "Anna") == []


@pytest.mark.parametrize("arch", ARCHITECTURES)
@torch.no_grad()
def test_only_the_subjects_are_disturbed(arch: str) -> None:
    scene = scene_of(arch)
    corruption = corruption_of(scene, 3.0)
    subjects = {scene.encoder.tokenizer.convert_tokens_to_ids(e.subject) for e in scene.forget}
    clean: list[Tensor] = []
    noisy: list[Tensor] = []
    for batch in corruption.batches():
        with edit_embeddings(scene.model, only_reading(clean.append)):
            forward(scene.model, batch.forest)
        with corruption.of(batch, 0), edit_embeddings(scene.model, only_reading(noisy.append)):
            forward(scene.model, batch.forest)
        moved = (clean[-1] != noisy[-1]).any(-1).nonzero().flatten()
        assert moved.tolist() == batch.subject.tolist() == batch.last.tolist()  # a subject is one token here
        assert {int(each) for each in batch.forest.ids[moved]} <= subjects
        expected = torch.cat([corruption.noise(i, 0) for i in batch.numbers])
        torch.testing.assert_close(noisy[-1][moved] - clean[-1][moved], expected, rtol=1e-4, atol=1e-5)


def test_noise_has_its_size_and_depends_on_seed_draw_and_example_alone() -> None:
    scene = scene_of()
    corruption = corruption_of(scene, 3.0)
    ids = [scene.encoder.tokenizer.convert_tokens_to_ids(e.subject) for e in scene.forget]
    embeddings = scene.model.network.get_input_embeddings().weight[ids].detach().double()
    assert corruption.deviation == pytest.approx(3 * float(embeddings.std()))
    many = torch.cat([corruption.noise(i, draw) for i in range(4) for draw in range(50)])
    assert float(many.std()) == pytest.approx(corruption.deviation, rel=0.05)

    turned = corruption_of(replace(scene, forget=scene.forget[::-1], budget=1), 3.0)
    assert turned.deviation == corruption.deviation
    for i in range(4):
        torch.testing.assert_close(turned.noise(3 - i, 1), corruption.noise(i, 1), rtol=0, atol=0)
    assert not torch.equal(corruption.noise(0, 0), corruption.noise(0, 1))
    assert not torch.equal(corruption.noise(0, 0), corruption.noise(1, 0))
    assert not torch.equal(corruption_of(replace(scene, seed=1), 3.0).noise(0, 0), corruption.noise(0, 0))


def test_a_subject_that_is_not_asked_about() -> None:
    scene = scene_of()
    wrong = replace(scene.forget[0], subject="nowhere", source="f.jsonl:7")
    with pytest.raises(ConfigError, match=r"f\.jsonl:7.*subject") as caught:
        corruption_of(replace(scene, forget=(wrong,)), 3.0)
    assert "nowhere" not in str(caught.value)
