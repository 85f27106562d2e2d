/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * System instructions that kernels execute all the time: IF and AC, the segment bases,
 * the flags on the stack, SYSCALL and SYSRET.
 *
 * What they depend on is either constant for a variant (privilege, SMAP, which part of
 * the TLB) or looked at here; where anything is unusual the interpreter does it all.
 */
#include "trans.h"

enum { IF_BIT = 9, DF_BIT = 10, RF_BIT = 16, AC_BIT = 18 };

/* ---- c->eflags ---- */

/* r9d := eflags with bit @n as said, without a change of the host's flags. */
static void flag_to_s0(struct trans *t, unsigned n, bool on)
{
	struct emit *e = &t->e;

	E_RAW(e, "\xc4\x63\x7b\xf0\x8c\x24");                /* rorx r9d,[rsp+eflags],n+1 */
	e32(e, CPU_AT(eflags));
	e8(e, (uint8_t)(n + 1));
	E_RAW(e, "\x47\x8d\x4c\x09");                        /* lea r9d,[r9+r9+on] */
	e8(e, on);
	E_RAW(e, "\xc4\x43\x7b\xf0\xc9");                    /* rorx r9d,r9d,32-n */
	e8(e, (uint8_t)(32 - n));
}

static void set_flag(struct trans *t, unsigned n, bool on)
{
	flag_to_s0(t, n, on);
	e_ctx(&t->e, false, 0x89, H_S0, CPU_AT(eflags));
}

/* op dword [rsp+disp],imm: @ext of 81 (op), 0 of f7 (test), 0 of c7 (mov). */
static void ctx_imm(struct trans *t, uint8_t op, unsigned ext, uint32_t disp, uint32_t imm)
{
	e8(&t->e, op);
	e_mem(&t->e, ext, H_RSP, (int32_t)disp);
	e32(&t->e, imm);
}

static void ctx_test(struct trans *t, uint32_t disp, uint32_t imm) { ctx_imm(t, 0xf7, 0, disp, imm); }

static void set_mmu(struct trans *t, unsigned mmu)
{
	t->mmu = (uint8_t)mmu;
	e8(&t->e, 0xc6);                                     /* mov byte [rsp+mmu],mmu */
	e_mem(&t->e, 0, H_RSP, (int32_t)CPU_AT(mmu));
	e8(&t->e, (uint8_t)mmu);
}

/* To the interpreter if an interrupt has been put aside for lack of IF.  Flags are free; destroys S1. */
static void check_waiting(struct trans *t)
{
	e_imm64(&t->e, H_S1, (uint64_t)(uintptr_t)&t->j->in.intr_waiting);
	E_RAW(&t->e, "\x41\x80\x3a\x00");                    /* cmp byte [r10],0 */
	to_step(t, 0x85);
}

/* ---- IF, DF, AC ---- */

static bool emit_cli(struct trans *t)
{
	if (!(t->c->mode & X86_MODE_IOPL))
		return false;
	set_flag(t, IF_BIT, false);
	return true;
}

/*
 * Nothing looks at `pending` before the instruction behind this one is done: that is the
 * shadow.  What was there before this one is served behind that, by the interpreter.
 */
static bool emit_sti(struct trans *t)
{
	if (!(t->c->mode & X86_MODE_IOPL) || block_is_end(t->u + 1))
		return false;
	flags_free(t);
	check_waiting(t);
	compare_pending(t);
	to_step(t, 0x85);
	set_flag(t, IF_BIT, true);
	flags_again(t);
	/* A group's check may leave before its instruction, and so does a look at `pending`. */
	t->plan[t->n + 1].group = -1;
	t->poll[t->n + 1] = false;
	return true;
}

/* A group's check was made for another part of the TLB. */
static bool emit_ac(struct trans *t, bool on)
{
	set_flag(t, AC_BIT, on);
	if (t->smap)
		set_mmu(t, on ? X86_MMU_KERNEL_AC : X86_MMU_KERNEL);
	return true;
}

/* ---- flags on the stack ---- */

