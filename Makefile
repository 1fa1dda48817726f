# The commands people and the continuous integration use; nothing else needs to be remembered.
#
#   make demo     set up, then make a real operator faster on this machine's CPU
#   make test     set up, then run the tests
#   make check    style, types, import rules, spelling
#
# Override on the command line:
#   PYTHON=python3.12        the interpreter .venv is made from (3.11 or newer)
#   TORCH="torch==2.13.0"    which torch the sandboxed side gets
#   TORCH_ARGS="--index-url URL"   e.g. PyTorch's index of CPU-only wheels, a much smaller download
#   DEMO=path/to/problem.py  what `make demo` works on

PYTHON ?= python3
TORCH ?= torch==2.13.0
TORCH_ARGS ?=
DEMO ?= evals/problems/cpu/layernorm_residual.py
PYTEST_ARGS ?=
AA_ARGS ?=
BENCH_ARGS ?=
GATE_ARGS ?=
SAMPLE ?= 40

BIN := .venv/bin
STAMP := .venv/.set-up

.PHONY: help setup system demo test test-slow test-gpu integrity-gpu bench-gpu check format image gate bench-cpu bench-aa bench-strictness integrity integrity-sample survival wheel-check clean

help:  ## what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14

setup: $(STAMP)  ## .venv with everything, instant when it is there already

$(STAMP): pyproject.toml scripts/set_up.sh
	@PYTHON="$(PYTHON)" TORCH="$(TORCH)" TORCH_ARGS="$(TORCH_ARGS)" bash scripts/set_up.sh .venv
	@touch $@

system:  ## name the system packages that are missing
	@PYTHON="$(PYTHON)" bash scripts/check_system.sh

demo: system setup  ## set up, then make one operator faster
	@rm -rf demo-run
	@$(BIN)/kernelwright optimize $(DEMO) --max-candidates 3 --max-seconds 60 --out demo-run

test: system setup  ## set up, then the tests (minutes)
	@$(BIN)/ruff check --quiet .
	@$(BIN)/python -m pytest -m "not slow and not gpu" $(PYTEST_ARGS)

test-slow: system setup  ## the tests that take many minutes
	@$(BIN)/python -m pytest -m slow $(PYTEST_ARGS)

test-gpu: system setup  ## the tests that need a GPU
	@$(BIN)/python -m pytest -m gpu $(PYTEST_ARGS)

integrity-gpu: system setup  ## every attack and every honest program of the GPU corpus, judged on the GPU that is here
	@$(BIN)/kernelwright eval integrity --target cuda

bench-gpu: system setup  ## what this does on the GPU that is here, in pieces (BENCH_ARGS="--part model --minutes 9")
	@$(BIN)/python scripts/bench_gpu.py $(BENCH_ARGS)

check: setup  ## style, types, import rules, spelling
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/typos

format: setup  ## put the source into the house style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

image:  ## the docker images: the CPU sandbox and the agent's own
	@bash scripts/build_images.sh

gate: system setup  ## two problems the builtin model must solve on any machine; 1 for a regression (docs/evals.md)
	@rm -rf build/gate
	@$(BIN)/kernelwright eval gate --out build/gate $(GATE_ARGS)

bench-cpu: system setup  ## the whole CPU suite, judged; writes a dated report
	@$(BIN)/kernelwright eval cpu

bench-aa: system setup  ## pairs without and with a true difference, timed as in a judgement (AA_ARGS="--minutes 60")
	@$(BIN)/python scripts/bench_aa.py $(AA_ARGS)

bench-strictness: system setup  ## what a judgement costs beside a lax one, stage by stage
	@$(BIN)/python scripts/bench_strictness.py

integrity: system setup  ## every attack and every honest program of the CPU corpus, judged (an hour)
	@$(BIN)/kernelwright eval integrity

survival: system setup  ## an honest program judged after each attack on the environment
	@$(BIN)/python scripts/bench_survival.py

integrity-sample: system setup  ## some of them, drawn anew each time
	@$(BIN)/kernelwright eval integrity --sample $(SAMPLE)

wheel-check: setup  ## build the wheel, install it in a clean environment, run it there
	@bash scripts/check_wheel.sh $(BIN)/python

clean:  ## remove what was made here
	rm -rf .venv build dist demo-run .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
