# Each target makes its own set-up first: a virtual environment in .venv, from the lock files.
# `make lab PYTHON=python3.12` takes another Python, `make lab VENV=/path` another place.

PYTHON ?= python3
VENV   ?= .venv
ARGS   ?=
SEEDS  ?= 100
CLIENT ?= python
CHAOS  := $(if $(filter --workers,$(ARGS)),python tests/chaos/chaos_workers.py,$(if \
  $(filter python,$(CLIENT)),sio-demo chaos,python tests/chaos/pages.py --client $(CLIENT)))

# Run a command with the environment's programs first on PATH: Node may be one of them. Python is
# to keep its bytecode even where the machine says otherwise: each kernel imports a lot.
IN  := PYTHONDONTWRITEBYTECODE= PATH="$$(cd "$(VENV)/bin" && pwd):$$PATH"
run  = @echo '$(1)'; $(IN) $(1)

.DEFAULT_GOAL := help
.PHONY: help setup lab test coverage bench chaos notebooks figures lock clean

help: ## Say what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' Makefile

setup: ## Make .venv from the lock files; a second run ends at once
	@command -v "$(PYTHON)" >/dev/null || { \
	  echo "sio-demo: there is no program $(PYTHON). Install Python 3.11 or newer (python.org," \
	       "conda, pyenv), or name yours: make lab PYTHON=/path/to/python3"; exit 1; } >&2
	@$(PYTHON) .ci/setup.py "$(VENV)"

lab: setup ## Open copies of the notebooks in JupyterLab; ARGS="--no-browser --port=8899"
	@$(IN) sio-demo lab $(ARGS)

test: setup ## Lint, types, unit and browser tests, every notebook against its stored outputs
	$(call run,ruff check)
	$(call run,ruff format --check)
	@echo 'mypy beside pytest; its findings stand at the end'
	@$(IN) mypy >"$(VENV)/mypy.txt" 2>&1 & types=$$!; \
	  $(IN) pytest -n 3 -rs --nbval --nbval-current-env --nbval-cell-timeout 60 --twice \
	  tests notebooks; tests=$$?; \
	  wait $$types; types=$$?; echo mypy; cat "$(VENV)/mypy.txt"; exit $$((tests | types))

coverage: setup ## Run the unit tests, without browser and notebooks, and measure what they cover
	$(call run,pytest --cov --cov-report=term --ignore tests/browser --ignore tests/notebooks)

bench: setup ## Measure speed side by side with peers; table on the screen, build/bench.json beside
	$(call run,python tests/benchmarks/bench.py)

chaos: setup ## Fault schedules against outbox and inbox: SEEDS=1000 of them; SEED=17 replays one; CLIENT=node, CLIENT=browser
	$(call run,$(CHAOS) \
	  $(if $(SEED),--seed $(SEED),--seeds $(SEEDS)) $(ARGS))

notebooks: setup ## Run every notebook in a fresh kernel and store its outputs
	$(call run,python .ci/notebooks.py)

figures: setup ## Record the wire being cut, and draw it as an animation; needs Chromium
	$(call run,python .ci/figures.py)

lock: setup ## Write requirements.lock anew, keeping versions; ARGS=--upgrade takes the newest
	@$(IN) uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-annotate --custom-compile-command "make lock" $(ARGS) \
	  --extra notebooks --extra workers --extra test --group setup --output-file requirements.lock pyproject.toml

clean: ## Remove all that these targets made
	rm -rf .venv build sio_demo/lab/node/node_modules .mypy_cache .pytest_cache .ruff_cache \
	  .coverage .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +
	find . -name .ipynb_checkpoints -prune -exec rm -rf {} +
