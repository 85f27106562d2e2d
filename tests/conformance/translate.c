/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Chapter 12: addresses and memory of a child as its VP has them. */
#include "child.h"

#include "hv/mmu.h"

#define ACCESS_RW (HV_TRANSLATE_READ | HV_TRANSLATE_WRITE)
enum { PTE_P = 1, PTE_W = 2, PTE_U = 4, PTE_PWT = 8, PTE_PCD = 0x10, PTE_A = 0x20, PTE_D = 0x40, PTE_PAT = 0x80, PTE_RWU = 7 };
/* What the child's tables are in, and the first page number that the last of them translates. */
enum { ROOT = 0x8000, POINTERS = 0x9000, DIRECTORY = 0xa000, TABLE = 0xb000, FIRST = 0x200 };

/* ---- calls ---- */

struct translated {
	struct reply reply;
	struct hv_out_translate_virtual_address out;
};

static struct translated translate_of(uint64_t id, uint32_t vp, uint64_t flags, uint64_t page)
{
	struct hv_in_translate_virtual_address in = { .partition_id = id, .vp_index = vp, .flags = flags, .gva_page = page };
	struct translated t = { .out = { .result = UINT32_MAX } };

	t.reply = CALL(.code = HV_CALL_TRANSLATE_VIRTUAL_ADDRESS, .data = &in, .size = sizeof in, .out = test_page(OUT_PAGE));
	if (!t.reply.fault && hv_result_status(t.reply.value) == HV_STATUS_SUCCESS)
		get_bytes(test_page(OUT_PAGE), &t.out, sizeof t.out);
	return t;
}

static struct hv_out_translate_virtual_address translate(const struct child *c, uint64_t flags, uint64_t page)
{
	struct translated t = translate_of(c->id, 0, flags, page);

	check_status(t.reply, HV_STATUS_SUCCESS);
	return t.out;
}

static void check_translation(const struct child *c, uint64_t flags, uint64_t page, uint32_t result)
{
	check_value(translate(c, flags, page).result, result, "result of page %x with flags %x", (unsigned)page, (unsigned)flags);
}

static void put_entry(const struct child *c, uint64_t at, uint64_t entry)
{
	child_put(c, at, &entry, sizeof entry);
}

/* 64-bit mode; page FIRST + n by the entry n of TABLE, which is 0. */
static struct child long_child(void)
{
	struct child c = make_child(EXO);

	child_long(&c);
	put_entry(&c, ROOT, POINTERS | PTE_RWU);
	put_entry(&c, POINTERS, DIRECTORY | PTE_RWU);
	put_entry(&c, DIRECTORY + 8, TABLE | PTE_RWU);
	return c;
}

static void put_page(const struct child *c, unsigned n, uint64_t entry)
{
	put_entry(c, TABLE + 8 * n, entry);
}

/* CPL 3. */
static void in_user_mode(const struct child *c)
{
	child_segment(c, HV_REGISTER_CS, 3, 0xa0fb);
	child_segment(c, HV_REGISTER_SS, 3, 0xc0f3);
}

/* ---- 12.4.4 ---- */

RULE_HOST(T12_4_4_a, "a translation that fails is a call that succeeds")
{
	struct child c = long_child();

	check_translation(&c, HV_TRANSLATE_READ, FIRST, HV_TRANSLATE_PAGE_NOT_PRESENT);
}

RULE_HOST(T12_4_4_b, "a translation is for some kind of access at least")
{
	struct child c = long_child();

	check_status(translate_of(c.id, 0, 0, 0).reply, HV_STATUS_INVALID_PARAMETER);
	check_status(translate_of(c.id, 0, HV_TRANSLATE_PRIVILEGE_EXEMPT, 0).reply, HV_STATUS_INVALID_PARAMETER);
	for (unsigned access = 1; access < 8; access++)
		check_translation(&c, access, 0, HV_TRANSLATE_SUCCESS);
}

RULE_HOST(T12_4_4_c, "all kinds of access that are asked for must be allowed")
{
	struct child c = long_child();

	child_set(&c, HV_REGISTER_CR0, 0x80010011);
	put_page(&c, 0, 0x4000 | PTE_P);
	check_translation(&c, HV_TRANSLATE_READ, FIRST, HV_TRANSLATE_SUCCESS);
	check_translation(&c, HV_TRANSLATE_WRITE, FIRST, HV_TRANSLATE_PRIVILEGE_VIOLATION);
	check_translation(&c, ACCESS_RW, FIRST, HV_TRANSLATE_PRIVILEGE_VIOLATION);
}

