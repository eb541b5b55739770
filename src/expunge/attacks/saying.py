"""What a model says when it is asked, and how much of an accepted answer that is."""

from collections.abc import Sequence

from expunge.attacks import Target
from expunge.data.example import Example
from expunge.evaluate.matching import says
from expunge.models.generating import generate


def said(text: str, answers: Sequence[str]) -> float:
    """1 if an accepted answer stands in the text, else the largest ROUGE-L recall of one.

    >>> said("It is in Paris, I think.", ["Paris"])
    1.0
    """
    if any(says(text, answer) for answer in answers):
        return 1.0
    from rouge_score.rouge_scorer import RougeScorer  # imports nltk: a second

    scorer = RougeScorer(["rougeL"], use_stemmer=True)
    return max(float(scorer.score(answer, text)["rougeL"].recall) for answer in answers)


def ask(target: Target, examples: Sequence[Example]) -> list[str]:
    """The model's greedy answers, in the order of the examples."""
    prompts = [target.encoder.encode_prompt(example) for example in examples]
    return generate(target.model, prompts, max_new_tokens=target.max_new_tokens, budget=target.budget, bf16=target.bf16)
