"""How a model is put into memory, and how text becomes tokens."""

from typing import Annotated, Literal

from pydantic import AfterValidator, PositiveInt, field_validator

from expunge.config.base import Config


class ConventionConfig(Config):
    """How text becomes tokens and labels. Stated in `data/convention.py`."""

    template: str = "auto"  # "auto", "chat", "plain", or a string with {prompt} and {answer}
    system_prompt: str | None = None
    end: bool | None = None  # append the end token to answers; None: yes, except with "plain"
    max_length: PositiveInt = 1024
    compat: Literal["none", "openunlearning"] = "none"  # another project's labels and mask, to compare numbers with it

    @field_validator("template")
    @classmethod
    def _known(cls, template: str) -> str:
        first, second = template.find("{prompt}"), template.find("{answer}")
        once = template.count("{prompt}") == template.count("{answer}") == 1
        if template not in ("auto", "chat", "plain") and not (once and first < second):
            raise ValueError(
                f'template {template!r}: use "auto", "chat", "plain" or a string that has {{prompt}} and then '
                "{answer}, each of them once"
            )
        return template


class LoadConfig(Config):
    """How a model is put into memory."""

    device: str = "auto"
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"  # of the weights in memory: the master copy
    attention: str = "packed"  # padding-free, on top of sdpa; scoring and training need it
    trust_remote_code: bool = False


def _packed(load: LoadConfig) -> LoadConfig:
    if load.attention != "packed":
        raise ValueError(
            f"attention {load.attention!r}: what is scored or trained needs 'packed', which the model gets when "
            "`attention` is left out"
        )
    return load


ScoringLoad = Annotated[LoadConfig, AfterValidator(_packed)]  # of runs that score or train
