"""Processes, kills and clusters change no number."""

import importlib.util
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from expunge.data.corpus import Load, files_of, loads_of
from expunge.data.example import Example
from expunge.errors import OutputError, RunError
from expunge.frequency import crew, stream
from expunge.frequency.crew import Counted
from expunge.frequency.names import Plan, wanted
from expunge.frequency.stream import count_stream
from expunge.frequency.tally import Tally

pytest.importorskip("ahocorasick_rs", reason="ahocorasick-rs is not installed: the extra `frequency` brings it")
NAMES = ["Ada Stone", "Bo Lee", "Paris", "Rome"]


@pytest.fixture
def corpus(tmp_path: Path) -> list[Load]:
    rng = np.random.default_rng(0)
    for number in range(3):
        rows = (" ".join(rng.choice([*NAMES, "a", "b"], 12)) for _ in range(200))
        text = "".join(json.dumps({"text": row}) + "\n" for row in rows)
        (tmp_path / f"{number}.jsonl").write_text(text)
    return loads_of(files_of([str(tmp_path)]), size=2000)


@pytest.fixture
def plan() -> Plan:
    facts = [Example(f"{s} {a}", "?", a, subject=s) for s in NAMES[:2] for a in NAMES[2:]]
    return wanted(facts, window=2).plan


def same(one: Tally, other: Tally) -> bool:
    return all(np.array_equal(one.arrays()[name], other.arrays()[name]) for name in one.arrays())


def test_two_processes_give_the_same_sums(corpus: list[Load], plan: Plan) -> None:
    ticks: list[int] = []
    alone = count_stream(plan, corpus, processes=1)
    assert alone.read.tolist() == [600, 0] and alone.documents.min() > 100
    assert same(count_stream(plan, corpus, processes=2, tick=ticks.append), alone)
    assert sum(ticks) == sum(piece.size for load in corpus for piece in load)


