# Everything starts here: `make demo` and `make test` set up what they need. `make help` lists the targets.

# An interpreter that the pinned packages have wheels for; PYTHON=... takes another one.
CANDIDATES = python3.11 python3.12 python3
PYTHON ?= $(shell for p in $(CANDIDATES); do $$p -c '' 2>/dev/null && { echo $$p; break; }; done)
VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')

VENV = .venv
VENV_OPENMMLAB = .venv-openmmlab
# A stamp is written when a set-up has ended, never before: an interrupted one is begun anew.
READY = $(VENV)/.ready-$(VERSION)
READY_OPENMMLAB = $(VENV_OPENMMLAB)/.ready-$(VERSION)

PIP_INSTALL = -m pip install --quiet --no-input --no-deps
# A module path of the caller's must reach neither the environments nor the builds in them.
unexport PYTHONPATH PYTHONHOME
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: help demo test test-openmmlab lint format clean
.DEFAULT_GOAL := help

help:  ## Show this list
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 18

demo: $(READY)  ## Draw feature maps and every box's evidence on the shapes pictures, into output/demo
	@echo 'TODO'

test: lint $(READY)  ## Lint, check types and run the tests on the default family of packages (onedl)
	$(VENV)/bin/python -m pytest

test-openmmlab: $(READY_OPENMMLAB)  ## Run the same tests on the original packages (PYTHON=python3.8 to 3.11)
	$(VENV_OPENMMLAB)/bin/python -m pytest

lint: $(READY)  ## Check style, format and types
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

format: $(READY)  ## Put style and format right
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

clean:  ## Remove the environments and everything that was built or drawn
	rm -rf $(VENV) $(VENV_OPENMMLAB) output build dist *.egg-info mmlens/.mim
	rm -rf .mypy_cache .ruff_cache .pytest_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# onedl-mmcv first and alone: without pip's cache it is built in pip's isolated environment, where nothing is compiled;
# a wheel that pip cached after compiling it against another torch would be taken otherwise, and break on import.
$(VENV)/.packages-$(VERSION): requirements/onedl.txt requirements/dev.txt
	@echo 'Setting up $(VENV) with Python $(VERSION): some 3 GB to download the first time, minutes to install'
	$(PYTHON) -m venv --clear $(VENV)
	grep -h '^onedl-mmcv==' requirements/onedl.txt > $(VENV)/onedl-mmcv.txt
	MMCV_WITH_OPS=0 $(VENV)/bin/python $(PIP_INSTALL) --no-cache-dir -r $(VENV)/onedl-mmcv.txt
	$(VENV)/bin/python $(PIP_INSTALL) -r requirements/onedl.txt -r requirements/dev.txt
	@touch $@

$(VENV_OPENMMLAB)/.packages-$(VERSION): requirements/openmmlab.txt requirements/dev.txt
	@echo 'Setting up $(VENV_OPENMMLAB) with Python $(VERSION): some 3 GB to download the first time, minutes to install'
	$(PYTHON) -m venv --clear $(VENV_OPENMMLAB)
	$(VENV_OPENMMLAB)/bin/python $(PIP_INSTALL) -r requirements/openmmlab.txt -r requirements/dev.txt
	@touch $@

# setuptools is among the pinned packages: the build needs no environment of its own.
$(READY): $(VENV)/.packages-$(VERSION) setup.py mmlens/version.py
	$(VENV)/bin/python $(PIP_INSTALL) --no-build-isolation --editable .
	@touch $@

$(READY_OPENMMLAB): $(VENV_OPENMMLAB)/.packages-$(VERSION) setup.py mmlens/version.py
	$(VENV_OPENMMLAB)/bin/python $(PIP_INSTALL) --no-build-isolation --editable .
	@touch $@
