/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The log: `-d ITEMS`, `-D FILE`.
 *
 * One log serves the whole process, whatever number of machines lives in it:
 * this is the only file-scope state the project allows itself.
 *
 * Threads: log_on() is one relaxed load and may stand on any path;
 * log_print() may be called from any thread and with any lock held.
 */
#ifndef TRACE_LOG_H
#define TRACE_LOG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* X(constant, name on the command line, help) */
#define LOG_ITEMS(X) \
	X(LOG_IN_ASM, "in_asm", "guest code of each block when it is decoded") \
	X(LOG_OP, "op", "what the translator makes of each instruction of a block") \
	X(LOG_OUT_ASM, "out_asm", "host code of each block, by guest instruction") \
	X(LOG_INT, "int", "interrupts and exceptions, with the state at each") \
	X(LOG_EXEC, "exec", "each block before it runs") \
	X(LOG_CPU, "cpu", "registers before each block (with exec)") \
	X(LOG_MMU, "mmu", "page faults and TLB flushes") \
	X(LOG_PCALL, "pcall", "far transfers and task switches") \
	X(LOG_CPU_RESET, "cpu_reset", "registers at each reset") \
	X(LOG_HYPERCALL, "hypercall", "hypercalls with names, input and result") \
	X(LOG_REPLAY, "replay", "hypercalls and MSRs of the first partition as lines of qtest: scripts/replay-hypercalls") \
	X(LOG_MSR, "msr", "model-specific registers read and written") \
	X(LOG_SYNIC, "synic", "synthetic interrupts: messages, event flags, ports") \
	X(LOG_STIMER, "stimer", "synthetic timers: set, started, expired") \
	X(LOG_EXITS, "exits", "exits of virtual processors to their stack") \
	X(LOG_INTERCEPT, "intercept", "what partitions made by others do that their parent has to answer") \
	X(LOG_GPA, "gpa", "what partitions map of their memory for those that they made") \
	X(LOG_PORT, "port", "ports and connections that partitions make and end") \
	X(LOG_PARTITION, "partition", "life of partitions and virtual processors") \
	X(LOG_IOPORT, "ioport", "I/O port accesses") \
	X(LOG_MMIO, "mmio", "device memory accesses") \
	X(LOG_DEVICE, "device", "side effects in devices") \
	X(LOG_IRQ, "irq", "interrupt lines and APIC messages") \
	X(LOG_QMP, "qmp", "QMP traffic") \
	X(LOG_GUEST_ERRORS, "guest_errors", "what a guest does that no sane guest does") \
	X(LOG_UNIMP, "unimp", "accesses to what is not modelled")

enum log_index {
#define X(c, n, h) c##_INDEX,
	LOG_ITEMS(X)
#undef X
	LOG_INDEX_COUNT
};

enum log_item {
#define X(c, n, h) c = 1 << c##_INDEX,
	LOG_ITEMS(X)
#undef X
};

extern _Atomic uint32_t log_mask;

static inline bool log_on(enum log_item item)
{
	return atomic_load_explicit(&log_mask, memory_order_relaxed) & item;
}

/* Prints one piece of text, newline included by the caller, if @item is on. */
void log_print(enum log_item item, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * Sets the items from a comma list of names ("int,exec", "all", "none").
 * Returns NULL, or the first unknown name (points into @list).
 */
const char *log_set_items(const char *list);

/* Sends the log to @path instead of standard error.  0, or -errno. */
int log_set_file(const char *path);

/* Prints the items and their meaning (`-d help`). */
void log_help(FILE *out);

#endif
