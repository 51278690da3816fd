# make demo   the product in one command          make test   the test suite
# make help   every target
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: spark help demo libraries test test-long lint types validate audit faults fuzz bench bench-short e2e history versions load growth many anomalies queries plots docs fmt constraints latency table clean

help: ## List the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## /\1\t/' | expand -t 14

# Only packages with a hash in requirements/ are installed or used to build; the project itself comes last, without dependencies.
INSTALL := $(BIN)/pip install --quiet --require-hashes --no-deps --no-build-isolation
$(BIN)/election-metrics: pyproject.toml requirements/build.txt requirements/run.txt
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) -r requirements/build.txt -r requirements/run.txt
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	$(BIN)/pip check > /dev/null
	@touch $@

$(VENV)/.dev: $(BIN)/election-metrics requirements/dev.txt
	$(INSTALL) -r requirements/dev.txt
	$(BIN)/pip check > /dev/null
	@touch $@

demo: $(BIN)/election-metrics ## Replay the vote of 2026, its third day being today (ARGS=--once: without the UI)
	$(BIN)/election-metrics demo $(ARGS)

# A selection of tests runs in one process, because each of four processes would import everything first.
PARALLEL := -n 4 --dist loadfile --no-loadscope-reorder
test: $(VENV)/.dev ## Run the tests (ARGS=…: pytest's arguments, such as -k WORD or a file)
	$(BIN)/python -m pytest $(if $(filter -k%,$(ARGS))$(findstring .py,$(ARGS)),,$(PARALLEL)) $(ARGS)

test-long: $(VENV)/.dev ## Run the long tests: whole systems for minutes, Spark, pods, further cases of what make test tries in one
	$(BIN)/python -m pytest -m long $(PARALLEL) $(ARGS)

# Once with the tests, because their helpers count too; once without them, because code that only tests use is unused.
USED_BY_US := election_metrics benchmarks faults docs deploy
lint: $(VENV)/.dev ## Lint, check the format, and find unused code
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/vulture
	$(BIN)/vulture $(USED_BY_US)

types: $(VENV)/.dev ## Check types
	$(BIN)/mypy

validate: $(VENV)/.dev ## Let Dagster check the definitions
	$(BIN)/dagster definitions validate -w workspace.yaml

fmt: $(VENV)/.dev ## Format the code
	$(BIN)/ruff check --fix --quiet . || true
	$(BIN)/ruff format .

audit: $(VENV)/.dev ## Check the pinned packages for known vulnerabilities and unwanted licences
	$(BIN)/python -m benchmarks.licences docs/licences.md
	$(BIN)/python -m benchmarks.audit requirements

faults: $(VENV)/.dev ## Inject random faults and check the invariant (ARGS="--seed 1 --schedules 500", --system, --help)
	$(BIN)/python -m faults $(ARGS)

fuzz: $(VENV)/.dev ## Fuzz for a line that the SQL and the reference read differently (ARGS="--seconds 600")
	$(BIN)/python -m faults.fuzz $(ARGS)

bench: $(VENV)/.dev ## Compare speed and memory with common tools, as ratios (ARGS=--help)
	$(INSTALL) -r requirements/bench.txt
	$(BIN)/python -m benchmarks $(ARGS)

bench-short: $(VENV)/.dev ## Run the small benchmarks; fails if a ratio is more than 1.5 times that of benchmarks/short.json
	$(BIN)/python -m benchmarks --short

spark: $(VENV)/.dev ## Land and count a tree on a Spark cluster of this machine, kill a worker (ARGS="--gigabytes 4")
	$(BIN)/python -m benchmarks.spark $(ARGS)

table: $(VENV)/.dev ## Measure how fast rows of another database's table land
	$(BIN)/python -m benchmarks.table $(ARGS)

latency: $(VENV)/.dev ## Measure the seconds from a file's rename to the committed summary, in a running system
	$(BIN)/python -m benchmarks.latency $(ARGS)

history: $(VENV)/.dev ## Measure whether a year of history slows ticks, runs or the UI
	$(BIN)/python -m benchmarks.history $(ARGS)