RULE_HOST(T12_4_4_d, "flags that there are not are invalid")
{
	struct child c = long_child();

	for (unsigned bit = 10; bit < 56; bit++)
		check_status(translate_of(c.id, 0, HV_TRANSLATE_READ | 1ull << bit, 0).reply, HV_STATUS_INVALID_PARAMETER);
}

RULE_HOST(T12_4_4_e, "the walk is that of the VP's mode: two, three or four levels")
{
	static const uint32_t two[] = { 0x5000 };
	struct child c = long_child();

	put_page(&c, 3, 0x6000 | PTE_RWU);
	check_value(translate(&c, ACCESS_RW, FIRST + 3).gpa_page, 6, "page by four levels");
	child_set(&c, HV_REGISTER_EFER, 0);
	child_paged(&c, two, 1);
	check_value(translate(&c, ACCESS_RW, CHILD_PAGED / 0x1000).gpa_page, 5, "page by two levels");
	put_entry(&c, ROOT, POINTERS | PTE_P);
	put_entry(&c, POINTERS, TABLE | PTE_RWU);
	put_page(&c, 1, 0x7000 | PTE_RWU);
	child_set(&c, HV_REGISTER_CR4, 0x20);
	check_value(translate(&c, ACCESS_RW, 1).gpa_page, 7, "page by three levels");
	check_translation(&c, HV_TRANSLATE_READ, 1ull << 20, HV_TRANSLATE_PAGE_NOT_PRESENT);
}

RULE_HOST(T12_4_4_f, "without paging each page is itself")
{
	struct child c = make_child(EXO);
	static const uint64_t pages[] = { 0, 5, CHILD_NOTHING / 0x1000, 0x123456789 };

	for (unsigned i = 0; i < sizeof pages / sizeof pages[0]; i++) {
		struct hv_out_translate_virtual_address out = translate(&c, ACCESS_RW | HV_TRANSLATE_EXECUTE, pages[i]);

		check_value(out.result, HV_TRANSLATE_SUCCESS, "result");
		check_value(out.gpa_page, pages[i], "page");
	}
}

RULE_HOST(T12_4_4_g, "a translation that is exempt is that of CPL 0")
{
	struct child c = long_child();

	in_user_mode(&c);
	put_page(&c, 0, 0x4000 | PTE_P | PTE_W);
	check_translation(&c, HV_TRANSLATE_READ, FIRST, HV_TRANSLATE_PRIVILEGE_VIOLATION);
	check_translation(&c, HV_TRANSLATE_READ | HV_TRANSLATE_PRIVILEGE_EXEMPT, FIRST, HV_TRANSLATE_SUCCESS);
	check_translation(&c, HV_TRANSLATE_READ | HV_TRANSLATE_SUPERVISOR, FIRST, HV_TRANSLATE_SUCCESS);
	put_page(&c, 0, 0x4000 | PTE_RWU);
	check_translation(&c, HV_TRANSLATE_READ, FIRST, HV_TRANSLATE_SUCCESS);
}

RULE_HOST(T12_4_4_h, "accessed bits are set if that is asked for, the dirty bit for writes")
{
	struct child c = long_child();

	put_page(&c, 0, 0x4000 | PTE_RWU);
	check_translation(&c, HV_TRANSLATE_READ | HV_TRANSLATE_SET_TABLE_BITS, FIRST, HV_TRANSLATE_SUCCESS);
	check_value(child_get64(&c, TABLE), 0x4000 | PTE_RWU | PTE_A, "entry after a read");
	check_value(child_get64(&c, ROOT), POINTERS | PTE_RWU | PTE_A, "entry of the root");
	check_translation(&c, ACCESS_RW | HV_TRANSLATE_SET_TABLE_BITS, FIRST, HV_TRANSLATE_SUCCESS);
	check_value(child_get64(&c, TABLE), 0x4000 | PTE_RWU | PTE_A | PTE_D, "entry after a write");
}

