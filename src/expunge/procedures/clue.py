"""Conflict-guided localization for unlearning (CLUE). Chen et al. 2026, arXiv:2509.20977.

    stage 1   min_{θ_f} E_{D_f} L(y_f | x; M_f ⊙ θ_f + (1 - M_f) ⊙ θ_o)
    stage 2   min_{θ_c} E_{D_f} L(y_f | x; M_c ⊙ θ_c + (1 - M_c) ⊙ θ_o) + λ E_{D_r} L(y | x; the same)

M_f are the weights of forget nodes, M_c those of conflict nodes (`circuits/`); everything else stays bit for bit,
weight decay included. Retain sets from several files are a circuit each. L is the refusal's likelihood (PO) unless
`loss` says otherwise; six epochs, one of them stage 1's. λ is `retain_weight`, or chosen among `weights` by the rule
that chooses checkpoints, to which the end of stage 1 is a candidate like any other. `recompute` looks for the circuits
again between the stages, for they move (the authors' first limitation).

Deviations: the text prints M_f in stage 2, a slip; circuits by half-path attribution unless `engine=pruning`, which is
the text's; the exact solver and its ties (`circuits/solve.py`); a stage without nodes gives its epochs to the other, so
that stage 1 goes on where `recompute` finds no conflict; without a retain loss stage 2 has the forget loss alone, which
is said; the kept point is chosen by our rule, not the last; losses that look at a reference see in stage 2 the model of
stage 1. The released code trains all weights (its masks are loaded and never applied), so the text is followed.
"""

import json
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from pathlib import Path

from expunge.atomic import atomic_file
from expunge.change import WeightChange
from expunge.change.fingerprint import Fingerprint
from expunge.circuits.classes import circuits_of, mask_of, said_of, silent, what_it_depends_on
from expunge.circuits.contrast import check_swap
from expunge.config import CircuitsConfig, ClueConfig, ConventionConfig, TrainConfig, parse_name
from expunge.data.by_file import by_file
from expunge.data.convention import Encoder
from expunge.data.example import Sets
from expunge.errors import ConfigError, DivergedError
from expunge.mask import Mask
from expunge.models.halfway import Halfway
from expunge.models.layout import Layout
from expunge.models.model import Model
from expunge.objectives import objectives, retain_losses
from expunge.objectives.binding import bind
from expunge.objectives.documents import check_documents
from expunge.parameters import parameters_of
from expunge.procedures import Phase, Proceeded, procedures
from expunge.record_circuits import Circuits
from expunge.store import hash_of
from expunge.train.levels import NeverKnown
from expunge.train.selection import Point
from expunge.train.trained import Trained
from expunge.train.unlearn import rule_of, starting_level, train
from expunge.train.wrappers import bind_wrappers

EPOCHS = 6
FIRST, CIRCUITS, AGAIN = "first.safetensors", "circuits.json", "circuits-again.json"
KEY = ".key"  # beside circuits: what they depend on, as a digest


def check(config: TrainConfig, options: ClueConfig) -> None:
    """Raises ConfigError for settings that do not go with it."""
    loss = bind(objectives.get(parse_name(options.loss)[0]), parse_name(options.loss)[1])
    if config.retain_loss is not None:
        bind(retain_losses.get(config.retain_loss), config.retain_options, beside=loss)
    own = {"lora": config.lora, "localize": config.localize, "parameters": config.parameters}
    if taken := [name for name, value in own.items() if value]:
        raise ConfigError(f"'clue' chooses the weights that it trains: leave {', '.join(taken)} out")
    if weighing := [each.name for each in bind_wrappers(config.wrap) if each.combines]:
        raise ConfigError(
            f"`wrap`: {weighing[0]!r} weighs the forget gradient against the retain gradient, and the first stage of "
            "'clue' has no retain loss: leave it out"
        )
    if options.weights and config.retain_loss is None:
        raise ConfigError("'clue' chooses among `weights` of the retain loss, of which there is none: leave them out")
    if config.max_steps is not None:
        raise ConfigError("'clue' has stages of whole epochs: set `epochs` in place of `max_steps`")
    if "retrained" in loss.objective.needs:
        raise ConfigError(f"'clue' has no use for {options.loss!r}, which measures against a retrained model")


