# Everything starts here: `make demo` and `make test` set up what they need. `make help` lists the targets.

# An interpreter that the pinned packages have wheels for; PYTHON=... takes another one.
CANDIDATES = python3.11 python3.12 python3
PYTHON ?= $(shell for p in $(CANDIDATES); do $$p -c '' 2>/dev/null && { echo $$p; break; }; done)
VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)

VENV = .venv
VENV_OPENMMLAB = .venv-openmmlab
VENV_DOCS = .venv-docs
# A stamp is written when a set-up has ended, never before: an interrupted one is begun anew.
READY = $(VENV)/.ready-$(VERSION)
READY_OPENMMLAB = $(VENV_OPENMMLAB)/.ready-$(VERSION)
READY_DOCS = $(VENV_DOCS)/.ready-$(VERSION)

# What `make demo` looks at; DEMO_PICTURES=... takes pictures of your own.
SHAPES = projects/shapes
DEMO_PICTURES = $(SHAPES)/pictures
DEMO_MODEL = $(SHAPES)/configs/shapes_rtmdet.py $(SHAPES)/checkpoints/shapes_rtmdet.pth
BOXAM = mmlens boxam $(DEMO_PICTURES) $(DEMO_MODEL) --layout panels --out-dir output/demo/boxam
FEATMAP = mmlens featmap $(DEMO_PICTURES) $(DEMO_MODEL) --target-layers backbone neck --out-dir output/demo/featmap

# The lists of pinned packages are complete. Quiet but for errors: pip's hundred lines say nothing more. Python compiles
# the modules that are used on their first import; compiling all of them would take half of the set-up's time.
PIP_INSTALL = -m pip install -qq --no-input --no-deps --no-compile
# A process a core, with a thread each; a file's tests stay together, for they share models. Four processes' models
# fit into the memory of most machines.
PYTEST = -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile
# A module path of the caller's must reach neither the environments nor the builds in them. And modules are compiled
# once, whatever the caller's Python is told: compiling torch and mmdet anew in every process takes a minute each.
unexport PYTHONPATH PYTHONHOME PYTHONDONTWRITEBYTECODE
export PIP_DISABLE_PIP_VERSION_CHECK = 1

# $(call supported,VERSIONS) stops with one sentence where the pinned packages have no wheels for the interpreter.
supported = @case ' $(1) ' in *' $(VERSION) '*) ;; *) echo "The pinned packages need one of Python $(1), and \
$(or $(PYTHON),python3) is $(or $(VERSION),not there): say which to take, as in make PYTHON=/usr/bin/python3.11." >&2; exit 1 ;; esac

.PHONY: help demo test test-openmmlab docs wheel-check dist has-address benchmark soak browser lint format clean
.DEFAULT_GOAL := help

help:  ## Show this list
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 18