RULE_HOST(T12_4_4_i, "bits that were set before a walk came to its end stay")
{
	struct child c = long_child();

	check_translation(&c, ACCESS_RW | HV_TRANSLATE_SET_TABLE_BITS, FIRST, HV_TRANSLATE_PAGE_NOT_PRESENT);
	check_value(child_get64(&c, DIRECTORY + 8), TABLE | PTE_RWU | PTE_A, "entry of the directory");
	check_value(child_get64(&c, TABLE), 0, "entry of the table");
}

RULE_HOST(T12_4_4_j, "page tables stay as they are if nothing else is asked for")
{
	struct child c = long_child();

	put_page(&c, 0, 0x4000 | PTE_RWU);
	check_translation(&c, ACCESS_RW, FIRST, HV_TRANSLATE_SUCCESS);
	check_value(child_get64(&c, TABLE), 0x4000 | PTE_RWU, "entry");
	check_value(child_get64(&c, ROOT), POINTERS | PTE_RWU, "entry of the root");
}

RULE_HOST(T12_4_4_k, "flushes are inhibited if that is asked for and the translation succeeds")
{
	struct child c = long_child();

	check_translation(&c, HV_TRANSLATE_READ | HV_TRANSLATE_FLUSH_INHIBIT, FIRST, HV_TRANSLATE_PAGE_NOT_PRESENT);
	check_value(child_register(&c, HV_REGISTER_INTERCEPT_SUSPEND), 0, "the register after a failure");
	put_page(&c, 0, 0x4000 | PTE_RWU);
	check_translation(&c, HV_TRANSLATE_READ, FIRST, HV_TRANSLATE_SUCCESS);
	check_value(child_register(&c, HV_REGISTER_INTERCEPT_SUSPEND), 0, "the register without the flag");
	check_translation(&c, HV_TRANSLATE_READ | HV_TRANSLATE_FLUSH_INHIBIT, FIRST, HV_TRANSLATE_SUCCESS);
	check_value(child_register(&c, HV_REGISTER_INTERCEPT_SUSPEND), HV_TLB_FLUSH_INHIBIT, "the register");
	child_set(&c, HV_REGISTER_INTERCEPT_SUSPEND, 0);
	check_value(child_register(&c, HV_REGISTER_INTERCEPT_SUSPEND), 0, "the register when it was cleared");
}

RULE_HOST(T12_1_4_c, "a translation that succeeds inhibits flushes until the parent allows them")
{
	struct child c = long_child();

	check_translation(&c, HV_TRANSLATE_READ | HV_TRANSLATE_FLUSH_INHIBIT, 0, HV_TRANSLATE_SUCCESS);
	check_value(child_register(&c, HV_REGISTER_INTERCEPT_SUSPEND), HV_TLB_FLUSH_INHIBIT, "the register");
}

static void check_cache_type(const struct child *c, uint64_t bits, uint8_t type)
{
	put_page(c, 0, 0x4000 | PTE_RWU | bits);
	check_value(translate(c, HV_TRANSLATE_READ, FIRST).info, type, "cache type with bits %x", (unsigned)bits);
}

RULE_HOST(T12_2_1_a, "PAT, PWT and PCD of the leaf choose the cache type from the PAT register")
{
	struct child c = long_child();

	child_set(&c, HV_REGISTER_PAT, 0x0006010504000106);
	check_cache_type(&c, 0, HV_CACHE_WRITE_BACK);
	check_cache_type(&c, PTE_PWT, HV_CACHE_WRITE_COMBINING);
	check_cache_type(&c, PTE_PCD, HV_CACHE_UNCACHED);
	check_cache_type(&c, PTE_PCD | PTE_PWT, HV_CACHE_WRITE_THROUGH);
	check_cache_type(&c, PTE_PAT, HV_CACHE_WRITE_PROTECTED);
}

RULE_HOST(T12_2_1_b, "without paging memory is write-back, as no MTRR has an effect")
{
	struct child c = make_child(EXO);

	check_value(translate(&c, HV_TRANSLATE_READ, 5).info, HV_CACHE_WRITE_BACK, "cache type");
}

RULE_HOST(T12_1_1_c, "the leaf of a large page tells the cacheability")
{
	struct child c = long_child();

	put_entry(&c, DIRECTORY, 0x83 | PTE_PCD | PTE_PWT);
	check_value(translate(&c, HV_TRANSLATE_READ, 5).info, HV_CACHE_UNCACHED, "cache type");
}

