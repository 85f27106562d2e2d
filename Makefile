# SPDX-License-Identifier: LGPL-2.1-or-later
# A front door to configure, ninja and meson.  `make help` lists the targets.

BUILD ?= build
KERNEL ?= cloud
# Boots of these are tests, too, where the archive that apt knows has them.
MORE_KERNELS ?= generic linux-image-6.12-cloud-amd64
CHECK_ARGS ?=
FUZZ_SECONDS ?= 600
FUZZ_SEED ?= $(shell date +%s)

all: $(BUILD)/build.ninja
	@ninja -C $(BUILD)

help:
	@echo 'make             build everything in $(BUILD)/'
	@echo 'make run         boot Debian in a partition and in a child partition, show both, power off'
	@echo 'make run SHELL=1 the same kernel with a shell on this terminal (Ctrl-a x leaves)'
	@echo 'make check       all tests (set-up included)'
	@echo 'make check-cpu-long   every instruction form, many more cases; many more sequences'
	@echo 'make fuzz-cpu    half an hour (SECS=1800) of random instruction sequences and bytes: host, interpreter and translator compared'
	@echo 'make check-boot-long  both kernels again and again, long stress, processor time of an idle guest (an hour)'
	@echo 'make check-boots 100 boots in a row (TIMES=100) of each kernel with 1, 2 and 4 VPs'
	@echo 'make check-hostile-long   ten minutes of random code and garbage in a guest (SECS=600)'
	@echo 'make soak        an hour of stress-ng in a guest with 4 VPs, ten minutes under comparison with the interpreter (SECS=3600 CHECK_SECS=600)'
	@echo 'make conformance rows of the specification by chapter: passed, failed, untested; writes docs/conformance.md'
	@echo 'make conformance-mutate   deliberate faults in the hypervisor: each must turn a conformance test red'
	@echo 'make check-sanitize   the tests under AddressSanitizer and UndefinedBehaviorSanitizer'
	@echo 'make check-thread     the unit tests and a boot with 2 VPs under ThreadSanitizer'
	@echo 'make fuzz        random input to the parsers, FUZZ_SECONDS (600) each; more is found with BUILD=build-asan, after check-sanitize'
	@echo 'make guest       download a Debian kernel (KERNEL=cloud|generic) and pack an initramfs'
	@echo 'make bench       the benchmark kit against our binary (tests/bench)'
	@echo 'make bench-hv    what hypercalls, synthetic MSRs, interrupts, messages and timers cost a guest, in cycles (ROUNDS=2000)'
	@echo 'make bench-partitions  what exits, messages, new partitions and many of them cost a parent (ROUNDS=1000 MANY=1000)'
	@echo 'make bench-depth what partitions cost by depth, to 64 below each other (ROUNDS=201)'
	@echo 'make bench-schedule  how exactly CPU reserves, caps and weights hold (SECS=10)'
	@echo 'make bench-time  how late timers are, lost ticks and drift of the reference clock in ten minutes (SECS=600)'
	@echo 'make clean       remove $(BUILD)*/'

$(BUILD)/build.ninja: configure meson.options
	@./configure --build $(BUILD)

guest: scripts/make-guest
	@scripts/make-guest -k $(KERNEL)

# SHELL=1 is an option of `run` for the user; make itself keeps /bin/sh.
ifeq ($(origin SHELL),command line)
run_mode := --shell
endif
override SHELL := /bin/sh

run: all guest
	@scripts/run-demo --build $(BUILD) -k $(KERNEL) $(run_mode)

# With stress-ng, which `make run` need not fetch.
check: all
	@scripts/make-guest -k $(KERNEL) -s
	@for k in $(MORE_KERNELS); do scripts/make-guest -k $$k || echo "no kernel '$$k': its tests are skipped"; done
	@tests/run-check --build $(BUILD) $(CHECK_ARGS)

conformance: all
	@tests/conformance/conformance.py --build $(BUILD) --document docs/conformance.md

# A build with deliberate faults, each of which must turn a test red.
conformance-mutate:
	@[ -e $(BUILD)-mutate/build.ninja ] || ./configure --build $(BUILD)-mutate -- -Dmutations=true
	@ninja -C $(BUILD)-mutate conformance-programs
	@tests/conformance/mutate.py --build $(BUILD)-mutate

