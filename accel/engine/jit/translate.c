/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Guest block to host code.
 *
 * Each instruction is either re-encoded for the pinned registers or left to
 * the interpreter's handler by a call of the step thunk.  The slow path of a
 * memory access does the latter too, so exceptions are only ever made by the
 * interpreter, with the registers of the instruction's beginning.
 */
#include "jit.h"

/* A place that leaves the hot path: emitted behind the block. */
struct edge {
	uint32_t site;           /* rel32 */
	uint32_t back;           /* step: where to go on */
	uint64_t rip;            /* exit: guest address */
	const struct uop *uop;   /* step; NULL: exit */
	bool spilled;            /* step: the flags are in engine_flags */
	bool link;               /* exit: may be chained */
};

struct trans {
	struct x86_cpu *c;
	struct jit *j;
	struct block *b;
	uint64_t lin;
	struct emit e;
	struct edge edge[JIT_EDGE_MAX];
	unsigned edges;
	uint32_t live_in[BLOCK_MAX + 1];  /* flags needed at each instruction */
	const struct uop *u;              /* being translated */
	struct x86_insn insn;
	uint8_t bytes[16];                /* a copy: another processor may be writing there */
	bool live;                        /* host flags must be the guest's at this instruction */
	/*
	 * A check destroys the host's flags, yet a fault shows them, dead or not: they are in
	 * engine_flags then.  saved: engine_flags has them.  stale: only engine_flags has.
	 */
	bool saved, stale;
	bool ended;
};

/* ---- flags ---- */

/* Shifts, which by 0 change no flag. */
static bool may_keep_flags(const struct uop *u)
{
	switch (x86_rows[u->row].handler) {
	case H_shl: case H_shr: case H_sar: case H_rol: case H_ror: case H_rcl: case H_rcr: case H_shld: case H_shrd:
		return true;
	default:
		return false;
	}
}

/* Backwards: what is read before it is written.  All count at the block's end. */
static void find_live(struct trans *t, unsigned count)
{
	uint32_t live = X86_ARITH;
	unsigned i;

	for (i = count; i-- > 0;) {
		const struct uop *u = &t->b->uop[i];
		const struct x86_row *row = &x86_rows[u->row];
		uint32_t kills = row->flags_written | row->flags_undefined;

		if (may_keep_flags(u))
			kills = 0;
		if (row->attrs & (ROW_BRANCH | ROW_END))
			live = X86_ARITH;
		live = ((live & ~kills) | row->flags_read) & X86_ARITH;
		t->live_in[i] = live;
	}
}

/* ---- edges ---- */

static struct edge *new_edge(struct trans *t)
{
	if (t->edges == JIT_EDGE_MAX) {
		t->e.full = true;
		return &t->edge[JIT_EDGE_MAX - 1];
	}
	return &t->edge[t->edges++];
}

/* Emits jcc (0x80..0x8f) or jmp (0xe9) to the interpreter's version of this instruction. */
static struct edge *to_step(struct trans *t, uint8_t op)
{
	struct edge *d = new_edge(t);

	if (op != 0xe9)
		e8(&t->e, 0x0f);
	e8(&t->e, op);
	e32(&t->e, 0);
	*d = (struct edge){ .site = t->e.at - 4, .uop = t->u };
	return d;
}

static void to_exit(struct trans *t, uint8_t op, uint64_t rip)
{
	struct edge *d = new_edge(t);
	unsigned len = op == 0xe9 ? 1 : 2;

	/* Linked later by one store: the rel32 must lie in one aligned word. */
	while ((t->e.at + len) & 3 && !t->e.full)
		e8(&t->e, 0x90);
	if (op != 0xe9)
		e8(&t->e, 0x0f);
	e8(&t->e, op);
	e32(&t->e, 0);
	*d = (struct edge){ .site = t->e.at - 4, .rip = rip, .link = !((rip ^ t->lin) & X86_PAGE_MASK) };
}

