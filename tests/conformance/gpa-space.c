/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Chapter 8: what partitions map of their parents' memory.  That a page can be reached elsewhere is
 * seen by HvDepositMemory, which then refuses it (T7.3.1.c).
 */
#include "child.h"

#include "hv/mmu.h"
#include "hv/msr.h"
#include "machine.h"

/* Where children have pages. */
enum { AT = 0x1000 };

/* A page of the caller's own. */
static void check_reachable_elsewhere(uint64_t page, bool reachable)
{
	struct reply r = deposit_list(HV_PARTITION_ID_SELF, &page, 1);

	check_status(r, reachable ? HV_STATUS_OPERATION_DENIED : HV_STATUS_SUCCESS);
}

/* ---- what a child's VP does, in 16-bit code ---- */

enum { PAGE_BYTES = 0x1000, DATA_PAGE = CHILD_DATA / PAGE_BYTES };
#define READ_DATA 0xa1, 0x00, 0x40             /* mov ax, [0x4000] */
#define WRITE_DATA 0xa3, 0x00, 0x40            /* mov [0x4000], ax */
#define CALL_DATA 0xe8, 0xfd, 0x2f             /* call 0x4000; it is the first instruction */
#define DONE 0xe6, 0x80                        /* out 0x80, al: told by its message */
enum { RETURN = 0xc3 };

static void check_memory_message(const struct hv_message *m, int32_t type, uint8_t access, uint64_t gpa)
{
	const struct hv_memory_message *memory = MESSAGE_AS(hv_memory_message, m);

	if (!check_type(m, type))
		return;
	check_value(memory->header.access, access, "access");
	check_value(memory->gpa, gpa, "GPA");
}

static void check_done(struct hv_message m, const char *what)
{
	check_that(m.type == (uint32_t)HV_MESSAGE_IO_INTERCEPT, "%s: message 0x%x", what, m.type);
}

/* What the child reads. */
static uint64_t read_data(const struct child *c)
{
	check_done(RUN_CODE(c, READ_DATA, DONE), "read");
	return child_register(c, HV_REGISTER_RAX) & 0xffff;
}

/* Replaces the child's page by a fresh one, whose number this is. */
static uint64_t replace(const struct child *c, uint64_t gpa, uint32_t flags)
{
	uint64_t page = fresh_pages(1);

	check_reps(map_pages(c->id, gpa / PAGE_BYTES, flags, page, 1), HV_STATUS_SUCCESS, 1);
	return page;
}

/* ---- 8.1.1 ---- */

RULE_HOST(T8_1_1_a, "the GPA space runs from 0 to what the processor can address")
{
	uint64_t id = make_active_partition(), last = (1ull << ((read_leaf(0x80000008).a & 0xff) - 12)) - 1;

	give_pages(id, 0, 1);
	give_pages(id, last, 1);
	check_reps(map_pages(id, last + 1, MAP_RWX, fresh_pages(1), 1), HV_STATUS_INVALID_PARAMETER, 0);
}

RULE_HOST(T8_1_1_c, "memory of a partition without a parent is there from the start, and stays")
{
	uint64_t page = fresh_pages(3);

	put64(page << 12, 1);
	check_status(unmap_pages(own_id(), page, 1), HV_STATUS_ACCESS_DENIED);
	check_value(get64(page << 12), 1, "what is in it");
	if (rule_way() == BY_GUEST)
		return;
	/* Whatever it has done with it, all is there behind a reset. */
	check_reps(map_pages(make_active_partition(), AT, MAP_RWX, page, 1), HV_STATUS_SUCCESS, 1);
	deposit_list(HV_PARTITION_ID_SELF, (const uint64_t []){ page + 1 }, 1);
	check_reps(map_pages(own_id(), page + 2, HV_MAP_GPA_READABLE, page + 2, 1), HV_STATUS_SUCCESS, 1);
	put64((page + 2) << 12, 2);
	check_that(get64((page + 2) << 12) != 2, "what cannot be written to was");
	reset_machine();
	for (unsigned i = 0; i < 3; i++) {
		put64((page + i) << 12, i + 3);
		check_value(get64((page + i) << 12), i + 3, "page %u behind a reset", i);
	}
}

RULE_HOST(T8_1_1_d, "where a partition without a parent has no memory are devices, or nothing")
{
	check_value(get64(NO_MEMORY), UINT64_MAX, "where nothing is");
}

