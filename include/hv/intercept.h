/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Intercepts: what a parent can install (9) and the messages that it gets (16.2, 16.3, 16.5). */
#ifndef HV_INTERCEPT_H
#define HV_INTERCEPT_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "hv/segment.h"

/* What can be installed (9.1.1, 9.2.2); from 6 on of later revisions. */
enum hv_intercept_type {
	HV_INTERCEPT_IO_PORT = 0,          /* parameter: the port */
	HV_INTERCEPT_MSR = 1,              /* all that are not virtualized; no parameter */
	HV_INTERCEPT_CPUID = 2,            /* the leaf */
	HV_INTERCEPT_EXCEPTION = 3,        /* the vector */
	HV_INTERCEPT_GLOBAL_CPUID = 6,     /* all leaves; no parameter */
	HV_INTERCEPT_APIC_SMI = 7,         /* SMIs that its APICs send; no parameter */
	HV_INTERCEPT_HYPERCALL = 8,        /* calls that the hypervisor does not know; no parameter */
	HV_INTERCEPT_APIC_INIT_SIPI = 9,   /* INITs and start-up IPIs that they send; no parameter */
	HV_INTERCEPT_MICROCODE_MSR = 0xa,  /* reads of the microcode's revision; no parameter */
	HV_INTERCEPT_APIC_WRITE = 0xb,     /* writes to registers of APICs: HV_APIC_WRITE_* */
	HV_INTERCEPT_MSR_INDEX = 0xc,      /* one MSR, whoever has it */
	HV_INTERCEPT_CONNECTION = 0xd,     /* messages and events to connections that it does not know; no parameter */
	HV_INTERCEPT_APIC_EOI = 0xe,       /* ends of level-triggered interrupts; no parameter */
	HV_INTERCEPT_RETARGET = 0xf,       /* interrupts of devices that it does not know; no parameter */
	HV_INTERCEPT_IO_PORT_RANGE = 0x11, /* 15:0 first, 31:16 last */
};

/*
 * HV_INTERCEPT_APIC_WRITE: which registers.  No public source tells these bits; they are in the order in which the platform's
 * API has the same exits.
 */
enum { HV_APIC_WRITE_LINT0 = 1 << 0, HV_APIC_WRITE_LINT1 = 1 << 1, HV_APIC_WRITE_SVR = 1 << 2, HV_APIC_WRITE_LDR = 1 << 3,
       HV_APIC_WRITE_DFR = 1 << 4, HV_APIC_WRITE_ALL = (1 << 5) - 1 };

/* The access that is to be intercepted (9.2.3). */
enum { HV_INTERCEPT_MASK_NONE = 0, HV_INTERCEPT_MASK_READ = 1, HV_INTERCEPT_MASK_WRITE = 2, HV_INTERCEPT_MASK_EXECUTE = 4 };

/* 0x004d (9.3.1): input */
struct hv_in_install_intercept {
	uint64_t partition_id;
	uint32_t access;           /* HV_INTERCEPT_MASK_*; NONE removes */
	uint32_t type;             /* enum hv_intercept_type */
	uint64_t parameter;
};
static_assert(sizeof(struct hv_in_install_intercept) == 24, "9.3.1");

/* 0x00ad, of later revisions: input, output */
struct hv_in_check_for_io_intercept {
	uint64_t partition_id;
	uint32_t vp;
	uint8_t vtl;
	uint8_t padding;
	uint16_t port;
	uint8_t size;
	uint8_t write;
	uint8_t padding_2[6];
};
static_assert(sizeof(struct hv_in_check_for_io_intercept) == 24 &&
	      offsetof(struct hv_in_check_for_io_intercept, port) == 14, "later revisions");

struct hv_out_check_for_io_intercept {
	uint8_t intercept;
	uint8_t padding[7];
};
static_assert(sizeof(struct hv_out_check_for_io_intercept) == 8, "later revisions");

/* How an MSR that is not virtualized answers without its parent (0x0091; property 0x00050017). */
enum hv_msr_action { HV_MSR_FAULT = 0, HV_MSR_IGNORE = 1 /* reads as zero */ };

