"""Whether a forget set can be given other answers: a document asks nothing, so nothing else can be said to it."""

from collections.abc import Sequence

from expunge.data.example import Example
from expunge.errors import ConfigError


def check_documents(name: str, examples: Sequence[Example]) -> None:
    """Raises ConfigError for documents without an `alternate`; `name` is the objective that wants another answer."""
    documents = [each for each in examples if each.prompt is None and each.alternate is None]
    if documents:
        first = documents[0]
        raise ConfigError(
            f"{name!r} prefers another answer to the true one, but {first.source or first.id!r} is a document, which "
            f"asks nothing ({len(documents)} such in the forget set): choose another method, or give the rows an "
            "`alternate`"
        )
