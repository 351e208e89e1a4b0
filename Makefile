# Set-up, main job and checks; `make help` lists the targets. GNU make 3.81 (macOS's) is enough.
# Options: PYTHON=/path/to/python3.12 (makes .venv), STUDY=config/cpu.yaml, TESTS="tests/test_locks.py -k conda"

.DEFAULT_GOAL := findings
.NOTPARALLEL:
.SUFFIXES:
.PHONY: findings reports setup setup-test cuda libraries test test-all check lint golden format audio model site lock clean help
MAKEFLAGS += --no-print-directory
SHELL := /bin/sh

# What is exported for other Pythons must not reach this one.
unexport PYTHONPATH PYTHONHOME PYTHONSTARTUP PYTHONSAFEPATH PYTHONOPTIMIZE PYTHONINSPECT PYTHONWARNINGS
unexport PYTHONDONTWRITEBYTECODE PYTHONPLATLIBDIR PIP_TARGET PIP_PREFIX PIP_ROOT PIP_CONSTRAINT PIP_NO_DEPS PIP_DRY_RUN
export PIP_USER := 0
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PYTHON
# A user of a container may have no home and no name (docs/containers.md); Snakemake asks for both.
export HOME ?= /tmp
export USER ?= $(shell id -un >/dev/null 2>&1 && id -un || echo nobody)

REPORT := results/reports/findings.pdf
SET_UP := sh requirements/set_up.sh
ACTIVATE := . .venv/bin/activate

findings: setup ## (default) set-up, then the study; the last line is the path of the report
	@$(ACTIVATE) && python scripts/list_configurations.py --check $(if $(STUDY),"$(STUDY)")
	@test ! -d .snakemake/locks \
		|| { $(ACTIVATE) && python scripts/remove_stale_lock.py $(if $(STUDY),--configfile "$(STUDY)"); }
	@$(ACTIVATE) && snakemake --cores all $(if $(STUDY),--configfile "$(STUDY)")
	@test -s $(REPORT) || { echo "$(REPORT) was not made" >&2; exit 1; }
	@echo $(REPORT)

reports: setup ## reports from run records alone, of any machines: RESULTS=folder with <machine>/runs/*.json
	@test -d "$(RESULTS)" || { echo "Name the folder that holds <machine>/runs/*.json: make reports RESULTS=…" >&2; exit 2; }
	@$(ACTIVATE) && python scripts/build_reports.py --results "$(RESULTS)"

setup: libraries ## what a study needs: .venv, the locked packages, the system libraries
	@$(SET_UP) .venv lock

setup-test: libraries ## what tests and lint need
	@$(SET_UP) .venv lock-test
	@cp requirements/lock.txt .venv/lock.txt # lock-test has all of it

cuda: setup ## what NVIDIA GPUs need on top of it: cuBLAS of CUDA 12 (0.9 GB), on Linux x86_64
	@$(SET_UP) .venv lock-cuda

libraries:
	@$(SET_UP) .venv
	@.venv/bin/python scripts/check_system.py --install

# Three processes on two CPUs: tests of Slurm, of hangs and of interruptions mostly wait.
test: setup-test ## set-up and tests; what is skipped is listed with its reason
	@$(ACTIVATE) && pytest --numprocesses 3 --dist worksteal -m "not thorough" $(TESTS)

test-all: setup-test ## set-up and all tests, those too that say in minutes what others say in seconds
	@$(ACTIVATE) && pytest --numprocesses 3 --dist worksteal $(TESTS)

check: lint ## lint and the quick tests, within a minute: before every commit
	@$(ACTIVATE) && pytest --quiet --numprocesses 2 -m "not slow and not slurm and not alone and not thorough"

lint: setup-test ## ruff, snakefmt, snakemake --lint, layers of imports, types
	@$(ACTIVATE) && ruff check . && ruff format --check . && snakefmt --check Snakefile rules
	@$(ACTIVATE) && snakemake --quiet --lint
	@$(ACTIVATE) && PYTHONPATH=scripts lint-imports --no-logo
	@$(ACTIVATE) && mypy

golden: setup-test ## write the texts that test_wording.py expects anew, after a change of words
	@$(ACTIVATE) && pytest --quiet tests/test_wording.py --golden && git diff --stat tests/golden

format: setup-test ## bring Python and Snakemake files into the form that lint asks for
	@$(ACTIVATE) && ruff check --fix . && ruff format . && snakefmt Snakefile rules

audio: setup ## make the bundled clips anew (needs espeak-ng)
	@$(ACTIVATE) && python -m audio.make_audio

model: ## train the embedded model anew in .venv-training (needs espeak-ng; takes hours)
	@$(SET_UP) .venv-training
	@. .venv-training/bin/activate && python -m pip install --quiet -r training/requirements.txt \
		&& python -m training.make_model --out resources/models/mini-en

site: ## the pages as a site in site/, by MkDocs in .venv-docs
	@$(SET_UP) .venv-docs
	@.venv-docs/bin/python -m pip install --quiet mkdocs==1.6.1
	@.venv-docs/bin/python docs/make_site.py
	@echo site/index.html

lock: ## write the locks and the table in THIRD_PARTY.md anew (OPTIONS=--upgrade: newer versions)
	@$(SET_UP) .venv-lock
	@.venv-lock/bin/python -m pip install --quiet uv==0.13.9
	@.venv-lock/bin/python requirements/lock.py $(OPTIONS)
	@$(MAKE) setup-test
	@.venv/bin/python requirements/licences.py

clean: ## remove virtual environments and caches; results, and what Snakemake knows of them, stay
	rm -rf .venv .venv-training .venv-lock .venv-docs .site site .pytest_cache .ruff_cache .mypy_cache .import_linter_cache .hypothesis
	find . -name .git -prune -o -type d -name __pycache__ -prune -exec rm -rf {} +

help: ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/\1\t\2/p' Makefile | expand -t 12
