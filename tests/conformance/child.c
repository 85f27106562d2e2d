/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "child.h"

#include "hv/interrupt.h"
#include "hv/vp.h"

enum { POOL_PAGES = 64, LONG_WHILE_MS = 30000, SHORT_WHILE_MS = 200, SLICE_MS = 5, SILENCE_MS = 30 };

/* ---- memory, registers ---- */

void child_put(const struct child *c, uint64_t at, const void *from, size_t n)
{
	put_bytes(c->first * 0x1000 + at, from, n);
}

uint64_t child_get64(const struct child *c, uint64_t at)
{
	return get64(c->first * 0x1000 + at);
}

uint64_t child_register(const struct child *c, uint32_t name)
{
	struct got got = get_register(c->id, 0, name);

	check_status(got.reply, HV_STATUS_SUCCESS);
	return got.value.low;
}

static void set(const struct child *c, uint32_t vp, uint32_t name, uint64_t value)
{
	check_status(set_register(c->id, vp, name, value), HV_STATUS_SUCCESS);
}

void child_set(const struct child *c, uint32_t name, uint64_t value)
{
	set(c, 0, name, value);
}

static void set_segment(const struct child *c, uint32_t vp, uint32_t name, uint16_t selector, uint16_t attributes)
{
	union {
		struct hv_segment_register segment;
		struct hv_register_value value;
	} v = { .segment = { .limit = UINT32_MAX, .selector = selector, .attributes = attributes } };

	check_status(set_register128(c->id, vp, name, v.value), HV_STATUS_SUCCESS);
}

void child_segment(const struct child *c, uint32_t name, uint16_t selector, uint16_t attributes)
{
	set_segment(c, 0, name, selector, attributes);
}

/* ES, CS, SS, DS. */
static void set_segments(const struct child *c, uint32_t vp, uint16_t code, uint16_t data)
{
	for (uint32_t name = HV_REGISTER_ES; name <= HV_REGISTER_DS; name++)
		set_segment(c, vp, name, 0, name == HV_REGISTER_CS ? code : data);
}

void child_protected_at(const struct child *c, uint32_t vp, uint64_t rip)
{
	set(c, vp, HV_REGISTER_CR0, 0x11);
	child_start_at(c, vp, rip);
	set_segments(c, vp, 0xc09b, 0xc093);
}

void child_protected(const struct child *c)
{
	child_protected_at(c, 0, CHILD_CODE);
}

enum { TABLES = 0x8000 };            /* of the child, four pages */

void child_paged(const struct child *c, const uint32_t *gpa, unsigned n)
{
	uint32_t directory[2] = { 0x83, (TABLES + 0x1000) | 7 };

	child_put(c, TABLES, directory, sizeof directory);
	for (unsigned i = 0; i < n; i++) {
		uint32_t entry = gpa[i] | 7;

		child_put(c, TABLES + 0x1000 + i * 4, &entry, sizeof entry);
	}
	child_set(c, HV_REGISTER_CR3, TABLES);
	child_set(c, HV_REGISTER_CR4, 0x10);
	child_set(c, HV_REGISTER_CR0, 0x80000011);
	child_start_at(c, 0, CHILD_CODE);
	set_segments(c, 0, 0xc09b, 0xc093);
}

void child_long(const struct child *c)
{
	const uint64_t entry[] = { (TABLES + 0x1000) | 3, (TABLES + 0x2000) | 3, 0x83 };

	for (unsigned i = 0; i < 3; i++)
		child_put(c, TABLES + i * 0x1000, &entry[i], sizeof entry[i]);
	child_set(c, HV_REGISTER_CR3, TABLES);
	child_set(c, HV_REGISTER_CR4, 0x20);
	child_set(c, HV_REGISTER_EFER, 0x500);
	child_set(c, HV_REGISTER_CR0, 0x80000011);
	child_start_at(c, 0, CHILD_CODE);
	set_segments(c, 0, 0xa09b, 0xc093);
}

