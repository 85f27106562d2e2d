/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "child.h"
#include "hv/hypercall.h"
#include "hv/msr.h"
#include "hv/partition.h"
#include "hv/status.h"

#define OS_ID 0x8100000000000000ull
enum { MESSAGE_VECTOR = 0x61, LIST_MAX = 500, PAGES_MAX = 16384 };

static uint8_t call_page[PAGE] __attribute__((aligned(PAGE)));
static struct hv_message_page message_page __attribute__((aligned(PAGE)));
static uint64_t in_page[PAGE / 8] __attribute__((aligned(PAGE))), out_page[PAGE / 8] __attribute__((aligned(PAGE)));
uint64_t *const call_in = in_page, *const call_out = out_page;

/* Pages that are in no pool, by number. */
static uint32_t free_page[PAGES_MAX];
static unsigned free_pages;

static void on_message(struct frame *f)
{
	apic_eoi();
}

void parent_init(void)
{
	apic_enable();
	handler[MESSAGE_VECTOR] = on_message;
	wrmsr(HV_X64_MSR_GUEST_OS_ID, OS_ID);
	wrmsr(HV_X64_MSR_HYPERCALL, (uint64_t)call_page | HV_MSR_PAGE_ENABLE);
	wrmsr(HV_X64_MSR_SIMP, (uint64_t)&message_page | HV_MSR_PAGE_ENABLE);
	wrmsr(HV_X64_MSR_SINT0 + INTERCEPT_SINT, MESSAGE_VECTOR);
	wrmsr(HV_X64_MSR_SINT0 + PORT_SINT, MESSAGE_VECTOR);
	wrmsr(HV_X64_MSR_SCONTROL, HV_SCONTROL_ENABLE);
}

bool parent_take(unsigned sint, struct hv_message *m)
{
	volatile struct hv_message *slot = &message_page.slot[sint];

	if (!slot->type)
		return false;
	*m = *(struct hv_message *)slot;
	__atomic_exchange_n(&slot->type, HV_MESSAGE_NONE, __ATOMIC_SEQ_CST);
	if (slot->flags & HV_MESSAGE_FLAG_PENDING)
		wrmsr(HV_X64_MSR_EOM, 0);
	return true;
}

/* The whole result value. */
static uint64_t execute(uint16_t code, unsigned reps)
{
	register uint64_t r8 asm("r8") = (uint64_t)out_page;
	uint64_t control = code | (uint64_t)reps << HV_CALL_REPS_SHIFT, in = (uint64_t)in_page, result;

	asm volatile("call *%5" : "=a"(result), "+c"(control), "+d"(in), "+r"(r8), "=m"(out_page) : "r"(call_page), "m"(in_page)
		     : "memory", "cc");
	return result;
}

uint16_t call(uint16_t code, unsigned reps)
{
	return hv_result_status(execute(code, reps));
}

uint16_t call_feeding(uint16_t code, unsigned reps, uint64_t id, const void *in, size_t size)
{
	uint16_t s;

	for (;;) {
		memcpy(in_page, in, size);
		s = call(code, reps);
		if (s != HV_STATUS_INSUFFICIENT_MEMORY)
			return s;
		deposit(id, 16);
	}
}

static uint32_t take_page(void)
{
	return free_pages ? free_page[--free_pages] : (uint32_t)((uint64_t)page_alloc() / PAGE);
}

void deposit(uint64_t id, unsigned pages)
{
	while (pages) {
		unsigned n = pages < LIST_MAX ? pages : LIST_MAX;

		in_page[0] = id;
		for (unsigned i = 0; i < n; i++)
			in_page[1 + i] = take_page();
		if (call(HV_CALL_DEPOSIT_MEMORY, n) != HV_STATUS_SUCCESS)
			guest_die("cannot deposit memory");
		pages -= n;
	}
}

unsigned withdraw(uint64_t id)
{
	unsigned all = 0, n;
	uint64_t r;

	do {
		*(struct hv_in_pool *)in_page = (struct hv_in_pool){ .partition_id = id };
		r = execute(HV_CALL_WITHDRAW_MEMORY, LIST_MAX);
		n = hv_result_reps(r);
		for (unsigned i = 0; i < n && free_pages < PAGES_MAX; i++)
			free_page[free_pages++] = (uint32_t)out_page[i];
		all += n;
	} while (hv_result_status(r) == HV_STATUS_SUCCESS);
	return all;
}

uint64_t pages_in_use(uint64_t id)
{
	*(struct hv_in_pool *)in_page = (struct hv_in_pool){ .partition_id = id };
	return call(HV_CALL_GET_MEMORY_BALANCE, 0) == HV_STATUS_SUCCESS ? out_page[1] : UINT64_MAX;
}

void must(uint16_t status, const char *what)
{
	if (status != HV_STATUS_SUCCESS)
		guest_die("%s: status 0x%x", what, status);
}

uint16_t with_id(uint16_t code, uint64_t id)
{
	in_page[0] = id;
	return call(code, 0);
}

void partition_end(uint64_t id)
{
	must(with_id(HV_CALL_FINALIZE_PARTITION, id), "HvFinalizePartition");
	withdraw(id);
	must(with_id(HV_CALL_DELETE_PARTITION, id), "HvDeletePartition");
}

struct hv_register_value flat_segment(uint16_t selector, uint16_t attributes)
{
	union { struct hv_segment_register s; struct hv_register_value v; } u = { { 0, UINT32_MAX, selector, attributes } };

	return u.v;
}