RULE_HOST(T12_4_4_l, "what was translated tells its cache type and whether it is an overlay")
{
	struct child c = long_child();

	put_page(&c, 0, 0x7000 | PTE_RWU);
	check_value(translate(&c, ACCESS_RW, FIRST).info, HV_CACHE_WRITE_BACK, "of a page");
	child_set(&c, HV_REGISTER_SIMP, 0x7001);
	check_value(translate(&c, ACCESS_RW, FIRST).info, HV_CACHE_WRITE_BACK | HV_TRANSLATE_OVERLAY_PAGE, "of an overlay");
}

static void check_table(const struct child *c, uint64_t table, uint64_t flags, uint32_t result)
{
	struct hv_out_translate_virtual_address out;

	put_entry(c, DIRECTORY + 8, table | PTE_RWU);
	out = translate(c, flags, FIRST);
	check_value(out.result, result, "result with a table at %x", (unsigned)table);
	check_value(out.gpa_page, table / 0x1000, "page");
}

RULE_HOST(T12_4_4_m, "a table that cannot be reached is named, with what it lacks")
{
	struct hv_out_translate_virtual_address out;
	struct child c = long_child();

	check_table(&c, CHILD_NOTHING, HV_TRANSLATE_READ, HV_TRANSLATE_GPA_UNMAPPED);
	check_table(&c, CHILD_UNTOUCHABLE, HV_TRANSLATE_READ, HV_TRANSLATE_GPA_NO_READ);
	put_entry(&c, CHILD_READ_ONLY, 0x4000 | PTE_RWU);
	check_table(&c, CHILD_READ_ONLY, HV_TRANSLATE_READ | HV_TRANSLATE_SET_TABLE_BITS, HV_TRANSLATE_GPA_NO_WRITE);
	check_value(child_get64(&c, CHILD_READ_ONLY), 0x4000 | PTE_RWU, "entry");
	/* As 4-byte entries, the instructions of the hypercall page are present; the second is not accessed. */
	child_set(&c, HV_REGISTER_GUEST_OS_ID, TEST_OS_ID);
	child_set(&c, HV_REGISTER_HYPERCALL, 0x7001);
	child_set(&c, HV_REGISTER_EFER, 0);
	child_set(&c, HV_REGISTER_CR4, 0);
	child_set(&c, HV_REGISTER_CR3, 0x7000);
	out = translate(&c, HV_TRANSLATE_READ | HV_TRANSLATE_SET_TABLE_BITS, 0x400);
	check_value(out.result, HV_TRANSLATE_GPA_ILLEGAL_OVERLAY, "result with a table that is an overlay");
	check_value(out.gpa_page, 7, "page");
}

RULE_HOST(T12_4_4_n, "a page that was not found is none")
{
	struct child c = long_child();
	struct hv_out_translate_virtual_address out = translate(&c, HV_TRANSLATE_READ, FIRST);

	check_value(out.gpa_page, 0, "page that is not present");
	put_page(&c, 0, 0x4000 | PTE_P | 1ull << 51);
	out = translate(&c, HV_TRANSLATE_READ, FIRST);
	check_value(out.result, HV_TRANSLATE_INVALID_TABLE_FLAGS, "result of a reserved bit");
	check_value(out.gpa_page, 0, "page with a reserved bit");
	check_translation(&c, HV_TRANSLATE_READ, 1ull << 35, HV_TRANSLATE_PAGE_NOT_PRESENT);
	check_translation(&c, HV_TRANSLATE_READ, 1ull << 60, HV_TRANSLATE_PAGE_NOT_PRESENT);
}

RULE_HOST(T12_4_4_o, "what is at the address that comes out is not asked")
{
	struct child c = long_child();
	struct hv_out_translate_virtual_address out;

	put_page(&c, 0, CHILD_NOTHING | PTE_RWU);
	out = translate(&c, ACCESS_RW, FIRST);
	check_value(out.result, HV_TRANSLATE_SUCCESS, "result");
	check_value(out.gpa_page, CHILD_NOTHING / 0x1000, "page");
}

RULE_HOST(T12_4_4_p, "the VP gets no exception, CR2 stays")
{
	struct child c = long_child();

	child_set(&c, HV_REGISTER_CR2, 0x1234567);
	check_translation(&c, HV_TRANSLATE_READ, FIRST, HV_TRANSLATE_PAGE_NOT_PRESENT);
	check_value(child_register(&c, HV_REGISTER_CR2), 0x1234567, "CR2");
	check_value(child_register(&c, HV_REGISTER_PENDING_INTERRUPTION), 0, "pending interruption");
	check_value(child_register(&c, HV_REGISTER_INTERCEPT_SUSPEND), 0, "intercept suspend");
}