/* 0x0091, of later revisions: input */
struct hv_in_register_intercept_result {
	uint64_t partition_id;
	uint32_t vp;               /* or HV_ANY_VP */
	uint32_t type;             /* HV_INTERCEPT_CPUID or HV_INTERCEPT_MSR */
	union {
		struct {
			uint32_t leaf, subleaf;
			uint8_t subleaf_specific;
			uint8_t always;    /* also where there is nothing to tell */
			uint16_t padding;
			struct {
				uint32_t value, mask;
			} result[4];       /* EAX, EBX, ECX, EDX */
			uint32_t padding_2;
		} cpuid;
		struct {
			uint32_t msr;
			uint32_t access;   /* HV_INTERCEPT_MASK_* */
			uint32_t action;   /* enum hv_msr_action */
		} msr;
	};
};
static_assert(sizeof(struct hv_in_register_intercept_result) == 64 &&
	      offsetof(struct hv_in_register_intercept_result, cpuid.result) == 28, "later revisions");

/* 0x0092, of later revisions: input */
struct hv_in_unregister_intercept_result {
	uint64_t partition_id;
	uint32_t vp;
	uint32_t type;
	uint32_t number;           /* leaf or MSR */
	uint32_t subleaf;          /* or access of an MSR */
	uint8_t subleaf_specific;
	uint8_t padding[7];
};
static_assert(sizeof(struct hv_in_unregister_intercept_result) == 32, "later revisions");

/* How a message tells the access; a plain number in shipping software, while the text has the mask below. */
enum { HV_INTERCEPT_READ, HV_INTERCEPT_WRITE, HV_INTERCEPT_EXECUTE };

/* hv_intercept_header.state (16.2.3); bit 12 is of later revisions. */
enum {
	HV_EXECUTION_CPL = 3,
	HV_EXECUTION_CR0_PE = 1 << 2,
	HV_EXECUTION_CR0_AM = 1 << 3,
	HV_EXECUTION_EFER_LMA = 1 << 4,
	HV_EXECUTION_DEBUG_ACTIVE = 1 << 5,
	HV_EXECUTION_INTERRUPTION_PENDING = 1 << 6,
	HV_EXECUTION_INTERRUPT_SHADOW = 1 << 12,
};

/* What most messages begin with (16.2.2). */
struct hv_intercept_header {
	uint32_t vp;
	uint8_t length_cr8;        /* 3:0 instruction length, 0: not known; 7:4 CR8, of exo partitions */
	uint8_t access;            /* HV_INTERCEPT_READ, ... */
	uint16_t state;            /* HV_EXECUTION_* */
	struct hv_segment_register cs;
	uint64_t rip;
	uint64_t rflags;
};
static_assert(sizeof(struct hv_intercept_header) == 40, "16.2.2");

enum { HV_INSTRUCTION_BYTES = 16 };

enum { HV_CACHE_UNCACHED = 0, HV_CACHE_WRITE_COMBINING = 1, HV_CACHE_WRITE_THROUGH = 4, HV_CACHE_WRITE_PROTECTED = 5,
       HV_CACHE_WRITE_BACK = 6 };

/* hv_memory_message.info (16.2.6); the second is of later revisions. */
enum { HV_MEMORY_GVA_VALID = 1 << 0, HV_MEMORY_GVA_GPA_VALID = 1 << 1 };

/* Unmapped GPA, GPA access (16.3).  Later revisions end it behind the bytes. */
struct hv_memory_message {
	struct hv_intercept_header header;
	uint32_t cache_type;
	uint8_t byte_count;
	uint8_t info;
	uint8_t tpr_priority;
	uint8_t reserved;
	uint64_t gva;
	uint64_t gpa;
	uint8_t bytes[HV_INSTRUCTION_BYTES];
	struct hv_segment_register ds, ss;
	uint64_t gpr[16];          /* in the order of their encoding: RAX, RCX, RDX, RBX, RSP, ... */
};
static_assert(sizeof(struct hv_memory_message) == 240 && offsetof(struct hv_memory_message, gva) == 48 &&
	      offsetof(struct hv_memory_message, gpr) == 112, "16.3");
enum { HV_MEMORY_MESSAGE_LATER_SIZE = 80 };
static_assert(offsetof(struct hv_memory_message, ds) == HV_MEMORY_MESSAGE_LATER_SIZE, "16.3");

/* 16.5.1 */
struct hv_cpuid_message {
	struct hv_intercept_header header;
	uint64_t rax, rcx, rdx, rbx;
	uint64_t default_rax, default_rcx, default_rdx, default_rbx;
};
static_assert(sizeof(struct hv_cpuid_message) == 104, "16.5.1");

/* 16.5.2 */
struct hv_msr_message {
	struct hv_intercept_header header;
	uint32_t msr;
	uint32_t reserved;
	uint64_t rdx, rax;
};
static_assert(sizeof(struct hv_msr_message) == 64, "16.5.2");

