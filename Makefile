# Everything a person or a CI job does with this project. Each target installs what it needs:
# Debian packages (as root or through sudo) and, in .venv, the Python ones.

PYTHON ?= python3
VENV ?= .venv
BUILD ?= build
JOBS ?= $(shell nproc)
BIN = $(VENV)/bin

# The firmware: whose board, and whose MicroPython source (fetched from Debian unless given).
BOARD ?= maix_bit
MICROPYTHON_VERSION = 1.25.0
MICROPYTHON_DIR ?= $(CURDIR)/$(BUILD)/micropython-$(MICROPYTHON_VERSION)
USER_C_MODULES ?=
FIRMWARE_BUILD = $(BUILD)/micropython-$(BOARD)
# The same source gives the same bytes: the banner's date is that of the last commit.
MICROPY_ENV = export MICROPY_GIT_TAG=v$(MICROPYTHON_VERSION) \
	SOURCE_DATE_EPOCH=$${SOURCE_DATE_EPOCH:-$$(git log -1 --format=%ct 2>/dev/null || echo 1744675200)}

# Whose tests and benchmarks are run.
SUITE_ENV = MICROPYTHON_DIR=$(MICROPYTHON_DIR)

C_SOURCES = $(shell git ls-files '*.c' '*.h')
CMAKE_SOURCES = $(shell git ls-files '*CMakeLists.txt' '*.cmake')

.PHONY: demo train test test-all lint bench fuzz firmware flash-stub micropython-source clean packages-python packages-firmware packages-fuzz

demo: $(VENV)/.installed firmware
	$(BIN)/python scripts/demo.py $(BUILD)/firmware.bin

test: $(VENV)/.installed firmware
	$(SUITE_ENV) $(BIN)/python -m pytest -n $(JOBS) --dist worksteal -m "not slow" tests

test-all: $(VENV)/.installed firmware
	$(SUITE_ENV) $(BIN)/python -m pytest -n $(JOBS) --dist worksteal tests

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	@$(BIN)/clang-format --dry-run --Werror $(C_SOURCES)
	@$(BIN)/cmake-format --check $(CMAKE_SOURCES)

# Our detector anew: draws pictures, trains, compiles, measures; models/ holds what comes out.
train: $(VENV)/.installed $(VENV)/.installed-train
	cd train && JOBS=$(JOBS) ../$(BIN)/python train.py --build ../$(BUILD)/train
	cd train && JOBS=$(JOBS) ../$(BIN)/python export.py --build ../$(BUILD)/train --out ../models

bench: $(VENV)/.installed firmware
	$(SUITE_ENV) $(BIN)/python -m benchmarks

# Random bytes against the kmodel runtime, under sanitizers; a finding ends it with an error and stays in $(FUZZ_BUILD).
FUZZ_SECONDS ?= 60
FUZZ_BUILD = $(BUILD)/fuzz
fuzz: $(VENV)/.installed packages-fuzz
	@mkdir -p $(FUZZ_BUILD)/corpus
	clang -std=gnu11 -g -O1 -Wall -Wextra -Werror -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
		-Ic_modules/kmodel tests/c/fuzz_kmodel.c tests/c/software_kpu.c c_modules/kmodel/*.c -lm -o $(FUZZ_BUILD)/fuzz_kmodel
	$(BIN)/python tests/c/kmodel_writer.py $(FUZZ_BUILD)/seeds
	$(FUZZ_BUILD)/fuzz_kmodel -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=1024 -max_len=4096 -verbosity=0 \
		-print_final_stats=1 -artifact_prefix=$(FUZZ_BUILD)/ $(FUZZ_BUILD)/corpus $(FUZZ_BUILD)/seeds

firmware: $(VENV)/.installed packages-firmware micropython-source
	@mkdir -p $(FIRMWARE_BUILD)
	@# MicroPython's rules do not make it anew when a name that it defines has entered the core since.
	@rm -f $(FIRMWARE_BUILD)/frozen_content.c
	@($(MICROPY_ENV) && cmake -S micropython_port -B $(FIRMWARE_BUILD) -DMICROPY_DIR=$(MICROPYTHON_DIR) \
		-DMICROPY_BOARD=$(BOARD) -DUSER_C_MODULES="$(USER_C_MODULES)" && \
		cmake --build $(FIRMWARE_BUILD) --parallel $(JOBS)) >$(FIRMWARE_BUILD)/log 2>&1 || \
		{ grep -E -A5 "rror|undefined" $(FIRMWARE_BUILD)/log >&2; echo "the whole log: $(FIRMWARE_BUILD)/log" >&2; exit 1; }
	@cp $(FIRMWARE_BUILD)/firmware.elf $(FIRMWARE_BUILD)/firmware.bin $(BUILD)/
	@$(BIN)/python -m k210kit.images.pack $(BUILD)/firmware.bin $(BUILD)/firmware.kfpkg
	@ls -l $(BUILD)/firmware.elf $(BUILD)/firmware.bin $(BUILD)/firmware.kfpkg | awk '{print $$5, $$9}'

# The flasher's RAM stub, which lies in the Python package ready-made.
FLASH_STUB = host_tools/k210kit/flasher/stub/flash_stub.bin
flash-stub: packages-firmware
	cmake -S firmware/flash_stub -B $(BUILD)/flash_stub
	cmake --build $(BUILD)/flash_stub
	@mkdir -p $(dir $(FLASH_STUB))
	install -m 644 $(BUILD)/flash_stub/flash_stub.bin $(FLASH_STUB)
	@riscv64-unknown-elf-gcc --version | head -1 >$(dir $(FLASH_STUB))compiler.txt
	@ls -l $(FLASH_STUB) | awk '{print $$5, $$9}'

micropython-source: packages-firmware
	@[ "$(MICROPYTHON_DIR)" != "$(CURDIR)/$(BUILD)/micropython-$(MICROPYTHON_VERSION)" ] || \
		scripts/fetch_micropython.sh $(BUILD)

packages-python:
	@scripts/ensure_packages.sh python3-venv python3-dev gcc libc6-dev

packages-firmware:
	@scripts/ensure_packages.sh cmake make gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf \
		libstb-dev gcc libc6-dev debian-archive-keyring xz-utils

packages-fuzz:
	@scripts/ensure_packages.sh clang libclang-rt-dev

# The C run loop is part of the install, so its sources are among the reasons to install anew.
$(VENV)/.installed: pyproject.toml setup.py $(wildcard host_tools/k210kit/board/core/fast/*) | packages-python
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[compiler,test,lint,guests]'
	touch $@

$(VENV)/.installed-train: $(VENV)/.installed
	$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[compiler,train]'
	touch $@

clean:
	rm -rf $(BUILD) out .pytest_cache .mypy_cache .ruff_cache host_tools/k210kit.egg-info
	find host_tools -name '*.so' -delete
