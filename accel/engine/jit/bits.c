/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bit strings in memory, scans, counts, and the instructions of later extensions
 * with general registers.  What the host lacks is left to the interpreter.
 */
#include "trans.h"

/* ---- BT and so on with an offset in a register ---- */

/* S1: the register, sign-extended from the operand's @n bytes. */
static void sign_extended(struct trans *t, unsigned reg, unsigned n)
{
	unsigned h = value_in(t, reg, H_S1);
	struct emit *e = &t->e;

	if (n == 8) {
		if (h != H_S1)
			e_mov(e, H_S1, h);
	} else if (n == 4) {
		e_rr(e, true, 0x63, H_S1, h);                /* movsxd */
	} else {
		e8(e, (uint8_t)(0x4c | h >> 3));             /* movsx r10,word */
		e8(e, 0x0f);
		e8(e, 0xbf);
		e8(e, (uint8_t)(0xd0 | (h & 7)));
	}
}

/* The offset reaches beyond the operand: S0 moves by whole operands, engine_temp gets what is left of it. */
static void bit_address(struct trans *t, unsigned n)
{
	unsigned log = (unsigned)__builtin_ctz(n);
	struct emit *e = &t->e;

	lin_operand(t);
	flags_free(t);
	sign_extended(t, t->insn.op[1].reg, n);
	e_store(e, H_S1, CPU_AT(engine_temp));
	E_RAW(e, "\x49\xc1\xfa");                            /* sar r10,log+3 */
	e8(e, (uint8_t)(log + 3));
	E_RAW(e, "\x4f\x8d\x0c");                            /* lea r9,[r9+r10*n] */
	e8(e, (uint8_t)(log << 6 | 0x11));
}

static bool emit_bit_string(struct trans *t)
{
	const struct x86_insn *i = &t->insn;
	unsigned n = i->op[0].size;
	bool test = i->row->handler == H_bt;
	struct emit *e = &t->e;

	if (!plain(t) || !i->has_mem || i->op[1].kind != OPK_GPR || i->addrsize != 8)
		return false;
	/* No address that a group knows. */
	t->plan[t->n].group = -1;
	bit_address(t, n);
	if (!test) {
		e_load(e, H_S1, CPU_AT(engine_temp));
		E_RAW(e, "\x41\x83\xe2");                    /* and r10d,8n-1 */
		e8(e, (uint8_t)(n * 8 - 1));
		e_store(e, H_S1, CPU_AT(engine_temp));
	}
	reach(t, n, !test);
	e_load(e, H_S1, CPU_AT(engine_temp));
	emit_lock(t);
	if (n == 2)
		e8(e, 0x66);
	if (test) {
		e8(e, (uint8_t)(0x45 | (n == 8) << 3));      /* mov r9,[r9]; bt r9,r10 */
		E_RAW(e, "\x8b\x09");
		if (n == 2)
			e8(e, 0x66);
	}
	e8(e, (uint8_t)(0x45 | (n == 8) << 3));
	e8(e, 0x0f);
	e8(e, i->opcode);
	e8(e, test ? 0xd1 : 0x11);
	return true;
}

/* ---- mandatory prefixes ---- */

static bool host_has(const struct trans *t) { return t->j->host[t->insn.row->feature]; }

/* Nothing but the opcode, a ModRM operand of addressable size and no high byte. */
static bool usual(const struct trans *t)
{
	const struct x86_insn *i = &t->insn;

	for (unsigned n = 0; n < i->opcount; n++)
		if (i->op[n].high)
			return false;
	return !i->lock && (!i->has_mem || i->addrsize != 2);
}

static bool emit_scan(struct trans *t)
{
	const struct x86_insn *i = &t->insn;
	unsigned h = i->row->handler;
	/* Without the feature F3 does nothing to BSF and BSR. */
	bool old = !x86_has(t->c, i->row->feature);

	if (!usual(t) || (h == H_popcnt && old) || (!old && !host_has(t)))
		return false;
	emit_modrm_insn(t, !old);
	return true;
}

