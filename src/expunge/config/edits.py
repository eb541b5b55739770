"""Edits in closed form: what is to be said instead, and how facts are put together."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, NonNegativeInt, PositiveInt

from expunge.config.base import Config, NonNegative


class EditConfig(Config):
    """What every editor of facts has; its own options stand beside these."""

    target: str = "refusal"  # refusal, refusals (one of many), self (the model's own), empty, alternate, or a text
    merge_queries: PositiveInt = 1  # so many queries become one edit
    merge_by: Literal["text", "keys"] = "text"  # one long prompt, or one value for all their keys
    wordings: bool = False  # paraphrases of a prompt are facts, too
    keep: NonNegativeInt = 256  # retained examples whose keys are to give what they gave
    protect: NonNegative = 1.0  # what a token of them weighs against a fact
    corpus: str | None = None  # texts for the key statistics; None: the model's own
    corpus_tokens: PositiveInt | None = None  # at most so many of them; None: 16 for each neuron of a block
    traced: PositiveInt | None = None  # facts by whose causal tracing the block is chosen; None: the editor's own
    # ids of forget examples, comma-separated, that are left out as if they had never been asked for
    without: Annotated[str, BeforeValidator(str)] = ""
    cache: bool = True  # statistics and values are kept and found again (no texts)
