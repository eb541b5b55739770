"""Whether the settings of `expunge unlearn` fit the network, seen in its outline before weights are read."""

from expunge.config import TrainConfig, UnlearnConfig
from expunge.mask import Mask
from expunge.models.builtin import Say
from expunge.models.outline import Outline, outline_of
from expunge.objectives import objectives, retain_losses
from expunge.objectives.binding import bind
from expunge.procedures import procedures
from expunge.runs.localizing import check_regions
from expunge.train.retrained import check_alike
from expunge.train.wrappers import bind_wrappers


def check_network(config: UnlearnConfig, *, say: Say = lambda _: None) -> None:
    """Raises ConfigError or ChangeError for parameters, layers and masks that the network has not.

    Also for a retrained model that is another network, and as `outline_of` for models that cannot be had.
    """
    outline, retrained = outline_of(config.model, config.load, say=say), config.train.retrained
    gold = outline_of(retrained, config.load, say=say) if retrained is not None else None
    if outline is None:
        return
    if config.train.parameters:
        Mask.parameters(outline, config.train.parameters)
    if config.train.localize is not None:
        check_regions(config.train.localize, outline)
    if config.train.method in objectives:
        _check_layers(config.train, outline)
    if config.train.method in procedures:
        procedure = procedures.get(config.train.method)
        procedure.fits(outline.layout, config.train, procedure.check(config.train))
    if gold is not None:
        check_alike(outline, gold)


def _check_layers(config: TrainConfig, outline: Outline) -> None:
    loss = bind(objectives.get(config.method), config.options)
    layer = loss.layer(outline.layout)
    if config.retain_loss is not None:
        bind(retain_losses.get(config.retain_loss), config.retain_options, beside=loss).layer(outline.layout)
    for wrapper in bind_wrappers(config.wrap):
        wrapper.check(outline.layout, layer)