/* ---- VEX ---- */

/* 0xc4, its two bytes and the opcode, for host registers. */
static void emit_vex(struct trans *t, unsigned reg, unsigned rm, unsigned vvvv)
{
	const struct x86_insn *i = &t->insn;
	unsigned at = i->off_opcode, map = t->bytes[at - 2] & 31, last = t->bytes[at - 1];
	struct emit *e = &t->e;

	if (i->vex == 2) {
		map = 1;
		last &= 0x7f;
	}
	e8(e, 0xc4);
	e8(e, (uint8_t)((reg < 8) << 7 | 0x40 | (rm < 8) << 5 | map));
	e8(e, (uint8_t)((last & 0x87) | (~vvvv & 15) << 3));
	e8(e, i->opcode);
}

/* vvvv is what BLSI, BLSR and BLSMSK write, and MULX's low half. */
static bool writes_vvvv(const struct x86_insn *i)
{
	return i->row->handler == H_mulx || i->opcode == 0xf3;
}

static bool emit_vex_insn(struct trans *t)
{
	const struct x86_insn *i = &t->insn;
	unsigned reg = i->modrm >> 3 & 7, rm = i->modrm & 7, hv = 0, hreg, hrm;
	bool ext = i->opcode == 0xf3, has_v = i->row->handler != H_rorx, write_v = writes_vvvv(i);
	struct emit *e = &t->e;

	if (!usual(t) || !host_has(t))
		return false;
	/* R, and with three bytes B: inverted. */
	if (!(t->bytes[i->off_opcode - (i->vex - 1u)] & 0x80))
		reg |= 8;
	if (i->vex == 3 && !(t->bytes[i->off_opcode - 2] & 0x20))
		rm |= 8;
	if (i->has_mem) {
		unsigned n = i->op[1].kind == OPK_MEM ? i->op[1].size : i->op[2].size;

		lin_operand(t);
		reach(t, n, false);
		hrm = H_S0;
	} else {
		hrm = in_slot(rm) ? H_RSP : host_reg(rm);
	}
	if (has_v)
		hv = !in_slot(i->vvvv) ? host_reg(i->vvvv) : write_v ? H_S1 : value_in(t, i->vvvv, H_S1);
	hreg = ext ? reg & 7 : in_slot(reg) ? H_S0 : host_reg(reg);
	emit_vex(t, hreg, hrm, hv);
	if (!i->has_mem && in_slot(rm))
		e_mem(e, hreg, H_RSP, (int32_t)GPR_AT(rm));
	else
		e8(e, (uint8_t)((i->has_mem ? 0 : 0xc0) | (hreg & 7) << 3 | (hrm & 7)));
	if (i->off_imm)
		en(e, t->bytes + i->off_imm, i->len - i->off_imm);
	if (write_v && in_slot(i->vvvv))
		e_store(e, hv, GPR_AT(i->vvvv));
	if (!ext && in_slot(reg))
		e_store(e, hreg, GPR_AT(reg));
	return true;
}

bool try_bits(struct trans *t)
{
	const struct x86_insn *i = &t->insn;

	switch (i->row->handler) {
	case H_bt: case H_bts: case H_btr: case H_btc:
		return emit_bit_string(t);
	case H_bsf: case H_bsr:
		/* F2 means nothing to them. */
		if (i->rep || !usual(t))
			return false;
		emit_modrm_insn(t, false);
		return true;
	case H_tzcnt: case H_lzcnt: case H_popcnt:
		return emit_scan(t);
	case H_movbe: case H_crc32: case H_adcx: case H_adox:
		if (!usual(t) || !host_has(t))
			return false;
		emit_modrm_insn(t, i->rep != 0);
		return true;
	case H_andn: case H_bextr: case H_blsi: case H_blsr: case H_blsmsk: case H_bzhi: case H_shlx: case H_shrx:
	case H_sarx: case H_rorx: case H_mulx: case H_pdep: case H_pext:
		return emit_vex_insn(t);
	default:
		return false;
	}
}
