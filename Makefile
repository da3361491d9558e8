# make demo: set up, cluster the demo data, show the table, make the report.   make test: set up, run all tests.
# make bench: the short benchmarks. make lint, make lock: for development.   PYTHON=... chooses the interpreter (3.11 or newer).

PYTHON ?= $(shell command -v python3.11 || command -v python3 || echo python3.11)
BIN := .venv/bin

.PHONY: demo test bench lint lock

demo: .venv/ready
	@$(BIN)/snakemake results/demo/report/index.html --quiet host reason
	@cat results/demo/table.md
	@echo
	@echo "Report with figures: results/demo/report/index.html"

test: .venv/ready
	$(BIN)/pytest

bench: .venv/ready
	$(BIN)/python benchmarks/knn.py
	$(BIN)/python benchmarks/pairs.py
	$(BIN)/python benchmarks/propagation.py
	$(BIN)/python benchmarks/workflow_overhead.py

lint: .venv/ready
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/mypy

lock: .venv/ready  # pins the newest versions that pyproject.toml allows; torch stays as it is
	$(BIN)/pip-compile -q --upgrade --all-extras --strip-extras --no-header --no-annotate --no-emit-index-url \
	    --no-emit-find-links --no-emit-trusted-host --constraint envs/torch.txt -o requirements.txt pyproject.toml
	sed -i 's/^\(torch==[^+]*\)+cpu$$/\1/' requirements.txt

.venv/ready: pyproject.toml requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "error: Python 3.11 or newer is needed; set PYTHON")'
	@echo "Setting up .venv (once; a few minutes)"
	@$(PYTHON) -m venv .venv
	@$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@
