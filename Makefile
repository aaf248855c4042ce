# Everything runs on a fresh Debian or Ubuntu machine: tools/setup brings what is missing.
# Slow things (toolchains, binaries, images, wheels) are kept outside the repository, by version.
SHELL := /bin/bash
export FIREDRILL_HOME ?= $(HOME)/.cache/firedrill
export PYTHONPATH := $(CURDIR)/operator
export PYTHONDONTWRITEBYTECODE := 1
PYTHON = $$(tools/setup)
PYTEST = "$(PYTHON)" -m pytest -p no:cacheprovider

.PHONY: help setup demo demo-down test unit system matrix simulator integration integration-stores integration-models e2e e2e-simulations e2e-faults e2e-scenarios e2e-engines e2e-data e2e-shape e2e-models generate lint bench bench-faults bench-faults-real bench-many bench-drift bench-shards calibration bench-load bench-pipeline bad-models chaos-full build

help:            ## This list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

setup:           ## Python environment from the lock file
	@tools/setup >/dev/null

build:           ## Fill the caches: Kubernetes binaries and images
	@"$(PYTHON)" -m firedrill lab build

demo:            ## Four clusters, the operator, the samples, their verdicts
	@"$(PYTHON)" tools/demo.py up

demo-down:       ## Take all of it away
	@"$(PYTHON)" tools/demo.py down

test: lint unit system matrix simulator integration e2e  ## All tests

unit:            ## Pure tests, under a minute
	@$(PYTEST) -n auto -m "not matrix and not system" tests/unit

system:          ## Servers, child processes and network namespaces of this machine; a minute
	@tools/setup iproute2 nftables util-linux >/dev/null
	@$(PYTEST) -n auto -m system tests/unit

matrix:          ## Runner, guardian and sweeper killed at every write, in a simulated cluster
	@$(PYTEST) -n auto -m matrix tests/unit

simulator:       ## Tests of the simulator (Go)
	@"$(PYTHON)" tools/simulator_tests.py

integration:     ## The operator against real API servers, without nodes
	@$(PYTEST) tests/integration --ignore tests/integration/stores --ignore tests/integration/models

integration-stores: ## Probes and faults of data stores against a Postgres, Redis and Kafka of this machine
	@$(PYTEST) tests/integration/stores

integration-models: ## Validations and benchmarks of MLServer, KServe, MLflow and SageMaker's double; downloads packages
	@$(PYTEST) tests/integration/models

e2e:             ## Real pods: the samples and their failing twins
	@$(PYTEST) tests/e2e/fix tests/e2e/kills tests/e2e/operator tests/e2e/runner

e2e-simulations: ## Real pods: the simulated industries and what they can suffer; a quarter of an hour
	@$(PYTEST) tests/e2e/simulation

e2e-faults:      ## Real pods: every fault on an application that was not prepared for it; ten minutes
	@$(PYTEST) tests/e2e/faults

chaos-full:      ## Operator, and runner and guardian in real pods, killed at every write of every life; an hour
	@FIREDRILL_KILL_ALL=1 FIREDRILL_WRITE_DOCS=1 $(PYTEST) -s tests/integration/test_kill_at_every_write.py
	@FIREDRILL_KILL_ALL=1 FIREDRILL_WRITE_DOCS=1 $(PYTEST) -s tests/e2e/kills

e2e-scenarios:   ## Real pods: every ready scenario on its simulation; half an hour
	@$(PYTEST) tests/e2e/scenarios

e2e-engines:     ## Real pods: experiments of other engines; a quarter of an hour
	@$(PYTEST) tests/e2e/engines

e2e-data:        ## Real pods: faults of data stores on the simulated bank; a quarter of an hour
	@$(PYTEST) tests/e2e/data

e2e-shape:       ## Real pods: several faults in an order, in stages, again and again, ended by a condition; five minutes
	@$(PYTEST) tests/e2e/shape

e2e-models:      ## Real pods: checks and loads of several workers, claims, pipelines, what drift starts; a quarter of an hour
	@$(PYTEST) tests/e2e/models

accuracy:        ## False alarms and power of the drift engine
	@$(PYTEST) tests/accuracy

generate:        ## CRDs, the chart's copy of them, reference docs
	@"$(PYTHON)" tools/generate.py

lint:            ## ruff, mypy, import-linter, and nothing generated is stale
	@"$(PYTHON)" -m ruff check operator tests tools
	@"$(PYTHON)" -m ruff format --check operator tests tools
	@"$(PYTHON)" -m mypy operator/firedrill tools
	@"$$(dirname "$$(tools/setup)")/lint-imports" --no-cache
	@"$(PYTHON)" tools/generate.py && git diff --exit-code -- crds helm docs/reference docs/fault-table.md

bench-faults:    ## How long faults of the API take on 1 to 6,000 stand-in pods: in place, and seen undone; hours
	@"$(PYTHON)" tools/bench_faults.py --write --times 5 --pods 1,10,100
	@"$(PYTHON)" tools/bench_faults.py --write --pods 1000,6000

bench-faults-real: ## How long faults in pods that run take on 1, 10 and 100 of them; two hours
	@"$(PYTHON)" tools/bench_faults_real.py --write --times 3 --pods 1,10
	@"$(PYTHON)" tools/bench_faults_real.py --write --pods 100

bench-many:      ## Twenty experiments at once over three targets
	@"$(PYTHON)" tools/bench_many.py

bench-load:      ## What one worker can send on one core, beside k6 where it is there, and what a stall looks like
	@"$(PYTHON)" tools/bench_load.py

bad-models:      ## What is said of each wrong spec, data set and server
	@"$(PYTHON)" tools/bad_models.py

bench-pipeline:  ## The checks of DataPipelineTest beside pandera and DuckDB, a million rows
	@"$(PYTHON)" tools/bench_pipeline.py

bench-drift:     ## The drift engine beside Evidently, NannyML and river: speed, power, a few streams, false alarms; an hour
	@"$(PYTHON)" tools/bench_drift.py speed
	@"$(PYTHON)" tools/bench_drift.py power
	@"$(PYTHON)" tools/bench_drift_streams.py --seeds 5 --others 5
	@"$(PYTHON)" tools/bench_calibration.py --repetitions 100

calibration:     ## False alarms of the drift engine 2,000 times, 100 streams of each kind; hours, goes on where it was stopped
	@"$(PYTHON)" tools/bench_calibration.py
	@"$(PYTHON)" tools/bench_drift_streams.py
	@"$(PYTHON)" tests/accuracy/test_concept.py

bench-shards:    ## Drift of 10^8 rows a side by workers that share them, beside the exact way on 10^7; hours, 15 GB of disk
	@"$(PYTHON)" tools/bench_drift_shards.py

bench:           ## Cold and warm demo by phase; drift, its calibration and pipelines' checks beside their peers; hours
	@"$(PYTHON)" tools/bench.py
	@$(MAKE) --no-print-directory bench-drift bench-pipeline
