"""Does it erase, or only hide? Half of the forget persons is taught again, the other half is asked.

Twins of that other half, persons who never were in any text, are asked beside it: what they gain is what a model that
never knew gains by learning to guess.
"""

from expunge.config import ClueStudyConfig
from expunge.studies.clue.scene import Scene
from expunge.train.finetune import fit
from expunge.train.selection import halves


def relearnt(scene: Scene, config: ClueStudyConfig) -> dict[str, float]:
    """Levels of the half that is not taught and of its twins, before and after. The model is left as it was."""
    taught, asked = halves(scene.sets.forget, scene.seed)
    names = {example.id for example in asked}
    twins = [example for example in scene.sets.twins if example.group in names]
    found = {"before": scene.level(asked), "twins before": scene.level(twins)}
    settings = config.relearn.model_copy(update={"seed": scene.seed})
    change = fit(scene.model, taught, settings, lambda _: 0.0, convention=scene.suite.convention).change
    with change.applied_to(scene.model):
        return {**found, "after": scene.level(asked), "twins after": scene.level(twins)}