/* S0 := all flags in their places, from engine_flags and eflags, without RF.  Uses S1; keeps the host's flags. */
static void whole_flags(struct trans *t)
{
	struct emit *e = &t->e;

	flag_to_s0(t, RF_BIT, false);
	E_RAW(e, "\x44\x0f\xb6\x94\x24");                    /* movzx r10d,byte [rsp+engine_flags] */
	e32(e, CPU_AT(engine_flags));
	E_RAW(e, "\xc4\x43\x7b\xf0\xd2\x15");                /* rorx r10d,r10d,32-11: OF */
	E_RAW(e, "\x47\x8d\x0c\x11");                        /* lea r9d,[r9+r10] */
	E_RAW(e, "\x44\x0f\xb6\x94\x24");                    /* movzx r10d,byte [rsp+engine_flags+1] */
	e32(e, CPU_AT(engine_flags) + 1);
	E_RAW(e, "\x47\x8d\x4c\x11\xfe");                    /* lea r9d,[r9+r10-2]: both have bit 1 */
}

/* engine_flags := the arithmetic ones of r9d.  Uses S0 and S1. */
static void split_flags(struct trans *t)
{
	struct emit *e = &t->e;

	E_RAW(e, "\x45\x89\xca\x41\xc1\xea\x0b");            /* mov r10d,r9d; shr r10d,11 */
	E_RAW(e, "\x41\x83\xe2\x01");                        /* and r10d,1 */
	E_RAW(e, "\x41\x81\xe1\xd5\x00\x00\x00");            /* and r9d,d5h */
	E_RAW(e, "\x41\x83\xc9\x02");                        /* or r9d,2 */
	E_RAW(e, "\x41\xc1\xe1\x08\x45\x09\xca");            /* shl r9d,8; or r10d,r9d */
	e_ctx(e, false, 0x89, H_S1, CPU_AT(engine_flags));
}

static bool emit_pushf(struct trans *t)
{
	if (t->insn.opsize != 8)
		return false;
	flags_free(t);
	e_lea(&t->e, H_S0, H_GSP, -8);
	reach(t, 8, true);
	e_store(&t->e, H_S0, CPU_AT(engine_temp));
	whole_flags(t);
	e_mov(&t->e, H_S1, H_S0);
	e_load(&t->e, H_S0, CPU_AT(engine_temp));
	store_s1(t);
	e_lea(&t->e, H_GSP, H_GSP, -8);
	return true;
}

/* Natively if it changes nothing but arithmetic flags and IF. */
static bool emit_popf(struct trans *t)
{
	uint32_t others = X86_TF | X86_DF | X86_NT | X86_AC | X86_ID, may = 0;
	struct emit *e = &t->e;

	if (t->insn.opsize != 8)
		return false;
	if (!(t->c->mode & X86_MODE_CPL))
		others |= X86_IOPL;
	if (t->c->mode & X86_MODE_IOPL)
		may = X86_IF;
	flags_free(t);
	e_mov(e, H_S0, H_GSP);
	reach(t, 8, false);
	flags_free(t);
	load_s1(t);
	e_store(e, H_S1, CPU_AT(engine_temp));
	e_ctx(e, false, 0x33, H_S1, CPU_AT(eflags));         /* xor r10d,[rsp+eflags] */
	E_RAW(e, "\x41\xf7\xc2");                            /* test r10d,others */
	e32(e, others);
	to_step(t, 0x85);
	E_RAW(e, "\x41\x81\xe2");                            /* and r10d,may */
	e32(e, may);
	e_mov(e, H_S0, H_S1);
	if (may) {
		check_waiting(t);
		compare_pending(t);
		to_step(t, 0x85);
	}
	e_ctx(e, false, 0x33, H_S0, CPU_AT(eflags));         /* xor r9d,[rsp+eflags]; and r9d,~RF */
	E_RAW(e, "\x41\x81\xe1");
	e32(e, ~(uint32_t)X86_RF);
	e_ctx(e, false, 0x89, H_S0, CPU_AT(eflags));
	e_load(e, H_S0, CPU_AT(engine_temp));
	split_flags(t);
	e_lea(e, H_GSP, H_GSP, 8);
	flags_in(t);
	t->spilled = false;
	return true;
}

/* ---- registers of the system ---- */

/* Guest register operand @n := S1, of 4 or 8 bytes with the upper half 0. */
static void result_s1(struct trans *t, unsigned n)
{
	unsigned reg = t->insn.op[n].reg;

	if (in_slot(reg))
		e_store(&t->e, H_S1, GPR_AT(reg));
	else
		e_mov(&t->e, host_reg(reg), H_S1);
}