static void flags_out(struct trans *t)
{
	struct emit *e = &t->e;

	e_store(e, H_RAX, GPR_AT(X86_RAX));
	E_RAW(e, "\x9f\x0f\x90\xc0");                        /* lahf; seto al */
	e_ctx(e, false, 0x89, H_RAX, CPU_AT(engine_flags));
	e_load(e, H_RAX, GPR_AT(X86_RAX));
}

static void flags_in(struct trans *t)
{
	struct emit *e = &t->e;

	e_store(e, H_RAX, GPR_AT(X86_RAX));
	e_ctx(e, false, 0x8b, H_RAX, CPU_AT(engine_flags));
	E_RAW(e, "\x3c\x81\x9e");                            /* cmp al,81h; sahf */
	e_load(e, H_RAX, GPR_AT(X86_RAX));
}

static void call_step(struct trans *t, const struct uop *u)
{
	e_imm64(&t->e, H_S0, (uint64_t)(uintptr_t)u);
	e_imm64(&t->e, H_S1, t->lin);
	e8(&t->e, 0xe8);
	e_rel(&t->e, t->j->thunk_step);
}

/* Looks S0 up in target[]; on a hit S1 is host code, else the jump taken is the edge at *miss. */
static uint32_t probe_target(struct trans *t)
{
	struct emit *e = &t->e;
	uint32_t hit, miss;

	e_store(e, H_RCX, GPR_AT(X86_RCX));
	E_RAW(e, "\x45\x0f\xb7\xd1");                        /* movzx r10d,r9w */
	E_RAW(e, "\x4f\x8d\x14\x12");                        /* lea r10,[r10+r10] */
	e_load(e, H_RCX, CPU_AT(engine));
	E_RAW(e, "\x4e\x8d\x94\xd1");                        /* lea r10,[rcx+r10*8+target] */
	e32(e, offsetof(struct jit, target));
	E_RAW(e, "\x49\x8b\x0a");                            /* mov rcx,[r10] */
	E_RAW(e, "\x4a\x8d\x8c\x09");                        /* lea rcx,[rcx+r9+1+key] */
	e32(e, 1 + target_key(t->c));
	E_RAW(e, "\xe3");                                    /* jrcxz hit */
	hit = e->at;
	e8(e, 0);
	e_load(e, H_RCX, GPR_AT(X86_RCX));
	e8(e, 0xe9);
	e32(e, 0);
	miss = e->at - 4;
	if (!e->full)
		e->base[hit] = (uint8_t)(e->at - hit - 1);
	E_RAW(e, "\x4d\x8b\x52\x08");                        /* mov r10,[r10+8] */
	e_load(e, H_RCX, GPR_AT(X86_RCX));
	return miss;
}

static void go_to(struct trans *t, uint64_t rip)
{
	struct edge *d;

	if (!((rip ^ t->lin) & X86_PAGE_MASK)) {
		to_exit(t, 0xe9, rip);
		return;
	}
	e_imm64(&t->e, H_S0, rip);
	d = new_edge(t);
	*d = (struct edge){ .site = probe_target(t), .rip = rip };
	E_RAW(&t->e, "\x41\xff\xe2");                        /* jmp r10 */
}

static void emit_edges(struct trans *t)
{
	unsigned i;

	for (i = 0; i < t->edges; i++) {
		struct edge *d = &t->edge[i];

		e_patch(&t->e, d->site, t->e.at);
		if (d->uop) {
			if (d->spilled)
				flags_in(t);
			call_step(t, d->uop);
			e8(&t->e, 0xe9);
			e_rel(&t->e, d->back);
			continue;
		}
		e_imm64(&t->e, H_S0, d->rip);
		e_imm64(&t->e, H_S1, d->link ? d->site : 0);
		e8(&t->e, 0xe9);
		e_rel(&t->e, t->j->thunk_leave);
	}
}

/* ---- registers ---- */

