# Each target makes .venv, installs what it needs there, and runs.

PYTHON ?= python3
OUT ?= out
BIN := .venv/bin
SOURCES := tinygrad_lstm tests benchmarks notebooks/*.py

.DEFAULT_GOAL := help
.PHONY: help demo gallery test testall peers doctest lint types bench ladder notebooks book clean

help: ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 12

demo: .venv/.demo ## see the main job run on real data; pictures go to out/
	@$(BIN)/python -m tinygrad_lstm demo --out $(OUT)

gallery: .venv/.demo ## draw networks worth a look; pictures go to out/gallery
	@$(BIN)/python -m tinygrad_lstm gallery --out $(OUT)/gallery

test: .venv/.test ## run the tests on all cores, two cases of each at most; say which were skipped
	@$(BIN)/python -m pytest -rs -n auto --dist loadgroup --most-cases 2

testall: .venv/.test ## run every case of every test, as the checks of a change do
	@$(BIN)/python -m pytest -rs -n auto --dist loadgroup

peers: .venv/.peers ## hold the layers to PyTorch, Keras and other systems; an absent one is a failure
	@PEERS=required $(BIN)/python -m pytest $$(grep -rlE 'import (.*, )?peer(,|$$)' --include='test_*.py' tests)

doctest: .venv/.test ## run the examples in the docstrings, the README and the guide to extensions
	@$(BIN)/python -m pytest --doctest-modules --doctest-glob="*.md" tinygrad_lstm README.md notebooks/do/extend.md

lint: .venv/.dev ## check style and format
	@$(BIN)/ruff check $(SOURCES) && $(BIN)/ruff format --check $(SOURCES)

types: .venv/.dev ## check the type hints
	@$(BIN)/mypy

bench: .venv/.bench ## measure speed, beside the peers that are installed
	@$(BIN)/python -m benchmarks && $(BIN)/python -m benchmarks.graphs && $(BIN)/python -m benchmarks.updates

ladder: .venv/.ladder ## train every classical task on five seeds; a table and plots go to out/
	@$(BIN)/python -m benchmarks.ladder --out $(OUT)

notebooks: .venv/.notebooks ## execute the notebooks
	@cd notebooks && for each in *.ipynb; do ../$(BIN)/jupyter-execute $$each || exit 1; done

book: .venv/.book ## build the book from the notebooks and the docstrings; it goes to out/book
	@$(BIN)/python -m sphinx -q -W --keep-going -d $(OUT)/doctrees notebooks $(OUT)/book

clean: ## remove everything that was made
	@rm -rf .venv out build notebooks/look_up *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.%: setup.cfg pyproject.toml | $(BIN)/pip
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[$*]'
	@touch $@

$(BIN)/pip:
	@command -v $(PYTHON) > /dev/null || { echo "No $(PYTHON) here: install Python 3.11 or newer, or name yours with 'make PYTHON=...'." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "This needs Python 3.11 or newer, and $(PYTHON) is $$($(PYTHON) --version): name a newer one with 'make PYTHON=...'." >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2> /dev/null || { echo "$(PYTHON) lacks the module venv: install it (Debian: apt-get install python3-venv)." >&2; exit 1; }
	@$(PYTHON) -m venv .venv
