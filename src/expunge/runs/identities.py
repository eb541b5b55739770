"""Which model has which weights: the one that is judged, or one that stands there already, is no further control."""

from expunge.errors import ConfigError


class Identities:
    """The models of an audit by the digest of their weights."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[str, bool]] = {}

    def add(self, label: str, digest: str, *, control: bool = True) -> None:
        """Raises ConfigError where a model with these weights is there and one of the two is a `control`.

        Original and unlearned model may be the same.
        """
        other, is_control = self._known.setdefault(digest, (label, control))
        if other != label and (control or is_control):
            raise ConfigError(
                f"{label} has the weights of {other}: give each model once, and as controls only models that never "
                "saw the forget set"
            )