static bool emit_swapgs(struct trans *t)
{
	e_load(&t->e, H_S0, base_at(X86_GS));
	e_load(&t->e, H_S1, CPU_AT(kernel_gs_base));
	e_store(&t->e, H_S1, base_at(X86_GS));
	e_store(&t->e, H_S0, CPU_AT(kernel_gs_base));
	return true;
}

static void check_fsgsbase(struct trans *t)
{
	flags_free(t);
	ctx_test(t, CPU_AT(cr4), CR4_FSGSBASE);
	to_step(t, 0x84);
}

static bool emit_read_base(struct trans *t, unsigned seg)
{
	if (t->insn.opsize < 4)
		return false;
	check_fsgsbase(t);
	e_ctx(&t->e, t->insn.opsize == 8, 0x8b, H_S1, base_at(seg));
	result_s1(t, 0);
	flags_again(t);
	return true;
}

/* S0 has 48 significant bits, or the interpreter looks how many it may have.  Destroys S1. */
static void check_canonical(struct trans *t)
{
	e_mov(&t->e, H_S1, H_S0);
	E_RAW(&t->e, "\x49\xc1\xe2\x10\x49\xc1\xfa\x10");    /* shl r10,16; sar r10,16 */
	E_RAW(&t->e, "\x4d\x39\xca");                        /* cmp r10,r9 */
	to_step(t, 0x85);
}

static bool emit_write_base(struct trans *t, unsigned seg)
{
	if (t->insn.opsize < 4)
		return false;
	check_fsgsbase(t);
	e_rr(&t->e, t->insn.opsize == 8, 0x89, value_in(t, t->insn.op[0].reg, H_S0), H_S0);
	check_canonical(t);
	e_store(&t->e, H_S0, base_at(seg));
	flags_again(t);
	return true;
}

static bool emit_mov_from_cr(struct trans *t)
{
	uint32_t at;

	switch (t->insn.op[1].reg) {
	case 0: at = CPU_AT(cr0); break;
	case 2: at = CPU_AT(cr2); break;
	case 3: at = CPU_AT(cr3); break;
	case 4: at = CPU_AT(cr4); break;
	default: return false;
	}
	e_load(&t->e, H_S1, at);
	result_s1(t, 0);
	return true;
}

static bool emit_mov_from_seg(struct trans *t)
{
	const struct x86_insn *i = &t->insn;

	if (i->op[1].reg >= X86_SEG_COUNT || i->prefix67 || (!i->has_mem && i->op[0].size < 4))
		return false;
	if (i->has_mem) {
		lin_operand(t);
		reach(t, 2, true);
	}
	E_RAW(&t->e, "\x44\x0f\xb7");                        /* movzx r10d,word [rsp+sel] */
	e_mem(&t->e, H_S1, H_RSP, (int32_t)(CPU_AT(seg) + i->op[1].reg * sizeof(struct x86_seg) +
					    offsetof(struct x86_seg, sel)));
	if (i->has_mem)
		E_RAW(&t->e, "\x66\x45\x89\x11");            /* mov [r9],r10w */
	else
		result_s1(t, 0);
	return true;
}

/* ---- time ---- */

static void read_tsc(struct x86_cpu *c)
{
	uint64_t v = c->ops->tsc(c->opaque) + c->tsc_adjust;

	c->gpr[X86_RAX] = (uint32_t)v;
	c->gpr[X86_RDX] = v >> 32;
}

static void call_read_tsc(struct trans *t)
{
	e_imm64(&t->e, H_S0, (uint64_t)(uintptr_t)read_tsc);
	e8(&t->e, 0xe8);
	e_rel(&t->e, t->j->thunk_call);
}

/* RDX and RAX are the guest's, which this instruction writes. */
static void host_tsc(struct trans *t, bool ordered)
{
	struct emit *e = &t->e;

	e_imm64(e, H_S0, (uint64_t)(uintptr_t)t->c->tsc_stopped);
	e_imm64(e, H_S1, (uint64_t)(uintptr_t)t->c->tsc_offset);
	E_RAW(e, "\x41\x80\x39\x00");                        /* cmp byte [r9],0 */
	to_step(t, 0x85);
	if (ordered)
		E_RAW(e, "\x0f\xae\xe8");                    /* lfence */
	E_RAW(e, "\x0f\x31\x48\xc1\xe2\x20");                /* rdtsc; shl rdx,32 */
	E_RAW(e, "\x48\x09\xd0\x49\x03\x02");                /* or rax,rdx; add rax,[r10] */
	e_ctx(e, true, 0x03, H_RAX, CPU_AT(tsc_adjust));
	E_RAW(e, "\x48\x89\xc2\x48\xc1\xea\x20");            /* mov rdx,rax; shr rdx,32 */
	E_RAW(e, "\x89\xc0");                                /* mov eax,eax */
}

