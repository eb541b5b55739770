"""`expunge count --proxy`: what stands in for counts where the corpus is closed, read off a model or off word lists."""

from collections.abc import Sequence
from pathlib import Path

from expunge.config import By, CountConfig
from expunge.data.example import Example, Sets
from expunge.data.lengths import check_lengths
from expunge.evaluate.ranks import rank_correlation
from expunge.frequency.ordering import FIELDS, check_proxy
from expunge.frequency.popularity import popularities
from expunge.models.finding import find, split_change
from expunge.record_count import Counting
from expunge.runs.phases import Phases

_SAID = {
    "margin": "the mean margin of the answer's tokens over the likeliest others",
    "paraphrase": "the median log-probability a token of the answer after other wordings",
    "popularity": "the rarer of subject and answer in general English (Zipf frequency; data of 2021)",
}


def check_proxies(config: CountConfig, examples: Sequence[Example]) -> None:
    """Raises for what can be seen to be wrong before a model is loaded: examples, the model's name, a missing extra."""
    assert config.proxy is not None
    check_proxy(config.proxy, examples)
    if config.proxy == "popularity":
        popularities(())
    if config.model is not None:
        find(split_change(config.model)[0])


def rated(config: CountConfig, examples: Sequence[Example], phases: Phases) -> list[float]:
    """The proxy of every example, to six digits."""
    assert config.proxy is not None
    if config.proxy == "popularity":
        values = popularities(examples)
    else:
        from expunge.data.convention import Encoder  # torch is not needed to count
        from expunge.frequency.proxies import proxy_values
        from expunge.models.loading import load_model

        assert config.model is not None
        with phases.phase("loading the model"):
            model = load_model(config.model, config.load, say=phases.say)
        encoder = Encoder(model.tokenizer, config.convention, model.layout.places)
        check_lengths(encoder, Sets(forget=tuple(examples)))
        with phases.phase("rating", len(examples)) as tick:
            values = proxy_values(config.proxy, model, encoder, examples, tick=tick)
    return [float(f"{value:.6g}") for value in values]


def rating(proxy: By, examples: Sequence[Example], values: Sequence[float]) -> Counting:
    """For the record: how the values lie, and how well they order examples that have counts as the counts do."""
    from statistics import quantiles

    both = [(value, e.count, e.group or e.id) for value, e in zip(values, examples, strict=True) if e.count is not None]
    rho, interval = None, None
    if len({count for _, count, _ in both}) > 1 and len({value for value, *_ in both}) > 1:
        rho, interval = rank_correlation(*([row[i] for row in both] for i in range(3)))  # type: ignore[arg-type]
    ordered = sorted(values)
    cuts = quantiles(ordered, n=4, method="inclusive") if len(ordered) > 1 else [ordered[0]] * 3
    return Counting(
        engine="proxy", together=f"{FIELDS[proxy]}, a proxy: {_SAID[proxy]}", files=0, bytes=0, examples=len(examples),
        counted=len(values), found=len(values), rho=rho, rho_interval=interval, rho_examples=len(both),
        quantiles=dict(zip(("0", "1/4", "1/2", "3/4", "1"), (ordered[0], *cuts, ordered[-1]))),
    )  # fmt: skip


def said_of(counting: Counting, proxy: By, out: Path) -> tuple[str, ...]:
    """What a person reads."""
    low, middle, high = (counting.quantiles[name] for name in ("0", "1/2", "1"))
    lines = [
        f"{counting.counted} examples of {out.name} have `{FIELDS[proxy]}`: from {low:.3g} to {high:.3g}, median "
        f"{middle:.3g}. It orders facts; it counts nothing"
    ]
    if counting.rho is not None:
        low, high = counting.rho_interval or (None, None)
        reach = "" if low is None or high is None else f" [{low:.3f}, {high:.3f}]"
        lines.append(f"rank correlation with the counts of {counting.rho_examples} examples: {counting.rho:.3f}{reach}")
    return tuple(lines)