RULE_HOST(T8_1_1_e, "a child's page numbers are its own; what is there is its parent's memory")
{
	struct child c = make_child(EXO);
	uint64_t a = replace(&c, CHILD_DATA, MAP_RWX), b = fresh_pages(1);

	put64(a << 12, 0x1111);
	put64(b << 12, 0x2222);
	put64(CHILD_DATA, 0x3333);
	check_value(read_data(&c), 0x1111, "what the child reads");
	check_reps(map_pages(c.id, DATA_PAGE, MAP_RWX, b, 1), HV_STATUS_SUCCESS, 1);
	check_value(read_data(&c), 0x2222, "what the child reads from the other page");
	/* mov word [0x4002], 0x4444 */
	check_done(RUN_CODE(&c, 0xc7, 0x06, 0x02, 0x40, 0x44, 0x44, DONE), "write");
	check_value(get64(b << 12), 0x44442222, "what the parent reads");
}

RULE_HOST(T8_1_1_f, "a parent needs no access to what it gives")
{
	struct child c = make_child(EXO);
	uint64_t own = own_id(), page = fresh_pages(1);

	put64(page << 12, 0x1234);
	check_reps(map_pages(own, page, 0, page, 1), HV_STATUS_SUCCESS, 1);
	check_reps(map_pages(c.id, DATA_PAGE, MAP_RWX, page, 1), HV_STATUS_SUCCESS, 1);
	check_value(read_data(&c), 0x1234, "what the child reads");
	check_reps(map_pages(own, page, MAP_RWX, page, 1), HV_STATUS_SUCCESS, 1);
}

RULE_HOST(T8_1_1_g, "an access to what is not mapped suspends the VP until its parent lets it go on")
{
	struct child c = make_child(EXO);
	struct hv_message m;

	check_reps(unmap_pages(c.id, DATA_PAGE, 1), HV_STATUS_SUCCESS, 1);
	m = RUN_CODE(&c, READ_DATA, DONE);
	check_memory_message(&m, HV_MESSAGE_UNMAPPED_GPA, HV_INTERCEPT_READ, CHILD_DATA);
	/* Not by the page being there. */
	put64(replace(&c, CHILD_DATA, MAP_RWX) << 12, 0x5678);
	check_silence();
	check_value(child_register(&c, HV_REGISTER_RIP), CHILD_CODE, "RIP a while later");
	check_done(go_on(&c), "read, again");
	check_value(child_register(&c, HV_REGISTER_RAX) & 0xffff, 0x5678, "AX");
}

/* ---- 8.1.2 ---- */

RULE_HOST(T8_1_2_b, "rights hold for what VPs do")
{
	static const uint32_t flags[] = { 0, 1, 3, 5, 7, 0xd, 0xf };
	struct child c = make_child(EXO);

	for (unsigned i = 0; i < sizeof flags / sizeof flags[0]; i++) {
		struct hv_message m;

		put64(replace(&c, CHILD_DATA, flags[i]) << 12, RETURN);
		m = RUN_CODE(&c, READ_DATA, DONE);
		if (flags[i] & HV_MAP_GPA_READABLE)
			check_done(m, "read");
		else
			check_memory_message(&m, HV_MESSAGE_GPA_INTERCEPT, HV_INTERCEPT_READ, CHILD_DATA);
		m = RUN_CODE(&c, CALL_DATA, DONE);
		if (flags[i] & HV_MAP_GPA_EXECUTABLE)
			check_done(m, "call");
		else
			check_memory_message(&m, HV_MESSAGE_GPA_INTERCEPT, HV_INTERCEPT_EXECUTE, CHILD_DATA);
		m = RUN_CODE(&c, WRITE_DATA, DONE);
		if (flags[i] & HV_MAP_GPA_WRITABLE)
			check_done(m, "write");
		else
			check_memory_message(&m, HV_MESSAGE_GPA_INTERCEPT, HV_INTERCEPT_WRITE, CHILD_DATA);
	}
}

RULE_HOST(T8_1_2_c, "rights hold for what the processor does for a VP: a software interrupt reads its vector")
{
	struct child c = make_child(EXO);
	struct hv_message m;

	check_reps(modify_pages(c.id, 0, 0, 1), HV_STATUS_SUCCESS, 1);
	m = RUN_CODE(&c, 0xcd, 0x20);                  /* int 0x20 */
	check_memory_message(&m, HV_MESSAGE_GPA_INTERCEPT, HV_INTERCEPT_READ, 0x20 * 4);
	check_value(child_register(&c, HV_REGISTER_RSP), CHILD_STACK, "RSP");
	check_value(child_register(&c, HV_REGISTER_RIP), CHILD_CODE, "RIP");
	/* Its stack, behind the vector. */
	check_reps(modify_pages(c.id, MAP_RWX, 0, 1), HV_STATUS_SUCCESS, 1);
	check_reps(modify_pages(c.id, HV_MAP_GPA_READABLE, CHILD_STACK / PAGE_BYTES - 1, 1), HV_STATUS_SUCCESS, 1);
	m = go_on(&c);
	check_type(&m, HV_MESSAGE_GPA_INTERCEPT);
	check_value(header(&m)->access, HV_INTERCEPT_WRITE, "access");
	check_value(child_register(&c, HV_REGISTER_RSP), CHILD_STACK, "RSP");
	check_value(child_register(&c, HV_REGISTER_RIP), CHILD_CODE, "RIP");
}

