# SPDX-License-Identifier: AGPL-3.0-or-later
# The only door: every target is one line or two; the work is done by CMake, ctest and pytest. `make help` lists them.

SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON := /usr/bin/python3
JOBS ?= $(shell nproc)
export JOBS
PREFIX ?= /usr/local
DESTDIR ?=
SUDO := $(shell test "$$(id -u)" = 0 || echo sudo)
BIN := build/release/src/cli/tunnelmesh
BENCH = $(if $(ONLY),--only='$(ONLY)') $(if $(TESTS),--tests='$(TESTS)') $(if $(ROUNDS),--rounds=$(ROUNDS)) $(if $(SECONDS),--seconds=$(SECONDS)) \
	$(if $(REPEATS),--repeats=$(REPEATS)) $(if $(QUICK),--quick) $(if $(LIST),--list)
CTEST := ctest --output-on-failure --no-tests=error -j $(JOBS)
PYTEST := $(SUDO) env TUNNELMESH=$(CURDIR)/$(BIN) $(PYTHON) -B -m pytest -p no:cacheprovider

.PHONY: help setup build cross static release reproducible package demo test unit unitarm slow lab versions labgrid web compose bench dnsbench relayattack scale webscale flood attack asan tsan labasan labtsan fuzz lint fmt install uninstall clean
# Each does by itself what can be done at the same time.
.NOTPARALLEL:

help: ## this list
	@awk -F':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install the Debian packages that are missing to build, test and demonstrate (asks for sudo when needed); what needs more installs it itself
	@scripts/setup

build: ## the program: build/release/src/cli/tunnelmesh; installs what is missing for that alone
	@scripts/setup build
	@scripts/build release

cross: ## the program for ARM, on any CPU: build/release-arm64, build/release-armhf (ARCHS=arm64)
	@scripts/setup build cross
	@for a in $(or $(ARCHS),arm64 armhf); do scripts/build release-$$a tunnelmesh || exit; done

static: ## the program with libc in it, for systems that have another one or none: build/static (ARCHS="arm64 armhf": build/static-arm64, ...)
	@scripts/setup build $(if $(ARCHS),cross)
	@for p in $(or $(addprefix static-,$(ARCHS)),static); do scripts/build $$p tunnelmesh || exit; done

release: ## what is handed out, in build/dist: Debian packages, archives, images, bills of materials, checksums (ARCHS="amd64 arm64", KEY=secret key of minisign or signify)
	@scripts/setup build release $(if $(filter-out $(shell dpkg --print-architecture),$(or $(ARCHS),all)),cross)
	@LINT=1 KEY=$(KEY) scripts/release $(ARCHS)

reproducible: release ## the release of this commit made once more, in another folder, and compared byte for byte
	@scripts/reproducible $(ARCHS)

package: ## the Debian package of this machine's architecture installed, upgraded while connections go on, removed and purged, where systemd runs the machine; and the unit's sandbox
	@scripts/setup demo test package
	@$(MAKE) --no-print-directory release ARCHS=$(shell dpkg --print-architecture)
	@$(PYTEST) test/package $(if $(T),-k '$(T)')

demo: build ## three machines in network namespaces join and reach each other (KEEP=1 leaves it running, STOP=1 ends that)
	@scripts/setup demo
	@$(SUDO) env TUNNELMESH=$(CURDIR)/$(BIN) $(PYTHON) -B test/lab/demo.py $(if $(KEEP),--keep) $(if $(STOP),--stop)

test: setup build unit lab ## everything: unit tests, fuzz seeds, real daemons in network namespaces, interoperability

unit: setup ## unit tests, golden vectors, fuzz seeds, virtual-time simulations
	@scripts/build ci && $(SUDO) $(CTEST) --test-dir build/ci

# What a CPU and its system calls have a part in.
ARM_UNITS := base crypto packet data/route loop os
unitarm: ## unit tests of what a CPU has a part in, for ARM and in emulation (ARCHS=arm64)
	@scripts/setup build test cross
	@for a in $(or $(ARCHS),arm64 armhf); do \
		scripts/build ci-$$a $(ARM_UNITS:%=test/unit/%/all) || exit; \
		for d in $(ARM_UNITS); do $(SUDO) $(CTEST) --test-dir build/ci-$$a/test/unit/$$d || exit; done; \
	done