static bool in_slot(unsigned guest) { return guest >= 9 && guest <= 11; }
static unsigned host_reg(unsigned guest) { return guest == X86_RSP ? H_GSP : guest; }

/* Host register with the guest's value: its own, or @scratch loaded. */
static unsigned value_in(struct trans *t, unsigned guest, unsigned scratch)
{
	if (!in_slot(guest))
		return host_reg(guest);
	e_load(&t->e, scratch, GPR_AT(guest));
	return scratch;
}

/* ---- memory ---- */

static void lea_operand(struct trans *t)
{
	const struct x86_insn *i = &t->insn;
	struct emit *e = &t->e;
	unsigned base, index;

	if (i->base == X86_RIPBASE) {
		e_imm64(e, H_S0, t->lin + t->u->off + i->len + (uint64_t)i->disp);
		return;
	}
	if (i->base == X86_ZERO && i->index == X86_ZERO) {
		e_imm64(e, H_S0, (uint64_t)i->disp);
		return;
	}
	base = i->base == X86_ZERO ? 5 : value_in(t, i->base, H_S0);
	index = i->index == X86_ZERO ? 4 : value_in(t, i->index, H_S1);
	/* lea r9,[base+index<<scale+disp32] with a SIB byte; mod 0 and base 5: no base. */
	e8(e, (uint8_t)(0x4c | (index >> 3) << 1 | base >> 3));
	e8(e, 0x8d);
	e8(e, i->base == X86_ZERO ? 0x0c : 0x8c);
	e8(e, (uint8_t)(i->scale << 6 | (index & 7) << 3 | (base & 7)));
	e32(e, (uint32_t)i->disp);
}

static void add_segment(struct trans *t)
{
	if (t->insn.seg < X86_FS)
		return;
	e_load(&t->e, H_S1, CPU_AT(seg) + t->insn.seg * sizeof(struct x86_seg) + offsetof(struct x86_seg, base));
	E_RAW(&t->e, "\x4f\x8d\x0c\x11");                    /* lea r9,[r9+r10] */
}

/*
 * S0 is a linear address; it becomes the host address of @n bytes there, or
 * the interpreter executes the instruction.  emit_access() of strategy TAG.
 */
static struct edge *emit_access(struct trans *t, unsigned n, bool write)
{
	uint32_t at = CPU_AT(tlb) + t->c->mmu * sizeof t->c->tlb[0];
	uint32_t tag = at + (write ? offsetof(struct x86_tlb_entry, write) : offsetof(struct x86_tlb_entry, read));
	struct emit *e = &t->e;
	struct edge *slow;

	if (!t->saved)
		flags_out(t);
	t->saved = true;
	E_RAW(e, "\xc4\x43\x7b\xf0\xd1\x07");                /* rorx r10d,r9d,7 */
	E_RAW(e, "\x41\x81\xe2\xe0\x7f\x00\x00");            /* and r10d,7fe0h */
	E_RAW(e, "\x4e\x2b\x8c\x14");                        /* sub r9,[rsp+r10+tag] */
	e32(e, tag);
	E_RAW(e, "\x49\x81\xf9");                            /* cmp r9,4096-n */
	e32(e, 4096 - n);
	slow = to_step(t, 0x87);
	slow->spilled = true;
	E_RAW(e, "\x4e\x03\x8c\x14");                        /* add r9,[rsp+r10+tag] */
	e32(e, tag);
	E_RAW(e, "\x4e\x03\x8c\x14");                        /* add r9,[rsp+r10+add] */
	e32(e, at + offsetof(struct x86_tlb_entry, add));
	if (t->live)
		flags_in(t);
	t->stale = !t->live;
	return slow;
}

/* ---- re-encoding ---- */

static bool is_0f(const struct trans *t)
{
	return t->insn.off_opcode && t->bytes[t->insn.off_opcode - 1] == 0x0f;
}

