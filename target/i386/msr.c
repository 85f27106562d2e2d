/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The processor's own MSRs, one row each (or one row a run).
 *
 * A row with a field is plain storage; `reserved` bits must be zero in a write,
 * ADDRESS fields must be canonical.  Rows with functions do the rest.  Registers
 * that the model's hardware has and Linux reads, but that mean nothing here, are
 * rows with a constant: they read as it and ignore writes.  Those whose feature is told by no leaf, as feature
 * control and performance monitoring, have no row: #GP (T30.2.a).
 * Not here: IA32_APIC_BASE, TSC_DEADLINE, x2APIC (the APIC's) and all synthetic
 * MSRs.
 */
#include "target/i386/mem.h"
#include "target/i386/model.h"
#include "trace/log.h"

enum {
	MSR_TSC = 0x10, MSR_PLATFORM_ID = 0x17, MSR_TSC_ADJUST = 0x3b,
	MSR_SPEC_CTRL = 0x48, MSR_PRED_CMD = 0x49, MSR_UCODE_REV = 0x8b, MSR_MTRR_CAP = 0xfe,
	MSR_ARCH_CAPABILITIES = 0x10a, MSR_FLUSH_CMD = 0x10b, MSR_MCG_CAP = 0x179, MSR_MISC_ENABLE = 0x1a0,
	MSR_MTRR_VAR = 0x200, MSR_PAT = 0x277, MSR_MTRR_DEF = 0x2ff, MSR_MC0 = 0x400, MSR_EFER = 0xc0000080,
};

enum { MC_BANKS = 4, MTRR_PAIRS = 8 };

/* MACHINE: a bare processor (x86_model.bare) has it not; BARE_FIXED: it takes no writes there (T30.2.d). */
enum { ADDRESS = 1, CONSTANT = 2, READ_ONLY = 4, MACHINE = 8, BARE_FIXED = 16 };

struct msr {
	uint32_t first, last;
	const char *name;
	uint16_t field;        /* offset in struct x86_cpu; 0 none */
	uint16_t feature;
	uint8_t flags;
	uint64_t reserved;     /* CONSTANT: its value */
	uint64_t (*read)(struct x86_cpu *c, uint32_t msr);
	void (*write)(struct x86_cpu *c, uint32_t msr, uint64_t v);
};

noreturn static void gp(struct x86_cpu *c)
{
	x86_raise_error(c, X86_GP, 0);
}

/* ---- time stamp counter --------------------------------------------------- */

static uint64_t tsc_read(struct x86_cpu *c, uint32_t msr)
{
	return c->ops->tsc(c->opaque) + c->tsc_adjust;
}

/* Writing the counter moves the adjustment by the same amount. */
static void tsc_write(struct x86_cpu *c, uint32_t msr, uint64_t v)
{
	c->tsc_adjust = v - c->ops->tsc(c->opaque);
}

/* ---- EFER, PAT ---------------------------------------------------------------- */

static uint64_t efer_read(struct x86_cpu *c, uint32_t msr)
{
	return c->efer;
}

static void efer_write(struct x86_cpu *c, uint32_t msr, uint64_t v)
{
	x86_write_efer(c, v);
}

/* Memory types: 2 and 3 are reserved, 7 (UC-) exists in the PAT only. */
static bool type_valid(unsigned t, bool pat)
{
	return t < 8 && t != 2 && t != 3 && (t != 7 || pat);
}

static uint64_t pat_read(struct x86_cpu *c, uint32_t msr)
{
	return c->pat;
}

static void pat_write(struct x86_cpu *c, uint32_t msr, uint64_t v)
{
	for (unsigned i = 0; i < 8; i++)
		if (!type_valid((uint8_t)(v >> i * 8), true))
			gp(c);
	c->pat = v;
}

/* ---- MTRRs ------------------------------------------------------------------------ */

static uint64_t mtrr_var_read(struct x86_cpu *c, uint32_t msr)
{
	return c->mtrr_var[msr - MSR_MTRR_VAR];
}

static void mtrr_var_write(struct x86_cpu *c, uint32_t msr, uint64_t v)
{
	uint64_t high = ~((1ull << c->model->phys_bits) - 1);

	if (msr & 1 ? v & (high | 0x7ff) : (v & (high | 0xf00)) || !type_valid(v & 0xff, false))
		gp(c);
	c->mtrr_var[msr - MSR_MTRR_VAR] = v;
}

/* 0x250, 0x258, 0x259, 0x268 .. 0x26f. */
static unsigned fixed_index(uint32_t msr)
{
	return msr == 0x250 ? 0 : msr <= 0x259 ? msr - 0x258 + 1 : msr - 0x268 + 3;
}

static uint64_t mtrr_fixed_read(struct x86_cpu *c, uint32_t msr)
{
	return c->mtrr_fixed[fixed_index(msr)];
}

static void mtrr_fixed_write(struct x86_cpu *c, uint32_t msr, uint64_t v)
{
	for (unsigned i = 0; i < 8; i++)
		if (!type_valid((uint8_t)(v >> i * 8), false))
			gp(c);
	c->mtrr_fixed[fixed_index(msr)] = v;
}

static uint64_t mtrr_def_read(struct x86_cpu *c, uint32_t msr)
{
	return c->mtrr_def_type;
}

static void mtrr_def_write(struct x86_cpu *c, uint32_t msr, uint64_t v)
{
	if ((v & ~0xcffull) || !type_valid(v & 0xff, false))
		gp(c);
	c->mtrr_def_type = v;
}

/* ---- machine check -------------------------------------------------------------------- */

/* MCG_CTL present, 4 banks; none of it where nothing can fail (T29.d). */
static uint64_t mcg_cap_read(struct x86_cpu *c, uint32_t msr)
{
	return c->model->bare ? 0 : 1 << 8 | MC_BANKS;
}

static uint64_t mc_read(struct x86_cpu *c, uint32_t msr)
{
	return c->mc_bank[msr - MSR_MC0];
}

/* CTL takes anything; STATUS, ADDR and MISC only zero. */
static void mc_write(struct x86_cpu *c, uint32_t msr, uint64_t v)
{
	if ((msr & 3) != 0 && v)
		gp(c);
	c->mc_bank[msr - MSR_MC0] = v;
}

/* ---- speculation -------------------------------------------------------------------------- */

/* Not vulnerable: nothing here speculates.  Bit numbers of the SDM's table. */
static uint64_t arch_capabilities(struct x86_cpu *c, uint32_t msr)
{
	enum { RDCL_NO, IBRS_ALL = 1, SKIP_L1DFL = 3, SSB_NO = 4, MDS_NO = 5, PSCHANGE_MC_NO = 6, TAA_NO = 8,
	       SBDR_SSDP_NO = 13, FBSDP_NO = 14, PSDP_NO = 15, BHI_NO = 20, PBRSB_NO = 24, GDS_NO = 26,
	       RFDS_NO = 27, ITS_NO = 62 };
	static const uint8_t bit[] = { RDCL_NO, SKIP_L1DFL, SSB_NO, MDS_NO, PSCHANGE_MC_NO, TAA_NO, SBDR_SSDP_NO,
				       FBSDP_NO, PSDP_NO, BHI_NO, PBRSB_NO, GDS_NO, RFDS_NO, ITS_NO };
	uint64_t v = x86_has(c, F_SPEC_CTRL) ? 1 << IBRS_ALL : 0;

	for (unsigned i = 0; i < sizeof bit; i++)
		v |= 1ull << bit[i];
	return v;
}

static uint64_t spec_ctrl_read(struct x86_cpu *c, uint32_t msr)
{
	return c->spec_ctrl;
}

/* IBRS, STIBP, SSBD and BHI_DIS_S: kept, of no effect. */
static void spec_ctrl_write(struct x86_cpu *c, uint32_t msr, uint64_t v)
{
	uint64_t known = 7 | (x86_has(c, F_BHI_CTRL) ? 1 << 10 : 0);

	if (v & ~known)
		gp(c);
	c->spec_ctrl = v;
}

static uint64_t zero_read(struct x86_cpu *c, uint32_t msr)
{
	gp(c);
}

static void pred_cmd_write(struct x86_cpu *c, uint32_t msr, uint64_t v)
{
	if (v & ~1ull)
		gp(c);
}

static uint64_t ucode_read(struct x86_cpu *c, uint32_t msr)
{
	/* Revision in the upper half: what hypervisors answer, newer than any errata check asks (T30.2.c). */
	return c->model->bare ? 0x8fffffff00000000 : 0xffffffff00000000;
}

static void ignore_write(struct x86_cpu *c, uint32_t msr, uint64_t v)
{
}

static uint64_t fs_read(struct x86_cpu *c, uint32_t msr)
{
	return c->seg[msr == 0xc0000100 ? X86_FS : X86_GS].base;
}

static void fs_write(struct x86_cpu *c, uint32_t msr, uint64_t v)
{
	if (!x86_canonical(c, v))
		gp(c);
	c->seg[msr == 0xc0000100 ? X86_FS : X86_GS].base = v;
}

/* ---- the table, sorted by number ------------------------------------------------------------- */

#define FIELD(f) .field = offsetof(struct x86_cpu, f)
#define FUNCS(r, w) .read = r, .write = w
#define ONE(n) n, n

static const struct msr msrs[] = {
	{ ONE(0x0), "IA32_P5_MC_ADDR", .flags = CONSTANT },
	{ ONE(0x1), "IA32_P5_MC_TYPE", .flags = CONSTANT },
	{ ONE(MSR_TSC), "IA32_TSC", FUNCS(tsc_read, tsc_write) },
	{ ONE(MSR_PLATFORM_ID), "IA32_PLATFORM_ID", .flags = CONSTANT },
	{ ONE(0x2a), "EBL_CR_POWERON", .flags = CONSTANT },
	{ ONE(0x34), "SMI_COUNT", .flags = CONSTANT },
	{ ONE(MSR_TSC_ADJUST), "IA32_TSC_ADJUST", FIELD(tsc_adjust), .feature = F_TSC_ADJUST },
	{ ONE(MSR_SPEC_CTRL), "IA32_SPEC_CTRL", FUNCS(spec_ctrl_read, spec_ctrl_write), .feature = F_SPEC_CTRL },
	{ ONE(MSR_PRED_CMD), "IA32_PRED_CMD", FUNCS(zero_read, pred_cmd_write), .feature = F_SPEC_CTRL },
	{ ONE(0x79), "IA32_BIOS_UPDT_TRIG", .flags = CONSTANT },
	{ ONE(MSR_UCODE_REV), "IA32_BIOS_SIGN_ID", FUNCS(ucode_read, ignore_write) },
	{ ONE(0xcd), "FSB_FREQ", .flags = CONSTANT },
	{ ONE(0xce), "PLATFORM_INFO", .flags = CONSTANT },
	{ ONE(0xe2), "PKG_CST_CONFIG_CONTROL", .flags = CONSTANT },
	{ 0xe7, 0xe8, "IA32_MPERF, IA32_APERF", .flags = CONSTANT },
	/* Fixed and write-combining, 8 variable pairs. */
	{ ONE(MSR_MTRR_CAP), "IA32_MTRRCAP", .flags = CONSTANT | READ_ONLY, .feature = F_MTRR,
	  .reserved = 1 << 10 | 1 << 8 | MTRR_PAIRS },
	{ ONE(MSR_ARCH_CAPABILITIES), "IA32_ARCH_CAPABILITIES", FUNCS(arch_capabilities, NULL),
	  .feature = F_ARCH_CAPABILITIES },
	{ ONE(MSR_FLUSH_CMD), "IA32_FLUSH_CMD", FUNCS(zero_read, pred_cmd_write), .feature = F_FLUSH_L1D },
	{ ONE(0x140), "MISC_FEATURES_ENABLES", .flags = CONSTANT },
	{ ONE(0x174), "IA32_SYSENTER_CS", FIELD(sysenter_cs), .feature = F_SEP },
	{ ONE(0x175), "IA32_SYSENTER_ESP", FIELD(sysenter_esp), .feature = F_SEP, .flags = ADDRESS },
	{ ONE(0x176), "IA32_SYSENTER_EIP", FIELD(sysenter_eip), .feature = F_SEP, .flags = ADDRESS },
	{ ONE(MSR_MCG_CAP), "IA32_MCG_CAP", FUNCS(mcg_cap_read, NULL), .feature = F_MCA },
	{ ONE(0x17a), "IA32_MCG_STATUS", FIELD(mcg_status), .feature = F_MCA, .reserved = ~7ull },
	{ ONE(0x17b), "IA32_MCG_CTL", FIELD(mcg_ctl), .feature = F_MCA, .flags = MACHINE },
	{ 0x186, 0x189, "IA32_PERFEVTSEL", .flags = CONSTANT },
	{ ONE(0x198), "IA32_PERF_STATUS", .flags = CONSTANT },
	{ ONE(0x199), "IA32_PERF_CTL", .flags = CONSTANT },
	{ ONE(0x19a), "IA32_CLOCK_MODULATION", .flags = CONSTANT },
	{ ONE(0x19b), "IA32_THERM_INTERRUPT", .flags = CONSTANT },
	{ ONE(0x19c), "IA32_THERM_STATUS", .flags = CONSTANT },
	{ ONE(MSR_MISC_ENABLE), "IA32_MISC_ENABLE", FIELD(misc_enable), .flags = BARE_FIXED },
	{ ONE(0x1a2), "TEMPERATURE_TARGET", .flags = CONSTANT },
	{ ONE(0x1ad), "TURBO_RATIO_LIMIT", .flags = CONSTANT },
	{ ONE(0x1b0), "IA32_ENERGY_PERF_BIAS", .flags = CONSTANT },
	{ ONE(0x1c9), "LASTBRANCH_TOS", .flags = CONSTANT },
	{ ONE(0x1d9), "IA32_DEBUGCTL", .flags = CONSTANT },
	{ 0x1db, 0x1de, "LASTBRANCH, LASTEXCEPTION", .flags = CONSTANT },
	{ ONE(0x1fc), "POWER_CTL", .flags = CONSTANT },
	{ MSR_MTRR_VAR, MSR_MTRR_VAR + 2 * MTRR_PAIRS - 1, "IA32_MTRR_PHYS", FUNCS(mtrr_var_read, mtrr_var_write),
	  .feature = F_MTRR },
	{ ONE(0x250), "IA32_MTRR_FIX64K", FUNCS(mtrr_fixed_read, mtrr_fixed_write), .feature = F_MTRR },
	{ 0x258, 0x259, "IA32_MTRR_FIX16K", FUNCS(mtrr_fixed_read, mtrr_fixed_write), .feature = F_MTRR },
	{ 0x268, 0x26f, "IA32_MTRR_FIX4K", FUNCS(mtrr_fixed_read, mtrr_fixed_write), .feature = F_MTRR },
	{ ONE(MSR_PAT), "IA32_PAT", FUNCS(pat_read, pat_write), .feature = F_PAT },
	{ 0x280, 0x280 + MC_BANKS - 1, "IA32_MC_CTL2", .flags = CONSTANT | MACHINE },
	{ ONE(MSR_MTRR_DEF), "IA32_MTRR_DEF_TYPE", FUNCS(mtrr_def_read, mtrr_def_write), .feature = F_MTRR },
	{ ONE(0x345), "IA32_PERF_CAPABILITIES", .flags = CONSTANT },
	{ MSR_MC0, MSR_MC0 + 4 * MC_BANKS - 1, "IA32_MC", FUNCS(mc_read, mc_write), .feature = F_MCA,
	  .flags = MACHINE },
	{ ONE(0x606), "RAPL_POWER_UNIT", .flags = CONSTANT },
	{ ONE(0x60d), "PKG_C2_RESIDENCY", .flags = CONSTANT },
	{ 0x610, 0x614, "PKG_POWER", .flags = CONSTANT },
	{ 0x619, 0x619, "DRAM_ENERGY_STATUS", .flags = CONSTANT },
	{ 0x639, 0x639, "PP0_ENERGY_STATUS", .flags = CONSTANT },
	{ 0x641, 0x641, "PP1_ENERGY_STATUS", .flags = CONSTANT },
	{ ONE(0xda0), "IA32_XSS", FIELD(xss), .feature = F_XSAVES, .reserved = ~0ull },
	{ ONE(MSR_EFER), "IA32_EFER", FUNCS(efer_read, efer_write) },
	{ ONE(0xc0000081), "IA32_STAR", FIELD(star), .feature = F_SYSCALL },
	{ ONE(0xc0000082), "IA32_LSTAR", FIELD(lstar), .feature = F_LM, .flags = ADDRESS },
	{ ONE(0xc0000083), "IA32_CSTAR", FIELD(cstar), .feature = F_LM, .flags = ADDRESS },
	{ ONE(0xc0000084), "IA32_FMASK", FIELD(sfmask), .feature = F_LM, .reserved = 0xffffffff00000000 },
	{ 0xc0000100, 0xc0000101, "IA32_FS_BASE, IA32_GS_BASE", FUNCS(fs_read, fs_write), .feature = F_LM },
	{ ONE(0xc0000102), "IA32_KERNEL_GS_BASE", FIELD(kernel_gs_base), .feature = F_LM, .flags = ADDRESS },
	{ ONE(0xc0000103), "IA32_TSC_AUX", FIELD(tsc_aux), .reserved = 0xffffffff00000000 },
	/* AMD identities: what Linux looks at for errata. */
	{ ONE(0xc0010010), "SYSCFG", .flags = CONSTANT },
	{ ONE(0xc0010015), "HWCR", .flags = CONSTANT },
	{ ONE(0xc001001f), "NB_CFG", .flags = CONSTANT },
	{ ONE(0xc0010055), "INT_PENDING_MESSAGE", .flags = CONSTANT },
	{ ONE(0xc0010112), "TSEG_BASE", .flags = CONSTANT },
	{ ONE(0xc0011022), "DC_CFG", .flags = CONSTANT },
	{ ONE(0xc0011029), "DE_CFG", .flags = CONSTANT, .reserved = 2 },
	{ ONE(0xc001102a), "BU_CFG2", .flags = CONSTANT },
};

static const struct msr *find(uint32_t msr)
{
	unsigned low = 0, high = sizeof msrs / sizeof msrs[0];

	while (low < high) {
		unsigned mid = (low + high) / 2;

		if (msr < msrs[mid].first)
			high = mid;
		else if (msr > msrs[mid].last)
			low = mid + 1;
		else
			return &msrs[mid];
	}
	return NULL;
}

static uint64_t *field_of(struct x86_cpu *c, const struct msr *m)
{
	return (uint64_t *)(void *)((uint8_t *)c + m->field);
}

/* A feature the model lacks takes its MSRs with it. */
static const struct msr *find_for(struct x86_cpu *c, uint32_t msr)
{
	const struct msr *m = find(msr);

	if (m && m->flags & MACHINE && c->model->bare)
		return NULL;
	if (m && m->feature != F_NONE && !x86_has(c, m->feature))
		gp(c);
	/* RDPID and RDTSCP share TSC_AUX. */
	if (msr == 0xc0000103 && !x86_has(c, F_RDTSCP) && !x86_has(c, F_RDPID))
		gp(c);
	return m;
}

bool x86_msr_read(struct x86_cpu *c, uint32_t msr, uint64_t *v)
{
	const struct msr *m = find_for(c, msr);

	if (!m)
		return false;
	if (m->flags & CONSTANT)
		*v = m->reserved;
	else
		*v = m->field ? *field_of(c, m) : m->read(c, msr);
	return true;
}

static void store(struct x86_cpu *c, const struct msr *m, uint64_t v)
{
	if (v & m->reserved)
		gp(c);
	if ((m->flags & ADDRESS) && !x86_canonical(c, v))
		gp(c);
	*field_of(c, m) = v;
}

bool x86_msr_write(struct x86_cpu *c, uint32_t msr, uint64_t v)
{
	const struct msr *m = find_for(c, msr);

	if (!m)
		return false;
	if (log_on(LOG_MSR))
		log_print(LOG_MSR, "wrmsr %s (%#x) %#llx\n", m->name, msr, (unsigned long long)v);
	if ((m->flags & READ_ONLY) || (!m->field && !m->write && !(m->flags & CONSTANT)))
		gp(c);
	if (m->flags & CONSTANT || (m->flags & BARE_FIXED && c->model->bare))
		return true;
	if (m->field)
		store(c, m, v);
	else
		m->write(c, msr, v);
	return true;
}
