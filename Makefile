# Everything here sets itself up: a fresh clone, Python >= 3.11 and a C++20 compiler are enough.
PYTHON  ?= python3
VENV    ?= .venv
WORKERS ?= 2
# PyTorch's package has builds for several machines; `make bench TORCH=` leaves it out.
TORCH   ?= torch==2.13.0
BENCH   ?= arrays
ARGS    ?=

BIN      := $(VENV)/bin
PIP      := $(BIN)/python -m pip --disable-pip-version-check -qq
CMAKE    := $(BIN)/cmake -G Ninja -DCMAKE_MAKE_PROGRAM=$(abspath $(BIN))/ninja
TESTS    := PYTHONHASHSEED=0 $(BIN)/python -m pytest -q -n $(WORKERS)
NATIVE   := $(shell find core bindings cmake -type f 2>/dev/null) CMakeLists.txt pyproject.toml
CXX_CODE := $(shell find core bindings -name '*.h' -o -name '*.cpp' 2>/dev/null)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup peers demo test test-core test-all lint format bench sanitize sdist wheel clean distclean

help:  ## Show the targets
	@echo "make TARGET [PYTHON=python3.12] [WORKERS=2] [ARGS=...]"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' Makefile

# ---- set-up: venv -> build tools -> editable build; each step is redone when what it stands on changes -------------

$(VENV)/pyvenv.cfg:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "faltung needs Python 3.11 or newer, and $(PYTHON) is older: make PYTHON=python3.12" >&2; exit 1; }
	@echo "faltung: making $(VENV)"
	@$(PYTHON) -m venv $(VENV)

# The build runs in this venv, not in a throw-away one (--no-build-isolation): so that it can be incremental, and so
# that CMake and Ninja are the same for the extension and for the C++ tests.
$(VENV)/.tools: $(VENV)/pyvenv.cfg pyproject.toml
	@echo "faltung: installing the build tools"
	@$(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")' > $@
	@$(PIP) install -r $@ cmake ninja build

$(VENV)/.built: $(VENV)/.tools $(NATIVE)
	@echo "faltung: building (about two minutes the first time)"
	@$(PIP) install --no-build-isolation --editable '.[test,lint]'
	@touch $@

$(VENV)/.peers: $(VENV)/.built
	@echo "faltung: installing the packages to compare with"
	@$(PIP) install --no-build-isolation --editable '.[peers]' $(TORCH)
	@touch $@

setup: $(VENV)/.built  ## Make .venv with faltung built into it, editable
peers: $(VENV)/.peers  ## Also install the packages that tests and benchmarks compare with

# ---- use --------------------------------------------------------------------------------------------------------

demo: setup  ## Filter a real photograph; writes faltung-demo/index.html
	@$(BIN)/faltung demo $(ARGS)

bench: peers  ## Measure beside the peers; BENCH=layers or backward, ARGS="--help" shows the options
	@$(BIN)/python -m benchmarks.$(BENCH) $(ARGS)

# ---- check ------------------------------------------------------------------------------------------------------

test: setup test-core  ## Fixed seeds, pairwise grids, C++ core tests: some minutes
	@$(TESTS) $(ARGS)

test-core: setup
	@mkdir -p build
	@$(CMAKE) -S . -B build/core -DCMAKE_BUILD_TYPE=Release -DFALTUNG_BUILD_PYTHON=OFF -DFALTUNG_BUILD_TESTS=ON > build/core.log \
		|| { cat build/core.log; exit 1; }
	@$(BIN)/cmake --build build/core > build/core.log || { cat build/core.log; exit 1; }
	@$(BIN)/ctest --test-dir build/core/core --output-on-failure --no-tests=error --progress

test-all: setup test-core  ## The full grids, once per instruction set: long
	@set -e; for isa in $$($(BIN)/python -c 'from faltung import _core; print(*_core.available_isas())'); do \
		echo "faltung: full grids on $$isa"; FALTUNG_ISA=$$isa $(TESTS) --full $(ARGS); done

lint: setup  ## ruff, mypy, who imports whom, clang-format
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check . || { echo "run make format" >&2; exit 1; }
	@$(BIN)/mypy --no-error-summary
	@PYTHONPATH=src $(BIN)/lint-imports --no-logo
	@$(BIN)/clang-format --dry-run -Werror $(CXX_CODE)
	@echo "lint: nothing to mend"

format: setup  ## Rewrite Python and C++ in the house's format
	@$(BIN)/ruff check --quiet --fix-only .
	@$(BIN)/ruff format --quiet .
	@$(BIN)/clang-format -i $(CXX_CODE)

# The extension too, so that the operation runs under the sanitizers and not the pool alone: its tests import a copy of
# the package with the sanitized extension (-S keeps the editable one out of sight).
SANITIZED := build/sanitize
SANITIZED_TESTS := $(wildcard $(addprefix tests/,test_reference.py test_convolve_[!i]*.py test_promise.py test_plan.py))
sanitize: setup  ## C++ core and the operation under the address and undefined-behaviour sanitizers
	@echo "faltung: building with sanitizers (some minutes)"
	@mkdir -p $(SANITIZED)/site
	@$(CMAKE) -S . -B $(SANITIZED) -DCMAKE_BUILD_TYPE=RelWithDebInfo -DFALTUNG_BUILD_TESTS=ON \
		-DFALTUNG_SANITIZE=address,undefined -DPython_EXECUTABLE=$(abspath $(BIN))/python \
		-Dnanobind_DIR=$$($(BIN)/python -m nanobind --cmake_dir) > $(SANITIZED).log || { cat $(SANITIZED).log; exit 1; }
	@$(BIN)/cmake --build $(SANITIZED) --target faltung_core_tests _core > $(SANITIZED).log || { cat $(SANITIZED).log; exit 1; }
	@$(BIN)/ctest --test-dir $(SANITIZED)/core --output-on-failure --no-tests=error
	@rm -rf $(SANITIZED)/site/faltung && cp -r src/faltung $(SANITIZED)/site && rm -f $(SANITIZED)/site/faltung/_core*
	@cp $(SANITIZED)/bindings/_core*.so $(SANITIZED)/site/faltung
	@compiler=$$(sed -n 's/^CMAKE_CXX_COMPILER:[^=]*=//p' $(SANITIZED)/CMakeCache.txt); \
		LD_PRELOAD="$$($$compiler -print-file-name=libasan.so) $$($$compiler -print-file-name=libstdc++.so)" \
		ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1 \
		PYTHONPATH=$(SANITIZED)/site:$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))') \
		$(BIN)/python -S -m pytest -q -p no:cacheprovider $(SANITIZED_TESTS) $(ARGS)

# ---- ship -------------------------------------------------------------------------------------------------------

sdist: $(VENV)/.tools  ## dist/faltung-*.tar.gz
	@mkdir -p build && $(BIN)/python -m build --sdist --outdir dist . > build/sdist.log 2>&1 || { cat build/sdist.log; exit 1; }
	@ls dist/*.tar.gz

wheel: $(VENV)/.tools  ## dist/faltung-*.tar.gz and the wheel built from it
	@mkdir -p build && $(BIN)/python -m build --outdir dist . > build/wheel.log 2>&1 || { cat build/wheel.log; exit 1; }
	@ls dist/*

clean:  ## Remove what was built; .venv stays
	@rm -rf build dist faltung-demo .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .grimp_cache .hypothesis $(VENV)/.built
	@find src tests benchmarks -name __pycache__ -prune -exec rm -rf {} +

distclean: clean  ## Remove .venv too
	@rm -rf $(VENV)