def test_what_was_counted_is_not_counted_again(
    corpus: list[Load], plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, whole = tmp_path / "kept.safetensors", count_stream(plan, corpus, processes=1)
    real, done = stream.counted, []

    def breaks_off(*given: object) -> Counted:
        for place, found in real(*given):  # type: ignore[arg-type]
            if len(done) == 7:
                raise KeyboardInterrupt
            done.append(place)
            yield place, found

    def watched(*given: object) -> Iterator[tuple[int, Tally]]:
        for place, found in real(*given):  # type: ignore[arg-type]
            done.append(place)
            yield place, found

    monkeypatch.setattr(stream, "_KEEP_EVERY", 0.0)
    monkeypatch.setattr(stream, "counted", breaks_off)
    with pytest.raises(KeyboardInterrupt):
        count_stream(plan, corpus, kept=kept, processes=1)
    monkeypatch.setattr(stream, "counted", watched)
    assert same(count_stream(plan, corpus, kept=kept, processes=1), whole)
    assert sorted(done) == list(range(len(corpus)))  # each once
    assert same(count_stream(plan, corpus, kept=kept, processes=1), whole)
    assert len(done) == len(corpus)


def test_another_count_is_not_gone_on_with(
    corpus: list[Load], plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / "kept.safetensors"
    count_stream(plan, corpus, kept=kept, processes=1)
    for other, loads in ((Plan(plan.names, plan.pairs, 3), corpus), (plan, corpus[1:])):
        with pytest.raises(OutputError, match="another corpus"):
            count_stream(other, loads, kept=kept, processes=1)
    with monkeypatch.context() as patch:
        patch.setattr(stream, "VERSION", stream.VERSION - 1)  # what was counted by another rule
        with pytest.raises(OutputError, match="--overwrite"):
            count_stream(plan, corpus, kept=kept, processes=1)
    path = Path(corpus[0][0].path)
    os.utime(path, (1, 1))
    with pytest.raises(OutputError, match="--overwrite"):
        count_stream(plan, corpus, kept=kept, processes=1)
    kept.write_bytes(b"nothing of ours")
    with pytest.raises(OutputError, match="--overwrite"):
        count_stream(plan, corpus, kept=kept, processes=1)


def test_a_file_that_breaks_off_ends_all_processes(corpus: list[Load], plan: Plan) -> None:
    Path(corpus[-1][0].path).unlink()
    with pytest.raises(RunError, match=r"2\.jsonl: cannot be read to its end"):
        count_stream(plan, corpus, processes=2)


def test_a_process_that_ends_before_it_has_read_its_load(
    corpus: list[Load], plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its pipe is reset then, and does not merely end."""
    code = "import os, sys, time\nif '--multiprocessing-fork' in sys.argv:\n    time.sleep(1)\n    os._exit(9)\n"
    (tmp_path / "sitecustomize.py").write_text(code)  # every Python that is started reads it first
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]))
    with pytest.raises(RunError, match=r"exit code 9; the same command with --resume goes on"):
        count_stream(plan, corpus, processes=2)


class Broken:
    """A pipe and its process, which is gone."""

    exitcode = -9

    def __init__(self, error: Exception) -> None:
        self.error = error

    def recv(self) -> None:
        raise self.error

    def send(self, _: object) -> None:
        raise self.error

    def join(self) -> None:
        pass


@pytest.mark.parametrize("error", [EOFError(), ConnectionResetError(104, "reset"), BrokenPipeError(32, "broken")])
def test_a_broken_pipe_is_told(error: Exception) -> None:
    gone = Broken(error)
    with pytest.raises(RunError, match="exit code -9"):
        crew._received(gone, gone)
    if not isinstance(error, EOFError):
        with pytest.raises(RunError, match="exit code -9"):
            crew._send(gone, (0, ()), gone)


def test_what_goes_wrong_in_a_process_is_told(corpus: list[Load], plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> Tally:
        raise MemoryError("no room")

    monkeypatch.setattr(crew, "count_load", fails)
    ours, theirs = multiprocessing.Pipe()
    ours.send((3, corpus[0]))
    member = threading.Thread(target=crew._member, args=(theirs, plan, None))
    member.start()
    with pytest.raises(RunError, match=r"^counting failed: MemoryError: no room$"):
        crew._received(ours, None)
    ours.close()
    member.join(10)
    assert not member.is_alive()


def test_killed_at_any_time_it_ends_with_the_same_file(tmp_path: Path) -> None:
    """A real command, killed while it counts, until it is done."""
    rng = np.random.default_rng(0)
    text = "".join(json.dumps({"text": " ".join(rng.choice([*NAMES, "a"], 60))}) + "\n" for _ in range(4000))
    (tmp_path / "corpus.jsonl").write_text(text)
    (tmp_path / "f.jsonl").write_text(json.dumps({"prompt": "?", "answer": "Paris", "subject": "Bo Lee"}) + "\n")
    code = (
        "import sys, time\n"
        "from expunge.data import corpus\n"
        "from expunge.frequency import crew, stream\n"
        "corpus.loads_of.__defaults__ = ('line', 20_000)\n"
        "stream._KEEP_EVERY = 0.0\n"
        "count = crew.count_load\n"
        "crew.count_load = lambda *given: (time.sleep(0.05), count(*given))[1]\n"
        "from expunge.cli.app import run\n"
        "sys.exit(run(sys.argv[1:]))\n"
    )
    given = ["count", "--corpus", str(tmp_path / "corpus.jsonl"), "--forget", str(tmp_path / "f.jsonl")]
    command = [sys.executable, "-c", code, *given, "--processes", "1", "--resume", "--out"]
    kills = 0
    for wait in (1.5, 2.5, 3.5):
        process = subprocess.Popen([*command, str(tmp_path / "killed.jsonl")], stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        kept = tmp_path / "killed.counting.safetensors"
        before = kept.stat().st_mtime_ns if kept.exists() else 0
        while time.monotonic() < deadline and (not kept.exists() or kept.stat().st_mtime_ns == before):
            time.sleep(0.05)
        time.sleep(wait / 10)
        process.send_signal(signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
    assert kills == 3 and kept.exists() and not (tmp_path / "killed.jsonl").exists()
    for name in ("killed", "plain"):
        assert (
            subprocess.run([*command, str(tmp_path / f"{name}.jsonl")], capture_output=True, check=False).returncode
            == 0
        )
    assert (tmp_path / "killed.jsonl").read_bytes() == (tmp_path / "plain.jsonl").read_bytes()
    assert not kept.exists()


@pytest.mark.skipif(not importlib.util.find_spec("ray"), reason="the extra `ray` is not installed")
@pytest.mark.filterwarnings("ignore")  # ray's own
def test_a_ray_cluster_gives_the_same_sums(corpus: list[Load], plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    alone = count_stream(plan, corpus, processes=1)
    assert same(count_stream(plan, corpus, machines="ray", processes=2), alone)
    Path(corpus[-1][0].path).unlink()
    with pytest.raises(RunError, match=r"2\.jsonl"):
        count_stream(plan, corpus[-2:], machines="ray", processes=1)


@pytest.mark.skipif(not importlib.util.find_spec("ray"), reason="the extra `ray` is not installed")
@pytest.mark.filterwarnings("ignore")  # ray's own
def test_a_busy_ray_cluster_is_not_waited_for(corpus: list[Load], plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processors, one of them held by somebody else, and five are asked for: one member gets all loads."""
    import ray  # type: ignore[reportMissingImports]

    class Holder:
        def here(self) -> bool:
            return True

    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    try:
        holder = ray.remote(num_cpus=1)(Holder).remote()
        assert ray.get(holder.here.remote())
        assert same(count_stream(plan, corpus, machines="ray", processes=5), count_stream(plan, corpus, processes=1))
        other = ray.remote(num_cpus=1)(Holder).remote()
        assert ray.get(other.here.remote())
        monkeypatch.setattr(crew, "_PATIENCE", 1.0)
        with pytest.raises(RunError, match="no processor of the Ray cluster was free"):
            count_stream(plan, corpus, machines="ray")
    finally:
        ray.shutdown()
