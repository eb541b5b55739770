"""Tokens that attention does not see: OpenUnlearning's mask, which hides the end token wherever it stands."""

from dataclasses import replace

import pytest
import torch

from byte_tokenizer import CHATML, byte_tokenizer
from expunge.config import ConventionConfig
from expunge.data.convention import Encoded, Encoder
from expunge.data.example import Example, Turn
from expunge.data.forest import plant
from expunge.errors import ConfigError
from expunge.models.generating import generate_tokens
from expunge.models.model import Model
from expunge.models.scoring import score
from tiny import ARCHITECTURES, tiny_model

HIDDEN = 4
A = Encoded((5, 4, 7, 8, 4, 9, 4, 2), 4, "a", 1, HIDDEN)
B = Encoded((5, 4, 7, 8, 6), 4, "b", 1, HIDDEN)  # shares A's prompt
C = Encoded((4, 4, 7, 5, 6), 2, "c", 1, HIDDEN)  # begins with what nobody sees
LENGTHY = Encoded((5, 4, 7, 8, 9, 10, 4, 12, 13, 14, 15, 16), 8, "long", 1, HIDDEN)  # beyond a window of 6
THEIRS = ConventionConfig(compat="openunlearning")


def masked(model: Model, encoded: Encoded) -> torch.Tensor:
    """As OpenUnlearning has it: the mask is `ids != padding`, positions count all tokens."""
    ids = torch.tensor([encoded.ids])
    mask = (ids != encoded.hidden).long()
    with torch.no_grad():
        logits = model.network(
            input_ids=ids, attention_mask=mask, position_ids=torch.arange(ids.shape[1])[None], use_cache=False
        ).logits[0]
    rows = logits[encoded.start - 1 : -1].float().log_softmax(-1)
    return rows.gather(1, ids[0, encoded.start :, None])[:, 0]


@pytest.mark.parametrize("arch", [each for each in ARCHITECTURES if each != "opt"])  # whose positions follow the mask
def test_nobody_sees_a_hidden_token(arch: str) -> None:
    model, plain = tiny_model(arch=arch), tiny_model(arch=arch, attention="eager")
    scored = score(model, [[A, B], [LENGTHY]])
    for encoded, got in zip((A, B, LENGTHY), (*scored[0], *scored[1])):
        torch.testing.assert_close(got.log_probs, masked(plain, encoded), rtol=1e-5, atol=1e-5)


def test_what_a_hidden_token_is_does_not_matter() -> None:
    """Another token in its place changes what is predicted there, and nothing after it."""
    model = tiny_model()
    other = replace(A, ids=(5, 11, 7, 8, 4, 9, 4, 2), hidden=11)
    one, two = (score(model, [[replace(each, ids=(*each.ids[:4], 6, 9, 3, 2))]])[0][0] for each in (A, other))
    torch.testing.assert_close(one.log_probs, two.log_probs, rtol=1e-6, atol=1e-6)
    seen = score(model, [[replace(A, hidden=None)]])[0][0]
    assert not torch.allclose(seen.log_probs, score(model, [[A]])[0][0].log_probs, atol=1e-3)


def test_a_token_that_sees_nothing_sees_itself() -> None:
    forest = plant([[C], [B]])
    assert forest.ancestors is not None
    assert forest.ancestors[0, :4, :4].int().tolist() == [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 1, 1]]
    for window in (None, 2):
        assert bool(forest.mask(window).any(-1).all())  # type: ignore[union-attr]
    assert not bool(forest.mask(2)[1, 0, 1, 1])  # type: ignore[index]  # hidden from itself, too, where it sees another
    assert score(tiny_model(), [[C]])[0][0].log_probs.isfinite().all()


def test_without_hidden_tokens_there_is_no_mask() -> None:
    assert plant([[replace(A, hidden=None)], [replace(B, hidden=None)]]).ancestors is None
    assert plant([[replace(A, hidden=30)]]).ancestors is None  # it does not occur


@pytest.mark.parametrize("arch", ["llama", "gemma2", "gpt2"])
def test_generation_hides_them_and_does_not_count_them(arch: str) -> None:
    """As Transformers generates under that mask."""
    model, plain = tiny_model(arch=arch), tiny_model(arch=arch, attention="eager")
    prompts = [[5, 4, 7, 8, 4, 10, 11], [20, 4, 3], [8, 9]]
    expected = []
    for prompt in prompts:
        ids = torch.tensor([prompt])
        with torch.no_grad():
            output = plain.network.generate(
                ids, attention_mask=(ids != HIDDEN).long(), max_new_tokens=8, do_sample=False, pad_token_id=0,
                eos_token_id=[1],
            )  # fmt: skip
        expected.append([token for token in output[0, len(prompt) :].tolist() if token != 1])

    def said(hidden: int | None) -> list[list[int]]:
        encoder = Encoder(model.tokenizer)
        encoder.hidden = hidden
        return generate_tokens(model, prompts, encoder=encoder, max_new_tokens=8)

    assert said(HIDDEN) == expected
    assert said(30) == said(None)


def chat_tokenizer():
    tokenizer = byte_tokenizer(template=CHATML)
    tokenizer.eos_token = "<|im_end|>"
    tokenizer.pad_token = "<|im_end|>"
    return tokenizer


def test_labels_are_all_that_the_template_writes_and_one_more_end() -> None:
    tokenizer = chat_tokenizer()
    encoder = Encoder(tokenizer, THEIRS)
    example = Example(id="x", prompt="Who?", answer=" Po", turns=(Turn("system", "S"),))
    encoded = encoder.encode(example)
    end = tokenizer.convert_tokens_to_ids("<|im_end|>")
    assert tokenizer.decode(encoded.ids) == (
        "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nWho?<|im_end|>\n<|im_start|>assistant\n Po"
        "<|im_end|>\n<|im_end|>"
    )
    assert tokenizer.decode(encoded.ids[encoded.start :]) == " Po<|im_end|>\n<|im_end|>"
    assert (encoded.tail, encoded.hidden, encoder.hidden) == (1, end, end)
    assert encoder.answer_text(example) == " Po\n"
    assert Encoder(tokenizer).answer_text(example) == " Po"
    assert encoder.encode_prompt(example) == list(encoded.ids[: encoded.start])


def test_a_padding_token_of_its_own_hides_nothing_that_occurs() -> None:
    tokenizer = chat_tokenizer()
    tokenizer.pad_token = "<eos>"
    encoded = Encoder(tokenizer, THEIRS).encode(Example(id="x", prompt="Who?", answer="Po"))
    assert encoded.hidden not in encoded.ids


def test_plain_texts_and_documents() -> None:
    encoder = Encoder(byte_tokenizer(), ConventionConfig(template="plain", compat="openunlearning"))
    answer = encoder.encode(Example(id="x", prompt="Who?", answer="Po"))
    assert answer.ids[-1] == encoder.tokenizer.eos_token_id
    document = encoder.encode(Example(id="d", prompt=None, answer="Polo"))
    assert document.ids[-1] != encoder.tokenizer.eos_token_id
    assert document.tail == 1


def test_how_answers_end_cannot_be_said_twice() -> None:
    with pytest.raises(ConfigError, match="leave `end` out"):
        Encoder(byte_tokenizer(), ConventionConfig(end=False, compat="openunlearning"))
