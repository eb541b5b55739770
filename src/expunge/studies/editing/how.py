"""What the report says of how it was run, and of what that cannot show."""

from collections.abc import Iterator, Mapping, Sequence

from expunge.config import EditingStudyConfig, parse_name
from expunge.report.numbers import listed, percent
from expunge.studies.compared import power
from expunge.studies.editing.arms import is_editor, methods, middle
from expunge.studies.editing.comparing import Comparison, Results
from expunge.studies.editing.editing import Chosen
from expunge.studies.editing.trials import POOR, Trial, candidates
from expunge.studies.editing.wording import DESCRIPTIVE
from expunge.studies.people import is_world

_FEW = (
    "Whether the floor was held compares the same subjects of the edited facts with those of all facts of the unedited "
    "model: facts differ in how well they are known, so with one fact it says little."
)


def how(config: EditingStudyConfig, chosen: Chosen | None) -> list[str]:
    """What was given to whom."""
    world = is_world(config.suite)
    lines = [
        f"{_edited(config)} {_given(config)} {_trained(config)}",
        _pilot(config, chosen),
        "Fine-tuned knowledge: a model that never saw the persons is taught all texts about them, with "
        f"{config.replay:g} retained texts for each." if "finetuned" in config.knowledge and world else "",
        "Targets: fixed is one refusal; many is one of several; named is a refusal that names the subject, in the "
        "world of people in place of the model's own words (a network of a million parameters follows no instruction), "
        "elsewhere the model's own (self-improved), written before anything is changed, the same for all methods; "
        "empty is nothing.",
        "" if world else "What editors write ends with the end token. What trains is given refusals as the suite "
        "writes answers: where that is without an end token, what follows a refusal is the model's own.",
    ]  # fmt: skip
    return [line for line in lines if line]


def _edited(config: EditingStudyConfig) -> str:
    said = f"Facts are edited by their question; {listed([str(n) for n in config.numbers])} at once."
    if 1 in (*config.numbers, *config.kinds_at):
        said += f" Single facts are {config.singles} a seed, each alone, averaged."
    return said


def _given(config: EditingStudyConfig) -> str:
    """To editors."""
    texts = (
        "a corpus" if config.corpus
        else "the texts that do not tell of the facts" if is_world(config.suite)
        else "the model's own texts, drawn once"
    )  # fmt: skip
    keeping = [each for each in methods(config) if is_editor(each) and parse_name(each)[1].get("keep")]
    besides = f", but to {listed(keeping)}" if keeping else ""
    return (
        f"Key statistics come from {texts}, and so does what an editor asks for that is to stay; the retain set is not "
        f"given to editors, as in the papers{besides}."
    )


def _trained(config: EditingStudyConfig) -> str:
    rows = f" on at most {config.eval_rows} rows of each set" if config.eval_rows else ""
    return (
        f"What trains gets it: {config.steps} steps of {config.batch_size} rows, measured {config.evaluations} times"
        f"{rows}, and the step is kept that comes nearest to never-known with {percent(config.utility_floor)} of the "
        "utility."
    )


def _pilot(config: EditingStudyConfig, chosen: Chosen | None) -> str:
    """Only what had several candidates was chosen."""
    several = [method for method in methods(config) if len(candidates(config, method)) > 1]
    what = ["the block of editors (a share of the depth)"] if any(map(is_editor, several)) else []
    what += ["the learning rate of what trains"] if not all(map(is_editor, several)) else []
    if not what:
        return "No settings were tried beforehand: all methods have their own, or the one that the study names."
    on = (
        f"a pilot seed (number {config.seeds}) that no result below has" if is_world(config.suite)
        else f"the order and the facts of seed {config.seeds}, which may share facts with the results"
    )  # fmt: skip
    found = [f"{m} {v:g}" for m, v in (chosen or {}).items() if v is not None]
    said = listed(found) if found else "nothing" if chosen else "not yet"
    return (
        f"Settings were chosen on {on}, with {middle(config)} facts, by the distance to never-known with the floor "
        f"held: {listed(what)}. Chosen: {said}."
    )


def tried(several: Sequence[Trial]) -> Iterator[str]:
    """What the pilot could not make work, and where it should have looked further."""
    if not several:
        return
    yield (
        "A loss of the pilot is the distance of the facts' probability to never-known; where the floor was not held, 1 "
        "and what is missing to it."
    )
    if poor := [f"{each.method} ({each.best:.2f})" for each in several if each.best > POOR]:
        yield f"Never brought to work, with a best loss above {POOR:g}: {listed(poor)}."
    if ends := [f"{each.method} ({each.chosen:g})" for each in several if each.at_the_end]:
        yield (
            "What was chosen lies at the end of the grid, so a better one may lie beyond, where there is any beyond: "
            f"{listed(ends)}."
        )


def limits(results: Results, families: Mapping[str, Sequence[Comparison]]) -> list[str]:
    """What this scale and this design cannot say."""
    config = results.config
    lines = [
        *power([each for several in families.values() for each in several], "of the measure"),
        *(_of_a_world() if is_world(config.suite) else [DESCRIPTIVE, _FEW]),
        "The wording of the paper's instruction, its procedure of merging, its data and its tables are not published: "
        "both recipes here are reconstructions, and no human judged a refusal.",
        "Settings were tried with one number of facts, and serve the others as they are.",
    ]
    if len(config.knowledge) > 1:
        first, *others = config.knowledge
        lines.append(f"They were chosen on {first} knowledge only, and serve {listed(others)} knowledge as they are.")
    return lines


def _of_a_world() -> list[str]:
    return [
        "Networks of a million parameters have no null space to speak of: a ranking of MEMIT and AlphaEdit here says "
        "nothing of large models, and which of them is better was not to be asserted. What is exact (that ROME "
        "inserts, that AlphaEdit leaves the removed directions alone) is tested by algebra instead.",
        "What trains draws from all retained rows, of which one half is measured as neighbours and among others; the "
        "corpus of editors holds retained texts, too. So what is measured there is new to neither.",
    ]
