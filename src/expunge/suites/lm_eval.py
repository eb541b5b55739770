"""A suite as task files of lm-evaluation-harness (0.4.13).

    DIR/expunge_NAME_SET.yaml       a task for each measured set, tag `expunge_NAME`
    DIR/data/TASK.jsonl             its rows: prompt, choices and gold, or prompt and answers
    DIR/expunge_tasks.py            reads the rows, judges generated answers; needs nothing but lm-eval

A set whose examples all have wrong answers is `multiple_choice` (metric `acc`, our `choice_accuracy`), choices in a
seeded order; any other set of questions is `generate_until`, judged by the rules of `generated_exact` and
`generated_contains`, with `max_gen_toks` from the suite's settings, else enough of them for any tokenizer. Prompt,
blank and answer are the text of the "plain" template; `--apply_chat_template` of lm-eval dresses the same prompt. The
rows are read by the task itself, so that `datasets` puts no copy of them into its cache. Documents and conversations
are left out.

Where lm-eval and `choice_accuracy` differ: it takes an answer's tokens to be those behind the tokens of the prompt
alone, we those that reach beyond the prompt's characters, so a token that spans the border is scored here and not
there; of equally likely choices it takes the first, we count a miss.
"""

import inspect
import json
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from expunge.data.example import Example
from expunge.errors import ConfigError
from expunge.evaluate import matching
from expunge.suites.suite import Suite

CODE = "expunge_tasks"
_CODE = '''

def rows(file, **_):
    """The rows of a task, from the folder of this file."""
    from datasets import Dataset

    path = Path(__file__).parent / "data" / file
    with path.open(encoding="utf-8") as lines:
        return {"test": Dataset.from_list([json.loads(line) for line in lines])}


def judge(doc, results):
    """Of one generated answer."""
    said, answers = results[0], doc["answers"]
    return {
        "generated_exact": float(any(says_exactly(said, answer) for answer in answers)),
        "generated_contains": float(any(says(said, answer) for answer in answers)),
    }
'''


@dataclass(frozen=True)
class Written:
    """Names of the tasks, and which sets were left out and why."""

    tasks: tuple[str, ...]
    notes: tuple[str, ...]


def write_tasks(suite: Suite, folder: Path, *, seed: int = 0) -> Written:
    """Fill a folder. The texts of the sets stand in it: that is what an export is for.

    Raises ConfigError when no set can be written.
    """
    tag, limit = f"expunge_{_slug(suite.name)}", suite.evaluate.max_new_tokens or _enough(suite)
    names, (able, notes) = [], writable(suite)
    (folder / "data").mkdir(parents=True, exist_ok=True)
    for title, examples in able.items():
        name = f"{tag}_{_slug(title)}"
        choice = all(example.perturbed_answers for example in examples)
        task, rows = _choices(examples, seed) if choice else _open(examples, limit)
        lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (folder / "data" / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")
        (folder / f"{name}.yaml").write_text(_dumped({**_task(name, tag), **task}), encoding="utf-8")
        names.append(name)
    code = inspect.getsource(matching).replace("import re\n", "import json\nimport re\nfrom pathlib import Path\n", 1)
    (folder / f"{CODE}.py").write_text(code + _CODE, encoding="utf-8")
    return Written(tuple(names), tuple(notes))


def writable(suite: Suite) -> tuple[dict[str, Sequence[Example]], list[str]]:
    """The sets that can be written, and a line on each other. Raises ConfigError when there is none that can."""
    every = suite.measured()
    why = {title: reason for title, examples in every.items() if (reason := _why_not(examples))}
    notes = [f"{title}: {reason}, so it is left out" for title, reason in why.items()]
    if len(why) == len(every):
        raise ConfigError(f"{suite.name} has no set that lm-eval could be given: {'; '.join(notes)}")
    return {title: examples for title, examples in every.items() if title not in why}, notes


def _why_not(examples: Sequence[Example]) -> str:
    if any(example.prompt is None for example in examples):
        return "holds documents, which ask nothing"
    return "holds conversations" if any(example.turns for example in examples) else ""


def _choices(examples: Sequence[Example], seed: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The blank before an answer stands in the delimiter where it is always there: chat templates leave it out."""
    draw, rows = random.Random(seed), []
    pairs = [(e.prompt or "", option) for e in examples for option in (e.answer, *e.perturbed_answers)]
    blank = " " if all(_blank(*pair) for pair in pairs) else ""
    for example in examples:
        options, prompt = [example.answer, *example.perturbed_answers], example.prompt or ""
        order = draw.sample(range(len(options)), len(options))
        choices = [(_blank(prompt, options[i]) if not blank else "") + options[i] for i in order]
        rows.append({"id": example.id, "prompt": prompt, "choices": choices, "gold": order.index(0)})
    task = {
        "output_type": "multiple_choice", "doc_to_choice": "choices", "doc_to_target": "gold",
        "target_delimiter": blank, "metric_list": _metrics("acc"),
    }  # fmt: skip
    return task, rows


def _enough(suite: Suite) -> int:
    """Room for the longest answer and its end: a text has no more tokens than bytes."""
    asked = [example for several in suite.measured().values() for example in several if not _why_not([example])]
    return 2 + max((len(text.encode()) for e in asked for text in (e.answer, *e.aliases)), default=0)


def _open(examples: Sequence[Example], limit: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Generated until the end token or the limit, as we do."""
    rows = [{"id": e.id, "prompt": e.prompt, "answers": [e.answer, *e.aliases]} for e in examples]
    task = {
        "output_type": "generate_until", "doc_to_target": "answers", "process_results": f"!function {CODE}.judge",
        "generation_kwargs": {"until": [], "do_sample": False, "max_gen_toks": limit},
        "metric_list": _metrics("generated_exact", "generated_contains"),
    }  # fmt: skip
    return task, rows


def _task(name: str, tag: str) -> dict[str, Any]:
    return {
        "task": name, "tag": tag, "custom_dataset": f"!function {CODE}.rows",
        "dataset_kwargs": {"file": f"{name}.jsonl"}, "test_split": "test", "num_fewshot": 0, "doc_to_text": "prompt",
    }  # fmt: skip


def _metrics(*names: str) -> list[dict[str, Any]]:
    return [{"metric": name, "aggregation": "mean", "higher_is_better": True} for name in names]


def _blank(prompt: str, answer: str) -> str:
    """As the "plain" template joins them."""
    return "" if not prompt or prompt[-1].isspace() or answer[:1].isspace() else " "


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")


def _dumped(task: Mapping[str, Any]) -> str:
    """YAML, with lm-eval's tag for functions, which no library writes."""
    text = yaml.safe_dump(dict(task), sort_keys=False, allow_unicode=True)
    return re.sub(r"'?!function ([\w.]+)'?", r"!function \1", text)