RULE_HOST(T12_4_4_q, "it is the parent's call, for a VP of an active child")
{
	struct child c = long_child();

	check_status(translate_of(own_id(), 0, HV_TRANSLATE_READ, 0).reply, HV_STATUS_ACCESS_DENIED);
	check_status(translate_of(0x99999999, 0, HV_TRANSLATE_READ, 0).reply, HV_STATUS_INVALID_PARTITION_ID);
	check_status(translate_of(c.id, 1, HV_TRANSLATE_READ, 0).reply, HV_STATUS_INVALID_VP_INDEX);
	call_id(HV_CALL_FINALIZE_PARTITION, c.id);
	check_status(translate_of(c.id, 0, HV_TRANSLATE_READ, 0).reply, HV_STATUS_INVALID_PARTITION_STATE);
}

/* ---- 12.4.5, 12.4.6 ---- */

enum { APIC = 0xfee00000, APIC_ID = APIC + 0x20, APIC_TPR = APIC + 0x80, APIC_EOI = APIC + 0xb0 };

struct got_bytes {
	struct reply reply;
	struct hv_out_read_gpa out;
};

static struct got_bytes read_of(struct hv_in_read_gpa in)
{
	struct got_bytes g = { .out = { .result = UINT32_MAX } };

	g.reply = CALL(.code = HV_CALL_READ_GPA, .data = &in, .size = sizeof in, .out = test_page(OUT_PAGE));
	if (!g.reply.fault && hv_result_status(g.reply.value) == HV_STATUS_SUCCESS)
		get_bytes(test_page(OUT_PAGE), &g.out, sizeof g.out);
	return g;
}

static struct hv_in_read_gpa range(const struct child *c, uint64_t at, uint32_t n)
{
	return (struct hv_in_read_gpa){ .partition_id = c->id, .byte_count = n, .base_gpa = at, .flags = HV_CACHE_WRITE_BACK };
}

static struct hv_out_read_gpa read_gpa(const struct child *c, uint64_t at, uint32_t n)
{
	struct got_bytes g = read_of(range(c, at, n));

	check_status(g.reply, HV_STATUS_SUCCESS);
	return g.out;
}

static struct reply write_of(struct hv_in_read_gpa to, const void *data)
{
	struct hv_in_write_gpa in = { .to = to };
	const uint8_t *from = data;

	for (unsigned i = 0; i < sizeof in.data; i++)
		in.data[i] = from[i];
	return CALL(.code = HV_CALL_WRITE_GPA, .data = &in, .size = sizeof in, .out = test_page(OUT_PAGE));
}

static const uint8_t pattern[16] = { 0x10, 0x21, 0x32, 0x43, 0x54, 0x65, 0x76, 0x87, 0x98, 0xa9, 0xba, 0xcb, 0xdc, 0xed, 0xfe, 0x0f };

/* Its result. */
static uint32_t write_gpa(const struct child *c, uint64_t at, uint32_t n, const void *data)
{
	struct reply r = write_of(range(c, at, n), data);

	check_status(r, HV_STATUS_SUCCESS);
	return (uint32_t)get64(test_page(OUT_PAGE));
}

static uint64_t word(const uint8_t *p, unsigned n)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < n; i++)
		v |= (uint64_t)p[i] << 8 * i;
	return v;
}

RULE_HOST(T12_4_5_a, "the bytes are those that the VP would read")
{
	struct child c = make_child(EXO);
	struct hv_out_read_gpa out;

	child_put(&c, 0x4100, pattern, sizeof pattern);
	out = read_gpa(&c, 0x4100, 16);
	check_value(out.result, HV_ACCESS_SUCCESS, "result");
	for (unsigned i = 0; i < 16; i++)
		check_value(out.data[i], pattern[i], "byte %u", i);
}

RULE_HOST(T12_4_5_b, "an overlay is read in place of what is below")
{
	struct child c = make_child(EXO);

	child_put(&c, 0x7000, pattern, sizeof pattern);
	child_set(&c, HV_REGISTER_SIMP, 0x7001);
	check_value(word(read_gpa(&c, 0x7000, 8).data, 8), 0, "first bytes of the overlay");
	child_set(&c, HV_REGISTER_SIMP, 0);
	check_value(word(read_gpa(&c, 0x7000, 8).data, 8), word(pattern, 8), "first bytes below");
}

