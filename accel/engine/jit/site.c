/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Accesses of loops: compared with the page where they were last.
 *
 * In the TLB the place of the data hangs on a load that hangs on the address.  A site's delta
 * does not, so the host can fetch the data before the comparison is done.  That is a gain as
 * long as the guess is mostly right; a site that is wrong every few hundred cycles gives up.
 */
#include "trans.h"

enum { SOON = 512, SOON_MAX = 64 };   /* host TSC ticks between two misses; such misses one behind the other */

bool wants_sites(const struct trans *t)
{
	for (unsigned n = 0; n < t->count; n++)
		if (is_loop_jump(&t->b->uop[n]))
			return true;
	return false;
}

/* ---- which site ---- */

static uint32_t site_at(unsigned site) { return CPU_AT(site) + site * (uint32_t)sizeof(struct x86_site); }
static uint32_t limit_of(unsigned n) { return 4096 + 1 - n; }

/* Which sites share a limit: sizes are powers of two, and those of groups are rounded up to one. */
static unsigned size_log(unsigned n)
{
	unsigned log = 0;

	while (1u << log < n)
		log++;
	return log;
}

static unsigned kind_of(const struct trans *t, unsigned n, bool write)
{
	return ((t->mmu * 2u + write) * X86_SITE_SIZES + size_log(n)) * X86_SITE_WAYS;
}

/* 1 + that of the instruction, which has one; 0: it has another kind of access already. */
static unsigned take_site(struct trans *t, unsigned n, bool write)
{
	unsigned kind = kind_of(t, n, write), h = t->insn.row->handler;

	if (h == H_movs || h == H_cmps || size_log(n) >= X86_SITE_SIZES)
		return 0;
	if (!t->site[t->n])
		t->site[t->n] = (uint16_t)(1 + kind + t->j->site_next++ % X86_SITE_WAYS);
	return (t->site[t->n] - 1u) / X86_SITE_WAYS == kind / X86_SITE_WAYS ? t->site[t->n] : 0;
}

bool check_site(struct trans *t, unsigned n, bool write, bool careful, uint32_t *at)
{
	unsigned site = t->sites ? take_site(t, n, write) : 0;
	struct emit *e = &t->e;
	struct edge *d;

	if (!site)
		return false;
	*at = site_at(site - 1);
	e_mov(e, H_S1, H_S0);
	e_ctx(e, true, 0x2b, H_S1, *at + offsetof(struct x86_site, tag));
	e_ctx(e, true, 0x3b, H_S1, *at + offsetof(struct x86_site, limit));
	if (careful) {
		d = new_edge(t);
		E_RAW(e, "\x0f\x83");                        /* jae */
		e32(e, 0);
		*d = (struct edge){ .jump = e->at - 4, .rip = t->lin + t->u->off, .link = true, .far = true,
				    .saved = t->saved, .lost = t->lost, .careful = true, .entry = ENTRY_SAVED, .held = t->held };
	} else {
		d = to_step(t, 0x83);
	}
	d->site = (uint16_t)site;
	d->size = (uint16_t)(1u << size_log(n));
	d->again = e->at;
	return true;
}

/* ---- misses ---- */

void emit_site_miss(struct trans *t, const struct edge *d)
{
	unsigned access = (d->site - 1u) / (X86_SITE_SIZES * X86_SITE_WAYS);
	struct emit *e = &t->e;

	e_imm64(e, H_S1, (uint64_t)(uintptr_t)t->b);
	e_store(e, H_S1, TABLES_AT(scatter_block));
	e_imm64(e, H_S1, (uint64_t)limit_of(d->size) << 32 | site_at(d->site - 1u));
	e8(e, 0xe8);
	e_rel(e, t->j->thunk_site[access / 2][access & 1]);
	E_RAW(e, "\x45\x85\xd2\x0f\x84");                    /* test r10d,r10d; je */
	e_rel(e, d->again);
}

/* op @reg,[rsp+@index+@disp], the return address being there, too. */
static void at_index(struct emit *e, bool w, uint8_t op, unsigned reg, unsigned index, uint32_t disp)
{
	e8(e, (uint8_t)(0x40 | w << 3 | (reg >> 3) << 2));
	e8(e, op);
	e8(e, (uint8_t)(0x84 | (reg & 7) << 3));
	e8(e, (uint8_t)(index << 3 | 4));
	e32(e, disp + 8);
}

static uint32_t short_forward(struct emit *e, uint8_t op)
{
	e8(e, op);
	e8(e, 0);
	return e->at;
}

static void land(struct emit *e, uint32_t from)
{
	if (!e->full)
		e->base[from - 1] = (uint8_t)(e->at - from);
}

