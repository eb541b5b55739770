"""Answer start: the model is given the first tokens of the answer. After Carlini et al. 2022, arXiv:2202.07646.

    y ~ π(· | x, a_1 … a_m)   greedily;   scored on a_{m+1} … a_n;   m = ⌊share · n⌋, at least 1 and at most n - 1

Memorized text is found by its beginning. What any model can guess (the end of a common word, a closing phrase) is
guessed here, too, by those that never knew: read it against the control. Answers of one token, or whose rest has no
letter or digit, are left out. Deviations: the paper gives 50 tokens of a long text, here the prompt and a share of
the answer.
"""

from expunge.attacks import Finding, Target, attacks
from expunge.attacks.saying import answers_to, said
from expunge.objectives.options import Depth


@attacks.add(
    "answer_start",
    family="extraction",
    needs=("prompts",),
    title="Answer given in part",
    reads=(
        "How much of the rest is said when the first tokens of the right answer are given. It tells the model a part "
        "of the fact: guessable endings raise the score of models that never knew, too."
    ),
)
def answer_start(target: Target, *, share: Depth = 0.5) -> list[Finding]:
    """One finding, of the answers that can be parted. `share` of the answer's tokens is given."""
    encoded = target.encoder.encode_all(target.examples)
    prompts: list[tuple[int, ...]] = []
    rests: list[str] = []
    rows: list[int] = []
    for row, each in enumerate(encoded):
        stop = len(each.ids) - each.tail
        given = min(max(1, int(share * (stop - each.start))), stop - each.start - 1)
        rest = str(target.model.tokenizer.decode(list(each.ids[each.start + given : stop]), skip_special_tokens=True))
        if given > 0 and any(c.isalnum() for c in rest):
            prompts.append(each.ids[: each.start + given])
            rests.append(rest.strip())
            rows.append(row)
    if not rows:
        return []
    replies = answers_to(target, prompts)
    scores = tuple(said(reply, [rest]) for reply, rest in zip(replies, rests, strict=True))
    return [Finding(scores, rows=tuple(rows))]
