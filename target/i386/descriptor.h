/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Descriptors and stacks, shared by segment.c, far.c, task.c and deliver.c.
 * Private to target/i386.
 */
#ifndef TARGET_I386_DESCRIPTOR_H
#define TARGET_I386_DESCRIPTOR_H

#include "target/i386/flags.h"
#include "target/i386/mem.h"
#include "target/i386/model.h"
#include "target/i386/segment.h"

/* System descriptor types. */
enum {
	SYS_TSS16 = 1, SYS_LDT = 2, SYS_TSS16_BUSY = 3, SYS_CALL16 = 4, SYS_TASK = 5, SYS_INT16 = 6,
	SYS_TRAP16 = 7, SYS_TSS32 = 9, SYS_TSS32_BUSY = 11, SYS_CALL32 = 12, SYS_INT32 = 14, SYS_TRAP32 = 15,
};

struct x86_desc {
	uint64_t v;        /* the 8 bytes */
	uint64_t at;       /* linear address */
	uint16_t sel;
};

static inline uint32_t desc_attr(const struct x86_desc *d) { return (uint32_t)(d->v >> 40) & 0xf0ff; }
static inline unsigned desc_type(const struct x86_desc *d) { return (d->v >> 40) & 0xf; }
static inline unsigned desc_dpl(const struct x86_desc *d) { return (d->v >> 45) & 3; }
static inline bool desc_present(const struct x86_desc *d) { return d->v >> 47 & 1; }
static inline bool desc_system(const struct x86_desc *d) { return !(d->v >> 44 & 1); }
static inline bool desc_code(const struct x86_desc *d) { return (d->v >> 43 & 3) == 3; }
static inline bool desc_conforming(const struct x86_desc *d) { return d->v >> 42 & 1; }
/* Data segment that may be written: what SS takes. */
static inline bool desc_stack(const struct x86_desc *d) { return (d->v >> 41 & 0xd) == 9; }
static inline bool desc_long(const struct x86_desc *d) { return d->v >> 53 & 1; }
static inline uint64_t desc_base(const struct x86_desc *d)
{
	return (d->v >> 16 & 0xffffff) | (d->v >> 32 & 0xff000000);
}
static inline uint32_t desc_limit(const struct x86_desc *d)
{
	uint32_t l = (uint32_t)((d->v & 0xffff) | (d->v >> 32 & 0xf0000));

	return d->v >> 55 & 1 ? l << 12 | 0xfff : l;
}
/* Call, interrupt and trap gates. */
static inline uint16_t gate_sel(uint64_t v) { return (uint16_t)(v >> 16); }
static inline uint32_t gate_offset(uint64_t v) { return (uint32_t)((v & 0xffff) | (v >> 32 & 0xffff0000)); }

static inline bool sel_null(uint16_t sel) { return !(sel & ~3); }

noreturn static inline void raise_sel(struct x86_cpu *c, unsigned vector, uint16_t sel)
{
	x86_raise_error(c, vector, sel & ~3u);
}

static inline bool long_mode(const struct x86_cpu *c) { return c->mode & X86_MODE_LMA; }
/* Real or virtual-8086 mode: selectors are paragraphs. */
static inline bool paragraphs(const struct x86_cpu *c)
{
	return (c->mode & (X86_MODE_PE | X86_MODE_VM)) != X86_MODE_PE;
}

/* False: selector null or beyond its table. */
bool desc_read(struct x86_cpu *c, uint16_t sel, struct x86_desc *d);
/* As above; raises @vector with the selector as error code instead. */
void desc_need(struct x86_cpu *c, uint16_t sel, struct x86_desc *d, unsigned vector);
/* Upper 8 bytes of a 16-byte system descriptor; raises #GP(sel) beyond the table. */
uint64_t desc_upper(struct x86_cpu *c, const struct x86_desc *d);
void desc_mark_accessed(struct x86_cpu *c, struct x86_desc *d);
struct x86_seg desc_seg(const struct x86_desc *d, uint16_t sel);

/* Whether @n bytes at @off lie within @s. */
bool seg_contains(const struct x86_seg *s, uint64_t off, unsigned n);

/*
 * Checks a code segment for a transfer to privilege @cpl and makes it.
 * Raises #GP or #NP with the selector.  desc_mark_accessed() included.
 */
struct x86_seg code_seg(struct x86_cpu *c, struct x86_desc *d, unsigned cpl);
/* Raises #GP(0) unless @rip is good in @cs. */
void check_rip(struct x86_cpu *c, const struct x86_seg *cs, uint64_t rip);
static inline bool seg_is_long(const struct x86_cpu *c, const struct x86_seg *cs)
{
	return (c->efer & EFER_LMA) && (cs->attr & SEG_L);
}
/* SS for privilege @cpl; @vector is what a bad selector raises (#TS or #GP). */
struct x86_seg stack_seg(struct x86_cpu *c, uint16_t sel, unsigned cpl, unsigned vector);
/* The null SS of IA-32e mode. */
struct x86_seg null_seg(uint16_t sel, unsigned cpl);
/* Data segments that privilege @cpl may not use become null. */
void drop_segments(struct x86_cpu *c, unsigned cpl);

/* ---- stacks ---- */

struct stack {
	struct x86_cpu *c;
	struct x86_seg ss;
	uint64_t sp, mask;
	enum x86_mmu mmu;
	uint32_t error;   /* error code of #SS */
	bool flat;        /* 64-bit: no segment */
};

enum x86_mmu mmu_of_cpl(const struct x86_cpu *c, unsigned cpl);
struct stack stack_now(struct x86_cpu *c);
struct stack stack_new(struct x86_cpu *c, const struct x86_seg *ss, uint64_t sp, unsigned cpl, bool flat);
void stack_push(struct stack *s, unsigned size, uint64_t v);
uint64_t stack_pop(struct stack *s, unsigned size);
/* RSP := the stack's pointer, as wide as the stack is. */
void stack_commit(struct stack *s);

/* ---- task state segments ---- */

/* Stack of privilege @cpl in the TSS; SS is null|cpl in IA-32e mode.  Raises #TS(TR). */
void tss_stack(struct x86_cpu *c, unsigned cpl, uint16_t *ss, uint64_t *sp);
/* One of the 8-byte fields of a 64-bit TSS. */
uint64_t tss_field64(struct x86_cpu *c, unsigned offset);

enum task_how { TASK_JMP, TASK_CALL, TASK_IRET, TASK_GATE /* interrupt: links as CALL does */ };
/*
 * Switches to the task of @d (a TSS descriptor, type and rights checked by the
 * caller).  @next is what the old task resumes at.  Faults before the switch
 * raise in the old task; those behind it in the new one, with c->cur NULL and
 * c->rip at the new task's instruction.
 */
void task_switch(struct x86_cpu *c, struct x86_desc *d, enum task_how how, uint64_t next);
/* Reads and checks the TSS that a task gate names. */
void task_gate_target(struct x86_cpu *c, uint64_t gate, struct x86_desc *d, unsigned vector_gone);

#endif
