"""The tokenizer and the networks before training."""

import pytest
import torch

from expunge.config import PeopleConfig
from expunge.data.convention import Encoder
from expunge.models.scoring import score
from expunge.train.finetune import fit
from expunge.worlds.people.network import untrained
from expunge.worlds.people.persons import people
from expunge.worlds.people.sets import CONVENTION, sets_of
from expunge.worlds.people.texts import KINDS, corpus
from expunge.worlds.people.tokenizer import END, tokenizer
from expunge.worlds.people.training import training

LAYOUTS = ("llama", "gpt2", "qwen", "gemma")


def test_every_word_of_the_world_is_one_token() -> None:
    words = tokenizer()
    world = people(PeopleConfig(persons=8, frequency=True))
    encoder = Encoder(words, CONVENTION)
    for kind in KINDS:
        texts = corpus(world, kind)
        for text, encoded in zip(texts, encoder.encode_all(texts), strict=True):
            whole = f"{text.prompt} {text.answer}" if text.prompt else text.answer
            assert len(encoded.ids) == len(whole.split()) + 1
            assert words.decode(list(encoded.ids)).strip() == f"{whole}{END}"


def test_any_text_can_be_read() -> None:
    words = tokenizer()
    text = " Zoë is 東, or\nnot: odd_words <|x|>"
    assert words.decode(words(text)["input_ids"]) == text
    assert words.unk_token is None and words.eos_token == END


def test_the_tokenizer_is_always_the_same() -> None:
    assert tokenizer().backend_tokenizer.to_str() == tokenizer().backend_tokenizer.to_str()


def test_answers_end_and_prompts_do_not() -> None:
    encoder = Encoder(tokenizer(), CONVENTION)
    example = sets_of(people(PeopleConfig(persons=20))).forget[0]
    encoded = encoder.encode(example)
    assert encoded.ids[-1] == encoder.tokenizer.eos_token_id and encoded.tail == 1
    assert list(encoded.ids[: encoded.start]) == encoder.encode_prompt(example)
    assert encoder.tokenizer.decode(encoded.ids[encoded.start : -1]).strip() == example.answer


@pytest.mark.parametrize(("size", "parameters"), [("tiny", 0.16e6), ("1M", 1e6), ("3M", 3e6), ("8M", 8e6)])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_sizes(layout: str, size: str, parameters: float) -> None:
    model = untrained(PeopleConfig(layout=layout, size=size), 0)  # type: ignore[arg-type]
    assert sum(p.numel() for p in model.network.parameters()) == pytest.approx(parameters, rel=0.12)


def test_weights_come_from_the_seed_and_leave_the_generator_alone() -> None:
    config = PeopleConfig(size="tiny")
    before = torch.get_rng_state()
    first, same, other = (untrained(config, seed).network.state_dict() for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[name], same[name]) for name in first)
    assert not torch.equal(first["model.embed_tokens.weight"], other["model.embed_tokens.weight"])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_learns(layout: str) -> None:
    """Forty steps lower the loss of the texts by half."""
    config = PeopleConfig(persons=8, size="tiny", layout=layout)  # type: ignore[arg-type]
    world = people(config)
    texts = corpus(world, "full")[::6]
    model = untrained(config, 0)
    encoded = Encoder(model.tokenizer, CONVENTION).encode_all(texts)

    def loss() -> float:
        return -torch.cat([one.log_probs for (one,) in score(model, [[each] for each in encoded])]).mean().item()

    settings = training(config, len(texts), 0).model_copy(update={"epochs": None, "max_steps": 40, "batch_size": 32})
    before = loss()
    trained = fit(model, texts, settings, lambda _: 0.0, convention=CONVENTION)
    assert loss() == before  # training gives a change and puts the model back
    trained.change.apply_to(model)
    assert loss() < before / 2
