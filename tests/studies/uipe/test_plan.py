"""What the study of extrapolation runs."""

from expunge.config import UipeStudyConfig
from expunge.studies.uipe.plan import jobs


def test_fresh_seeds_share_nothing_with_those_before(tmp_path):
    some = UipeStudyConfig(sizes=("tiny",), methods=("npo",), seeds=2)
    fresh = some.model_copy(update={"first_seed": 10})
    seeds = [{job.values["seed"] for job in jobs(config, tmp_path)} for config in (some, fresh)]
    assert seeds == [{0, 1, 2}, {10, 11, 12}]  # the last is the pilot's
