/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Entering and leaving translated code, and one instruction by the interpreter.
 *
 * Arithmetic flags travel in engine_flags as LAHF and SETO leave them in EAX.
 * `cmp al, 81h` makes OF from AL without changing it, SAHF the rest; POPF would
 * cost ten times as much.
 */
#include "jit.h"

static const uint8_t pinned[] = { H_RCX, H_RDX, H_RBX, H_RBP, H_RSI, H_RDI, H_R8, 12, 13, 14, 15 };

static void regs_out(struct emit *e, int32_t rsp_off, bool flags)
{
	unsigned i;

	for (i = 0; i < sizeof pinned; i++)
		e_store(e, pinned[i], GPR_AT(pinned[i]) + rsp_off);
	e_store(e, H_GSP, GPR_AT(X86_RSP) + rsp_off);
	e_store(e, H_RAX, GPR_AT(X86_RAX) + rsp_off);
	if (!flags)
		return;
	E_RAW(e, "\x9f\x0f\x90\xc0");                                 /* lahf; seto al */
	e_ctx(e, false, 0x89, H_RAX, CPU_AT(engine_flags) + rsp_off);
}

static void regs_in(struct emit *e)
{
	unsigned i;

	e_ctx(e, false, 0x8b, H_RAX, CPU_AT(engine_flags));
	E_RAW(e, "\x3c\x81\x9e");                                     /* cmp al,81h; sahf */
	for (i = 0; i < sizeof pinned; i++)
		e_load(e, pinned[i], GPR_AT(pinned[i]));
	e_load(e, H_GSP, GPR_AT(X86_RSP));
	e_load(e, H_RAX, GPR_AT(X86_RAX));
}

static void back_to_c(struct emit *e)
{
	e_load(e, H_RSP, CPU_AT(engine_sp));
	E_RAW(e, "\x41\x5f\x41\x5e\x41\x5d\x41\x5c\x5d\x5b\xc3");     /* pop r15 r14 r13 r12 rbp rbx; ret */
}

/* uint64_t enter(c, host code), which expects @held: what leave found in S1. */
static void make_enter(const struct jit *j, struct emit *e, unsigned held)
{
	E_RAW(e, "\x53\x55\x41\x54\x41\x55\x41\x56\x41\x57");         /* push rbx rbp r12 r13 r14 r15 */
	E_RAW(e, "\x49\x89\xf1");                                     /* mov r9,rsi */
	E_RAW(e, "\x48\x89\xa7");                                     /* mov [rdi+engine_sp],rsp */
	e32(e, CPU_AT(engine_sp));
	E_RAW(e, "\x48\x89\xfc");                                     /* mov rsp,rdi */
	held_in(j, e, held, 0);
	regs_in(e);
	E_RAW(e, "\x41\xff\xe1");                                     /* jmp r9 */
}

/* S0: RIP to go on at; S1: EXIT().  @saved: the flags are in engine_flags already. */
static void make_leave(const struct jit *j, struct emit *e, unsigned held, bool saved)
{
	e_store(e, H_S0, CPU_AT(rip));
	regs_out(e, 0, !saved);
	held_out(j, e, held, 0);
	E_RAW(e, "\x4c\x89\xd0");                                     /* mov rax,r10 */
	back_to_c(e);
}