/* Prefixes, REX and opcode for ModRM fields @reg and @rm. */
static void emit_opcode(struct trans *t, unsigned reg, unsigned rm, uint8_t opcode)
{
	const struct x86_insn *i = &t->insn;
	struct emit *e = &t->e;

	if (i->lock)
		e8(e, 0xf0);
	if (i->prefix66)
		e8(e, 0x66);
	e8(e, (uint8_t)(0x40 | (i->rex & 8) | (reg >> 3) << 2 | rm >> 3));
	if (is_0f(t))
		e8(e, 0x0f);
	e8(e, opcode);
}

static void emit_rest(struct trans *t, unsigned from)
{
	en(&t->e, t->bytes + from, t->insn.len - from);
}

static bool is_shift(const struct x86_insn *i)
{
	return !(i->off_modrm == 0) && (i->opcode == 0xc0 || i->opcode == 0xc1 || (i->opcode >= 0xd0 && i->opcode <= 0xd3));
}

/* ModRM.reg names a register (and is no opcode extension). */
static bool reg_is_operand(const struct trans *t)
{
	const struct x86_insn *i = &t->insn;

	if (is_shift(i) && !is_0f(t))
		return false;
	return i->opcount >= 2 && (i->op[0].kind == OPK_GPR || i->op[0].kind == OPK_MEM) &&
	       (i->op[1].kind == OPK_GPR || i->op[1].kind == OPK_MEM);
}

static void emit_modrm_insn(struct trans *t)
{
	const struct x86_insn *i = &t->insn;
	unsigned reg_field = (i->modrm >> 3 & 7), rm = (i->modrm & 7) | (i->rex & 1) << 3, reg = 0, hreg, hrm;
	bool reg_op = reg_is_operand(t);
	unsigned imm = i->off_imm ? i->off_imm : i->len;
	struct edge *slow = NULL;

	if (reg_op)
		reg = reg_field | (i->rex & 4) << 1;
	if (i->has_mem) {
		unsigned n = i->op[0].kind == OPK_MEM ? i->op[0].size : i->op[1].size;
		bool write = i->op[0].kind == OPK_MEM && !(i->row->attrs & ROW_READ_ONLY);

		if (i->row->handler == H_xchg)
			write = true;
		lea_operand(t);
		add_segment(t);
		slow = emit_access(t, n, write);
		hrm = H_S0;
	} else {
		hrm = value_in(t, rm, H_S0);
	}
	hreg = !reg_op ? reg_field : reg == rm && !i->has_mem ? hrm : value_in(t, reg, H_S1);
	emit_opcode(t, hreg, hrm, i->opcode);
	e8(&t->e, (uint8_t)((i->has_mem ? 0 : 0xc0) | (hreg & 7) << 3 | (hrm & 7)));
	emit_rest(t, imm);
	if (reg_op && in_slot(reg))
		e_store(&t->e, hreg, GPR_AT(reg));
	if (!i->has_mem && in_slot(rm))
		e_store(&t->e, hrm, GPR_AT(rm));
	if (slow)
		slow->back = t->e.at;
}

/* MOV r,imm and the like: the register is in the opcode. */
static void emit_opcode_reg(struct trans *t)
{
	unsigned reg = (t->insn.opcode & 7) | (t->insn.rex & 1) << 3, h = value_in(t, reg, H_S0);

	emit_opcode(t, 0, h, (uint8_t)((t->insn.opcode & 0xf8) | (h & 7)));
	emit_rest(t, t->insn.off_opcode + 1u);
	if (in_slot(reg))
		e_store(&t->e, h, GPR_AT(reg));
}

static void emit_lea(struct trans *t)
{
	unsigned reg = (t->insn.modrm >> 3 & 7) | (t->insn.rex & 4) << 1;

	lea_operand(t);
	if (in_slot(reg)) {
		if (t->insn.opsize == 4)
			E_RAW(&t->e, "\x45\x89\xc9");        /* mov r9d,r9d */
		e_store(&t->e, H_S0, GPR_AT(reg));
		return;
	}
	/* mov reg,r9 */
	e8(&t->e, (uint8_t)(0x44 | (t->insn.opsize == 8 ? 8 : 0) | host_reg(reg) >> 3));
	e8(&t->e, 0x89);
	e8(&t->e, (uint8_t)(0xc8 | (host_reg(reg) & 7)));
}

