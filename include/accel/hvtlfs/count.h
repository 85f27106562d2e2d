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
	X(COUNT_CPUIDS, "cpuids", "leaves read with CPUID") \
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
	X(COUNT_EOIS_AVOIDED, "eois-avoided", "interrupts ended through the VP assist page, without leaving the guest") \
	X(COUNT_CALLS_GPA_SPACE, "calls-gpa-space", "hypercalls for GPA spaces") \
	X(COUNT_CALLS_LP, "calls-lp", "hypercalls for logical processors and the machine") \
	X(COUNT_CALLS_LONG_SPIN, "calls-long-spin", "HvNotifyLongSpinWait") \
	X(COUNT_CALLS_OTHER, "calls-other", "hypercalls of no other class, and those that there are not") \
	X(COUNT_CALLS_SYNIC, "calls-synic", "hypercalls for messages, events, ports and connections") \
	X(COUNT_CALLS_INTERRUPT, "calls-interrupt", "hypercalls for virtual interrupts") \
	X(COUNT_CALLS_MMU, "calls-mmu", "hypercalls for the virtual MMU") \
	X(COUNT_CALLS_VP, "calls-vp", "hypercalls for virtual processors") \
	X(COUNT_HLTS, "hlts", "HLT executed") \
	X(COUNT_APIC_PAGE, "apic-page", "accesses to the APIC's page") \
	X(COUNT_EOIS, "eois", "interrupts ended by a register of the APIC") \
	X(COUNT_TPRS, "tprs", "writes of the task priority") \
	X(COUNT_IPIS, "ipis", "interrupts sent by the APIC, to itself as well") \
	X(COUNT_SELF_IPIS, "self-ipis", "interrupts sent by the APIC to itself alone") \
	X(COUNT_SYNTHETIC_INTERRUPTS, "synthetic-interrupts", "interrupts requested of its APIC by its SINTs") \
	X(COUNT_VIRTUAL_INTERRUPTS, "virtual-interrupts", "interrupts requested of its APIC by anybody") \
	X(COUNT_IO_MESSAGES, "io-messages", "intercept messages to its parent of an I/O port") \
	X(COUNT_MEMORY_MESSAGES, "memory-messages", "intercept messages to its parent of memory") \
	X(COUNT_OTHER_MESSAGES, "other-messages", "intercept messages to its parent of anything else") \
	X(COUNT_HYPERCALLS_NS, "hypercalls-ns", "ns in hypercalls: of the root, and while a statistics page shows them") \
	X(COUNT_IO_NS, "io-ns", "the same of I/O ports") \
	X(COUNT_MSR_NS, "msr-ns", "the same of MSRs") \
	X(COUNT_CPUID_NS, "cpuid-ns", "the same of CPUID") \
	X(COUNT_MMIO_NS, "mmio-ns", "the same of memory of devices") \
	X(COUNT_HLT_NS, "hlt-ns", "the same of HLT: of the host's processor, not of the sleep")

enum vp_count {
#define X(number, name, help) number,
	VP_COUNTS(X)
#undef X
	VP_COUNT_COUNT
};
/* Those that count ns stand together. */
enum { COUNT_FIRST_NS = COUNT_HYPERCALLS_NS, COUNT_LAST_NS = COUNT_HLT_NS };

/* One more.  On the VP's thread; each counter is counted by this or by the next, not both. */
void vp_count(struct vp *vp, enum vp_count n);
void vp_count_add(struct vp *vp, enum vp_count n, uint64_t more);
/* From any thread. */
void vp_count_shared(struct vp *vp, enum vp_count n);
uint64_t vp_counted(struct vp *vp, enum vp_count n);   /* any thread */
const char *vp_count_name(enum vp_count n);
const char *vp_count_help(enum vp_count n);

#endif
