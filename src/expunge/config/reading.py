"""Settings from plain values and back: checked, merged, compared with the defaults, and read from NAME:key=value."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from expunge.config.base import Config
from expunge.errors import ConfigError

C = TypeVar("C", bound=Config)
_EITHER = ("epochs", "max_steps")  # one takes the other's place
_WHOLE = ("columns", "options", "retain_options", "models")  # replaced, not merged: they belong to one file or method


def settings(kind: type[C], values: Mapping[str, Any], where: str = "") -> C:
    """A settings object from plain values; all problems at once as one ConfigError."""
    try:
        return kind(**values)
    except ValidationError as error:
        lines = []
        for problem in error.errors(include_url=False):
            name = ".".join(str(part) for part in problem["loc"])
            if problem["type"] == "extra_forbidden":
                lines.append(f"{name}: there is no such setting.{_nearest(kind, problem['loc'])}")
            else:
                text = problem["msg"].removeprefix("Value error, ")
                lines.append(f"{name}: {text}" if name else text)
        raise ConfigError("\n".join(f"{where}{': ' if where else ''}{line}" for line in lines)) from None


def over(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Nested settings, those of `above` winning."""
    replaced = _EITHER if any(above.get(name) is not None for name in _EITHER) else ()
    merged = {name: value for name, value in below.items() if name not in replaced}
    for name, value in above.items():
        nested = isinstance(value, dict) and name in merged and name not in _WHOLE
        if nested and not isinstance(merged[name], dict):
            raise ConfigError(f"{name}: expected settings (name: value), found {merged[name]!r}")
        merged[name] = over(merged[name], value) if nested else value
    return merged


def _nearest(kind: type[BaseModel], path: tuple[int | str, ...]) -> str:
    """The hint for a misspelt key."""
    fields: Any = kind
    for part in path[:-1]:
        fields = fields.model_fields[str(part)].annotation
        fields = next((each for each in get_args(fields) if hasattr(each, "model_fields")), fields)  # X | None
    near = get_close_matches(str(path[-1]), fields.model_fields, n=1)
    return f" Did you mean {near[0]!r}?" if near else f" Known: {', '.join(fields.model_fields)}"


def differing(config: BaseModel, default: BaseModel | None = None, prefix: str = "") -> dict[str, Any]:
    """Dotted name → value, where a setting differs from its default."""
    found: dict[str, Any] = {}
    for name, field in type(config).model_fields.items():
        value = getattr(config, name)
        usual = getattr(default, name) if default is not None else field.default
        if isinstance(value, BaseModel):
            inner = differing(value, usual if isinstance(usual, BaseModel) else None, f"{prefix}{name}.")
            found.update(inner or ({} if isinstance(usual, BaseModel) else {f"{prefix}{name}": {}}))  # {}: all defaults
        elif field.is_required() or value != usual:
            found[f"{prefix}{name}"] = value
    return found


def parse_name(text: str) -> tuple[str, dict[str, Any]]:
    """`NAME:key=value,key=value` as it stands on the command line and in recipes.

    >>> parse_name("npo:beta=0.2,n=3")
    ('npo', {'beta': 0.2, 'n': 3})
    """
    name, _, rest = text.partition(":")
    options: dict[str, Any] = {}
    for pair in filter(None, rest.split(",")):
        key, equals, value = pair.partition("=")
        if not equals or not key.strip():
            raise ConfigError(f"{text!r}: expected NAME:key=value,key=value, found {pair!r}")
        options[key.strip()] = _literal(value.strip())
    return name.strip(), options


def _literal(text: str) -> float | int | bool | str:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
