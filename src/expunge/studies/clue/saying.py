"""What a model says when it is asked: ROUGE-L recall of its greedy answers, as TOFU has it (`rouge_l_recall.py`).

FE asks which token is the likeliest after the right ones; here the model goes on by itself.
"""

from expunge.evaluate.observations import observe
from expunge.evaluate.rouge_l_recall import rouge_l_recall
from expunge.studies.clue.scene import FORGET, TEST, Scene
from expunge.studies.people import BUDGET

ASKED = {"forget": FORGET, "retain": TEST}


def said(scene: Scene) -> dict[str, float]:
    """Of the forget rows and of retained ones that choose nothing: the share of the right words that it says."""
    found = {}
    for name, title in ASKED.items():
        seen = observe(
            scene.model, scene.groups[title], scene.encoder, {"generations"},
            max_new_tokens=scene.suite.evaluate.max_new_tokens, budget=BUDGET,
        )  # fmt: skip
        found[name] = rouge_l_recall(seen.generations, seen.answers).value
    return found