versions: $(VENV)/.dev ## Measure how large the history of a vote of three days grows
	$(BIN)/python -m benchmarks.versions $(ARGS)

load: $(VENV)/.dev ## Send the API 500 requests a second while hours are replaced; count late, failed and stale answers
	$(BIN)/python -m benchmarks.load $(ARGS)

many: $(VENV)/.dev ## Start with 400,000 waiting files; print progress and status each minute
	$(BIN)/python -m benchmarks.many $(ARGS)

growth: $(VENV)/.dev ## Measure how much Dagster's database grows in a day
	$(BIN)/python -m benchmarks.growth $(ARGS)

e2e: $(VENV)/.dev ## Run the long versions of the tests: three accelerated days, database outages, all combinations on Spark, more file orders, pods, twenty fault schedules
	E2E=full $(BIN)/python -m pytest -s election_metrics_tests/end_to_end/test_three_days.py election_metrics_tests/end_to_end/test_database_away.py election_metrics_tests/pipeline/test_combinations.py election_metrics_tests/pipeline/test_landing_order.py election_metrics_tests/pipeline/test_one_rule.py election_metrics_tests/end_to_end/test_elsewhere.py election_metrics_tests/faults/test_schedules.py

anomalies: $(VENV)/.dev ## Measure recall and false alarms of the anomaly rules
	$(BIN)/python -m benchmarks.anomalies $(ARGS)

queries: $(VENV)/.dev ## Time the queries of docs/analysts.md over a large election
	$(BIN)/python -m benchmarks.queries

plots: $(VENV)/.dev ## Draw the charts of the docs
	$(BIN)/python -m benchmarks.plots docs/images

LIBRARIES := election_metrics/api/page_files/libraries
OF_TESTS := election_metrics_tests/api/page/libraries
libraries: ## Fetch the page's libraries and axe-core again from the npm registry (needs npm), and verify their checksums
	rm -rf $(VENV)-libraries && mkdir -p $(VENV)-libraries
	npm install --silent --no-save --ignore-scripts --prefix $(VENV)-libraries d3@7.9.0 @observablehq/plot@0.6.17 lit-html@3.3.3 axe-core@4.14.1
	cp $(VENV)-libraries/node_modules/d3/LICENSE $(VENV)-libraries/node_modules/d3/dist/d3.min.js $(LIBRARIES)/d3
	cp $(VENV)-libraries/node_modules/@observablehq/plot/LICENSE $(VENV)-libraries/node_modules/@observablehq/plot/dist/plot.umd.min.js $(LIBRARIES)/plot
	cd $(VENV)-libraries/node_modules/lit-html && cp LICENSE lit-html.js directive.js directive-helpers.js $(CURDIR)/$(LIBRARIES)/lit-html
	cd $(VENV)-libraries/node_modules/lit-html/directives && cp keyed.js repeat.js $(CURDIR)/$(LIBRARIES)/lit-html/directives
	sed -i '/sourceMappingURL/d' $(LIBRARIES)/lit-html/*.js $(LIBRARIES)/lit-html/directives/*.js
	cd $(VENV)-libraries/node_modules/axe-core && cp LICENSE LICENSE-3RD-PARTY.txt axe.min.js $(CURDIR)/$(OF_TESTS)/axe-core
	rm -rf $(VENV)-libraries
	cd $(LIBRARIES) && sha256sum --check --quiet SHA256SUMS
	cd $(OF_TESTS) && sha256sum --check --quiet SHA256SUMS

docs: $(VENV)/.dev ## Write the generated pages of docs/
	$(BIN)/python -m docs.generate

constraints: ## Pin the newest versions with hashes for every platform (ARGS=--keep: keep existing pins)
	$(PYTHON) -m venv $(VENV)-pins
	$(VENV)-pins/bin/pip install --quiet uv packaging
	$(VENV)-pins/bin/python -m benchmarks.pins $(ARGS)
	rm -rf $(VENV)-pins

clean: ## Remove the environment and the demo's data
	rm -rf $(VENV) .election-metrics
