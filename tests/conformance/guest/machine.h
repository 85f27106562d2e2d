/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The machine from within: what tests of the guest alone may use besides rule.h. */
#ifndef CONFORMANCE_GUEST_MACHINE_H
#define CONFORMANCE_GUEST_MACHINE_H

#include "../../guest/lib/guest.h"
#include "../rule.h"

/* The first of 16 that are taken and ended, if they are still requested, when the next rule begins. */
enum { RULE_VECTORS = 0x70 };

/*
 * All that an instruction can see, before and after.  Loaded and stored by
 * call_with_registers(); long has the size of a register.
 */
enum { XMM_COUNT = sizeof(long) == 8 ? 16 : 8 };
struct registers {
	unsigned long ax, bx, cx, dx, si, di, bp;
#ifdef __x86_64__
	unsigned long r8, r9, r10, r11, r12, r13, r14, r15;
#endif
	unsigned long flags, sp;
	uint8_t xmm[XMM_COUNT][16];
};

/* Each register with a value of its own. */
void registers_fill(struct registers *r);
/*
 * Calls @target with all of @r (but sp) loaded, stores all back.  An exception on the way ends it: `event`
 * has it.  @target may be the hypercall page.
 */
void call_with_registers(struct registers *r, unsigned long target);
/* Value and two parameters into the registers that a caller of this program's mode has for them. */
void registers_set_call(struct registers *r, uint64_t control, uint64_t in, uint64_t out);
uint64_t registers_result(const struct registers *r);
/* Each register that differs and must not fails the rule.  @control: of the call. */
void check_registers(const struct registers *before, const struct registers *after, uint64_t control);

/* Starts @fn on processor 1, smp_wait(1) for its end; the second waits itself.  64-bit program only. */
void start_on_1(void (*fn)(unsigned cpu));
void run_on_1(void (*fn)(unsigned cpu));
/* A call of the other VP, beside rule.h; its status. */
uint16_t raw_call(uint64_t control, uint64_t in, uint64_t out);
/* Interrupts are let in for a moment: those that are requested come. */
void open_gate(void);

#endif