/* ---- stack and branches ---- */

static void store_s1(struct trans *t) { E_RAW(&t->e, "\x4d\x89\x11"); }  /* mov [r9],r10 */
static void move_gsp(struct trans *t, int32_t by) { e_lea(&t->e, H_GSP, H_GSP, by); }

static void emit_push(struct trans *t)
{
	const struct x86_insn *i = &t->insn;
	struct edge *slow;

	e_lea(&t->e, H_S0, H_GSP, -8);
	slow = emit_access(t, 8, true);
	if (i->op[0].kind == OPK_IMM) {
		e_imm64(&t->e, H_S1, i->imm);
		store_s1(t);
	} else {
		unsigned h = value_in(t, i->op[0].reg, H_S1);

		e8(&t->e, (uint8_t)(0x49 | (h >> 3) << 2));
		e8(&t->e, 0x89);
		e8(&t->e, (uint8_t)(0x01 | (h & 7) << 3));
	}
	move_gsp(t, -8);
	slow->back = t->e.at;
}

static void emit_pop(struct trans *t)
{
	unsigned reg = t->insn.op[0].reg, h = host_reg(reg);
	struct edge *slow;

	E_RAW(&t->e, "\x4d\x89\xd9");                        /* mov r9,r11 */
	slow = emit_access(t, 8, false);
	E_RAW(&t->e, "\x4d\x8b\x11");                        /* mov r10,[r9] */
	move_gsp(t, 8);
	if (in_slot(reg)) {
		e_store(&t->e, H_S1, GPR_AT(reg));
	} else {
		e8(&t->e, (uint8_t)(0x4c | h >> 3));         /* mov h,r10 */
		e8(&t->e, 0x89);
		e8(&t->e, (uint8_t)(0xd0 | (h & 7)));
	}
	slow->back = t->e.at;
}

/* Behind an instruction that the interpreter has done and that always jumps nothing goes on. */
static void emit_call(struct trans *t, uint64_t next)
{
	struct edge *slow;

	e_lea(&t->e, H_S0, H_GSP, -8);
	slow = emit_access(t, 8, true);
	e_imm64(&t->e, H_S1, next);
	store_s1(t);
	move_gsp(t, -8);
	go_to(t, next + t->insn.imm);
	slow->back = t->e.at;
}

/* S0: target.  Nothing is committed before the target is known to be code. */
static void emit_indirect(struct trans *t, uint32_t drop)
{
	uint32_t miss = probe_target(t);
	struct edge *d = new_edge(t);

	*d = (struct edge){ .site = miss, .uop = t->u };
	if (drop)
		move_gsp(t, (int32_t)drop);
	E_RAW(&t->e, "\x41\xff\xe2");                        /* jmp r10 */
	d->back = t->e.at;
}

static void emit_ret(struct trans *t)
{
	uint32_t drop = 8 + (t->insn.op[0].kind == OPK_IMM ? (uint16_t)t->insn.imm : 0);
	struct edge *slow;

	E_RAW(&t->e, "\x4d\x89\xd9");
	slow = emit_access(t, 8, false);
	E_RAW(&t->e, "\x4d\x8b\x09");                        /* mov r9,[r9] */
	emit_indirect(t, drop);
	slow->back = t->e.at;
}

