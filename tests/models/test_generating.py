"""Generated answers do not depend on neighbours, and are those of Transformers' own loop."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import torch
from transformers import DynamicCache

from architectures import tiny_network
from expunge.data.convention import Encoder
from expunge.errors import ConfigError
from expunge.models import generating
from expunge.models.generating import _draw
from expunge.models.key_values import cached_tokens, reserved_cache
from expunge.models.model import Model
from steps import taught_model, unequal_sets
from tiny import ARCHITECTURES, tiny_model, tiny_tokenizer

PROMPTS = [[5, 6, 7, 8, 9, 10, 11, 12, 13], [20], [8, 9, 30, 31], [14, 15, 16, 17, 18, 19]]
NEW = 12  # with the longest prompt far beyond the tiny models' windows of 6


def theirs(model: Model, prompt: Sequence[int], ends: Sequence[int]) -> list[int]:
    """Transformers' greedy generation of one prompt without padding."""
    ids = torch.tensor([prompt])
    with torch.no_grad():
        output = model.network.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=NEW, do_sample=False, pad_token_id=0,
            eos_token_id=list(ends),
        )  # fmt: skip
    return [token for token in output[0, len(prompt) :].tolist() if token not in ends]


def encoder(model: Model) -> Encoder:
    return Encoder(model.tokenizer)


def generate(model: Model, prompts: Sequence[Sequence[int]], **options: Any) -> list[str]:
    return generating.generate(model, prompts, encoder=encoder(model), **{"max_new_tokens": NEW, **options})


def generate_tokens(model: Model, prompts: Sequence[Sequence[int]], **options: Any) -> list[list[int]]:
    return generating.generate_tokens(model, prompts, encoder=encoder(model), **options)


def end_tokens(model: Model) -> set[int]:
    return generating.end_tokens(model, encoder(model))


def spoken(model: Model, tokens: Sequence[int]) -> str:
    return str(model.tokenizer.decode(tokens, skip_special_tokens=True))


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_greedy_answers_are_those_of_transformers(arch: str) -> None:
    """Left padding, sliding windows, softcaps and the cache, on every architecture."""
    model, plain = tiny_model(arch=arch), tiny_model(arch=arch, attention="eager")
    expected = [spoken(plain, theirs(plain, prompt, sorted(end_tokens(plain)))) for prompt in PROMPTS]
    assert generate(model, PROMPTS, max_new_tokens=NEW) == expected
    assert len(set(expected)) >= 3


@pytest.mark.parametrize("arch", ["llama", "gemma2", "gpt2", "opt"])
def test_neighbours_order_and_budget_change_nothing(arch: str) -> None:
    model = tiny_model(arch=arch)
    together = generate(model, PROMPTS, max_new_tokens=NEW)
    assert together == [generate(model, [prompt], max_new_tokens=NEW)[0] for prompt in PROMPTS]
    assert together[::-1] == generate(model, PROMPTS[::-1], max_new_tokens=NEW)
    assert together == generate(model, PROMPTS, max_new_tokens=NEW, budget=1)


def test_the_first_tokens_are_those_of_a_shorter_answer() -> None:
    model = tiny_model()
    long, short = (generate_tokens(model, PROMPTS, max_new_tokens=new) for new in (NEW, 3))
    assert [spoken(model, ids) for ids in long] == generate(model, PROMPTS, max_new_tokens=NEW)
    assert [ids[:3] for ids in long] == short and max(map(len, long)) > 3


def widths(model: Model, prompts: list[list[int]], **options: int) -> list[int]:
    """How many rows each forward pass of a generation had."""
    seen: list[int] = []
    handle = model.network.register_forward_pre_hook(
        lambda _, __, named: seen.append(len(named["input_ids"])), with_kwargs=True
    )
    generate(model, prompts, **options)
    handle.remove()
    return seen