RULE_HOST(T8_1_2_d, "what breaks rights stops before any of it can be seen")
{
	static const uint8_t put[] = { 0x66, 0xc7, 0x06, 0xfe, 0x4f, 1, 2, 3, 4, DONE };   /* mov dword [0x4ffe], 0x04030201 */
	static const uint8_t add[] = { 0x66, 0xf0, 0xff, 0x06, 0xfe, 0x4f, DONE };         /* lock inc dword [0x4ffe] */
	static const uint8_t exchange[] = { 0x66, 0x87, 0x06, 0xfe, 0x4f, DONE };          /* xchg [0x4ffe], eax */
	static const struct {
		const uint8_t *code;
		size_t size;
	} across[] = { { put, sizeof put }, { add, sizeof add }, { exchange, sizeof exchange } };
	struct child c = make_child(EXO);
	struct hv_message m;

	/* Over the end of a page into one that cannot be written to. */
	check_reps(modify_pages(c.id, HV_MAP_GPA_READABLE, DATA_PAGE + 1, 1), HV_STATUS_SUCCESS, 1);
	for (unsigned i = 0; i < sizeof across / sizeof across[0]; i++) {
		m = run_code(&c, across[i].code, across[i].size);
		check_memory_message(&m, HV_MESSAGE_GPA_INTERCEPT, HV_INTERCEPT_WRITE, CHILD_DATA + PAGE_BYTES);
		check_value(child_get64(&c, CHILD_DATA + PAGE_BYTES - 8), 0, "the first page after %u", i);
		check_value(child_register(&c, HV_REGISTER_RIP), CHILD_CODE, "RIP after %u", i);
	}
	/* A string operation has done what it could: mov di, 0x4ff0; mov cx, 0x20; rep stosb */
	m = RUN_CODE(&c, 0xbf, 0xf0, 0x4f, 0xb9, 0x20, 0, 0xf3, 0xaa, DONE);
	check_memory_message(&m, HV_MESSAGE_GPA_INTERCEPT, HV_INTERCEPT_WRITE, CHILD_DATA + PAGE_BYTES);
	check_value(child_register(&c, HV_REGISTER_RDI) & 0xffff, CHILD_DATA + PAGE_BYTES, "DI");
	check_value(child_register(&c, HV_REGISTER_RCX) & 0xffff, 0x10, "CX");
	check_value(child_register(&c, HV_REGISTER_RIP), CHILD_CODE + 6, "RIP");
	check_reps(modify_pages(c.id, MAP_RWX, DATA_PAGE + 1, 1), HV_STATUS_SUCCESS, 1);
	check_done(go_on(&c), "string operation");
	check_value(child_register(&c, HV_REGISTER_RCX) & 0xffff, 0, "CX at the end");
}

/* ---- 8.1.3 ---- */

/* The child's hypercall page comes to @gpa. */
static void child_overlay(const struct child *c, uint64_t gpa)
{
	child_set(c, HV_REGISTER_GUEST_OS_ID, TEST_OS_ID);
	child_set(c, HV_REGISTER_HYPERCALL, gpa | HV_MSR_PAGE_ENABLE);
}

RULE_HOST(T8_1_3_a, "map calls leave overlays alone")
{
	struct child c = make_child(EXO);
	uint64_t code;

	child_overlay(&c, CHILD_DATA);
	code = read_data(&c);
	put64(replace(&c, CHILD_DATA, MAP_RWX) << 12, 0x1111);
	check_value(read_data(&c), code, "with another page below");
	check_reps(unmap_pages(c.id, DATA_PAGE, 1), HV_STATUS_SUCCESS, 1);
	check_value(read_data(&c), code, "with no page below");
	put64(replace(&c, CHILD_DATA, MAP_RWX) << 12, 0x2222);
	child_set(&c, HV_REGISTER_HYPERCALL, 0);
	check_value(read_data(&c), 0x2222, "without the overlay");
}

RULE_HOST(T8_1_3_b, "an overlay answers for the page that it covers")
{
	struct child c = make_child(EXO);
	uint64_t page = replace(&c, CHILD_DATA, MAP_RWX);

	put64(page << 12, 0x1111);
	child_overlay(&c, CHILD_DATA);
	check_that(read_data(&c) != 0x1111, "the page is seen");
	put64(page << 12, 0x2222);
	check_that(read_data(&c) != 0x2222, "the page is seen");
}