RULE_HOST(T12_4_5_c, "the APIC is read as by the VP")
{
	struct child c = make_child(EXO);

	child_vp(&c, 3);
	for (uint32_t vp = 0; vp <= 3; vp += 3) {
		struct hv_in_read_gpa in = range(&c, APIC_ID, 4);
		struct got_bytes g;

		in.vp_index = vp;
		g = read_of(in);
		check_value(g.out.result, HV_ACCESS_SUCCESS, "result");
		check_value(word(g.out.data, 4), vp << 24, "APIC id");
	}
}

/* What both calls have in common: each gives its reply. */
static struct reply read_reply(struct hv_in_read_gpa in)
{
	return read_of(in).reply;
}

static struct reply write_reply(struct hv_in_read_gpa in)
{
	return write_of(in, pattern);
}

static void check_counts(struct reply (*call)(struct hv_in_read_gpa in))
{
	struct child c = make_child(EXO);

	for (uint32_t n = 1; n <= 16; n++)
		check_status(call(range(&c, 0x4000, n)), HV_STATUS_SUCCESS);
	check_status(call(range(&c, 0x4000, 0)), HV_STATUS_INVALID_PARAMETER);
	check_status(call(range(&c, 0x4000, 17)), HV_STATUS_INVALID_PARAMETER);
	check_status(call(range(&c, 0x4000, UINT32_MAX)), HV_STATUS_INVALID_PARAMETER);
}

static void check_places(struct reply (*call)(struct hv_in_read_gpa in))
{
	struct child c = make_child(EXO);

	check_status(call(range(&c, 0x4ff0, 16)), HV_STATUS_SUCCESS);
	check_status(call(range(&c, 0x4ff1, 16)), HV_STATUS_INVALID_PARAMETER);
	check_status(call(range(&c, UINT64_MAX, 2)), HV_STATUS_INVALID_PARAMETER);
}

static void check_beyond(struct reply (*call)(struct hv_in_read_gpa in))
{
	struct child c = make_child(EXO);

	check_status(call(range(&c, BEYOND_GPA_SPACE, 1)), HV_STATUS_INVALID_PARAMETER);
	check_status(call(range(&c, UINT64_MAX, 1)), HV_STATUS_INVALID_PARAMETER);
}

static void check_flags(struct reply (*call)(struct hv_in_read_gpa in), uint64_t flags, uint16_t status)
{
	struct child c = make_child(EXO);
	struct hv_in_read_gpa in = range(&c, 0x4000, 1);

	in.flags = flags;
	check_status(call(in), status);
}

static void check_who(struct reply (*call)(struct hv_in_read_gpa in))
{
	struct child c = make_child(EXO);
	struct hv_in_read_gpa in = range(&c, 0x4000, 1);

	in.vp_index = 1;
	check_status(call(in), HV_STATUS_INVALID_VP_INDEX);
	in.vp_index = 0;
	in.partition_id = own_id();
	check_status(call(in), HV_STATUS_ACCESS_DENIED);
	in.partition_id = 0x99999999;
	check_status(call(in), HV_STATUS_INVALID_PARTITION_ID);
	call_id(HV_CALL_FINALIZE_PARTITION, c.id);
	check_status(call(range(&c, 0x4000, 1)), HV_STATUS_INVALID_PARTITION_STATE);
}

RULE_HOST(T12_4_5_d, "1 to 16 bytes are read")
{
	check_counts(read_reply);
}

RULE_HOST(T12_4_5_e, "no read crosses a page")
{
	check_places(read_reply);
}

RULE_HOST(T12_4_5_f, "nothing is read beyond the GPA space")
{
	check_beyond(read_reply);
}

RULE_HOST(T12_4_5_g, "reserved control bits are invalid")
{
	for (unsigned bit = 8; bit < 64; bit += 11)
		check_flags(read_reply, HV_CACHE_WRITE_BACK | 1ull << bit, HV_STATUS_INVALID_PARAMETER);
}

RULE_HOST(T12_4_5_h, "cache types that there are not are invalid")
{
	for (uint64_t type = 0; type < 9; type++)
		check_flags(read_reply, type, type == 2 || type == 3 || type > 6 ? HV_STATUS_INVALID_PARAMETER : HV_STATUS_SUCCESS);
}