@pytest.mark.parametrize("arch", ["llama", "gemma3_text", "mistral"])
def test_a_finished_answer_leaves_its_batch_and_the_others_go_on(arch: str) -> None:
    """End tokens are set to what each prompt says at different steps; the rest say what they said before."""
    model = tiny_model(arch=arch)
    ends = sorted(end_tokens(model))
    said = [theirs(model, prompt, ends) for prompt in PROMPTS]
    stop = next(said[0][i] for i in range(2, NEW) if said[0].index(said[0][i]) == i)
    lengths = [row.index(stop) if stop in row else NEW for row in said]
    assert len(set(lengths)) > 1
    with patch("expunge.models.generating.end_tokens", lambda *_: {*ends, stop}):
        got = generate(model, PROMPTS, max_new_tokens=NEW)
        rows = widths(model, PROMPTS, max_new_tokens=NEW)
    assert got == [spoken(model, row[:length]) for row, length in zip(said, lengths)]
    passes = min(NEW, max(lengths) + 1)
    assert rows == [sum(length >= step for length in lengths) for step in range(passes)]


def test_a_model_that_knows_says_what_it_learnt() -> None:
    model, sets = taught_model(), unequal_sets()
    prompts = [Encoder(model.tokenizer).encode_prompt(example) for example in sets.forget]
    said = generate(model, prompts, max_new_tokens=4)
    for text, example in zip(said, sets.forget):
        assert text.startswith(example.answer.replace(" ", "")) or text.startswith(example.answer)


def test_every_end_token_counts() -> None:
    """The tokenizer's, the configuration's, the generation configuration's: one number or a list."""
    model = tiny_model()
    assert end_tokens(model) == {1}
    with patch.object(model.network.config, "eos_token_id", [1, 7]):
        assert end_tokens(model) == {1, 7}
        with patch.object(model.network.generation_config, "eos_token_id", 9):
            assert end_tokens(model) == {1, 7, 9}


def sampled(model: Model, seed: int, prompts: list[list[int]] = PROMPTS, temperature: float = 1.5) -> list[str]:
    draw = torch.Generator().manual_seed(seed)
    return generate(model, prompts, max_new_tokens=NEW, temperature=temperature, generator=draw)


def test_sampling_repeats_with_the_generator_and_only_with_it() -> None:
    model = tiny_model()
    torch.manual_seed(0)
    state = torch.get_rng_state()
    first = sampled(model, 0)
    assert torch.equal(torch.get_rng_state(), state)
    assert first == sampled(model, 0) != sampled(model, 1)
    assert len(set(sampled(model, 0, [[5, 6]] * 8))) > 1
    with pytest.raises(ValueError, match="generator"):
        generate(model, PROMPTS, temperature=1.0)


def test_sampling_follows_the_models_distribution() -> None:
    """First tokens after one prompt, 4000 draws: each share within five standard errors of its probability."""
    model = tiny_model()
    with torch.no_grad():
        logits = model.network(input_ids=torch.tensor([[5, 6, 7]])).logits[0, -1]
    expected = (logits / 0.7).softmax(-1)
    counts = torch.zeros(len(expected))
    draw = torch.Generator().manual_seed(0)
    from expunge.models.generating import _choose

    for token in _choose(logits.expand(4000, -1), 0.7, draw).tolist():
        counts[token] += 1
    error = (expected * (1 - expected) / 4000).sqrt()
    assert ((counts / 4000 - expected).abs() <= 5 * error + 1e-9).all()
    assert sampled(model, 0, temperature=1e-4) == generate(model, PROMPTS, max_new_tokens=NEW)


def test_nothing_to_say_and_progress() -> None:
    model = tiny_model()
    assert generate(model, []) == []
    assert generate(model, PROMPTS, max_new_tokens=0) == [""] * 4
    done: list[int] = []
    generate(model, PROMPTS, max_new_tokens=2, budget=10, tick=done.append)
    assert sum(done) == len(PROMPTS) and len(done) > 1