def fits(layout: Layout, config: TrainConfig, options: ClueConfig) -> None:
    """Raises ConfigError for blocks that the network has not, before circuits are looked for in it."""
    loss = bind(objectives.get(parse_name(options.loss)[0]), parse_name(options.loss)[1])
    layer = loss.layer(layout)
    if config.retain_loss is not None:
        bind(retain_losses.get(config.retain_loss), config.retain_options, beside=loss).layer(layout)
    for wrapper in bind_wrappers(config.wrap):
        wrapper.check(layout, layer)


def ready(sets: Sets, options: ClueConfig) -> None:
    """Raises ConfigError for sets that have no circuits to compare."""
    if not sets.retain:
        raise ConfigError("'clue' compares the forget circuit with that of the retain set: give one (`--retain FILE`)")
    loss = objectives.get(parse_name(options.loss)[0])
    if loss.alternate is not None:
        check_documents(loss.name, sets.forget)
    check_swap({"forget": sets.forget, **by_file(sets.retain)}, options.swap)


@procedures.add("clue", paper="arXiv:2509.20977", settings=ClueConfig, checks=check, ready=ready, fits=fits)
def clue(
    model: Model,
    sets: Sets,
    config: TrainConfig,
    *,
    convention: ConventionConfig | None = None,
    folder: Path | None = None,
    resume: bool = False,
    phase: Phase = silent,
    never: NeverKnown | None = None,
) -> Proceeded:
    """Circuits, then both stages. `folder` keeps what is done, so that a killed run can `resume` to the same bits.
    `never`: as in `train`.

    Raises ConfigError where the circuits cannot be found, DivergedError as `train`.
    """
    options = procedures.get("clue").check(config)
    ready(sets, options)
    fits(model.layout, config, options)
    with ExitStack() as stack:
        place = folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        place.mkdir(parents=True, exist_ok=True)
        return _Run(model, sets, config, options, convention, place, resume, phase, never).proceed()


