"""Texts that are too long for the convention, found all at once: nothing is ever cut off silently."""

from collections.abc import Iterator, Sequence

from expunge.data.convention import Encoder
from expunge.data.example import Example, Sets
from expunge.data.problems import Place, Problems
from expunge.errors import ConfigError


def check_lengths(encoder: Encoder, sets: Sets, *further: Sequence[Example]) -> None:
    """Raises DataError for every text that is cut off by the limit or cannot be encoded, in all sets at once.

    `further` are sets beside the four, which are only measured. Checks each prompt with each answer that a run may
    give it: paraphrases, wrong answers, alternates.
    """
    problems = Problems()
    for examples in (*(each for _, each in sets.named()), *further):
        for example in examples:
            place = Place(example.source or example.id)
            try:
                suspects = [each for each in _variants(example) if _is_suspect(encoder, *each)]
                encoded = encoder.measure(wanted for _, wanted in suspects)
            except ConfigError as error:  # a chat template that refuses this conversation
                problems.add(place, None, str(error))
                continue
            for (field, _), tokens in zip(suspects, encoded, strict=True):
                if what := encoder.problem(tokens):
                    problems.add(place, field, what)
    problems.check()


def _variants(example: Example) -> Iterator[tuple[str, tuple[Example, str | None, str | None]]]:
    yield "answer", (example, None, None)
    for i, prompt in enumerate(example.paraphrases):
        yield f"paraphrases[{i}]", (example, prompt, None)
    for i, answer in enumerate(example.perturbed_answers):
        yield f"perturbed_answers[{i}]", (example, None, answer)
    for field in ("paraphrased_answer", "alternate"):
        if (answer := getattr(example, field)) is not None:
            yield field, (example, None, answer)


def _is_suspect(encoder: Encoder, field: str, wanted: tuple[Example, str | None, str | None]) -> bool:
    """An example's own answer must also have a token to score, so it is always tokenized."""
    return field == "answer" or not encoder.surely_fits(*wanted)