def test_a_cache_may_take_the_memory_of_the_logits() -> None:
    model = tiny_model()  # 2 layers of 2 heads of width 8: 64 numbers a token
    assert cached_tokens(model, 100) == max(100, 100 * model.layout.vocabulary // 64)
    small = replace(model, layout=replace(model.layout, depth=1, kv_heads=1, head_dim=4))
    assert cached_tokens(small, 100) == 100 * model.layout.vocabulary // 8


@pytest.mark.parametrize("arch", ["llama", "gemma2", "gpt2"])
def test_the_cache_is_written_in_place(arch: str) -> None:
    """One store for the whole answer, the same contents as Transformers' cache, also after rows have left."""
    model = tiny_model(arch=arch)
    ids = torch.tensor([[5, 6, 7], [8, 9, 10], [11, 12, 13]])
    plain, ours = DynamicCache(config=model.network.config), reserved_cache(model, 8)
    stores = set()
    with torch.no_grad():
        for step in (ids, ids[:, :1], ids[:, 1:2]):
            for cache in (plain, ours):
                model.network(input_ids=step, past_key_values=cache, use_cache=True)
            stores.add(ours.layers[1].keys.untyped_storage().data_ptr())
        for cache in (plain, ours):
            cache.batch_select_indices(torch.tensor([0, 2]))
            model.network(input_ids=ids[:2, :1], past_key_values=cache, use_cache=True)
    assert len(stores) == 1
    for one, other in zip(plain.layers, ours.layers, strict=True):
        torch.testing.assert_close(one.keys, other.keys)
        torch.testing.assert_close(one.values, other.values)


def drawn(
    model: Model, prompts: Sequence[Sequence[int]] = PROMPTS, seeds: Sequence[int] = range(4), **options: Any
) -> list[list[str]]:
    draws = [np.random.default_rng(seed) for seed in seeds]
    usual = {"encoder": encoder(model), "samples": 5, "max_new_tokens": NEW, "temperature": 1.5}
    return generating.sample(model, prompts, draws, **{**usual, **options})


@pytest.mark.parametrize("arch", ["llama", "gemma2", "gpt2", "opt", "mistral"])
def test_samples_depend_on_their_own_generator_only(arch: str) -> None:
    """Not on neighbours, on their order, on the budget (which parts the samples of one prompt, too)."""
    model = tiny_model(arch=arch)
    together = drawn(model)
    assert together == [drawn(model, [prompt], [seed])[0] for seed, prompt in enumerate(PROMPTS)]
    assert together[::-1] == drawn(model, PROMPTS[::-1], [3, 2, 1, 0])
    for budget in (1, 50, 170):
        assert together == drawn(model, budget=budget)
    assert together != drawn(model, seeds=[4, 5, 6, 7])
    assert all(len(set(each)) > 1 for each in together)


def test_a_prompt_is_computed_once_for_all_of_its_samples() -> None:
    model = tiny_model()
    seen: list[tuple[int, ...]] = []
    handle = model.network.register_forward_pre_hook(
        lambda _, __, named: seen.append(tuple(named["input_ids"].shape)), with_kwargs=True
    )
    drawn(model, samples=7)
    handle.remove()
    assert seen[0] == (4, 9)  # prompts × longest
    assert seen[1][1] == 1 and 4 < seen[1][0] <= 28
    assert sum(width for width, _ in seen[1:]) <= 28 * (NEW - 1)


@pytest.mark.parametrize("arch", ["llama", "gemma2"])
def test_samples_follow_the_models_distribution(arch: str) -> None:
    """Two tokens after one prompt, 4000 draws of the pair: its likeliest ones come as often as they should."""
    model = tiny_model(arch=arch)
    with torch.no_grad():
        first = (model.network(input_ids=torch.tensor([[5, 6, 7]])).logits[0, -1] / 0.7).softmax(-1)
        token = int(first.argmax())
        second = (model.network(input_ids=torch.tensor([[5, 6, 7, token]])).logits[0, -1] / 0.7).softmax(-1)
    said = drawn(model, [[5, 6, 7]], [0], samples=4000, max_new_tokens=2, temperature=0.7, budget=10**6)[0]
    for following in second.topk(3).indices.tolist():
        expected = float(first[token] * second[following])
        share = said.count(spoken(model, [token, following])) / 4000
        assert abs(share - expected) <= 5 * (expected * (1 - expected) / 4000) ** 0.5


def test_at_no_temperature_samples_are_the_greedy_answer() -> None:
    model = tiny_model()
    greedy = generate(model, PROMPTS, max_new_tokens=NEW)
    assert drawn(model, temperature=1e-4, samples=3) == [[text] * 3 for text in greedy]


def test_a_number_falls_into_a_tokens_stretch() -> None:
    heights = torch.tensor([[0.0, 0.25, 0.25, 0.5, 0.0]]).log().expand(6, -1)
    numbers = torch.tensor([0.0, 0.24, 0.26, 0.49, 0.51, 1 - 2**-53], dtype=torch.float64)
    assert _draw(heights, numbers).tolist() == [1, 1, 2, 2, 3, 3]


def test_samples_of_nothing_and_progress() -> None:
    model = tiny_model()
    assert drawn(model, [], []) == []
    assert drawn(model, max_new_tokens=0) == [[""] * 5] * 4
    done: list[int] = []
    drawn(model, budget=40, tick=done.append)
    assert sum(done) == len(PROMPTS) and len(done) > 4
    with pytest.raises(ConfigError, match="positions"):
        drawn(model, max_new_tokens=300)


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_what_all_prompts_begin_with_is_read_once(arch: str) -> None:
    model = tiny_model(arch=arch)
    prompts = [[*range(3, 15), *prompt] for prompt in PROMPTS]
    sizes: list[tuple[int, ...]] = []
    note = lambda _, __, given: sizes.append(tuple(given["input_ids"].shape))
    handle = model.network.register_forward_pre_hook(note, with_kwargs=True)
    together = generate_tokens(model, prompts, max_new_tokens=NEW)
    first = sizes[:2]
    alone = [generate_tokens(model, [prompt], max_new_tokens=NEW)[0] for prompt in prompts]
    handle.remove()
    ends = sorted(end_tokens(model))
    plain = tiny_model(arch=arch, attention="eager")
    assert together == alone == [theirs(plain, prompt, ends) for prompt in prompts]
    windowed = any(getattr(layer, "sliding_window", None) for layer in reserved_cache(model, 1).layers)
    assert first == ([(4, 21), (4, 1)] if windowed else [(1, 12), (4, 9)])


@pytest.mark.parametrize("window", [33, 32])
def test_a_window_that_would_count_padding_forbids_it(window: int) -> None:
    """The longest prompt has 21 tokens, and 12 are new."""
    network = tiny_network("mistral", len(tiny_tokenizer()), sliding_window=window)
    network.set_attn_implementation("packed")
    model = replace(tiny_model(arch="mistral"), network=network)
    prompts = [[*range(3, 15), *prompt] for prompt in PROMPTS]
    sizes: list[int] = []
    note = lambda _, __, given: sizes.append(given["input_ids"].shape[1])
    handle = model.network.register_forward_pre_hook(note, with_kwargs=True)
    together = generate_tokens(model, prompts, max_new_tokens=NEW)
    assert sizes[0] == (12 if window == 33 else 21)
    handle.remove()
    assert together == [generate_tokens(model, [prompt], max_new_tokens=NEW)[0] for prompt in prompts]


def test_samples_of_prompts_that_begin_alike() -> None:
    model, prompts = tiny_model(), [[*range(3, 15), *prompt] for prompt in PROMPTS]
    ask = lambda some: generating.sample(
        model, [prompts[i] for i in some], [np.random.default_rng(i) for i in some], encoder=encoder(model), samples=3,
        max_new_tokens=NEW,
    )  # fmt: skip
    assert ask(range(4)) == [ask([i])[0] for i in range(4)]
