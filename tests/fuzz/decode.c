/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The decoder on random bytes: it reads no byte beyond those it is given, its lengths
 * are possible ones, and bytes behind an instruction do not change it.
 */
#include <string.h>
#include <sys/mman.h>

#include "fuzz.h"
#include "target/i386/decode.h"

enum { PAGE = 4096, LONGEST = 15, PER_ROUND = 200 };

/* One page of bytes; the one behind it cannot be touched. */
static void *open_pages(void)
{
	uint8_t *p = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	FUZZ_CHECK(p != MAP_FAILED && !mprotect(p + PAGE, PAGE, PROT_NONE), "pages");
	return p;
}

static void close_pages(void *o)
{
	munmap(o, 2 * PAGE);
}

static uint32_t make_mode(struct fuzz *f)
{
	static const uint32_t modes[] = {
		X86_MODE_CS64 | X86_MODE_PE | X86_MODE_LMA | X86_MODE_SS32,
		X86_MODE_CS32 | X86_MODE_PE | X86_MODE_SS32,
		X86_MODE_PE, 0, X86_MODE_PE | X86_MODE_VM,
	};

	return modes[fuzz_below(f, G_N_ELEMENTS(modes))];
}

static void make_code(struct fuzz *f, uint8_t *b)
{
	static const uint8_t lead[] = { 0x66, 0x67, 0xf2, 0xf3, 0x0f, 0x48, 0x4f, 0xc4, 0xc5, 0x62, 0xf0, 0x64, 0x2e };
	size_t n = fuzz_chance(f, 3) ? fuzz_below(f, LONGEST + 1) : fuzz_below(f, 4);

	fuzz_bytes(f, b, LONGEST);
	for (size_t i = 0; i < n; i++)
		b[i] = lead[fuzz_below(f, sizeof lead)];
	if (n && n < LONGEST && b[n - 1] == 0x0f && fuzz_chance(f, 2))
		b[n] = fuzz_chance(f, 2) ? 0x38 : 0x3a;
}

/* Decodes the first @n of the bytes, with nothing readable behind them. */
static enum x86_decode decode(uint8_t *pages, const uint8_t *code, size_t n, uint32_t mode, struct x86_insn *i)
{
	memcpy(pages + PAGE - n, code, n);
	memset(i, 0xa5, sizeof *i);
	return x86_decode(i, pages + PAGE - n, n, mode);
}

static void check_operands(const struct x86_insn *i)
{
	FUZZ_CHECK(i->opcount <= 4, "%s: %u operands", i->row->name, i->opcount);
	FUZZ_CHECK(i->opsize == 2 || i->opsize == 4 || i->opsize == 8, "%s: operand size %u", i->row->name, i->opsize);
	FUZZ_CHECK(i->addrsize == 2 || i->addrsize == 4 || i->addrsize == 8, "%s: address size %u", i->row->name, i->addrsize);
	FUZZ_CHECK(i->off_opcode < i->len && i->off_modrm < i->len && i->off_disp < i->len && i->off_imm < i->len,
		   "%s: a part outside of its %u bytes", i->row->name, i->len);
	for (unsigned k = 0; k < i->opcount; k++) {
		FUZZ_CHECK(i->op[k].kind <= OPK_STR_DST, "%s: operand kind %u", i->row->name, i->op[k].kind);
		FUZZ_CHECK(i->op[k].kind != OPK_MEM || i->has_mem, "%s: no memory operand", i->row->name);
		FUZZ_CHECK(i->op[k].reg < 16, "%s: register %u", i->row->name, i->op[k].reg);
		FUZZ_CHECK(!i->op[k].high || i->op[k].reg < 4, "%s: high byte of %u", i->row->name, i->op[k].reg);
	}
}

static void decode_round(struct fuzz *f, void *pages)
{
	uint8_t code[LONGEST];
	struct x86_insn whole, part;
	uint32_t mode;

	for (unsigned n = 0; n < PER_ROUND; n++) {
		enum x86_decode d, e;
		size_t cut;

		mode = make_mode(f);
		make_code(f, code);
		d = decode(pages, code, LONGEST, mode, &whole);
		FUZZ_CHECK(d != X86_NEED_MORE, "more than %d bytes wanted", LONGEST);
		if (d == X86_DECODED)
			FUZZ_CHECK(whole.len >= 1 && whole.len <= LONGEST, "length %u", whole.len);
		if (d == X86_DECODED && whole.row)
			check_operands(&whole);
		cut = fuzz_below(f, LONGEST);
		e = decode(pages, code, cut, mode, &part);
		FUZZ_CHECK(e != X86_TOO_LONG, "too long with %zu bytes", cut);
		if (e == X86_DECODED)
			FUZZ_CHECK(part.len >= 1 && part.len <= cut, "length %u of %zu bytes", part.len, cut);
		if (d != X86_DECODED || !whole.row)
			continue;
		FUZZ_CHECK((e == X86_DECODED) == (cut >= whole.len), "%s: result %d of %zu of %u bytes", whole.row->name, e, cut,
			   whole.len);
		FUZZ_CHECK(e != X86_DECODED || (part.row == whole.row && part.len == whole.len && part.imm == whole.imm &&
						part.disp == whole.disp),
			   "%s: bytes behind it count", whole.row->name);
	}
}

static const struct fuzz_target target = { "decode", open_pages, decode_round, close_pages };

int main(int argc, char **argv)
{
	return fuzz_main(argc, argv, &target);
}