RULE_HOST(T8_1_3_c, "rights of the page below do not matter to an overlay")
{
	struct child c = make_child(EXO);
	uint64_t code;

	child_overlay(&c, CHILD_DATA);
	code = read_data(&c);
	check_reps(modify_pages(c.id, HV_MAP_GPA_NO_ACCESS, DATA_PAGE, 1), HV_STATUS_SUCCESS, 1);
	check_value(read_data(&c), code, "what is read");
}

/* What the parent reads at CHILD_DATA as the child's VP would. */
static uint64_t parent_reads_data(const struct child *c)
{
	struct hv_in_read_gpa in = { .partition_id = c->id, .byte_count = 2, .base_gpa = CHILD_DATA, .flags = HV_CACHE_WRITE_BACK };
	struct hv_out_read_gpa out;

	check_status(CALL(.code = HV_CALL_READ_GPA, .data = &in, .size = sizeof in, .out = test_page(OUT_PAGE)), HV_STATUS_SUCCESS);
	get_bytes(test_page(OUT_PAGE), &out, sizeof out);
	check_value(out.result, HV_ACCESS_SUCCESS, "result of the read");
	return out.data[0] | (uint64_t)out.data[1] << 8;
}

RULE_HOST(T8_1_3_f, "HvReadGpa reads the overlay if there is one, else the page")
{
	struct child c = make_child(EXO);

	put64(replace(&c, CHILD_DATA, MAP_RWX) << 12, 0x1111);
	check_value(parent_reads_data(&c), 0x1111, "the page");
	child_overlay(&c, CHILD_DATA);
	check_value(parent_reads_data(&c), read_data(&c), "the overlay");
	check_that(parent_reads_data(&c) != 0x1111, "the page is read");
}

RULE_HOST(T8_1_3_g, "HvTranslateVirtualAddress tells whether an address leads to an overlay")
{
	struct child c = make_child(EXO);
	struct hv_in_translate_virtual_address in = { .partition_id = c.id, .flags = HV_TRANSLATE_READ, .gva_page = DATA_PAGE };

	for (unsigned overlay = 0; overlay < 2; overlay++) {
		struct hv_out_translate_virtual_address out;

		check_status(CALL(.code = HV_CALL_TRANSLATE_VIRTUAL_ADDRESS, .data = &in, .size = sizeof in,
				  .out = test_page(OUT_PAGE)), HV_STATUS_SUCCESS);
		get_bytes(test_page(OUT_PAGE), &out, sizeof out);
		check_value(out.result, HV_TRANSLATE_SUCCESS, "result");
		check_value(out.gpa_page, DATA_PAGE, "GPA page");
		check_value(!!(out.info & HV_TRANSLATE_OVERLAY_PAGE), overlay, "whether it is an overlay");
		child_overlay(&c, CHILD_DATA);
	}
}

/* ---- 8.3.1 HvMapGpaPages ---- */

RULE_HOST(T8_3_1_a, "a mapping replaces the one before it, with its rights")
{
	uint64_t id = make_active_partition(), a = give_pages(id, AT, 1), b = give_pages(id, AT, 1);

	check_reachable_elsewhere(b, true);
	check_reachable_elsewhere(a, false);
}

RULE_HOST(T8_3_1_b, "element i goes to the i-th page")
{
	enum { N = 400 };
	uint64_t id = make_active_partition(), first = give_pages(id, AT, N);

	/* The last goes away with the last page of the child's, the first with the first. */
	check_reps(unmap_pages(id, AT + N - 1, 1), HV_STATUS_SUCCESS, 1);
	check_reachable_elsewhere(first + N - 2, true);
	check_reachable_elsewhere(first + N - 1, false);
	check_reps(unmap_pages(id, AT, 1), HV_STATUS_SUCCESS, 1);
	check_reachable_elsewhere(first + 1, true);
	check_reachable_elsewhere(first, false);
}

RULE_HOST(T8_3_1_c, "a page may be mapped in several partitions, several times")
{
	uint64_t a = make_active_partition(), b = make_active_partition(), page = give_pages(a, AT, 1);

	check_reps(map_pages(a, AT + 7, MAP_RWX, page, 1), HV_STATUS_SUCCESS, 1);
	check_reps(map_pages(b, AT, MAP_RWX, page, 1), HV_STATUS_SUCCESS, 1);
	check_reps(unmap_pages(a, AT, 8), HV_STATUS_SUCCESS, 8);
	check_reachable_elsewhere(page, true);
	check_reps(unmap_pages(b, AT, 1), HV_STATUS_SUCCESS, 1);
	check_reachable_elsewhere(page, false);
}

