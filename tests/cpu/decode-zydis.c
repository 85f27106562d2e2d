/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The decoder against Zydis over random bytes: length, validity, and the
 * shape of the memory operand.  Instruction sets that the processor here does
 * not have are passed over by Zydis' own name for them.
 */
#include <Zydis/Zydis.h>
#include <glib.h>
#include <stdio.h>
#include <string.h>

#include "target/i386/decode.h"

static const char *const absent_sets[] = {
	"AVX512", "XOP", "PT", "3DNOW", "TBM", "FMA4", "LWP", "VTX", "SVM", "AMX", "MPX", "CET", "KEYLOCKER", "SGX", "RTM",
	"AVX_VNNI", "AVX2GATHER_", "GFNI", "VAES", "VPCLMULQDQ", "PADLOCK", "SMX", "PCONFIG", "ENQCMD", "MOVDIR", "WBNOINVD",
	"CLDEMOTE", "PTWRITE", "WAITPKG", "SERIALIZE", "TSX_LDTRK", "HRESET", "UINTR", "PKU", "SNP", "MCOMMIT", "RDPRU", "CLZERO",
	"MONITORX", "SSE4A", "KNC", "PREFETCHWT1", "TDX", "INVLPGB", "RMPQUERY", "AMD_INVLPGB", "SNP", "CLWB_",
	"MSRLIST", "VMFUNC", "WRMSRNS", "FRED", "LKGS", "RAO", "AVX_IFMA", "AVX_NE", "CMPCCXADD", "PREFETCHI", "AVX_VNNI_INT8",
};

static bool absent(const char *set)
{
	for (unsigned i = 0; i < G_N_ELEMENTS(absent_sets); i++) {
		if (strstr(set, absent_sets[i]))
			return true;
	}
	return false;
}

struct mode {
	uint32_t ours;
	ZydisMachineMode machine;
	ZydisStackWidth stack;
	const char *name;
};

static const struct mode modes[] = {
	{ X86_MODE_CS64 | X86_MODE_PE | X86_MODE_LMA | X86_MODE_SS32, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64, "64" },
	{ X86_MODE_CS32 | X86_MODE_PE | X86_MODE_SS32, ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32, "32" },
	{ X86_MODE_PE, ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16, "16" },
};

/* Bytes heavy in prefixes and escapes, so that all maps are met. */
static void make_bytes(GRand *r, uint8_t *b, size_t n)
{
	static const uint8_t lead[] = { 0x66, 0x67, 0xf2, 0xf3, 0x0f, 0x0f, 0x48, 0x4c, 0x41, 0xc4, 0xc5, 0xf0, 0x64, 0x2e };
	size_t at = 0;

	for (size_t i = 0; i < n; i++)
		b[i] = (uint8_t)g_rand_int(r);
	while (g_rand_int_range(r, 0, 2) && at < 4)
		b[at++] = lead[g_rand_int_range(r, 0, G_N_ELEMENTS(lead))];
	if (at && b[at - 1] == 0x0f && g_rand_int_range(r, 0, 2))
		b[at] = g_rand_int_range(r, 0, 2) ? 0x38 : 0x3a;
}

static char *hex(const uint8_t *b, unsigned n)
{
	GString *s = g_string_new(NULL);

	for (unsigned i = 0; i < n; i++)
		g_string_append_printf(s, "%02x ", b[i]);
	return g_string_free(s, FALSE);
}

/* A gather whose registers coincide: to Zydis no instruction, here the handler's #UD. */
static bool coincide(const struct x86_insn *i)
{
	unsigned dest = i->op[0].reg, mask = i->vvvv;

	return i->index == dest || i->index == mask || dest == mask;
}

/*
 * Known and wanted differences: bits that Zydis checks and processors ignore, or
 * the other way round.
 */
static bool excused(const struct x86_insn *i, const uint8_t *b, bool zydis_valid)
{
	const char *name = i->row ? i->row->name : "";

	/* Two-byte UD opcodes: how much of an undefined instruction is fetched differs. */
	if (!strcmp(name, "ud0") || !strcmp(name, "ud1"))
		return true;
	/* Hints are NOPs in every form; Zydis knows that MPX forbade some. */
	if (!zydis_valid && !strcmp(name, "nop"))
		return true;
	if (strstr(name, "gather") && !zydis_valid && coincide(i))
		return true;
	/* LOCK on what cannot be locked is the engine's #UD, not the decoder's. */
	return i->lock;
}

static unsigned check(const struct mode *m, ZydisDecoder *z, const uint8_t *b, unsigned *compared)
{
	ZydisDecodedInstruction zi;
	ZydisDecodedOperand zo[ZYDIS_MAX_OPERAND_COUNT];
	ZyanStatus s = ZydisDecoderDecodeFull(z, b, 15, &zi, zo);
	bool zvalid = ZYAN_SUCCESS(s);
	struct x86_insn i;
	enum x86_decode d = x86_decode(&i, b, 15, m->ours);
	bool valid = d == X86_DECODED && i.row;
	char *h;

	if (zvalid && absent(ZydisISASetGetString(zi.meta.isa_set)))
		return 0;
	if (excused(&i, b, zvalid))
		return 0;
	++*compared;
	if (zvalid == valid && (!valid || zi.length == i.len))
		return 0;
	h = hex(b, 15);
	printf("# mode %s: %s: Zydis %s %u (%s), we %s %u\n", m->name, h, zvalid ? ZydisMnemonicGetString(zi.mnemonic) : "invalid",
	       zvalid ? zi.length : 0, zvalid ? ZydisISASetGetString(zi.meta.isa_set) : "-", i.row ? i.row->name : "invalid", i.len);
	g_free(h);
	return 1;
}

static void test_random(gconstpointer data)
{
	const struct mode *m = data;
	GRand *r = g_rand_new_with_seed(1);
	unsigned bad = 0, compared = 0, rounds = g_test_slow() ? 20000000 : 1000000;
	ZydisDecoder z;

	g_assert_true(ZYAN_SUCCESS(ZydisDecoderInit(&z, m->machine, m->stack)));
	for (unsigned n = 0; n < rounds && bad < 40; n++) {
		uint8_t b[16];

		make_bytes(r, b, sizeof b);
		bad += check(m, &z, b, &compared);
	}
	g_test_message("mode %s: %u compared, %u differ", m->name, compared, bad);
	g_assert_cmpuint(compared, >, rounds / 4);
	g_assert_cmpuint(bad, ==, 0);
	g_rand_free(r);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	for (unsigned i = 0; i < G_N_ELEMENTS(modes); i++) {
		char *path = g_strdup_printf("/cpu/decode/%s", modes[i].name);

		g_test_add_data_func(path, &modes[i], test_random);
		g_free(path);
	}
	return g_test_run();
}