static bool emit_rdtsc(struct trans *t, bool p)
{
	if (t->held && !t->c->tsc_offset)
		return false;
	flags_free(t);
	if (t->c->mode & X86_MODE_CPL) {
		ctx_test(t, CPU_AT(cr4), CR4_TSD);
		to_step(t, 0x85);
	}
	if (t->c->tsc_offset)
		host_tsc(t, p);
	else
		call_read_tsc(t);
	if (p)
		e_ctx(&t->e, false, 0x8b, H_RCX, CPU_AT(tsc_aux));
	flags_again(t);
	return true;
}

/* ---- SYSCALL, SYSRET ---- */

/*
 * CS and SS as these instructions make them: flat, with selector word @star_at of STAR plus
 * what is fixed.  Destroys S0 and S1.
 */
static void flat_segment(struct trans *t, unsigned seg, uint32_t attr, unsigned star_at, unsigned add, unsigned cpl)
{
	const uint32_t at = CPU_AT(seg) + seg * (uint32_t)sizeof(struct x86_seg);
	const uint32_t all = attr | SEG_ACCESSED | SEG_S | SEG_P | SEG_G | cpl << SEG_DPL_SHIFT;
	struct emit *e = &t->e;

	e_imm64(e, H_S0, UINT32_MAX | (uint64_t)all << 32);
	e_store(e, H_S0, at + offsetof(struct x86_seg, limit));
	E_RAW(e, "\x45\x31\xc9");                            /* xor r9d,r9d */
	e_store(e, H_S0, at + offsetof(struct x86_seg, base));
	E_RAW(e, "\x44\x0f\xb7");                            /* movzx r9d,word [star] */
	e_mem(e, H_S0, H_RSP, (int32_t)(CPU_AT(star) + star_at));
	e_lea(e, H_S0, H_S0, (int32_t)add);
	E_RAW(e, "\x41\x83\xe1\xfc\x41\x83\xc9");            /* and r9d,~3; or r9d,cpl */
	e8(e, (uint8_t)cpl);
	e8(e, 0x66);
	e_ctx(e, false, 0x89, H_S0, at + offsetof(struct x86_seg, sel));
}
_Static_assert(offsetof(struct x86_seg, attr) == offsetof(struct x86_seg, limit) + 4, "limit and attr in one store");

/* eflags := the rest of r9d. */
static void store_eflags(struct trans *t)
{
	struct emit *e = &t->e;

	E_RAW(e, "\x45\x89\xca\x41\x81\xe2");                /* mov r10d,r9d; and r10d,... */
	e32(e, 0x3f7fd5 & ~(uint32_t)X86_ARITH);
	E_RAW(e, "\x41\x83\xca\x02");                        /* or r10d,2 */
	e_ctx(e, false, 0x89, H_S1, CPU_AT(eflags));
}

/* The variant's own mode but for what depends on the privilege. */
static uint32_t mode_at(const struct trans *t, unsigned cpl)
{
	return (t->c->mode & ~(uint32_t)(X86_MODE_CPL | X86_MODE_IOPL)) | cpl | (cpl ? 0 : X86_MODE_IOPL);
}

/* The rest: @cpl's segments and mode, and there. */
static void enter_privilege(struct trans *t, unsigned cpl, unsigned star_at, unsigned cs, unsigned ss, unsigned mmu)
{
	flat_segment(t, X86_CS, SEG_CODE | SEG_READABLE | SEG_L, star_at, cs, cpl);
	flat_segment(t, X86_SS, SEG_WRITABLE | SEG_DB, star_at, ss, cpl);
	ctx_imm(t, 0xc7, 0, CPU_AT(mode), mode_at(t, cpl));
	set_mmu(t, mmu);
	e_load(&t->e, H_S1, CPU_AT(engine_place));
	jump_target(t);
	t->ended = true;
}