RULE_HOST(T8_3_1_d, "a page in a pool cannot be given away; one without rights can")
{
	uint64_t id = make_active_partition(), own = own_id(), page = fresh_pages(1);

	check_reps(map_pages(own, page, 0, page, 1), HV_STATUS_SUCCESS, 1);
	check_reps(map_pages(id, AT, MAP_RWX, page, 1), HV_STATUS_SUCCESS, 1);
	check_reps(unmap_pages(id, AT, 1), HV_STATUS_SUCCESS, 1);
	check_reps(map_pages(own, page, MAP_RWX, page, 1), HV_STATUS_SUCCESS, 1);
	check_reps(deposit_list(HV_PARTITION_ID_SELF, &page, 1), HV_STATUS_SUCCESS, 1);
	check_reps(map_pages(id, AT, MAP_RWX, page, 1), HV_STATUS_OPERATION_DENIED, 0);
	check_reps(map_pages(id, AT, 0, page, 1), HV_STATUS_OPERATION_DENIED, 0);
}

RULE_HOST(T8_3_1_h, "a page may be mapped without access")
{
	uint64_t id = make_active_partition(), page = fresh_pages(1);

	check_reps(map_pages(id, AT, 0, page, 1), HV_STATUS_SUCCESS, 1);
	check_reachable_elsewhere(page, false);
}

RULE_HOST(T16_3_2_a, "\"no access\" is told as such, whatever is below; pages of zeros and ones can be read only")
{
	struct child c = make_child(EXO);
	struct hv_message m;

	check_reps(map_pages(c.id, DATA_PAGE, HV_MAP_GPA_NO_ACCESS, UINT64_MAX, 1), HV_STATUS_SUCCESS, 1);
	m = RUN_CODE(&c, READ_DATA, DONE);
	check_memory_message(&m, HV_MESSAGE_GPA_INTERCEPT, HV_INTERCEPT_READ, CHILD_DATA);
	check_reps(map_pages(c.id, DATA_PAGE, HV_MAP_GPA_ONES_PAGE | 1, UINT64_MAX, 1), HV_STATUS_SUCCESS, 1);
	check_value(read_data(&c), 0xffff, "page of ones");
	m = RUN_CODE(&c, WRITE_DATA, DONE);
	check_memory_message(&m, HV_MESSAGE_GPA_INTERCEPT, HV_INTERCEPT_WRITE, CHILD_DATA);
	check_reps(map_pages(c.id, DATA_PAGE, HV_MAP_GPA_ZERO_PAGE | 5, UINT64_MAX, 1), HV_STATUS_SUCCESS, 1);
	check_value(read_data(&c), 0, "page of zeros");
}

RULE_HOST(T8_3_1_i, "illegal rights and unknown flags are refused")
{
	static const uint32_t bad[] = { 2, 4, 6, 8, 0xa, 0xb, 0xe, 1u << 4, 1u << 14, 1u << 18, 1u << 20, 1u << 29, 1u << 30,
					HV_MAP_GPA_NO_ACCESS | 1, HV_MAP_GPA_ZERO_PAGE | 3, HV_MAP_GPA_ONES_PAGE };
	static const uint32_t good[] = { 0, 1, 3, 5, 7, 0xd, 0xf, HV_MAP_GPA_ADJUSTABLE | 0xf, HV_MAP_GPA_NOT_CACHED | 3,
					 HV_MAP_GPA_NO_ACCESS, HV_MAP_GPA_ZERO_PAGE | 1, HV_MAP_GPA_ONES_PAGE | 0xd };
	uint64_t id = make_active_partition(), page = fresh_pages(1);

	for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++)
		check_value(hv_result_status(map_pages(id, AT, bad[i], page, 1).value), HV_STATUS_INVALID_PARAMETER,
			    "status with flags 0x%x", bad[i]);
	for (unsigned i = 0; i < sizeof good / sizeof *good; i++)
		check_value(map_pages(id, AT, good[i], page, 1).value, hv_call_result(HV_STATUS_SUCCESS, 1),
			    "result with flags 0x%x", good[i]);
}

RULE_HOST(T8_3_1_j, "page numbers beyond a GPA space are refused")
{
	uint64_t id = make_active_partition(), page = fresh_pages(1), beyond = BEYOND_GPA_SPACE >> 12;

	check_reps(map_pages(id, beyond, MAP_RWX, page, 1), HV_STATUS_INVALID_PARAMETER, 0);
	check_reps(map_pages(id, UINT64_MAX, MAP_RWX, page, 2), HV_STATUS_INVALID_PARAMETER, 0);
	check_reps(map_pages(id, AT, MAP_RWX, beyond, 1), HV_STATUS_INVALID_PARAMETER, 0);
	check_reps(map_pages(id, AT + 1, MAP_RWX | HV_MAP_GPA_LARGE_PAGE, 0x4000, 1), HV_STATUS_INVALID_PARAMETER, 0);
	check_reps(map_pages(id, 0x1000, MAP_RWX | HV_MAP_GPA_LARGE_PAGE, 0x4001, 1), HV_STATUS_INVALID_PARAMETER, 0);
}