/* The page at RAX, of TLB entry RCX, is what site RDX has from now on; S1: its limit. */
static void learn(struct emit *e, unsigned mmu, bool write)
{
	at_index(e, true, 0x8b, H_RAX, H_RCX, tag_of(mmu, write));
	at_index(e, true, 0x8b, H_RCX, H_RCX, host_of(mmu));
	E_RAW(e, "\x48\x29\xc1");                                     /* sub rcx,rax */
	at_index(e, true, 0x89, H_RAX, H_RDX, offsetof(struct x86_site, tag));
	at_index(e, true, 0x89, H_S1, H_RDX, offsetof(struct x86_site, limit));
	at_index(e, true, 0x89, H_RCX, H_RDX, offsetof(struct x86_site, delta));
	E_RAW(e, "\x89\xd1\x81\xe9");                                 /* mov ecx,edx; sub ecx,... */
	e32(e, CPU_AT(site));
	E_RAW(e, "\xc1\xe9\x05");                                     /* shr ecx,5 */
	_Static_assert(sizeof(struct x86_site) == 32, "a shift by 5");
	E_RAW(e, "\x0f\xab\x8c\x24");                                 /* bts [rsp+site_used],ecx */
	e32(e, CPU_AT(site_used) + 8);
}

/* Counts misses that come soon behind the one before.  S1: whether they have been too many. */
static void judge(struct emit *e)
{
	uint32_t quiet, out;

	E_RAW(e, "\x89\xd1\x0f\x31\x89\xc2");                         /* mov ecx,edx; rdtsc; mov edx,eax */
	at_index(e, false, 0x2b, H_RAX, H_RCX, offsetof(struct x86_site, when));
	at_index(e, false, 0x89, H_RDX, H_RCX, offsetof(struct x86_site, when));
	E_RAW(e, "\x45\x31\xd2\x3d");                                 /* xor r10d,r10d; cmp eax,SOON */
	e32(e, SOON);
	quiet = short_forward(e, 0x73);                               /* jae */
	at_index(e, false, 0xff, 0, H_RCX, offsetof(struct x86_site, misses));   /* inc */
	at_index(e, false, 0x83, 7, H_RCX, offsetof(struct x86_site, misses));   /* cmp */
	e8(e, SOON_MAX);
	out = short_forward(e, 0x72);                                 /* jb */
	E_RAW(e, "\xc6\x84\x24");                                     /* mov byte [rsp+scatter],1 */
	e32(e, TABLES_AT(scatter) + 8);
	e8(e, 1);
	E_RAW(e, "\x41\xba\x01\x00\x00\x00");                         /* mov r10d,1 */
	land(e, quiet);
	at_index(e, false, 0xc7, 0, H_RCX, offsetof(struct x86_site, misses));   /* mov */
	e32(e, 0);
	land(e, out);
}

/*
 * Called in a block with S0: linear address, S1: context offset of the site, limit << 32.
 * S1 becomes 0: the site has the page now; 1: the TLB has it not, or the block gives up.
 * Destroys flags.
 */
void make_site(struct emit *e, unsigned mmu, bool write)
{
	static const uint8_t used[] = { H_RAX, H_RCX, H_RDX };
	uint32_t fail, over;
	unsigned i;

	for (i = 0; i < sizeof used; i++)
		e_store(e, used[i], GPR_AT(used[i]) + 8);
	e_mov(e, H_RAX, H_S0);
	E_RAW(e, "\xc4\xe3\x7b\xf0\xc8\x07\x81\xe1");                 /* rorx ecx,eax,7; and ecx,... */
	e32(e, (X86_TLB_SIZE - 1) * (uint32_t)sizeof(struct x86_tlb_entry));
	at_index(e, true, 0x2b, H_RAX, H_RCX, tag_of(mmu, write));
	E_RAW(e, "\x44\x89\xd2\x49\xc1\xea\x20\x4c\x39\xd0");         /* mov edx,r10d; shr r10,32; cmp rax,r10 */
	E_RAW(e, "\x0f\x83");                                         /* jae */
	e32(e, 0);
	fail = e->at - 4;
	learn(e, mmu, write);
	judge(e);
	over = short_forward(e, 0xeb);                                /* jmp */
	e_patch(e, fail, e->at);
	E_RAW(e, "\x41\xba\x01\x00\x00\x00");                         /* mov r10d,1 */
	land(e, over);
	for (i = 0; i < sizeof used; i++)
		e_load(e, used[i], GPR_AT(used[i]) + 8);
	e8(e, 0xc3);
}
