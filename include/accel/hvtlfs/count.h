/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is counted per VP, always: the statistics pages (appendix J), query-hv-vp and
 * `info hyperv` show it.  One line adds a counter.
 */
#ifndef ACCEL_HVTLFS_COUNT_H
#define ACCEL_HVTLFS_COUNT_H

#include <stdint.h>

struct vp;

/* X(enum name, name that users see, what it counts) */
#define VP_COUNTS(X) \
	X(COUNT_HYPERCALLS, "hypercalls", "hypercalls executed, each continuation too") \
	X(COUNT_HYPERCALLS_FAILED, "hypercalls-failed", "hypercalls that ended with another status than success") \
	X(COUNT_MSR_READS, "msr-reads", "synthetic and APIC MSRs read") \
	X(COUNT_MSR_WRITES, "msr-writes", "synthetic and APIC MSRs written") \
	X(COUNT_CPUIDS, "cpuids", "hypervisor leaves read with CPUID") \
	X(COUNT_IO, "io", "I/O ports accessed") \
	X(COUNT_MMIO, "mmio", "accesses to memory of devices") \
	X(COUNT_TIMERS_EXPIRED, "timers-expired", "expirations of synthetic timers that were signalled") \
	X(COUNT_TIMERS_SKIPPED, "timers-skipped", "expirations of periodic synthetic timers that came too late to be signalled") \
	X(COUNT_IDLES, "idles", "reads of HV_X64_MSR_GUEST_IDLE") \
	X(COUNT_HALTS, "halts", "times that it halted and nothing was pending") \
	X(COUNT_INTERRUPTS, "interrupts", "interrupts taken") \
	X(COUNT_MESSAGES_QUEUED, "messages-queued", "messages queued for one of its SINTs") \
	X(COUNT_MESSAGES_DELIVERED, "messages-delivered", "messages that reached their slot") \
	X(COUNT_MESSAGE_RETRIES, "message-retries", "looks at a busy slot without the guest having asked") \
	X(COUNT_EVENTS, "events", "event flags that became set") \
	X(COUNT_POSTS, "posts", "messages that it posted") \
	X(COUNT_SIGNALS, "signals", "events that it signalled") \
	X(COUNT_MONITORED, "monitored", "events that its partition left to a monitor page") \
	X(COUNT_EOMS, "eoms", "writes of the end-of-message MSR") \
	X(COUNT_FLUSH_CALLS, "flush-calls", "TLB flushes asked for by hypercall") \
	X(COUNT_FLUSHES_TAKEN, "flushes-taken", "times that it flushed its TLB as others had asked") \
	X(COUNT_IPI_CALLS, "ipi-calls", "interrupts sent to processors by hypercall") \
	X(COUNT_EOI_MSRS, "eoi-msrs", "interrupts ended by the synthetic EOI register") \
	X(COUNT_EOIS_AVOIDED, "eois-avoided", "interrupts ended through the VP assist page, without leaving the guest")

enum vp_count {
#define X(number, name, help) number,
	VP_COUNTS(X)
#undef X
	VP_COUNT_COUNT
};

/* One more.  On the VP's thread; each counter is counted by this or by the next, not both. */
void vp_count(struct vp *vp, enum vp_count n);
/* From any thread. */
void vp_count_shared(struct vp *vp, enum vp_count n);
uint64_t vp_counted(struct vp *vp, enum vp_count n);   /* any thread */
const char *vp_count_name(enum vp_count n);
const char *vp_count_help(enum vp_count n);

#endif