RULE_HOST(T12_4_5_i, "reads are of 4, 2 and 1 bytes, never 8")
{
	struct child c = make_child(EXO);

	/* Of an APIC register only the first of 16 bytes is there, for an access that begins at it. */
	check_value(word(read_gpa(&c, APIC_ID + 0xc, 8).data + 4, 4), word(read_gpa(&c, APIC_ID + 0x10, 4).data, 4), "version behind 4 bytes");
	check_that(word(read_gpa(&c, APIC_ID + 0xc, 8).data + 4, 4) != 0, "there is no version");
}

RULE_HOST(T12_4_5_k, "bytes that were not asked for are 0")
{
	struct child c = make_child(EXO);
	struct hv_out_read_gpa out;

	child_put(&c, 0x4000, pattern, sizeof pattern);
	out = read_gpa(&c, 0x4001, 7);
	for (unsigned i = 0; i < 16; i++)
		check_value(out.data[i], i < 7 ? pattern[i + 1] : 0, "byte %u", i);
}

RULE_HOST(T12_4_5_l, "a read that is refused is no intercept")
{
	struct child c = make_child(EXO);

	check_value(read_gpa(&c, CHILD_UNTOUCHABLE, 4).result, HV_ACCESS_READ_INTERCEPT, "result");
	check_value(child_register(&c, HV_REGISTER_INTERCEPT_SUSPEND), 0, "intercept suspend");
	check_silence();
}

RULE_HOST(T12_4_5_m, "a read where nothing is mapped")
{
	struct child c = make_child(EXO);

	check_value(read_gpa(&c, CHILD_NOTHING, 4).result, HV_ACCESS_UNMAPPED, "result");
}

RULE_HOST(T12_4_5_n, "reading is the parent's call, for a VP of an active child")
{
	check_who(read_reply);
}

RULE_HOST(T12_4_6_a, "the bytes are written, and registers of the APIC do what they do")
{
	struct child c = make_child(EXO);

	check_value(write_gpa(&c, 0x4008, 16, pattern), HV_ACCESS_SUCCESS, "result");
	check_value(child_get64(&c, 0x4008), word(pattern, 8), "first half");
	check_value(child_get64(&c, 0x4010), word(pattern + 8, 8), "second half");
	check_value(write_gpa(&c, APIC_TPR, 4, (const uint8_t[16]){ 0x50 }), HV_ACCESS_SUCCESS, "result at the APIC");
	check_value(child_register(&c, HV_REGISTER_CR8), 5, "CR8");
}

RULE_HOST(T12_4_6_b, "bytes that are not to be written are not looked at")
{
	struct child c = make_child(EXO);

	write_gpa(&c, 0x4001, 3, pattern);
	check_value(child_get64(&c, 0x4000), word(pattern, 3) << 8, "bytes");
}

RULE_HOST(T12_4_6_c, "a write has the limits of a read")
{
	check_counts(write_reply);
	check_places(write_reply);
	check_beyond(write_reply);
	check_flags(write_reply, HV_CACHE_WRITE_BACK | 1ull << 63, HV_STATUS_INVALID_PARAMETER);
	check_flags(write_reply, 3, HV_STATUS_INVALID_PARAMETER);
	check_who(write_reply);
}

RULE_HOST(T12_4_6_d, "writes are of 4, 2 and 1 bytes, never 8")
{
	struct child c = make_child(EXO);

	write_gpa(&c, APIC_TPR - 4, 8, (const uint8_t[16]){ 1, 2, 3, 4, 0x60 });
	check_value(child_register(&c, HV_REGISTER_CR8), 6, "CR8");
}

RULE_HOST(T12_4_6_f, "nothing is written without the right")
{
	struct child c = make_child(EXO);

	check_value(write_gpa(&c, CHILD_READ_ONLY, 16, pattern), HV_ACCESS_WRITE_INTERCEPT, "result");
	check_value(child_get64(&c, CHILD_READ_ONLY), 0, "bytes");
	child_set(&c, HV_REGISTER_GUEST_OS_ID, TEST_OS_ID);
	child_set(&c, HV_REGISTER_HYPERCALL, 0x7001);
	check_value(write_gpa(&c, 0x7000, 1, pattern), HV_ACCESS_ILLEGAL_OVERLAY, "result at an overlay");
	check_silence();
}

