# Everything a person or a CI job does with this project. Each target installs what it needs:
# Debian packages (as root or through sudo) and, in .venv, the Python ones.

PYTHON ?= python3
VENV ?= .venv
BUILD ?= build
JOBS ?= $(shell nproc)
BIN = $(VENV)/bin
CMAKE_FLAGS = -S firmware -B $(BUILD)/firmware

C_SOURCES = $(shell git ls-files '*.c' '*.h')
CMAKE_SOURCES = $(shell git ls-files '*CMakeLists.txt' '*.cmake')

.PHONY: demo test test-all lint bench firmware clean packages-python packages-firmware

demo: $(VENV)/.installed firmware
	$(BIN)/k210 board --firmware $(BUILD)/greeting.elf --run-for 0.05 --stats </dev/null

test: $(VENV)/.installed packages-firmware
	$(BIN)/python -m pytest -n $(JOBS) -m "not slow" tests

test-all: $(VENV)/.installed packages-firmware
	$(BIN)/python -m pytest -n $(JOBS) tests

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/clang-format --dry-run --Werror $(C_SOURCES)
	$(BIN)/cmake-format --check $(CMAKE_SOURCES)

bench: $(VENV)/.installed packages-firmware
	$(BIN)/python -m benchmarks

firmware: packages-firmware
	cmake $(CMAKE_FLAGS) >/dev/null
	cmake --build $(BUILD)/firmware --parallel $(JOBS) >/dev/null
	cp $(BUILD)/firmware/greeting.elf $(BUILD)/firmware/greeting.bin $(BUILD)/
	@ls -l $(BUILD)/greeting.elf $(BUILD)/greeting.bin | awk '{print $$5, $$9}'

packages-python:
	@scripts/ensure_packages.sh python3-venv python3-dev gcc libc6-dev

packages-firmware:
	@scripts/ensure_packages.sh cmake make gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf

# The C run loop is part of the install, so its sources are among the reasons to install anew.
$(VENV)/.installed: pyproject.toml setup.py $(wildcard host_tools/k210kit/board/core/fast/*) | packages-python
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[test,lint]'
	touch $@

clean:
	rm -rf $(BUILD) out .pytest_cache .mypy_cache .ruff_cache host_tools/k210kit.egg-info
	find host_tools -name '*.so' -delete