/* Called with S0: uop, S1: linear address of the block.  Goes where jit_step() says, or leaves. */
static void make_step(const struct jit *j, struct emit *e, unsigned held)
{
	uint32_t site, site2;

	e_store(e, H_S0, CPU_AT(cur) + 8);
	e_store(e, H_S1, GPR_AT(X86_RIPBASE) + 8);
	regs_out(e, 8, true);
	held_out(j, e, held, 8);
	E_RAW(e, "\x48\x8d\x7c\x24\x08");                             /* lea rdi,[rsp+8] */
	E_RAW(e, "\x48\x89\xfb");                                     /* mov rbx,rdi */
	E_RAW(e, "\x4c\x89\xce");                                     /* mov rsi,r9 */
	E_RAW(e, "\x48\x8b\x14\x24");                                 /* mov rdx,[rsp]: return address */
	e8(e, 0xb9);                                                  /* mov ecx,held */
	e32(e, held);
	E_RAW(e, "\x48\x8b\xa7");                                     /* mov rsp,[rdi+engine_sp] */
	e32(e, CPU_AT(engine_sp));
	E_RAW(e, "\x48\x83\xec\x08");                                 /* sub rsp,8: six pushed and a return address */
	e_imm64(e, H_RAX, (uint64_t)(uintptr_t)jit_step);
	E_RAW(e, "\xff\xd0\x48\x89\xdc\x48\x85\xc0");                 /* call rax; mov rsp,rbx; test rax,rax */
	E_RAW(e, "\x0f\x84");
	site = e->at;
	e32(e, 0);
	E_RAW(e, "\x49\x89\xc1");                                     /* mov r9,rax */
	E_RAW(e, "\x85\xd2\x0f\x84");                                 /* test edx,edx; je */
	site2 = e->at;
	e32(e, 0);
	held_in(j, e, held, 0);
	e_patch(e, site2, e->at);
	regs_in(e);
	E_RAW(e, "\x41\xff\xe1");                                     /* jmp r9 */
	e_patch(e, site, e->at);
	E_RAW(e, "\x31\xc0");
	back_to_c(e);
}

/*
 * Called in a block with S0: void function(struct x86_cpu *), which raises nothing.  What it
 * changes of general registers shows.  Destroys S0, S1 and flags; nothing is held.
 */
static void make_call(struct emit *e)
{
	static const uint8_t lost[] = { H_RAX, H_RCX, H_RDX, H_RSI, H_RDI, H_R8 };
	unsigned i;

	for (i = 0; i < sizeof lost; i++)
		e_store(e, lost[i], GPR_AT(lost[i]) + 8);
	e_store(e, H_GSP, GPR_AT(X86_RSP) + 8);
	e_store(e, H_RBX, GPR_AT(X86_RBX) + 8);
	E_RAW(e, "\x48\x89\xe3");                                     /* mov rbx,rsp */
	E_RAW(e, "\x48\x8d\x7c\x24\x08");                             /* lea rdi,[rsp+8] */
	E_RAW(e, "\x48\x8b\xa7");                                     /* mov rsp,[rdi+engine_sp] */
	e32(e, CPU_AT(engine_sp));
	E_RAW(e, "\x48\x83\xec\x08");                                 /* sub rsp,8 */
	E_RAW(e, "\x41\xff\xd1\x48\x89\xdc");                         /* call r9; mov rsp,rbx */
	for (i = 0; i < sizeof lost; i++)
		e_load(e, lost[i], GPR_AT(lost[i]) + 8);
	e_load(e, H_GSP, GPR_AT(X86_RSP) + 8);
	e_load(e, H_RBX, GPR_AT(X86_RBX) + 8);
	e8(e, 0xc3);
}

void jit_thunks(struct jit *j)
{
	struct emit e = { .base = j->write, .end = JIT_THUNKS };

	host_features(j);
	j->tables->mxcsr = 0x1f80;

	j->thunk_call = e.at;
	make_call(&e);
	for (unsigned mmu = 0; mmu < X86_MMU_COUNT; mmu++) {
		for (unsigned write = 0; write < 2; write++) {
			j->thunk_site[mmu][write] = e.at;
			make_site(&e, mmu, write);
		}
	}
	for (unsigned held = 0; held < HELD_COUNT; held++) {
		j->thunk_enter[held] = e.at;
		make_enter(j, &e, held);
		for (unsigned saved = 0; saved < 2; saved++) {
			j->thunk_leave[held][saved] = e.at;
			make_leave(j, &e, held, saved);
		}
		j->thunk_step[held] = e.at;
		make_step(j, &e, held);
		j->thunk_take[held] = e.at;
		held_take(j, &e, held);
	}
	assert(!e.full);
	j->start = j->used = JIT_THUNKS;
}