void child_start_at(const struct child *c, uint32_t vp, uint64_t rip)
{
	set_segments(c, vp, 0x809b, 0x8093);
	set(c, vp, HV_REGISTER_RIP, rip);
	set(c, vp, HV_REGISTER_RSP, CHILD_STACK);
	set(c, vp, HV_REGISTER_RFLAGS, 2);
}

void child_vp(const struct child *c, uint32_t vp)
{
	make_vp(c->id, vp);
	/* Those behind the first wait for a start-up IPI. */
	set(c, vp, HV_REGISTER_INTERNAL_ACTIVITY_STATE, 0);
	child_start_at(c, vp, CHILD_CODE);
}

static void listen(void)
{
	synic_on(0);
	set_msr(HV_X64_MSR_SINT0, VECTOR);
}

struct child make_child(uint64_t flags)
{
	struct reply r = create_partition(flags);

	if (hv_result_status(r.value) == HV_STATUS_INSUFFICIENT_MEMORY) {
		deposit(HV_PARTITION_ID_SELF, 8);
		r = create_partition(flags);
	}
	check_status(r, HV_STATUS_SUCCESS);
	return raise_child(out64(r));
}

struct child raise_child(uint64_t id)
{
	struct child c = { .id = id };

	deposit(c.id, POOL_PAGES);
	check_status(call_id(HV_CALL_INITIALIZE_PARTITION, c.id), HV_STATUS_SUCCESS);
	c.first = give_pages(c.id, 0, CHILD_PAGES);
	for (unsigned i = 0; i < CHILD_PAGES; i++)
		zero_page((c.first + i) * 0x1000);
	check_reps(modify_pages(c.id, HV_MAP_GPA_READABLE, CHILD_READ_ONLY / 0x1000, 1), HV_STATUS_SUCCESS, 1);
	check_reps(modify_pages(c.id, 0, CHILD_UNTOUCHABLE / 0x1000, 1), HV_STATUS_SUCCESS, 1);
	child_vp(&c, 0);
	listen();
	return c;
}

/* ---- running ---- */

struct reply install(uint64_t id, uint32_t type, uint32_t access, uint64_t parameter)
{
	struct hv_in_install_intercept in = { id, access, type, parameter };

	return CALL(.code = HV_CALL_INSTALL_INTERCEPT, .data = &in, .size = sizeof in);
}

void must_install(const struct child *c, uint32_t type, uint64_t parameter)
{
	bool access = type == HV_INTERCEPT_IO_PORT || type == HV_INTERCEPT_MSR;

	check_status(install(c->id, type, access ? HV_INTERCEPT_MASK_READ | HV_INTERCEPT_MASK_WRITE : HV_INTERCEPT_MASK_EXECUTE,
			     parameter), HV_STATUS_SUCCESS);
}

struct child child_telling(uint64_t flags, uint32_t type, uint64_t parameter)
{
	struct child c = make_child(flags);

	must_install(&c, type, parameter);
	return c;
}

void child_handler(const struct child *c, unsigned vector)
{
	const uint8_t code[] = { OUT(0x77) };
	uint32_t far = CHILD_DATA;

	child_put(c, vector * 4, &far, sizeof far);
	child_put(c, CHILD_DATA, code, sizeof code);
	must_install(c, HV_INTERCEPT_IO_PORT, 0x77);
}

void child_go(const struct child *c, uint32_t vp)
{
	set(c, vp, HV_REGISTER_INTERCEPT_SUSPEND, 0);
	set(c, vp, HV_REGISTER_EXPLICIT_SUSPEND, 0);
}

void child_wait(void)
{
	if (rule_way() == BY_QTEST) {
		let_run(SLICE_MS);
		return;
	}
	for (uint64_t from = msr_of(HV_X64_MSR_TIME_REF_COUNT); msr_of(HV_X64_MSR_TIME_REF_COUNT) - from < SLICE_MS * 10000;)
		if (slot(0).type != HV_MESSAGE_NONE)
			return;
}