slow: setup build ## what takes minutes: 100,000 random policies, ten million packets through the filter, 10,000 simulated pairs (RUNS=n says otherwise), turmoil, and the lab's slow tests (T=pattern)
	@scripts/build ci test_policy_twin && TM_POLICY_RUNS=100000 build/ci/test/unit/policy/test_policy_twin
	@scripts/build ci test_filter_random && TM_FILTER_PACKETS=10000000 build/ci/test/unit/data/filter/test_filter_random
	@scripts/build ci test_control_chain && TM_CHAIN_WORLDS=20000 build/ci/test/unit/control/policy/test_control_chain
	@scripts/build ci test_sim_pairs test_sim_birthday test_sim_guess_restart test_sim_turmoil test_sim_chaos labtools load
	@TM_SIM_RUNS=$(or $(RUNS),10000) build/ci/test/sim/test_sim_pairs
	@TM_SIM_RUNS=1000 build/ci/test/sim/test_sim_birthday
	@TM_SIM_RUNS=1000 build/ci/test/sim/test_sim_guess_restart
	@TM_SIM_RUNS=1000 build/ci/test/sim/test_sim_turmoil && TM_SIM_RUNS=1000 build/ci/test/sim/test_sim_chaos
	@$(PYTEST) test/lab -m slow --slow $(if $(T),-k '$(T)')

lab: setup build ## real daemons in network namespaces (T=pattern selects tests, SLOW=1 adds the long ones, OFFLOADS=row forces some off)
	@scripts/build ci labtools load relayload herd flood
	@$(PYTEST) -n $(JOBS) --dist loadfile test/lab test/bench $(if $(T),-k '$(T)') $(if $(SLOW),--slow) $(if $(OFFLOADS),--offloads=$(OFFLOADS))

versions: setup build ## nodes and a coordinator beside those of the last tag, or of another commit (REVISION=)
	@older=$$(scripts/older $(REVISION)) && $(SUDO) env TUNNELMESH=$(CURDIR)/$(BIN) TUNNELMESH_OLDER="$$older" $(PYTHON) -B -m pytest -p no:cacheprovider -rs test/lab/test_versions.py

labgrid: setup build ## every kind of NAT proved, then every pair of them with real nodes, into docs/reachability.md (K="sym port:full" RUNS=3 JOBS=2 TIMES=1 RESUME=1)
	@scripts/build ci labtools
	@$(if $(TIMES)$(RESUME),,$(PYTEST) test/lab/test_nat_kinds.py --grid)
	@$(SUDO) env TUNNELMESH=$(CURDIR)/$(BIN) $(PYTHON) -B test/lab/grid.py --jobs $(JOBS) $(if $(RUNS),--runs $(RUNS)) $(if $(TIMES),--times) $(if $(RESUME),--resume) $(K)

bench: setup build ## measures us, raw veth, relays and the peers' Debian packages (ONLY='names relay-*' TESTS=names ROUNDS=5 SECONDS=2 REPEATS=4 QUICK=1 LIST=1 BEFORE=program)
	@scripts/setup-bench
	@scripts/build ci load herd relayload
	@$(SUDO) env TUNNELMESH=$(CURDIR)/$(BIN) $(if $(BEFORE),TUNNELMESH_BEFORE=$(abspath $(BEFORE))) $(PYTHON) -B test/bench/bench.py $(BENCH) || [ $$? = 3 ]
	@$(if $(LIST),,$(PYTHON) -B test/bench/report.py)

relayattack: setup build ## what others keep of a relay while somebody floods it, and what it does when all want more than it can (T="single overload" ROUNDS=3)
	@scripts/build ci labtools
	@$(SUDO) env TUNNELMESH=$(CURDIR)/$(BIN) $(if $(ROUNDS),ROUNDS=$(ROUNDS)) $(PYTHON) -B test/bench/relay/attack.py $(T)

scale: setup build ## how far one coordinator carries: a herd of SIZES members (default "1000 3000 10000"; an hour) joins and comes back
	@scripts/build ci herd line
	@$(SUDO) env TUNNELMESH=$(CURDIR)/$(BIN) $(PYTHON) -B test/bench/scale/scale.py $(SIZES)

