/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Segmentation, stacks, far transfers, exceptions delivered.
 */
#ifndef TARGET_I386_SEGMENT_H
#define TARGET_I386_SEGMENT_H

#include "target/i386/cpu.h"

/*
 * Linear address of @n bytes at seg:@off, limits, rights and canonical form
 * checked (#GP, or #SS for SS).  In 64-bit mode only FS and GS have a base.
 */
uint64_t x86_linear_slow(struct x86_cpu *c, unsigned seg, uint64_t off, unsigned n, enum x86_access a);

static inline uint64_t x86_linear(struct x86_cpu *c, unsigned seg, uint64_t off, unsigned n,
				  enum x86_access a)
{
	if (c->mode & X86_MODE_CS64) {
		/* Canonical form is checked where the TLB misses; the engine turns
		 * that #GP into #SS where the segment is SS (event.noncanonical). */
		return seg >= X86_FS ? off + c->seg[seg].base : off;
	}
	/* CS, flat as it may be, is not for writing. */
	if ((c->mode & X86_MODE_FLAT) && seg < X86_FS && a != X86_EXEC && !(seg == X86_CS && a == X86_WRITE) &&
	    off <= UINT32_MAX - 63)
		return off;
	return x86_linear_slow(c, seg, off, n, a);
}

/* MOV/POP/LxS to a segment register (not CS), all checks, accessed bit set. */
void x86_load_seg(struct x86_cpu *c, unsigned seg, uint16_t sel);
void x86_load_ldt(struct x86_cpu *c, uint16_t sel);
void x86_load_tr(struct x86_cpu *c, uint16_t sel);
/* Real mode and debuggers: base = sel << 4, limit and attributes kept or reset. */
void x86_set_seg_real(struct x86_cpu *c, unsigned seg, uint16_t sel);

/*
 * Far transfers.  @opsize is 2, 4 or 8.  @next is IP behind the instruction.
 * They set c->rip and the mode, or raise with nothing changed.
 */
void x86_far_jmp(struct x86_cpu *c, uint16_t sel, uint64_t off, unsigned opsize, uint64_t next);
void x86_far_call(struct x86_cpu *c, uint16_t sel, uint64_t off, unsigned opsize, uint64_t next);
void x86_far_ret(struct x86_cpu *c, unsigned opsize, uint16_t pop);
void x86_iret(struct x86_cpu *c, unsigned opsize, uint64_t next);
void x86_syscall(struct x86_cpu *c, uint64_t next);
void x86_sysret(struct x86_cpu *c, unsigned opsize);
void x86_sysenter(struct x86_cpu *c);
void x86_sysexit(struct x86_cpu *c, unsigned opsize);

/*
 * Delivers c->event through the IDT.  Called by the engine with c->rip at the
 * faulting instruction (or behind it for traps and X86_EV_SOFT).  Nested faults
 * are handled here (double fault).  False: triple fault.
 */
bool x86_deliver(struct x86_cpu *c);
/* The same for what ops->exception need not be asked about: it has been, or somebody wants just this. */
bool x86_deliver_anyway(struct x86_cpu *c);

/*
 * INT n in virtual-8086 mode with CR4.VME: true if the TSS sends @vector to the
 * task's own vector table; it has been entered then, with @next as return address.
 */
bool x86_vme_redirect(struct x86_cpu *c, unsigned vector, uint64_t next);

/* Port rights: raises #GP unless CPL <= IOPL or the TSS bitmap allows @n ports at @port. */
void x86_check_io(struct x86_cpu *c, uint16_t port, unsigned n);

/* LAR, LSL, VERR, VERW: true and *out where the descriptor answers. */
bool x86_lar(struct x86_cpu *c, uint16_t sel, uint32_t *out);
bool x86_lsl(struct x86_cpu *c, uint16_t sel, uint32_t *out);
bool x86_verify(struct x86_cpu *c, uint16_t sel, enum x86_access a);

#endif