void await_intercept(const struct child *c, uint32_t vp)
{
	uint64_t from = rule_way() == BY_GUEST ? msr_of(HV_X64_MSR_TIME_REF_COUNT) : 0;
	unsigned ms = 0;

	/* child_wait() is short where a message is there already; by qtest time goes only meanwhile. */
	while (!(get_register(c->id, vp, HV_REGISTER_INTERCEPT_SUSPEND).value.low & HV_SUSPENDED) && ms < LONG_WHILE_MS) {
		child_wait();
		ms = rule_way() == BY_GUEST ? (unsigned)(msr_of(HV_X64_MSR_TIME_REF_COUNT) - from) / 10000 : ms + SLICE_MS;
	}
	check_that(ms < LONG_WHILE_MS, "VP %u does not come to an intercept", vp);
}

void occupy_slot(void)
{
	uint32_t type = 1;

	put_bytes(message_page(0), &type, sizeof type);
}

void free_slot(void)
{
	empty_slot(0);
	eom();
}

struct hv_message next_message(void)
{
	static bool missed;            /* one; then the others are not waited for as long */
	struct hv_message m = slot(0);

	for (unsigned ms = 0; m.type == HV_MESSAGE_NONE && ms < (missed ? SHORT_WHILE_MS : LONG_WHILE_MS); ms += SLICE_MS) {
		child_wait();
		m = slot(0);
	}
	missed = missed || m.type == HV_MESSAGE_NONE;
	check_that(m.type != HV_MESSAGE_NONE, "no message comes");
	/* The whole of it, which was there before its type. */
	m = slot(0);
	free_slot();
	return m;
}

void check_silence(void)
{
	for (unsigned ms = 0; ms < SILENCE_MS; ms += SLICE_MS)
		child_wait();
	check_slot_empty(0);
}

struct hv_message run_code_as_is(const struct child *c, const void *code, size_t n)
{
	child_put(c, CHILD_CODE, code, n);
	child_set(c, HV_REGISTER_RIP, CHILD_CODE);
	return go_on(c);
}

struct hv_message run_code(const struct child *c, const void *code, size_t n)
{
	child_start_at(c, 0, CHILD_CODE);
	return run_code_as_is(c, code, n);
}

struct hv_message go_on(const struct child *c)
{
	child_go(c, 0);
	return next_message();
}

struct hv_message step_over(const struct child *c, const struct hv_message *m)
{
	child_set(c, HV_REGISTER_RIP, header(m)->rip + (header(m)->length_cr8 & 0xf));
	return go_on(c);
}

/* ---- state pages ---- */

struct reply state_page_call(uint16_t code, uint64_t id, uint32_t vp, uint16_t type)
{
	struct hv_in_map_vp_state_page in = { { .partition_id = id, .vp_index = vp, .type = type }, 0 };

	return CALL(.code = code, .data = &in, .size = code == HV_CALL_MAP_VP_STATE_PAGE ? sizeof in : sizeof in.page, .out = test_page(OUT_PAGE));
}

uint64_t map_state_page(const struct child *c, uint16_t type)
{
	struct reply r = state_page_call(HV_CALL_MAP_VP_STATE_PAGE, c->id, 0, type);

	check_status(r, HV_STATUS_SUCCESS);
	return out64(r) * 0x1000;
}

/* ---- APICs ---- */

struct reply child_assert(const struct child *c, uint32_t type, uint64_t destination, uint32_t vector)
{
	struct hv_in_assert_virtual_interrupt in = { .partition_id = c->id, .type = type, .destination = destination, .vector = vector };

	return CALL(.code = HV_CALL_ASSERT_VIRTUAL_INTERRUPT, .data = &in, .size = sizeof in);
}

struct hv_message child_run_on(const struct child *c, uint32_t vp, const void *code, size_t n)
{
	child_start_at(c, vp, CHILD_CODE);
	child_put(c, CHILD_CODE, code, n);
	child_go(c, vp);
	return next_message();
}

uint32_t child_apic(const struct child *c, uint32_t vp, uint32_t offset)
{
	/* mov eax, [offset of the APIC's page]; out 0x80 */
	const uint8_t code[] = { 0x66, 0x67, 0xa1, BYTES_32(0xfee00000 + offset), OUT(0x80) };
	struct hv_message m = child_run_on(c, vp, code, sizeof code);

	return (uint32_t)MESSAGE_AS(hv_io_message, &m)->rax;
}