RULE_HOST(T12_4_6_g, "a write where nothing is mapped")
{
	struct child c = make_child(EXO);

	check_value(write_gpa(&c, CHILD_NOTHING, 16, pattern), HV_ACCESS_UNMAPPED, "result");
}

RULE_HOST(T12_4_6_h, "the child's rights count, not those that the parent has")
{
	struct child c = make_child(EXO);

	child_put(&c, CHILD_READ_ONLY, pattern, 8);
	check_value(write_gpa(&c, CHILD_READ_ONLY + 8, 8, pattern), HV_ACCESS_WRITE_INTERCEPT, "result");
	check_value(child_get64(&c, CHILD_READ_ONLY), word(pattern, 8), "what the parent wrote");
	check_value(child_get64(&c, CHILD_READ_ONLY + 8), 0, "what it could not write for the child");
}

/* ---- the range as a whole ---- */

enum { TRIES = 2000, RACE = CHILD_DATA };

static bool all_the_same(uint32_t v)
{
	return v == (v & 0xff) * 0x01010101u;
}

/* VP 1 runs it, while the access is VP 0's, which stands. */
static void run_other(const struct child *c, const void *code, size_t n)
{
	child_vp(c, 1);
	child_protected_at(c, 1, CHILD_CODE);
	child_put(c, CHILD_CODE, code, n);
	child_go(c, 1);
}

/* What the other VP stores is four words in a row, each of four equal bytes, and others next time. */
RULE_HOST_GUEST(T12_4_5_j, "of a range that another VP stores to meanwhile each aligned word is whole, if not all of it")
{
	/* l: inc al; mov ah, al; mov cx, ax; shl eax, 16; mov ax, cx; four times mov [RACE + n * 4], eax; jmp l */
	static const uint8_t code[] = { 0xfe, 0xc0, 0x88, 0xc4, 0x66, 0x89, 0xc1, 0xc1, 0xe0, 0x10, 0x66, 0x89, 0xc8, 0xa3, BYTES_32(RACE),
					0xa3, BYTES_32(RACE + 4), 0xa3, BYTES_32(RACE + 8), 0xa3, BYTES_32(RACE + 12), 0xeb, 0xdd };
	struct child c = make_child(EXO);
	unsigned changes = 0;
	uint32_t last = 0;

	run_other(&c, code, sizeof code);
	for (unsigned i = 0; i < 50 * TRIES && (i < TRIES || changes < 10); i++) {
		struct hv_out_read_gpa out = read_gpa(&c, RACE, 16);

		for (unsigned n = 0; n < 4; n++)
			check_that(all_the_same((uint32_t)word(out.data + 4 * n, 4)), "word %u is 0x%x", n, (uint32_t)word(out.data + 4 * n, 4));
		changes += (uint32_t)word(out.data, 4) != last;
		last = (uint32_t)word(out.data, 4);
	}
	check_that(changes >= 10, "the child stores nothing");
}

RULE_HOST_GUEST(T12_4_6_e, "of a range that is written another VP sees each aligned word before or after, if not all of it")
{
	/* xor ecx, ecx; l: mov eax, [RACE + ecx * 4]; inc ecx; and ecx, 3; inc dword [RACE + 16]; mov ebx, eax; rol ebx, 8; cmp eax, ebx; je l; out */
	static const uint8_t code[] = { 0x31, 0xc9, 0x8b, 0x04, 0x8d, BYTES_32(RACE), 0x41, 0x83, 0xe1, 0x03, 0xff, 0x05, BYTES_32(RACE + 16),
					0x89, 0xc3, 0xc1, 0xc3, 0x08, 0x39, 0xd8, 0x74, 0xe6, OUT(0x81) };
	struct child c = make_child(EXO);
	uint8_t data[16];
	uint64_t first;

	run_other(&c, code, sizeof code);
	while (!(first = child_get64(&c, RACE + 16)))
		child_wait();
	for (unsigned i = 0; i < 50 * TRIES && (i < TRIES || child_get64(&c, RACE + 16) - first < TRIES); i++) {
		for (unsigned n = 0; n < sizeof data; n++)
			data[n] = (uint8_t)i;
		check_value(write_gpa(&c, RACE, sizeof data, data), HV_ACCESS_SUCCESS, "result");
	}
	check_that(child_get64(&c, RACE + 16) - first >= TRIES, "the child does not look");
	check_silence();
}