check-cpu-long: all
	@meson test -C $(BUILD) --suite cpu --test-args='-m slow' --timeout-multiplier 60 --print-errorlogs

check-boot-long: all
	@scripts/make-guest -k cloud -s
	@scripts/make-guest -k generic
	@tests/run-check --build $(BUILD) --suite long $(CHECK_ARGS)

check-boots: TIMES ?= 100
check-boots: all
	@scripts/make-guest -k cloud
	@scripts/make-guest -k generic
	@tests/functional/boot.py $(BUILD)/qemu-system-x86_64 --long --times $(TIMES) $(CHECK_ARGS)

fuzz-cpu: SECS ?= 1800
fuzz-cpu: all
	@$(BUILD)/tests/cpu/test-fuzz-cpu --case $(FUZZ_SEED)000000 --seconds $(SECS) --minimise

check-hostile-long: SECS ?= 600
check-hostile-long: all
	@python3 tests/guest/run.py $(BUILD)/qemu-system-x86_64 $(BUILD)/tests/guest/guest-hostile -r $(SECS) -- -cpu max -smp 2

soak: SECS ?= 3600
soak: CHECK_SECS ?= 600
soak: all
	@scripts/make-guest -s
	@tests/functional/soak.py $(BUILD)/qemu-system-x86_64 --secs $(SECS) --check-secs $(CHECK_SECS) --log $(BUILD)/soak $(CHECK_ARGS)

check-sanitize:
	@./configure --build $(BUILD)-asan --sanitize
	@ninja -C $(BUILD)-asan
	@$(MAKE) --no-print-directory guest
	@tests/run-check --build $(BUILD)-asan --slower 5 $(CHECK_ARGS)

check-thread:
	@./configure --build $(BUILD)-tsan --sanitize=thread
	@ninja -C $(BUILD)-tsan
	@$(MAKE) --no-print-directory guest
	@tests/run-check --build $(BUILD)-tsan --suite unit --suite thread --slower 5 $(CHECK_ARGS)

fuzz: all
	@meson test -C $(BUILD) --suite fuzz --test-args='--seconds $(FUZZ_SECONDS) --seed $(FUZZ_SEED)' --timeout-multiplier 0 --print-errorlogs

bench: all
	@tests/bench/make-guest
	@tests/bench/run-peer -- $(BUILD)/qemu-system-x86_64 -accel hvtlfs

bench-hv: ROUNDS ?= 2000
bench-hv: all
	@python3 tests/guest/run.py $(BUILD)/qemu-system-x86_64 $(BUILD)/tests/guest/guest-hvbench -- -cpu max -smp 2 -device hyperv-testdev -append rounds=$(ROUNDS) | grep '^[#n]'

bench-partitions: ROUNDS ?= 1000
bench-partitions: MANY ?= 1000
bench-partitions: all
	@tests/bench/partitions.py --rounds $(ROUNDS) --many $(MANY) $(BUILD)/qemu-system-x86_64 $(BUILD)/tests/guest/guest-partitions

bench-depth: ROUNDS ?= 201
bench-depth: all
	@tests/bench/depth.py --rounds $(ROUNDS) $(BUILD)/qemu-system-x86_64 $(BUILD)/tests/guest/guest-chain

# Other work on the host makes timers late: with real-time priority if it may be had.
bench-schedule: SECS ?= 10
bench-schedule: all
	@$(BUILD)/tests/unit/test-schedule $(SECS) | grep -E '# (weight|cap|reserve)|^(not )?ok'

bench-time: SECS ?= 600
bench-time: all
	@$$(chrt -f 10 true 2>/dev/null && echo chrt -f 10) tests/bench/clocks.py --secs $(SECS) $(BUILD)/qemu-system-x86_64 \
		$(BUILD)/tests/guest/guest-timebench

clean:
	rm -rf $(BUILD) $(BUILD)-asan $(BUILD)-tsan $(BUILD)-mutate

.PHONY: all help guest run check conformance conformance-mutate check-cpu-long check-boot-long check-boots check-hostile-long soak check-sanitize check-thread fuzz fuzz-cpu bench bench-hv bench-partitions bench-depth bench-schedule bench-time clean