void child_apic_set(const struct child *c, uint32_t vp, uint32_t offset, uint32_t value)
{
	/* mov dword [offset of the APIC's page], value; out 0x80 */
	const uint8_t code[] = { 0x66, 0x67, 0xc7, 0x05, BYTES_32(0xfee00000 + offset), BYTES_32(value), OUT(0x80) };

	child_run_on(c, vp, code, sizeof code);
}

bool child_waits(const struct child *c, uint32_t vp, uint8_t vector)
{
	return child_apic(c, vp, CHILD_APIC_IRR + vector / 32 * 16) >> vector % 32 & 1;
}

/* ---- messages ---- */

const struct hv_intercept_header *header(const struct hv_message *m)
{
	return MESSAGE_AS(hv_intercept_header, m);
}

bool check_type(const struct hv_message *m, int32_t type)
{
	check_value(m->type, (uint32_t)type, "type of the message");
	return m->type == (uint32_t)type;
}

void check_both_tell(const struct child *c, const void *code, size_t n, int32_t type)
{
	child_put(c, CHILD_CODE, code, n);
	for (uint32_t vp = 0; vp < 2; vp++) {
		struct hv_message m;

		if (vp)
			child_vp(c, vp);
		child_go(c, vp);
		m = next_message();
		check_type(&m, type);
		check_value(header(&m)->vp, vp, "VP");
	}
}

static uint32_t low_half(const struct child *c, uint32_t vp, uint32_t name)
{
	struct got got = get_register(c->id, vp, name);

	check_status(got.reply, HV_STATUS_SUCCESS);
	return (uint32_t)got.value.low;
}

struct leaf child_leaf_of(const struct child *c, uint32_t vp, uint32_t number, uint32_t sub)
{
	const uint8_t code[] = { CPUID(number, sub), OUT(0x80) };

	must_install(c, HV_INTERCEPT_IO_PORT, 0x80);
	child_put(c, CHILD_CODE, code, sizeof code);
	child_start_at(c, vp, CHILD_CODE);
	child_go(c, vp);
	next_message();
	return (struct leaf){ low_half(c, vp, HV_REGISTER_RAX), low_half(c, vp, HV_REGISTER_RBX), low_half(c, vp, HV_REGISTER_RCX),
			      low_half(c, vp, HV_REGISTER_RDX) };
}

struct leaf child_leaf(const struct child *c, uint32_t number)
{
	return child_leaf_of(c, 0, number, 0);
}

/* ---- calls of its own ---- */

enum { CALL_PAGE = 0x7000 };

void child_may_call(const struct child *c)
{
	must_install(c, HV_INTERCEPT_IO_PORT, 0x80);
	child_set(c, HV_REGISTER_GUEST_OS_ID, TEST_OS_ID);
	child_set(c, HV_REGISTER_HYPERCALL, CALL_PAGE | 1);
	child_protected(c);
}

uint16_t child_calls(const struct child *c, uint16_t code, uint16_t reps, const void *data, size_t size)
{
	/* mov eax, code; mov edx, reps; xor ebx, ebx; mov ecx, in; xor edi, edi; mov esi, out; vmcall; out 0x80, al */
	const uint8_t program[] = { 0xb8, BYTES_32(code), 0xba, BYTES_32(reps), 0x31, 0xdb, 0xb9, BYTES_32(CHILD_CALL_IN), 0x31, 0xff,
				    0xbe, BYTES_32(CHILD_CALL_OUT), 0x0f, 0x01, 0xc1, OUT(0x80) };
	struct hv_message m;

	if (size)
		child_put(c, CHILD_CALL_IN, data, size);
	m = run_code_as_is(c, program, sizeof program);
	check_type(&m, HV_MESSAGE_IO_INTERCEPT);
	return (uint16_t)child_register(c, HV_REGISTER_RAX);
}

void child_deletes(const struct child *c, uint64_t id)
{
	check_value(child_calls(c, HV_CALL_DELETE_PARTITION, 0, &id, sizeof id), HV_STATUS_SUCCESS, "status of the child's call");
}