class _Run:
    """One run of the procedure, with what both stages share."""

    def __init__(
        self, model: Model, sets: Sets, config: TrainConfig, options: ClueConfig, convention: ConventionConfig | None,
        folder: Path, resume: bool, phase: Phase, never: NeverKnown | None,
    ) -> None:  # fmt: skip
        self.model, self.sets, self.config, self.options = model, sets, config, options
        self.convention, self.folder, self.resume, self.phase = convention, folder, resume, phase
        self.encoder = Encoder(model.tokenizer, convention, model.layout.places)
        self.level = never or starting_level(model, sets, self.encoder, config)
        self.files: dict[str, str] = {}

    def proceed(self) -> Proceeded:
        found = self._circuits(CIRCUITS)
        forget, conflict = self._masks(found)
        off, notes = set(found.of("forget")), list(said_of(found))
        if not len(forget | conflict):
            raise ConfigError(f"'clue' has nothing to train: no node is to be forgotten. {notes[0]}")
        first, second = self._epochs(bool(len(forget)), bool(len(conflict)) or self.options.recompute)
        one = self._first(forget, first) if first else None
        table = parameters_of(self.model.network)
        with one.change.applied_to(self.model) if one else nullcontext():
            if self.options.recompute and one:
                found = self._circuits(AGAIN)
                conflict = self._masks(found)[1]
                notes += [f"between the stages: {line}" for line in said_of(found)]
            two = None
            if second and len(conflict):
                two = self._second(conflict, second, one)
                if self.config.retain_loss is None:
                    notes.append("stage 2 had no retain loss, which the paper's has")
            elif second:  # only `recompute` asks for a second stage without knowing its nodes
                assert one is not None
                two = self._further(forget, second, one)
                notes.append(f"no node is in conflict after stage 1: its nodes are trained for {second} epochs more")
            trained = two or one
            assert trained is not None
            mask = forget | conflict if one else conflict
            if one and two:
                trained = self._together(one, two, mask)
        trained = replace(trained, change=replace(trained.change, origin=table))
        return Proceeded(
            trained, mask, self.options.granularity, chosen=len({*(off if one else ()), *found.of("conflict")}),
            units=sum(node.weights > 0 for node in found.nodes), notes=tuple(notes), files=self.files,
        )  # fmt: skip

    # --- what is trained where -----------------------------------------------------------------------------------

    def _circuits(self, name: str) -> Circuits:
        path, formula_path = self.folder / name, (self.folder / name).with_suffix(".cnf")
        config = CircuitsConfig(**self.options.model_dump(include=set(CircuitsConfig.model_fields)))
        retain = by_file(self.sets.retain)
        weights = Fingerprint.of(parameters_of(self.model.network)).id
        key = what_it_depends_on(weights, self.sets.forget, retain, config, self.encoder)
        if self.resume and path.exists() and formula_path.exists():
            self._check_key(path, hash_of(key))
            for each in (path, formula_path):
                self.files[each.name] = each.read_text("utf-8")
            return Circuits.model_validate_json(self.files[name])
        halfway = path.with_name(f"{path.stem}-halfway.safetensors")
        if not self.resume:
            halfway.unlink(missing_ok=True)
        found, formula = circuits_of(
            self.model, self.sets.forget, retain, config, self.encoder, halfway=Halfway(halfway, key),
            tokens=self.config.budget(self.model.device.type), phase=self.phase,
        )  # fmt: skip
        _write(path.with_suffix(KEY), hash_of(key))  # first: circuits that lie there have one
        for each, text in ((formula_path, formula), (path, found.model_dump_json() + "\n")):
            self.files[each.name] = text
            _write(each, text)
        halfway.unlink(missing_ok=True)
        return found

    def _check_key(self, path: Path, key: str) -> None:
        """Circuits of an earlier version have none."""
        kept = path.with_suffix(KEY)
        if kept.exists() and kept.read_text("utf-8") != key:
            raise ConfigError(
                f"{path} was found on other sets, in another model or with other settings: give what they were, or "
                "begin anew in another folder"
            )

    def _masks(self, found: Circuits) -> tuple[Mask, Mask]:
        forget, conflict = (mask_of(self.model, found, which, groups=self.options.groups) for which in _STAGES)
        return forget, conflict

    def _epochs(self, forget: bool, conflict: bool) -> tuple[int, int]:
        """Of each stage. One without nodes gives its own to the other."""
        total = self.config.epochs or EPOCHS
        if not (forget and conflict):
            return (total, 0) if forget else (0, total)
        first = min(self.options.first, total)
        return first, total - first

    # --- the stages ----------------------------------------------------------------------------------------------

    def _first(self, mask: Mask, epochs: int) -> Trained[WeightChange]:
        """Forget nodes by the forget loss alone; once it is done it is kept."""
        path, story = self.folder / FIRST, (self.folder / FIRST).with_suffix(".json")
        if self.resume and path.exists() and story.exists():
            return self._read(WeightChange.load(path), json.loads(story.read_text("utf-8")))
        trained = self._train("stage 1: forget nodes", "first", mask, epochs, {"retain_loss": None})
        trained.change.save(path)
        points = [point.as_json() for point in trained.points]
        told = {"points": points, "kept": trained.kept.step, "why": trained.why, "floor_held": trained.floor_held,
                "steps": trained.steps, "notes": trained.notes}  # fmt: skip
        _write(story, json.dumps(told))
        return trained

    def _read(self, change: WeightChange, told: Mapping) -> Trained[WeightChange]:
        points = tuple(Point(**point) for point in told["points"])
        kept = next(point for point in points if point.step == told["kept"])
        return Trained(
            change=change, points=points, kept=kept, why=told["why"], floor_held=told["floor_held"],
            never_known=self.level, steps=told["steps"], notes=tuple(told["notes"]),
        )  # fmt: skip

    def _second(self, mask: Mask, epochs: int, first: Trained[WeightChange] | None) -> Trained[WeightChange] | None:
        """Conflict nodes by both losses, for each λ; None where no point is better than the end of stage 1."""
        weights = self.options.weights or (self.config.retain_weight,)
        runs = [
            self._train(
                f"stage 2: conflict nodes, λ {weight:g}", f"second-{i}", mask, epochs, {"retain_weight": weight}, first
            )
            for i, weight in enumerate(weights)
        ]
        best = self._best(runs, first)
        if best is None or len(weights) == 1:
            return None if best is None else runs[best]
        note = f"λ {weights[best]:g}, chosen among {len(weights)} by the rule"
        return replace(runs[best], notes=(*runs[best].notes, note))

    def _further(self, mask: Mask, epochs: int, first: Trained[WeightChange]) -> Trained[WeightChange] | None:
        """Stage 1 goes on; None where no point is better than its end."""
        name = "stage 1 goes on: forget nodes"
        run = self._train(name, "further", mask, epochs, {"retain_loss": None}, first)
        return None if self._best([run], first) is None else run

    def _best(self, runs: Sequence[Trained[WeightChange]], first: Trained[WeightChange] | None) -> int | None:
        """Which run the rule chooses; None: the end of stage 1."""
        start = first.points[0] if first else runs[0].points[0]
        candidates = [start, *([first.kept] if first else []), *(each.kept for each in runs)]
        best = rule_of(self.config, self.level).best(candidates) - len(candidates) + len(runs)
        return None if best < 0 and first else max(best, 0)

    def _train(
        self, name: str, folder: str, mask: Mask, epochs: int, changes: Mapping[str, object],
        since: Trained[WeightChange] | None = None,
    ) -> Trained[WeightChange]:  # fmt: skip
        loss, values = parse_name(self.options.loss)
        settings = self.config.model_copy(update={
            "method": loss, "options": values, "epochs": epochs, **changes,
        })  # fmt: skip
        place = self.folder / folder
        with self.phase(name) as tick:
            try:
                return train(
                    self.model, self.sets, settings, convention=self.convention, mask=mask, folder=place,
                    resume=self.resume and (place / "start.safetensors").exists(), since=since, never=self.level,
                    tick=lambda progress, steps: tick(1, f"step {progress.step} of {steps}", steps),
                )  # fmt: skip
            except DivergedError as error:
                if since is not None and error.trained is not None:  # what was made of the starting model
                    error.trained = self._together(since, error.trained, None)
                raise

    def _together(
        self, one: Trained[WeightChange], two: Trained[WeightChange], mask: Mask | None
    ) -> Trained[WeightChange]:
        """Both stages as one change of the starting model. Called with stage 1 in the weights."""
        result = parameters_of(self.model.network)
        names = [name for name in result if name in {*one.change.names, *two.change.names}]
        base = {name: one.change.before(name, result[name]).detach().clone() for name in names}
        with two.change.applied_to(self.model):
            change = WeightChange.between({**result, **base}, result, mask=mask)
        steps = one.points[-1].step
        later = [replace(p, step=p.step + steps, seconds=p.seconds + one.points[-1].seconds) for p in two.points[1:]]
        kept = replace(two.kept, step=two.kept.step + steps, seconds=two.kept.seconds + one.points[-1].seconds)
        return replace(
            two, change=change, points=(*one.points, *later), kept=kept, never_known=self.level,
            steps=one.steps + two.steps, notes=(*one.notes, *two.notes),
        )  # fmt: skip


_STAGES = ("forget", "conflict")


def _write(path: Path, text: str) -> None:
    with atomic_file(path) as partial:
        partial.write_text(text, encoding="utf-8")