demo: $(READY)  ## Draw every box's evidence and the feature maps of the shapes detector, into output/demo
	@rm -rf output/demo && mkdir -p output/demo
	@echo '$(BOXAM)' && echo '$(FEATMAP)'
	@# Both at once, with a thread each: most of their time goes into importing torch and mmdet.
	@export OMP_NUM_THREADS=1; $(VENV)/bin/$(FEATMAP) > output/demo/featmap.log 2>&1 & \
	$(VENV)/bin/$(BOXAM); boxam=$$?; \
	wait $$!; featmap=$$?; cat output/demo/featmap.log; exit $$((boxam + featmap))
	@rm output/demo/featmap.log
	@echo
	@echo 'The evidence for each box, and the feature maps behind it:'
	@ls output/demo/*/*

test: lint $(READY)  ## Lint, check types and run the tests on the default family of packages (onedl)
	OMP_NUM_THREADS=1 $(VENV)/bin/python $(PYTEST)

test-openmmlab: $(READY_OPENMMLAB)  ## Run the same tests on the original packages (PYTHON=python3.8 to 3.11)
	OMP_NUM_THREADS=1 $(VENV_OPENMMLAB)/bin/python $(PYTEST)

docs: $(READY_DOCS)  ## Build the website into output/site; links that lead nowhere are errors
	$(VENV_DOCS)/bin/python dev/docs_site.py
	NO_MKDOCS_2_WARNING=1 $(VENV_DOCS)/bin/mkdocs build --quiet --strict
	@echo 'The website: output/site/index.html'

wheel-check:  ## Install the wheel into a fresh environment and run commands there (FAMILY=openmmlab for the other one)
	$(call supported,3.8 3.9 3.10 3.11 3.12)
	OMP_NUM_THREADS=1 $(PYTHON) dev/wheel_check.py --family $(or $(FAMILY),onedl)

dist: has-address $(READY)  ## Build what is uploaded to a package index, into dist
	$(VENV)/bin/python -c 'import setuptools.build_meta as build; build.build_sdist("dist"); build.build_wheel("dist")'

has-address:
	@! grep -q "^REPOSITORY = .*\.example/" setup.py || \
	{ echo 'setup.py does not know yet where the project is published: set REPOSITORY, or every link there leads nowhere.' >&2; exit 1; }

browser: $(VENV)/.browser-$(VERSION) $(READY)  ## Test reports in a real browser (needs a chromium: apt-get install chromium)
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest -m browser -rs tests/browser

benchmark: $(READY)  ## Measure what everything costs beside other tools, and write docs/benchmark.md (half an hour)
	OMP_NUM_THREADS=1 $(VENV)/bin/python dev/benchmark.py --jobs 2 --output docs/benchmark.md $(BENCHMARK)

soak: $(READY)  ## Try everything that can go wrong, and write docs/reliability.md (hours)
	OMP_NUM_THREADS=1 $(VENV)/bin/python dev/soak.py --output docs/reliability.md

lint: $(READY)  ## Check style, format and types
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

format: $(READY)  ## Put style and format right
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

clean:  ## Remove the environments and everything that was built or drawn
	rm -rf $(VENV) $(VENV_OPENMMLAB) $(VENV_DOCS) output build dist *.egg-info mmlens/.mim
	rm -rf .mypy_cache .ruff_cache .pytest_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# onedl-mmcv first and alone: without pip's cache it is built in pip's isolated environment, where nothing is compiled;
# a wheel that pip cached after compiling it against another torch would be taken otherwise, and break on import.
$(VENV)/.packages-$(VERSION): requirements/onedl.txt requirements/dev.txt
	$(call supported,3.11 3.12)
	@echo 'Setting up $(VENV) with Python $(VERSION): some 3 GB to download the first time, minutes to install'
	$(PYTHON) -m venv --clear $(VENV)
	grep -h '^onedl-mmcv==' requirements/onedl.txt > $(VENV)/onedl-mmcv.txt
	MMCV_WITH_OPS=0 $(VENV)/bin/python $(PIP_INSTALL) --no-cache-dir -r $(VENV)/onedl-mmcv.txt
	$(VENV)/bin/python $(PIP_INSTALL) -r requirements/onedl.txt -r requirements/dev.txt
	@touch $@

$(VENV_OPENMMLAB)/.packages-$(VERSION): requirements/openmmlab.txt requirements/dev.txt
	$(call supported,3.8 3.9 3.10 3.11)
	@echo 'Setting up $(VENV_OPENMMLAB) with Python $(VERSION): some 3 GB to download the first time, minutes to install'
	$(PYTHON) -m venv --clear $(VENV_OPENMMLAB)
	$(VENV_OPENMMLAB)/bin/python $(PIP_INSTALL) -r requirements/openmmlab.txt -r requirements/dev.txt
	@touch $@

$(READY_DOCS): requirements/docs.txt
	$(call supported,3.10 3.11 3.12 3.13)
	$(PYTHON) -m venv --clear $(VENV_DOCS)
	$(VENV_DOCS)/bin/python $(PIP_INSTALL) -r requirements/docs.txt
	@touch $@

$(VENV)/.browser-$(VERSION): requirements/browser.txt $(VENV)/.packages-$(VERSION)
	$(VENV)/bin/python $(PIP_INSTALL) -r requirements/browser.txt
	@touch $@

# setuptools is among the pinned packages: the build needs no environment of its own.
$(READY): $(VENV)/.packages-$(VERSION) setup.py mmlens/version.py
	$(VENV)/bin/python $(PIP_INSTALL) --no-build-isolation --editable .
	@touch $@

$(READY_OPENMMLAB): $(VENV_OPENMMLAB)/.packages-$(VERSION) setup.py mmlens/version.py
	$(VENV_OPENMMLAB)/bin/python $(PIP_INSTALL) --no-build-isolation --editable .
	@touch $@
