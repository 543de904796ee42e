# Everything a contributor runs. The first use makes .venv; nothing else needs to be prepared.
MAKEFLAGS += --no-print-directory
PYTHON_VENV = .venv/bin/python
export ANSIBLE_COLLECTIONS_PATH = $(CURDIR)/.cache/collections
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.DEFAULT_GOAL = help
.PHONY: help demo demo-clean test unit lint sanity molecule soak bench docs docs-check collection venv lab-up lab-down clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: collection ## deploy the example app to this machine: v1, v2 under load, rollback
	@$(PYTHON_VENV) examples/demo.py

demo-clean: collection ## remove what the demo made
	@$(PYTHON_VENV) examples/demo.py clean

test: collection ## everything that CI runs
	@$(PYTHON_VENV) tests/run.py

unit: venv ## the unit tests, in minutes
	@$(PYTHON_VENV) tests/run.py unit

lint: collection ## ruff, mypy, ansible-lint
	@$(PYTHON_VENV) tests/run.py lint

sanity: collection ## ansible-test sanity
	@$(PYTHON_VENV) tests/run.py sanity

molecule: collection ## the stories on test hosts; one of them: STORY=rolling; without the kept process: KEPT=false
	@$(PYTHON_VENV) tests/stories.py $(STORY)

soak: collection ## a hundred releases, rollbacks and kills under load; RELEASES=10 to shorten, SEED=N to repeat
	@$(PYTHON_VENV) tests/soak/soak.py

bench: collection ## measure deploys on test hosts and write docs/performance.md; RUNS=3 to shorten
	@$(PYTHON_VENV) tests/bench/bench.py
	@$(PYTHON_VENV) tests/bench/many.py

docs: venv ## write the generated parts of docs/
	@$(PYTHON_VENV) tools/docs.py

docs-check: venv
	@$(PYTHON_VENV) tests/run.py docs

lab-up: venv ## start the test hosts, the registry and the load balancer, and leave them running
	@tools/engine.sh
	@$(PYTHON_VENV) tests/lab/lab.py up

lab-down: venv ## remove them
	@$(PYTHON_VENV) tests/lab/lab.py down

collection: venv ## copy the clone to where Ansible finds it as caravan.kamal
	@$(PYTHON_VENV) tools/collection.py

venv:
	@tools/venv.sh

clean: ## remove the test hosts, .venv and everything cached in this folder
	@[ ! -d .cache/lab ] || $(PYTHON_VENV) tests/lab/lab.py down
	rm -rf .venv .cache .ansible .ruff_cache .pytest_cache .mypy_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