/* Neither leaves anything held: system code seldom uses vectors.  No alignment checks to switch on or off. */
static bool fast_call(const struct trans *t)
{
	return !t->held && t->insn.opsize == 8 && !(t->c->mode & X86_MODE_AC);
}

static bool emit_syscall(struct trans *t)
{
	unsigned mmu = t->smap ? X86_MMU_KERNEL : X86_MMU_KERNEL_AC;
	struct emit *e = &t->e;

	if (t->held || t->c->mode & X86_MODE_AC)
		return false;
	flags_free(t);
	ctx_test(t, CPU_AT(efer), EFER_SCE);
	to_step(t, 0x84);
	if (t->smap) {
		ctx_test(t, CPU_AT(sfmask), X86_AC);
		to_step(t, 0x84);
	}
	e_load(e, H_S0, CPU_AT(lstar));
	probe_target_as(t, target_key_of(mode_at(t, 0), mmu, t->smap, 0), 0);
	e_store(e, H_S1, CPU_AT(engine_place));
	e_imm64(e, H_RCX, t->lin + t->u->off + t->insn.len);
	whole_flags(t);
	e_store(e, H_S0, GPR_AT(X86_R11));
	e_ctx(e, false, 0x8b, H_S1, CPU_AT(sfmask));
	E_RAW(e, "\x41\xf7\xd2\x45\x21\xd1");                /* not r10d; and r9d,r10d */
	store_eflags(t);
	split_flags(t);
	enter_privilege(t, 0, 4, 0, 8, mmu);
	return true;
}

/* Flags that change the mode, or what comes next, are left to the interpreter. */
static bool emit_sysret(struct trans *t)
{
	struct emit *e = &t->e;

	if (!fast_call(t))
		return false;
	flags_free(t);
	ctx_test(t, CPU_AT(efer), EFER_SCE);
	to_step(t, 0x84);
	ctx_test(t, GPR_AT(X86_R11), X86_TF | X86_IOPL | X86_AC);
	to_step(t, 0x85);
	check_waiting(t);
	e_mov(e, H_S0, H_RCX);
	check_canonical(t);
	probe_target_as(t, target_key_of(mode_at(t, 3), X86_MMU_USER, t->smap, 0), 0);
	e_store(e, H_S1, CPU_AT(engine_place));
	e_ctx(e, false, 0x8b, H_S0, GPR_AT(X86_R11));
	E_RAW(e, "\x41\x81\xe1");                            /* and r9d,... */
	e32(e, 0x3c7fd7);
	store_eflags(t);
	split_flags(t);
	enter_privilege(t, 3, 6, 16, 8, X86_MMU_USER);
	return true;
}

/* ---- which ---- */

static bool emit_fence(struct trans *t, uint8_t modrm)
{
	e8(&t->e, 0x0f);
	e8(&t->e, 0xae);
	e8(&t->e, modrm);
	return true;
}

bool try_system(struct trans *t)
{
	switch (t->insn.row->handler) {
	case H_cli: return emit_cli(t);
	case H_sti: return emit_sti(t);
	case H_cld: set_flag(t, DF_BIT, false); return true;
	case H_std: set_flag(t, DF_BIT, true); return true;
	case H_clac: return emit_ac(t, false);
	case H_stac: return emit_ac(t, true);
	case H_pushf: return emit_pushf(t);
	case H_popf: return emit_popf(t);
	case H_swapgs: return emit_swapgs(t);
	case H_rdfsbase: return emit_read_base(t, X86_FS);
	case H_rdgsbase: return emit_read_base(t, X86_GS);
	case H_wrfsbase: return emit_write_base(t, X86_FS);
	case H_wrgsbase: return emit_write_base(t, X86_GS);
	case H_mov_from_cr: return emit_mov_from_cr(t);
	case H_mov_from_seg: return emit_mov_from_seg(t);
	case H_rdtsc: return emit_rdtsc(t, false);
	case H_rdtscp: return emit_rdtsc(t, true);
	case H_syscall: return emit_syscall(t);
	case H_sysret: return emit_sysret(t);
	/* Loads are in order as it is, but for the kinds that ask for it. */
	case H_lfence: return emit_fence(t, 0xe8);
	case H_mfence: return emit_fence(t, 0xf0);
	case H_sfence: return emit_fence(t, 0xf8);
	case H_pause: E_RAW(&t->e, "\xf3\x90"); return true;
	default: return false;
	}
}