/* hv_io_message.access (16.2.4): 2:0 bytes. */
enum { HV_IO_SIZE = 7, HV_IO_STRING = 1 << 3, HV_IO_REP = 1 << 4 };

/* 16.5.3; all behind RAX is of INS and OUTS only. */
struct hv_io_message {
	struct hv_intercept_header header;
	uint16_t port;
	uint8_t access;
	uint8_t byte_count;
	uint32_t reserved;
	uint64_t rax;
	uint8_t bytes[HV_INSTRUCTION_BYTES];
	struct hv_segment_register ds, es;
	uint64_t rcx, rsi, rdi;
};
static_assert(sizeof(struct hv_io_message) == 128 && offsetof(struct hv_io_message, bytes) == 56, "16.5.3");

enum { HV_EXCEPTION_ERROR_VALID = 1 << 0 };   /* hv_exception_message.info (16.2.5) */

/* 16.5.4 */
struct hv_exception_message {
	struct hv_intercept_header header;
	uint16_t vector;
	uint8_t info;
	uint8_t byte_count;
	uint32_t error;
	uint64_t parameter;        /* #PF: what CR2 would be; #DB: what DR6 would be */
	uint64_t reserved;
	uint8_t bytes[HV_INSTRUCTION_BYTES];
	struct hv_segment_register ds, ss;
	uint64_t gpr[16];
};
static_assert(sizeof(struct hv_exception_message) == 240 && offsetof(struct hv_exception_message, bytes) == 64, "16.5.4");

/* APIC EOI (16.5.5) with the vector; FERR (16.5.6) and invalid register value (16.5.7) with 0 there. */
struct hv_vp_message {
	uint32_t vp;
	uint32_t vector;
};
static_assert(sizeof(struct hv_vp_message) == 8, "16.5.5");

/* hv_unsupported_message.code (9.2.4) */
enum { HV_UNSUPPORTED_INTERCEPT = 1, HV_UNSUPPORTED_TASK_SWITCH = 2 };

/* 16.5.9 */
struct hv_unsupported_message {
	uint32_t vp;
	uint32_t code;
	uint64_t parameter;
};
static_assert(sizeof(struct hv_unsupported_message) == 16, "16.5.9");

/* Of later revisions: a call that the hypervisor does not know. */
struct hv_hypercall_message {
	struct hv_intercept_header header;
	uint64_t rax, rbx, rcx, rdx, r8, rsi, rdi;
	uint8_t xmm[6][16];
	uint32_t isolated;
	uint32_t padding;          /* not of the payload */
};
static_assert(offsetof(struct hv_hypercall_message, isolated) == 192 &&
	      offsetof(struct hv_hypercall_message, padding) == 196, "later revisions");

/* Of later revisions: an SMI, or an INIT or start-up IPI, which has not been sent.  RIP is behind the write. */
struct hv_apic_icr_message {
	struct hv_intercept_header header;
	uint64_t icr;
};
static_assert(sizeof(struct hv_apic_icr_message) == 48, "later revisions");

/* Of later revisions: a register of the APIC has been written.  RIP is behind the write. */
struct hv_apic_write_message {
	struct hv_intercept_header header;
	uint32_t offset;           /* of the register: HV_APIC_* */
	uint32_t reserved;
	uint64_t value;
};
static_assert(sizeof(struct hv_apic_write_message) == 56, "later revisions");
enum { HV_APIC_LDR = 0xd0, HV_APIC_DFR = 0xe0, HV_APIC_SVR = 0xf0, HV_APIC_ICR = 0x300, HV_APIC_LINT0 = 0x350, HV_APIC_LINT1 = 0x360 };

/* Of later revisions: an interruption could be taken. */
struct hv_deliverable_message {
	struct hv_intercept_header header;
	uint32_t type;             /* HV_INTERRUPTION_INTERRUPT or HV_INTERRUPTION_NMI */
	uint32_t reserved;
};
static_assert(sizeof(struct hv_deliverable_message) == 48, "later revisions");

/* Of later revisions: messages could be put into slots. */
struct hv_sint_deliverable_message {
	struct hv_intercept_header header;
	uint16_t sints;            /* a bit each */
	uint16_t reserved;
	uint32_t reserved_2;
};
static_assert(sizeof(struct hv_sint_deliverable_message) == 48, "later revisions");

/* Of later revisions: the message itself is in the VP's intercept message page. */
struct hv_opaque_message {
	uint32_t vp;
};
static_assert(sizeof(struct hv_opaque_message) == 4, "later revisions");

#endif
