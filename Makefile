# make demo · make test · make test-peers · make lint · make bench      (environment in .venv)
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Other people's programs, which ours is compared with, live in an environment of their own.
PEERS := .venv-peers
DEMO ?= demo
# Setuptools warns of every editable installation, at length, in the first thing a person sees of us.
PIP := PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --constraint constraints.txt
# Two processes: the tests are made for two cores.
PYTEST := $(BIN)/python -m pytest -n 2

.PHONY: demo test test-peers lint bench format clean
.DELETE_ON_ERROR:

demo: $(VENV)/.demo-ready
	$(BIN)/medseg demo $(DEMO)

test: $(VENV)/.test-ready
	$(PYTEST) $(TESTS)

lint: $(VENV)/.test-ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.test-ready
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Two minutes of it are fuzzing: the static checks of model files (atheris has wheels for Linux on x86_64 alone).
bench: $(VENV)/.fuzz-ready
	$(BIN)/python Testing/fuzz/fuzz_models.py --seconds 120
	$(BIN)/python Testing/benchmarks/inspecting.py
	$(BIN)/python Testing/benchmarks/inference.py
	$(BIN)/python Testing/benchmarks/window.py

test-peers: $(VENV)/.test-ready $(PEERS)/.ready
	MEDSEG_PEERS=$(PEERS) $(BIN)/python -m pytest -n 0 --timeout 1500 $(or $(TESTS),Testing/peers)

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else \
	  "Python 3.11 to 3.13 is needed, this is %d.%d: make PYTHON=python3.12 ..." % v)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

# The exact torch goes first: a range would take the newest build with gigabytes of CUDA.
$(VENV)/.test-ready: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) torch
	$(PIP) --editable '.[test,lint]'
	@touch $@ $(VENV)/.demo-ready

$(VENV)/.fuzz-ready: $(VENV)/.test-ready
	$(PIP) --editable '.[fuzz]'
	@touch $@

$(VENV)/.demo-ready: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) --editable '.[demo]'
	@touch $@

# torch goes first and alone; the list after it is closed. torchvision_names.py says why torchvision needs a hand.
$(PEERS)/.ready: Testing/peers/requirements.txt Testing/peers/torchvision_names.py
	test -x $(PEERS)/bin/python || $(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --constraint constraints.txt torch
	$(PEERS)/bin/python -m pip install --quiet --no-deps --requirement Testing/peers/requirements.txt
	site=$$($(PEERS)/bin/python -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])') && \
	  cp Testing/peers/torchvision_names.py $$site/ && echo 'import torchvision_names' > $$site/torchvision_names.pth
	@touch $@

clean:
	rm -rf $(VENV) $(PEERS) demo build
