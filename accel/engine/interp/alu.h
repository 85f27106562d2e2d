/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The two-operand arithmetic core, inlined into each handler with a constant
 * operation, and locked read-modify-write.
 */
#ifndef INTERP_ALU_H
#define INTERP_ALU_H

#include "block.h"

/* In the order of the opcodes 00, 08, ... 38. */
enum alu { ALU_ADD, ALU_OR, ALU_ADC, ALU_SBB, ALU_AND, ALU_SUB, ALU_XOR, ALU_CMP, ALU_TEST, ALU_COUNT };

struct fl {
	uint64_t res;
	uint32_t aux;
};

static ALWAYS_INLINE void fl_commit(struct x86_cpu *c, const struct fl *f)
{
	c->fl_res = f->res;
	c->fl_aux = f->aux;
}

static ALWAYS_INLINE uint64_t sext(uint64_t v, unsigned bits)
{
	switch (bits) {
	case 8: return (uint64_t)(int64_t)(int8_t)v;
	case 16: return (uint64_t)(int64_t)(int16_t)v;
	case 32: return (uint64_t)(int64_t)(int32_t)v;
	default: return v;
	}
}
static ALWAYS_INLINE uint64_t zext(uint64_t v, unsigned bits)
{
	switch (bits) {
	case 8: return (uint8_t)v;
	case 16: return (uint16_t)v;
	case 32: return (uint32_t)v;
	default: return v;
	}
}

/* @a, @b zero-extended.  The result may have bits above @bits. */
static ALWAYS_INLINE uint64_t alu(enum alu op, unsigned bits, uint64_t a, uint64_t b, bool cf,
				  struct fl *f)
{
	uint64_t r, cv = 0;

	switch (op) {
	case ALU_ADD: r = a + b; cv = x86_add_cv(a, b, r); break;
	case ALU_ADC: r = a + b + cf; cv = x86_add_cv(a, b, r); break;
	case ALU_SBB: r = a - b - cf; cv = x86_sub_cv(a, b, r); break;
	case ALU_SUB:
	case ALU_CMP: r = a - b; cv = x86_sub_cv(a, b, r); break;
	case ALU_OR: r = a | b; break;
	case ALU_XOR: r = a ^ b; break;
	default: r = a & b; break;
	}
	f->res = sext(r, bits);
	f->aux = ((uint32_t)(cv >> (bits - 2)) << 30) | ((uint32_t)cv & FLA_AF);
	return r;
}

/*
 * Compare-and-exchange of @n aligned bytes at @p; *old gets what was there.
 */
static ALWAYS_INLINE bool host_cas(void *p, unsigned n, uint64_t *old, uint64_t v)
{
	switch (n) {
#define CAS(bytes, bits)                                                                        \
	case bytes: {                                                                           \
		uint##bits##_t o = (uint##bits##_t)*old;                                        \
		bool ok = __atomic_compare_exchange_n((uint##bits##_t *)p, &o, (uint##bits##_t)v, \
						      false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST); \
		*old = o;                                                                       \
		return ok;                                                                      \
	}
	CAS(1, 8)
	CAS(2, 16)
	CAS(4, 32)
	CAS(8, 64)
#undef CAS
	default: __builtin_unreachable();
	}
}

static ALWAYS_INLINE uint64_t host_ld(const void *p, unsigned n)
{
	switch (n) {
	case 1: return x86_host_ld8(p);
	case 2: return x86_host_ld16(p);
	case 4: return x86_host_ld32(p);
	default: return x86_host_ld64(p);
	}
}

/*
 * v = what is at @lin; body computes `expr` from it; stored; `v` keeps the old
 * value.  Atomic if @locked.  Nothing is committed if the access faults.
 */
#define RMW(c, lin, n, locked, v, expr)                                                         \
	do {                                                                                    \
		uint64_t lin_ = (lin);                                                          \
		void *p_ = (locked) ? x86_host_rw(c, lin_, n) : NULL;                           \
                                                                                                \
		if (p_ && !((uintptr_t)p_ & ((n) - 1))) {                                       \
			uint64_t new_;                                                          \
                                                                                                \
			v = host_ld(p_, n);                                                     \
			do                                                                      \
				new_ = (expr);                                                  \
			while (!host_cas(p_, n, &v, new_));                                     \
		} else {                                                                        \
			x86_probe_write(c, lin_, n);                                            \
			if (locked)                                                             \
				exclusive_begin(c);                                             \
			v = mem_get(c, lin_, n);                                                \
			mem_set(c, lin_, n, (expr));                                            \
			if (locked)                                                             \
				exclusive_end(c);                                               \
		}                                                                               \
	} while (0)

#endif
