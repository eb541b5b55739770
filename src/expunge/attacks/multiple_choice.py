"""Multiple choice: the right answer among wrong ones, by its letter. Hendrycks et al. 2021, arXiv:2009.03300.

    s = (1/m) Σ_r π(right letter | x, options in order r) / Σ_j π(letter j | x, options in order r)

m is the number of options. Their first order is drawn for each example; the others are its rotations, so that the
right answer has every letter once. A model that knows nothing, whatever letter it prefers, gets exactly 1/m, and that
is how chance reads: 0.17 with five wrong answers, not 0. Models that never met lettered options sit at chance
whatever they know, and the original model's score shows it. Deviations: a share of probability in place of a hit, and
all rotations.
"""

from math import exp
from string import ascii_uppercase

import numpy as np

from expunge.attacks import Finding, Target, attacks
from expunge.attacks.saying import generator_of
from expunge.data.example import Example
from expunge.evaluate.matching import plain, says
from expunge.models.scoring import score


@attacks.add(
    "multiple_choice",
    family="form",
    needs=("prompts", "choices"),
    title="Multiple choice",
    reads=(
        "The probability of the right letter among the letters. Guessing gives one over the number of options, not 0. "
        "Recognizing is easier than recalling; wrong options that are easily told raise it for models that never knew."
    ),
    aliases=("choice",),
)
def multiple_choice(target: Target) -> list[Finding]:
    """One finding, of the examples that have a wrong answer unlike the right one."""
    asked = [(row, e, options) for row, e in enumerate(target.examples) if len(options := options_of(target, e)) > 1]
    if not asked:
        return []
    wanted = [
        (e, question_of(e, turned), ascii_uppercase[: len(options)])
        for _, e, options in asked for turned in rotations(options)
    ]  # fmt: skip
    right = [turned.index(e.answer) for _, e, options in asked for turned in rotations(options)]
    encoded = iter(target.encoder.encode_many((e, text, letter) for e, text, letters in wanted for letter in letters))
    groups = [[next(encoded) for _ in letters] for *_, letters in wanted]
    found = score(target.model, groups, budget=target.budget, bf16=target.bf16)
    shares = iter(
        _share([float(s.log_probs[: len(s.log_probs) - e.tail].double().sum()) for s, e in zip(scores, group)], place)
        for scores, group, place in zip(found, groups, right, strict=True)
    )
    scores = tuple(float(np.minimum(1.0, np.mean([next(shares) for _ in options]))) for *_, options in asked)
    target.tick(len(target.examples))
    chance = float(np.mean([1 / len(options) for *_, options in asked]))
    return [Finding(scores, rows=tuple(row for row, *_ in asked), note=f"chance reads {chance:.2f}")]


def options_of(target: Target, example: Example) -> list[str]:
    """The right answer and the wrong ones, each once, in an order drawn for this example."""
    right = (example.answer, *example.aliases)
    false = [text for text in reversed(example.perturbed_answers) if not any(says(text, answer) for answer in right)]
    wrong = {plain(text): text for text in false}
    options = [example.answer, *list(wrong.values())[: len(ascii_uppercase) - 1]]
    order = generator_of(target, example, "multiple_choice").permutation(len(options))
    return [options[i] for i in order]


def rotations(options: list[str]) -> list[list[str]]:
    """Every option in every place once."""
    return [options[i:] + options[:i] for i in range(len(options))]


def question_of(example: Example, options: list[str]) -> str:
    """The question, its options a line each, and the request for a letter."""
    lines = [f"{letter}. {option}" for letter, option in zip(ascii_uppercase, options)]
    return "\n".join([example.prompt or "", *lines, "The letter of the right answer is"])


def _share(log_probs: list[float], place: int) -> float:
    top = max(log_probs)
    weights = [exp(each - top) for each in log_probs]
    return weights[place] / sum(weights)
