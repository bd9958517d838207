# The two commands a newcomer needs: `make demo` and `make test`. Both make .venv first.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test fuzz lint types lock clean

# make, corrupt, fine-tune on clean data, learn prompts for the scenarios on that backbone, evaluate, report: everything
# once, on a small scale.
# It has a folder of its own, so that `avbuild corrupt` still finds the one data set under data/.
DEMO_FIT := $(BIN)/avtrain fit manifests/demo.yaml --backbone tiny --out demo/runs
demo: .venv
	$(BIN)/avbuild make demo-av --out demo/
	$(BIN)/avbuild corrupt --scenario A,V,D --data demo/demo-av
	$(DEMO_FIT) --method finetune --train-on clean --name demo-finetune-tiny --lr 0.002 --epochs 12 --set method.head_lr=1
	$(DEMO_FIT) --method prompt --lr 0.003 --epochs 6 --set method.depth=deep --set method.below=0 --init-from demo/runs/demo-finetune-tiny
	$(BIN)/avtrain eval demo/runs/demo-finetune-tiny demo/runs/demo-prompt-tiny
	$(BIN)/avtrain report demo/runs
	@echo "try next: source .venv/bin/activate"
	@echo "          avtrain fit manifests/demo-missing.yaml --backbone tiny --lr 0.002 --epochs 20   (when a modality is gone)"
	@echo "          avbuild make urbansound8k-av --out data/   (real data)"

test: .venv
	$(BIN)/python -m pytest --numprocesses auto --dist worksteal

# Thousands of damaged and odd inputs; `make test` tries a few dozen of each kind.
fuzz: .venv
	FUZZ_CASES=$${FUZZ_CASES:-2000} $(BIN)/python -m pytest --numprocesses auto --dist worksteal tests/fuzz

lint: .venv
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv
	$(BIN)/mypy

# A half-finished install must not look finished: the stamp inside .venv is written last.
.venv: .venv/installed
.venv/installed: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "avbuild needs Python 3.11 or newer; try: make PYTHON=python3.12 $(MAKECMDGOALS)")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python -r requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	touch $@

# Exact versions for every platform and Python we support, without download addresses.
lock: .venv
	$(BIN)/uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --upgrade \
	  --constraint constraints.txt --no-annotate --no-header --no-emit-index-url --quiet -o requirements.lock

clean:
	rm -rf .venv demo
