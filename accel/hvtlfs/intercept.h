/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Intercepts (9): what a VP does that its parent has to act on.
 *
 * The callback that meets it notes it and answers X86_STOP.  The engine leaves with the instruction
 * not executed, and at the boundary the VP is suspended and its parent told, by its own thread.
 */
#ifndef HVTLFS_INTERCEPT_H
#define HVTLFS_INTERCEPT_H

#include "accel/hvtlfs/hv.h"
#include "hv/intercept.h"
#include "hv/synic.h"
#include "target/i386/cpu.h"

/* What a message needs that the processor's state does not tell.  The VP's own thread. */
struct intercept {
	uint32_t type;               /* HV_MESSAGE_*; 0: nothing is due */
	uint8_t access;              /* HV_INTERCEPT_READ, ... */
	union {
		struct {
			uint16_t port;
			uint8_t size;
		} io;
		struct {
			uint64_t gpa, gva;   /* gva: X86_NO_LINEAR if there is none */
		} memory;
		uint32_t msr;
		uint32_t cpuid[4];           /* what it would answer: EAX, EBX, ECX, EDX */
		struct {
			uint32_t offset;     /* of the register: HV_APIC_* */
			uint64_t value;
		} apic;
		uint32_t deliverable;        /* HV_INTERRUPTION_*; or SINTs, a bit each */
		struct x86_event exception;
	};
};

/* ---- what a parent has installed: install.c ---- */

/* A registered result (0x0091); a later one with the same key replaces it. */
struct intercept_result {
	uint32_t vp;                 /* or HV_ANY_VP */
	uint32_t type;               /* HV_INTERCEPT_CPUID, HV_INTERCEPT_MSR */
	uint32_t number;             /* leaf or MSR */
	uint32_t subleaf;
	bool subleaf_specific, always;
	struct {
		uint32_t value, mask;
	} cpuid[4];
	uint32_t msr_access, msr_action;
};

/* A leaf or an MSR, and of which accesses its parent is told: HV_INTERCEPT_MASK_*. */
struct intercept_listed {
	uint32_t number, access;
};

/* Of one partition.  VPs look without a lock at what is atomic; the rest is under the partition's lock. */
struct intercepts {
	_Atomic uint64_t port[0x10000 / 64];
	_Atomic uint32_t vectors;
	_Atomic bool msr, hypercall, connection, retarget, microcode, apic_smi, apic_init_sipi, apic_eoi, all_leaves;
	_Atomic uint32_t apic_writes;   /* HV_APIC_WRITE_* */
	_Atomic uint32_t listed;     /* leaves and results: 0, so nobody need look */
	GArray *leaf, *msr_index;    /* struct intercept_listed */
	GArray *result;              /* struct intercept_result */
};

uint64_t intercepts_bytes(void);     /* what an empty one costs */
struct intercepts *intercepts_new(void);
void intercepts_free(struct intercepts *i);   /* may be NULL */
/* How many a parent has installed, and results that it has registered.  Takes the partition's lock. */
uint32_t intercepts_count(struct partition *p);
/* Would an access of @size bytes be told to the parent?  T11.9.a. */
bool intercepts_has_port(const struct intercepts *i, uint16_t port, unsigned size);
bool intercepts_has_leaf(struct partition *p, uint32_t leaf);
/* By its number, whoever has it.  Takes the partition's lock. */
bool intercepts_has_msr(struct partition *p, uint32_t msr, bool write);
/* Is there one that the last could be about?  x86_cpu.msr_offered of its VPs. */
bool intercepts_offers_msrs(const struct intercepts *i);
/* Changes the answer of a leaf as the parent has registered it.  Takes the partition's lock. */
void intercepts_cpuid_result(struct partition *p, uint32_t vp, uint32_t leaf, uint32_t subleaf, uint32_t regs[4]);
/* enum hv_msr_action for an access of @vp to @msr, -1 if nothing is registered.  Takes the partition's lock. */
int intercepts_msr_action(struct partition *p, uint32_t vp, uint32_t msr, bool write);

/* Is the parent to be told of something that the VP stands in? */
bool intercept_is_due(const struct vp *vp);
/* Sends what is due, and suspends the VP for it.  Own thread, out of the engine. */
void intercept_tell(struct vp *vp);
/* @m to the parent of @vp's partition; component.h's tell_parent() says what becomes of it.  On @vp's thread, no lock held. */
bool intercept_send(struct vp *vp, const struct hv_message *m);

#endif