RULE_HOST(T8_3_1_k, "a page that is not mapped cannot be given away; the page list of \"no access\" is not looked at")
{
	uint64_t id = make_active_partition(), nowhere = NO_MEMORY >> 12;

	check_reps(map_pages(id, AT, MAP_RWX, nowhere, 2), HV_STATUS_OPERATION_DENIED, 0);
	check_reps(map_pages(id, AT, HV_MAP_GPA_NO_ACCESS, nowhere, 2), HV_STATUS_SUCCESS, 2);
	check_reps(map_pages(id, AT, HV_MAP_GPA_NO_ACCESS, UINT64_MAX - 1, 2), HV_STATUS_SUCCESS, 2);
}

RULE_HOST(T8_3_1_l, "only active partitions have a GPA space")
{
	uint64_t id = make_partition(), page = fresh_pages(1);

	check_reps(map_pages(id, AT, MAP_RWX, page, 1), HV_STATUS_INVALID_PARTITION_STATE, 0);
	deposit(id, ACTIVE_PAGES);
	check_status(call_id(HV_CALL_INITIALIZE_PARTITION, id), HV_STATUS_SUCCESS);
	check_reps(map_pages(id, AT, MAP_RWX, page, 1), HV_STATUS_SUCCESS, 1);
	check_status(call_id(HV_CALL_FINALIZE_PARTITION, id), HV_STATUS_SUCCESS);
	check_reps(unmap_pages(id, AT, 1), HV_STATUS_INVALID_PARTITION_STATE, 0);
	check_reachable_elsewhere(page, false);
}

RULE_HOST(T8_3_1_m, "the pool of the partition pays for its map; what is short leaves what was done")
{
	uint64_t id = make_active_partition(), page = fresh_pages(1);
	struct hv_gpa_mapping far[ACTIVE_PAGES];
	struct hv_out_get_memory_balance b;
	unsigned done, more;
	struct reply r;

	/* Each in a table of its own. */
	for (unsigned i = 0; i < ACTIVE_PAGES; i++)
		far[i] = (struct hv_gpa_mapping){ AT + i * 512ull, page };
	r = map_sparse(id, MAP_RWX, far, ACTIVE_PAGES);
	check_status(r, HV_STATUS_INSUFFICIENT_MEMORY);
	done = hv_result_reps(r.value);
	check_that(done > 0 && done < ACTIVE_PAGES, "%u pages are mapped", done);
	check_status(balance(id, &b), HV_STATUS_SUCCESS);
	check_value(b.pages_available, 0, "pages available");
	check_reps(unmap_pages(id, far[done - 1].target_gpa_page, 1), HV_STATUS_SUCCESS, 1);
	/* One page more, one table more. */
	deposit(id, 1);
	more = hv_result_reps(map_sparse(id, MAP_RWX, far + done, ACTIVE_PAGES - done).value);
	check_value(more, 1, "pages that are mapped with a page more in the pool");
}

RULE_HOST(T8_3_1_n, "large pages are mapped like the small ones that they are made of")
{
	uint64_t id = make_active_partition(), page;
	struct reply r;

	for (page = fresh_pages(1); page % HV_GPA_LARGE_PAGES; page = fresh_pages(1))
		;
	fresh_pages(2 * HV_GPA_LARGE_PAGES - 1);
	r = map_pages(id, 2 * HV_GPA_LARGE_PAGES, MAP_RWX | HV_MAP_GPA_LARGE_PAGE, page, 2);
	check_reps(r, HV_STATUS_SUCCESS, 2);
	check_reps(unmap_pages(id, 3 * HV_GPA_LARGE_PAGES + 5, 1), HV_STATUS_SUCCESS, 1);
	check_reachable_elsewhere(page, true);
	check_reachable_elsewhere(page + HV_GPA_LARGE_PAGES + 4, true);
	check_reachable_elsewhere(page + HV_GPA_LARGE_PAGES + 5, false);
	check_reachable_elsewhere(page + HV_GPA_LARGE_PAGES + 6, true);
}