webscale: setup build ## what the pages of the dashboard cost in a mesh of SIZE members (default 1000): times, bytes, CPU, memory
	@scripts/build ci herd
	@$(SUDO) env TUNNELMESH=$(CURDIR)/$(BIN) $(PYTHON) -B test/bench/scale/pages.py $(SIZE)

dnsbench: setup build ## questions a second and their times beside unbound and dnsmasq, into docs/benchmarks/names.md (ROUNDS=5)
	@scripts/setup dnsbench
	@$(SUDO) env TUNNELMESH=$(CURDIR)/$(BIN) $(PYTHON) -B test/bench/dns/dns.py $(if $(ROUNDS),--rounds $(ROUNDS))
	@$(PYTHON) -B test/bench/report.py build/bench/names/run.jsonl

flood: setup build ## how long a handshake takes while strangers send 75,000 handshake messages a second (RATE=n)
	@scripts/build ci labtools flood
	@$(SUDO) env TUNNELMESH=$(CURDIR)/$(BIN) $(PYTHON) -B test/bench/flood/flood.py $(if $(RATE),--rate $(RATE))

attack: setup build ## what strangers and members can cost a coordinator (T="connects neighbour" selects); a quarter of an hour
	@scripts/build ci herd labtools
	@$(SUDO) env TUNNELMESH=$(CURDIR)/$(BIN) $(PYTHON) -B test/bench/scale/attack.py $(T)

web: setup build ## the dashboard in Chromium on members of a mesh: every page, every action and its refusal (SHOTS=folder keeps pictures)
	@scripts/setup web
	@npm --prefix test/web ci --silent
	@$(if $(SHOTS),mkdir -p $(SHOTS))
	@$(SUDO) env TUNNELMESH=$(CURDIR)/$(BIN) $(if $(SHOTS),TM_SHOTS=$(abspath $(SHOTS))) $(PYTHON) -B -m pytest -p no:cacheprovider test/web

compose: ## badly set up networks in containers: every machine reaches every other by the best way left (installs Docker; BREAK=relay must fail)
	@scripts/setup demo test compose
	@$(SUDO) $(PYTHON) -B -m pytest -p no:cacheprovider -rs -s test/compose $(if $(BREAK),--break=$(BREAK) -k all_reach_all)

asan: setup ## unit tests under AddressSanitizer and UndefinedBehaviorSanitizer
	@scripts/build asan && $(SUDO) $(CTEST) --test-dir build/asan

tsan: setup ## unit tests under ThreadSanitizer
	@scripts/build tsan && $(SUDO) $(CTEST) --test-dir build/tsan

labasan: asan ## the lab with daemons built with AddressSanitizer
	@$(SUDO) env TUNNELMESH=$(CURDIR)/build/asan/src/cli/tunnelmesh $(PYTHON) -B -m pytest -p no:cacheprovider -n $(JOBS) --dist loadfile test/lab $(if $(T),-k '$(T)') $(if $(OFFLOADS),--offloads=$(OFFLOADS))

labtsan: tsan ## the lab with daemons built with ThreadSanitizer
	@$(SUDO) env TUNNELMESH=$(CURDIR)/build/tsan/src/cli/tunnelmesh $(PYTHON) -B -m pytest -p no:cacheprovider -n $(JOBS) --dist loadfile test/lab $(if $(T),-k '$(T)') $(if $(OFFLOADS),--offloads=$(OFFLOADS))

fuzz: ## fuzz every target for SECONDS (default 30) each, starting from the seeds
	@scripts/setup build fuzz
	@scripts/fuzz $(or $(SECONDS),30)

lint: setup ## formatting, include layers, banned calls, man pages
	@scripts/lint

fmt: ## reformat the C sources
	@git ls-files '*.c' '*.h' | xargs clang-format -i

install: build ## program, systemd unit, man pages, completions under PREFIX (default /usr/local)
	@$(SUDO) scripts/install install "$(DESTDIR)" "$(PREFIX)" "$(BIN)"

uninstall: ## remove what `make install` installed; keeps /etc/tunnelmesh and /var/lib/tunnelmesh
	@$(SUDO) scripts/install uninstall "$(DESTDIR)" "$(PREFIX)"

clean: ## remove build trees
	@rm -rf build 2> /dev/null || $(SUDO) rm -rf build
