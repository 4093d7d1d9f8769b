# make demo · make test · make check · make docs · make bench · make bars: each makes .venv first, which needs
# python3 3.11 or later. The last two compare with HL7's own validator: java, mvn and npm too.
.PHONY: demo test check docs bench bars
.DELETE_ON_ERROR:
.NOTPARALLEL:

PYTHON := $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
SAMPLES := $(wildcard ../shared/data)
# Tests of one file share what they prepare, so a file stays on one core.
TOGETHER := -n auto --maxprocesses 4 --dist loadfile

demo: .venv/.installed
	$(BIN)/study-fhir demo

test: .venv/.installed
	$(BIN)/python -m pytest $(TOGETHER)

check: .venv/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(if $(SAMPLES),STUDY_FHIR_SAMPLES="$(CURDIR)/$(SAMPLES)") $(BIN)/python -m pytest $(TOGETHER)

docs: .venv/.installed
	$(BIN)/python tests/docs/tables.py

bench: .venv/.installed
	tests/official/setup.sh build/official
	$(BIN)/python tests/official/bench.py --oracle build/official \
		--packages build/official/npm/hl7.fhir.r4.examples-4.0.1.tgz
	$(BIN)/python tests/servers/bench.py examples/nct05862675

bars: .venv/.installed
	tests/official/setup.sh build/official
	tests/official/bars.sh $(CURDIR)/$(BIN)/python build/official
	$(BIN)/python tests/faults/chaos.py --seeds 20
	$(BIN)/python tests/faults/chaos.py --kills 1000

# Installed anew only when pyproject.toml changes; the code itself is used where it lies.
.venv/.installed: pyproject.toml
	@test -n "$(PYTHON)" || { echo "python3 3.11 or later is needed: put it on the PATH" >&2; exit 1; }
	@echo "installing into .venv (the first time: about a minute)"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[demo,dev]'
	@touch $@