RULE_HOST(T8_3_1_e, "a page of the target's that is in a pool stays")
{
	uint64_t own = own_id(), page = fresh_pages(1);

	/* OP28: on its own page the caller is told the same by another status. */
	check_reps(deposit_list(HV_PARTITION_ID_SELF, &page, 1), HV_STATUS_SUCCESS, 1);
	check_reps(map_pages(own, page, MAP_RWX, page, 1), HV_STATUS_ACCESS_DENIED, 0);
}

RULE_HOST(T8_3_1_f, "on itself a partition without a parent changes rights only")
{
	uint64_t own = own_id(), page = fresh_pages(2);

	check_reps(map_pages(own, page, MAP_RWX, page + 1, 1), HV_STATUS_ACCESS_DENIED, 0);
	check_reps(map_pages(own, page, HV_MAP_GPA_ZERO_PAGE | HV_MAP_GPA_READABLE, page, 1), HV_STATUS_ACCESS_DENIED, 0);
	check_reps(map_pages(own, page, HV_MAP_GPA_READABLE, page, 2), HV_STATUS_SUCCESS, 2);
	/* T7.3.1.b */
	check_reachable_elsewhere(page, true);
	check_reps(map_pages(own, page, MAP_RWX, page, 2), HV_STATUS_SUCCESS, 2);
	check_reachable_elsewhere(page, false);
}

RULE_HOST(T8_3_1_g, "on itself, a page in a pool is not its own any more")
{
	uint64_t page[2];

	page[0] = fresh_pages(2);
	page[1] = page[0] + 1;
	check_reps(deposit_list(HV_PARTITION_ID_SELF, page + 1, 1), HV_STATUS_SUCCESS, 1);
	check_reps(map_pages(own_id(), page[0], MAP_RWX, page[0], 2), HV_STATUS_ACCESS_DENIED, 1);
}

/* ---- 8.3.2 HvUnmapGpaPages ---- */

RULE_HOST(T8_3_2_a, "the rep count is the number of pages; there is no list")
{
	enum { N = 4095 };
	uint64_t id = make_active_partition(), page = give_pages(id, AT + N - 1, 1);

	check_reps(unmap_pages(id, AT, N), HV_STATUS_SUCCESS, N);
	check_reachable_elsewhere(page, false);
}

RULE_HOST(T8_3_2_b, "when the call has returned the pages are gone, for a VP that is using them as well")
{
	/* l: mov ax, [0x4000]; inc word [0x5000]; jmp l */
	static const uint8_t code[] = { READ_DATA, 0xff, 0x06, 0x00, 0x50, 0xeb, 0xf7 };
	struct child c = make_child(EXO);
	struct hv_message m;

	child_put(&c, CHILD_CODE, code, sizeof code);
	child_go(&c, 0);
	for (unsigned i = 0; i < 1000 && !child_get64(&c, 0x5000); i++)
		check_silence();
	check_that(child_get64(&c, 0x5000), "the VP does not run");
	check_reps(unmap_pages(c.id, DATA_PAGE, 1), HV_STATUS_SUCCESS, 1);
	m = next_message();
	check_memory_message(&m, HV_MESSAGE_UNMAPPED_GPA, HV_INTERCEPT_READ, CHILD_DATA);
	check_value(header(&m)->rip, CHILD_CODE, "RIP");
}

RULE_HOST(T8_3_2_c, "pages that are not mapped are passed over")
{
	uint64_t id = make_active_partition(), page = give_pages(id, AT + 3, 1);

	check_reps(unmap_pages(id, AT, 8), HV_STATUS_SUCCESS, 8);
	check_reachable_elsewhere(page, false);
	check_reps(unmap_pages(id, AT, 8), HV_STATUS_SUCCESS, 8);
}

RULE_HOST(T8_3_2_f, "nobody unmaps pages of his own")
{
	uint64_t page = fresh_pages(1);

	check_reps(unmap_pages(own_id(), page, 1), HV_STATUS_ACCESS_DENIED, 0);
	check_reps(unmap_pages(HV_PARTITION_ID_SELF, page, 1), HV_STATUS_ACCESS_DENIED, 0);
}

RULE_HOST(T8_3_2_g, "a page beyond the GPA space ends the call; those before it are unmapped")
{
	uint64_t id = make_active_partition(), last = (1ull << ((read_leaf(0x80000008).a & 0xff) - 12)) - 1;
	uint64_t page = give_pages(id, last, 1);

	check_reps(unmap_pages(id, last - 1, 4), HV_STATUS_INVALID_PARAMETER, 2);
	check_reachable_elsewhere(page, false);
}

RULE_HOST(T8_3_2_h, "no pages at all is an invalid input")
{
	uint64_t id = make_active_partition();

	check_status(unmap_pages(id, AT, 0), HV_STATUS_INVALID_HYPERCALL_INPUT);
}