static void emit_jmp_rm(struct trans *t)
{
	struct edge *slow = NULL;

	if (t->insn.has_mem) {
		lea_operand(t);
		add_segment(t);
		slow = emit_access(t, 8, false);
		E_RAW(&t->e, "\x4d\x8b\x09");
	} else {
		unsigned h = value_in(t, t->insn.op[0].reg, H_S0);

		e8(&t->e, (uint8_t)(0x49 | (h >> 3) << 2));  /* mov r9,h */
		e8(&t->e, 0x89);
		e8(&t->e, (uint8_t)(0xc1 | (h & 7) << 3));
	}
	emit_indirect(t, 0);
	if (slow)
		slow->back = t->e.at;
}

/* ---- choice ---- */

static bool plain(const struct trans *t)
{
	const struct x86_insn *i = &t->insn;
	unsigned n;

	/* Without the row's own checks there is nothing to raise. */
	if (i->vex || i->rep || i->prefix67 || (i->has_mem && !i->has_modrm) || (i->has_mem && i->addrsize != 8))
		return false;
	if (t->bytes[i->off_opcode] != i->opcode)
		return false;
	for (n = 0; n < i->opcount; n++)
		if (i->op[n].high || (i->op[n].kind == OPK_MEM && !i->op[n].size && i->row->handler != H_lea))
			return false;
	return !i->lock || (i->row->attrs & ROW_LOCK && i->op[0].kind == OPK_MEM);
}

static bool try_integer(struct trans *t)
{
	const struct x86_insn *i = &t->insn;

	switch (i->row->handler) {
	case H_lea:
		if (i->opsize < 4)
			return false;
		emit_lea(t);
		return true;
	case H_bt:
		if (i->has_mem)
			return false;
		break;
	case H_add: case H_or: case H_adc: case H_sbb: case H_and: case H_sub: case H_xor: case H_cmp: case H_test:
	case H_mov: case H_movzx: case H_movsx: case H_movsxd: case H_inc: case H_dec: case H_neg: case H_not:
	case H_imul1: case H_imul2: case H_imul3: case H_mul: case H_shl: case H_shr: case H_sar: case H_rol: case H_ror:
	case H_rcl: case H_rcr: case H_shld: case H_shrd: case H_setcc: case H_cmovcc: case H_bswap: case H_xchg:
	case H_cbw: case H_cwd:
		break;
	case H_nop:
		return true;
	default:
		return false;
	}
	if (i->has_modrm) {
		emit_modrm_insn(t);
	} else if ((i->opcode >= 0xb0 && i->opcode <= 0xbf && !is_0f(t)) || (i->opcode >= 0x91 && i->opcode <= 0x97) ||
		   i->opcode == 0x90 || is_0f(t)) {
		emit_opcode_reg(t);
	} else {
		emit_opcode(t, 0, 0, i->opcode);
		emit_rest(t, i->off_opcode + 1u);
	}
	return true;
}

static bool try_branch(struct trans *t)
{
	const struct x86_insn *i = &t->insn;
	uint64_t next = t->lin + t->u->off + i->len, to = next + i->imm;

	if (i->opsize == 2)
		return false;
	switch (i->row->handler) {
	case H_push:
		if (i->op[0].kind != OPK_GPR && i->op[0].kind != OPK_IMM)
			return false;
		emit_push(t);
		return true;
	case H_pop:
		if (i->op[0].kind != OPK_GPR)
			return false;
		emit_pop(t);
		return true;
	}
	if ((uint64_t)((int64_t)(to << 16) >> 16) != to)
		return false;
	switch (i->row->handler) {
	case H_jcc: {
		uint32_t site = t->e.at + 2;

		if ((to ^ t->lin) & X86_PAGE_MASK) {
			e8(&t->e, 0x0f);
			e8(&t->e, (uint8_t)(0x80 | ((i->opcode & 15) ^ 1)));
			e32(&t->e, 0);
			go_to(t, to);
			e_patch(&t->e, site, t->e.at);
		} else {
			to_exit(t, (uint8_t)(0x80 | (i->opcode & 15)), to);
		}
		return true;
	}
	case H_jmp_rel: go_to(t, to); break;
	case H_call_rel: emit_call(t, next); break;
	case H_ret: emit_ret(t); break;
	case H_jmp_rm: emit_jmp_rm(t); break;
	default: return false;
	}
	t->ended = true;
	return true;
}

