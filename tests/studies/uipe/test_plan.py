"""What the study of extrapolation runs."""

from expunge.config import UipeStudyConfig
from expunge.studies.pilot import PILOT, pilots
from expunge.studies.results import write_result
from expunge.studies.uipe.plan import chosen_rates, jobs


def test_fresh_seeds_share_nothing_with_those_before(tmp_path):
    some = UipeStudyConfig(sizes=("tiny",), methods=("npo",), seeds=2)
    fresh = some.model_copy(update={"first_seed": 10})
    seeds = [{job.values["seed"] for job in jobs(config, tmp_path)} for config in (some, fresh)]
    assert seeds == [{0, 1, 2}, {10, 11, 12}]  # the last is the pilot's


def test_each_size_has_rates_of_its_own(tmp_path):
    config = UipeStudyConfig(sizes=("tiny", "1M"), methods=("npo",), seeds=2, rates=(1e-3, 1e-4), motivating=False)
    for size, losses in (("tiny", (0.1, 0.2)), ("1M", (0.2, 0.1))):
        for loss, (_, _, place) in zip(losses, pilots(config, PILOT / size), strict=True):
            write_result(tmp_path / place, {"loss": loss})
    assert chosen_rates(config, tmp_path) == {"tiny": {"npo": 1e-3}, "1M": {"npo": 1e-4}}
    tried = [job for job in jobs(config, tmp_path) if job.label.startswith("pilot")]
    assert [(job.values["size"], job.values["seed"]) for job in tried] == [("tiny", 2)] * 2 + [("1M", 2)] * 2
