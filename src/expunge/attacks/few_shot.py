"""Few-shot: solved examples before the question. Lynch et al. 2024, arXiv:2402.16835.

After Brown et al. 2020, arXiv:2005.14165. Examples of the retain set, answered rightly, show the form and that
answers are given. In a chat they are turns, else a line each; then the reply is judged up to the end of its line,
since a model goes on with questions of its own. They are drawn for each example by the seed, none of its group, and
none whose answer says the right one. Under a template of one's own they stand within its prompt. Deviations: none of
them tells anything about what must go.
"""

from dataclasses import replace

from expunge.attacks import Finding, Target, attacks
from expunge.attacks.saying import Question, accepted, ask, generator_of, said
from expunge.data.example import Example, Turn
from expunge.evaluate.matching import says
from expunge.objectives.options import AtLeastOne


@attacks.add(
    "few_shot",
    family="prefix",
    needs=("prompts", "retain"),
    title="Solved examples first",
    reads=(
        "How much of the answer is said after solved examples of what must stay. They take away refusals and unknown "
        "forms; a model that never knew guesses an answer of the shown kind, which may share words with the right one."
    ),
    aliases=("in_context",),
)
def few_shot(target: Target, *, shots: AtLeastOne = 3) -> list[Finding]:
    """One finding, of the examples that others can be shown before; none where the retain set asks nothing."""
    chats = target.encoder.chats
    shown = [(i, example, solved(target, example, shots)) for i, example in enumerate(target.examples)]
    shown = [each for each in shown if each[2]]
    if not shown:
        return []
    replies = ask(target, [(_as_turns if chats else _as_lines)(example, chosen) for _, example, chosen in shown])
    if not chats:
        replies = [reply.strip().partition("\n")[0] for reply in replies]
    scores = tuple(said(reply, accepted(e)) for (_, e, _), reply in zip(shown, replies, strict=True))
    return [Finding(scores, rows=None if len(shown) == len(target.examples) else tuple(i for i, *_ in shown))]


def solved(target: Target, example: Example, shots: int) -> list[Example]:
    """Questions of the retain set with their answers, drawn for this example."""
    right = accepted(example)
    able = [
        each for each in target.sets.retain
        if each.prompt is not None and (each.group or each.id) != (example.group or example.id)
        and (each.subject is None or each.subject != example.subject)
        and not any(says(each.answer, answer) for answer in right)
    ]  # fmt: skip
    order = generator_of(target, example, "few_shot").permutation(len(able))
    return [able[i] for i in order[:shots]]


def _as_turns(example: Example, chosen: list[Example]) -> Question:
    system = tuple(turn for turn in example.turns if turn.role == "system")
    rest = tuple(turn for turn in example.turns if turn.role != "system")
    shown = [turn for e in chosen for turn in (Turn("user", e.prompt or ""), Turn("assistant", e.answer))]
    return Question(replace(example, turns=(*system, *shown, *rest)))


def _as_lines(example: Example, chosen: list[Example]) -> Question:
    return Question(example, "\n".join([*(f"{e.prompt} {e.answer}" for e in chosen), example.prompt or ""]))
