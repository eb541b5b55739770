"""An engine without processes: each job runs where it is started."""

from expunge.bench.jobs import Job
from expunge.bench.worker import work


class Here:
    """Stands for the local engine."""

    def __init__(self, *_: object) -> None:
        self.done: list[Job] = []

    def free(self) -> bool:
        return not self.done

    def start(self, job: Job) -> None:
        work(job)
        self.done.append(job)

    def ended(self) -> list[tuple[Job, str]]:
        ended, self.done = self.done, []
        return [(job, "") for job in ended]

    def stop(self) -> None: ...