/* ---- 8.3.3 HvMapSparseGpaPages, and HvModifySparseGpaPages of later revisions ---- */

RULE_HOST(T8_3_3_a, "each element has a source and a target of its own")
{
	uint64_t id = make_active_partition(), page = fresh_pages(3);
	struct hv_gpa_mapping list[] = { { AT + 9, page + 2 }, { AT, page }, { AT + 4, page + 1 } };

	check_reps(map_sparse(id, MAP_RWX, list, 3), HV_STATUS_SUCCESS, 3);
	check_reps(unmap_pages(id, AT + 4, 1), HV_STATUS_SUCCESS, 1);
	check_reachable_elsewhere(page, true);
	check_reachable_elsewhere(page + 1, false);
	check_reachable_elsewhere(page + 2, true);
}

RULE_HOST(T8_3_3_b, "of two elements for one page the later one wins")
{
	uint64_t id = make_active_partition(), page = fresh_pages(2);
	struct hv_gpa_mapping list[] = { { AT, page }, { AT, page + 1 } };

	check_reps(map_sparse(id, MAP_RWX, list, 2), HV_STATUS_SUCCESS, 2);
	check_reachable_elsewhere(page + 1, true);
	check_reachable_elsewhere(page, false);
}

RULE_HOST(T8_3_3_c, "sources, targets, flags and states are judged as by HvMapGpaPages")
{
	uint64_t id = make_active_partition(), page = fresh_pages(1);
	struct hv_gpa_mapping list[] = { { AT, page }, { AT + 1, NO_MEMORY >> 12 } };

	check_reps(map_sparse(id, 2, list, 1), HV_STATUS_INVALID_PARAMETER, 0);
	check_reps(map_sparse(id, MAP_RWX, list, 2), HV_STATUS_OPERATION_DENIED, 1);
	list[1].target_gpa_page = UINT64_MAX;
	check_reps(map_sparse(id, MAP_RWX, list, 2), HV_STATUS_INVALID_PARAMETER, 1);
	check_reps(map_sparse(make_partition(), MAP_RWX, list, 1), HV_STATUS_INVALID_PARTITION_STATE, 0);
}

RULE_HOST(T8_3_3_d, "on itself, source and target must be the same page")
{
	uint64_t own = own_id(), page = fresh_pages(2);
	struct hv_gpa_mapping list[] = { { page + 1, page + 1 }, { page, page }, { page, page + 1 } };

	check_reps(map_sparse(own, HV_MAP_GPA_READABLE, list, 3), HV_STATUS_ACCESS_DENIED, 2);
	check_reps(map_sparse(own, MAP_RWX, list, 2), HV_STATUS_SUCCESS, 2);
}

RULE_HOST(T8_3_3_e, "a page of input holds 255 elements")
{
	uint64_t id = make_active_partition(), page = fresh_pages(255);
	struct hv_gpa_mapping list[255];

	for (unsigned i = 0; i < 255; i++)
		list[i] = (struct hv_gpa_mapping){ AT + 254 - i, page + i };
	check_reps(map_sparse(id, MAP_RWX, list, 255), HV_STATUS_SUCCESS, 255);
	check_reps(CALL(.code = HV_CALL_MAP_SPARSE_GPA_PAGES, .reps = 256, .in = test_page(2)), HV_STATUS_INVALID_ALIGNMENT, 0);
}

RULE_HOST(T8_1_2_a, "rights of mapped pages can be changed, to legal ones; pages that are not mapped have none")
{
	uint64_t id = make_active_partition(), page = give_pages(id, AT, 2);

	check_reps(modify_pages(id, HV_MAP_GPA_NO_ACCESS, AT, 1), HV_STATUS_SUCCESS, 1);
	check_reachable_elsewhere(page + 1, true);
	check_reps(modify_pages(id, HV_MAP_GPA_READABLE, AT, 1), HV_STATUS_SUCCESS, 1);
	check_reachable_elsewhere(page, true);
	check_reps(modify_pages(id, 0, AT, 1), HV_STATUS_SUCCESS, 1);
	check_reachable_elsewhere(page, false);
	check_reps(modify_pages(id, 2, AT, 1), HV_STATUS_INVALID_PARAMETER, 0);
	check_reps(modify_pages(id, HV_MAP_GPA_ZERO_PAGE | 1, AT, 1), HV_STATUS_INVALID_PARAMETER, 0);
	check_reps(modify_pages(id, MAP_RWX, AT + 1, 2), HV_STATUS_OPERATION_DENIED, 1);
	/* In a pool by now: it does not come back. */
	check_reps(modify_pages(id, MAP_RWX, AT, 1), HV_STATUS_OBJECT_IN_USE, 0);
}