/* Host flags are brought back for what reads them, and for what changes only some. */
static void flags_before(struct trans *t, unsigned n)
{
	const struct x86_row *row = &x86_rows[t->u->row];
	uint32_t w = (row->flags_written | row->flags_undefined) & X86_ARITH;

	t->live = t->live_in[n] || (w && (w != X86_ARITH || may_keep_flags(t->u)));
	if (t->live && t->stale) {
		flags_in(t);
		t->stale = false;
	}
}

static bool translated(struct trans *t, unsigned n)
{
	const struct uop *u = t->u;

	memcpy(t->bytes, t->b->bytes_at + u->off, u->len);
	if (x86_decode(&t->insn, t->bytes, u->len, t->c->mode) != X86_DECODED || !t->insn.row ||
	    t->insn.row->id != u->row || t->insn.len != u->len || block_refuses(u) || !plain(t))
		return false;
	flags_before(t, n);
	return try_integer(t) || try_branch(t);
}

static void one(struct trans *t, unsigned n)
{
	const struct x86_row *row;

	t->u = &t->b->uop[n];
	row = &x86_rows[t->u->row];
	if (translated(t, n)) {
		if ((row->flags_written | row->flags_undefined) & X86_ARITH)
			t->saved = t->stale = false;
		return;
	}
	/* Goes on behind it only if the handler says so. */
	if (t->stale)
		flags_in(t);
	call_step(t, t->u);
	t->saved = true;
	t->stale = false;
}

/* ---- entry ---- */

static void emit_check(struct trans *t)
{
	struct emit *e = &t->e;
	struct edge *d = new_edge(t);

	/* Nothing here changes flags: generation and pending are summed up for JRCXZ. */
	e_store(e, H_RCX, GPR_AT(X86_RCX));
	e_imm64(e, H_S0, (uint64_t)(uintptr_t)&t->b->code->gen);
	E_RAW(e, "\x41\x8b\x09");                            /* mov ecx,[r9] */
	E_RAW(e, "\x8d\x89");                                /* lea ecx,[rcx-gen] */
	e32(e, -t->b->gen);
	e_ctx(e, false, 0x8b, H_S1, CPU_AT(pending));
	E_RAW(e, "\x4a\x8d\x0c\x11");                        /* lea rcx,[rcx+r10] */
	E_RAW(e, "\xe3\x0d");                                /* jrcxz over the next two */
	e_load(e, H_RCX, GPR_AT(X86_RCX));
	e8(e, 0xe9);
	e32(e, 0);
	*d = (struct edge){ .site = e->at - 4, .rip = t->lin };
	e_load(e, H_RCX, GPR_AT(X86_RCX));
}

struct variant *jit_translate(struct x86_cpu *c, struct block *b, uint64_t lin)
{
	struct jit *j = jit_of(c);
	struct trans t = { .c = c, .j = j, .b = b, .lin = lin,
			   .e = { .base = j->write, .at = (j->used + 15) & ~15u, .end = JIT_CACHE } };
	unsigned count = 0, n;
	struct variant *v;
	uint32_t host = t.e.at;

	while (!block_is_end(&b->uop[count]))
		count++;
	t.live_in[count] = X86_ARITH;
	find_live(&t, count);
	emit_check(&t);
	for (n = 0; n < count && !t.ended; n++)
		one(&t, n);
	if (!t.ended)
		go_to(&t, lin + b->bytes);
	emit_edges(&t);
	if (t.e.full || j->variants == JIT_VARIANTS)
		return NULL;
	v = &j->variant[j->variants++];
	*v = (struct variant){ .lin = lin, .host = host, .mmu = c->mmu, .next = b->variant };
	b->variant = v;
	j->used = t.e.at;
	j->count.blocks++;
	j->count.bytes += t.e.at - host;
	return v;
}
