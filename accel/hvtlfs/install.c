/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a parent wants to be told, and what it has answered beforehand (9.3.1, and two calls of later revisions). */
#include "call.h"

#include <string.h>

#include "accel/hvtlfs/mutant.h"
#include "hv/port.h"
#include "parent.h"
#include "partition.h"

enum { VECTORS = 32 };               /* that an exception can have (OP-4) */

/* ---- life ---- */

uint64_t intercepts_bytes(void)
{
	return sizeof(struct intercepts);
}

struct intercepts *intercepts_new(void)
{
	struct intercepts *i = g_new0(struct intercepts, 1);

	i->leaf = g_array_new(FALSE, FALSE, sizeof(struct intercept_listed));
	i->msr_index = g_array_new(FALSE, FALSE, sizeof(struct intercept_listed));
	i->result = g_array_new(FALSE, FALSE, sizeof(struct intercept_result));
	return i;
}

void intercepts_free(struct intercepts *i)
{
	if (!i)
		return;
	g_array_free(i->leaf, TRUE);
	g_array_free(i->msr_index, TRUE);
	g_array_free(i->result, TRUE);
	g_free(i);
}

/* Locks: the partition's lock held. */
static void count_listed(struct intercepts *i)
{
	atomic_store(&i->listed, i->leaf->len + i->result->len + atomic_load(&i->all_leaves));
}

/* Which accesses a type can be installed for (T9.3.1.h), and how much of the parameter it has (T9.2.2.a). */
struct kind {
	uint32_t type, access;
	uint64_t parameter_max;
	bool any_of;               /* some of the accesses, too */
	size_t flag;               /* offset in struct intercepts of what is all of it; 0: there is more */
};
#define FLAG(name) .flag = offsetof(struct intercepts, name)
enum { READ = HV_INTERCEPT_MASK_READ, WRITE = HV_INTERCEPT_MASK_WRITE, EXECUTE = HV_INTERCEPT_MASK_EXECUTE };

/*
 * Later revisions have names for types that have no row here.  They are refused as one that nobody knows is, so that a host
 * learns that it will hear nothing: 5 (MMIO) is what unmapped memory is told as without being asked for; 0x10 (exception
 * traps) is for partitions whose state their host cannot see, and no public source tells what its message holds; 4 and
 * 0x12 (registers) and 0x13 (resets) are of ARM64.  Message 0x80010009 (start-up IPIs) has no type: it goes to a higher trust
 * level, and there is one level here.
 */
static const struct kind kinds[] = {
	{ HV_INTERCEPT_IO_PORT, READ | WRITE, UINT16_MAX },
	{ HV_INTERCEPT_MSR, READ | WRITE, 0, FLAG(msr) },
	{ HV_INTERCEPT_CPUID, EXECUTE, UINT32_MAX },
	{ HV_INTERCEPT_EXCEPTION, EXECUTE, VECTORS - 1 },
	{ HV_INTERCEPT_GLOBAL_CPUID, EXECUTE, 0, FLAG(all_leaves) },
	{ HV_INTERCEPT_APIC_SMI, WRITE, 0, FLAG(apic_smi) },
	{ HV_INTERCEPT_HYPERCALL, EXECUTE, 0, FLAG(hypercall) },
	{ HV_INTERCEPT_APIC_INIT_SIPI, WRITE, 0, FLAG(apic_init_sipi) },
	{ HV_INTERCEPT_MICROCODE_MSR, READ, 0, FLAG(microcode) },
	{ HV_INTERCEPT_APIC_WRITE, WRITE, HV_APIC_WRITE_ALL },
	{ HV_INTERCEPT_MSR_INDEX, READ | WRITE, UINT32_MAX, .any_of = true },
	{ HV_INTERCEPT_CONNECTION, EXECUTE, 0, FLAG(connection) },
	/* Told in any case (T13.3.4.a); hosts install it all the same. */
	{ HV_INTERCEPT_APIC_EOI, WRITE, 0, FLAG(apic_eoi) },
	{ HV_INTERCEPT_RETARGET, EXECUTE, 0, FLAG(retarget) },
	{ HV_INTERCEPT_IO_PORT_RANGE, READ | WRITE, UINT32_MAX },
};

static _Atomic bool *flag_of(struct intercepts *i, const struct kind *k)
{
	return (_Atomic bool *)(void *)((char *)i + k->flag);
}

uint32_t intercepts_count(struct partition *p)
{
	struct intercepts *i = p->intercepts;
	uint32_t n = (uint32_t)__builtin_popcount(atomic_load(&i->vectors)) + (uint32_t)__builtin_popcount(atomic_load(&i->apic_writes));

	for (unsigned k = 0; k < G_N_ELEMENTS(kinds); k++)
		n += kinds[k].flag && atomic_load(flag_of(i, &kinds[k]));
	for (unsigned k = 0; k < G_N_ELEMENTS(i->port); k++)
		n += (uint32_t)__builtin_popcountll(atomic_load_explicit(&i->port[k], memory_order_relaxed));
	lock_acquire(&p->lock);
	n += i->leaf->len + i->msr_index->len + i->result->len;
	lock_release(&p->lock);
	return n;
}

/* ---- ports ---- */

static bool port_bit(const struct intercepts *i, uint16_t port)
{
	return atomic_load_explicit(&i->port[port / 64], memory_order_relaxed) >> port % 64 & 1;
}

bool intercepts_has_port(const struct intercepts *i, uint16_t port, unsigned size)
{
	for (unsigned n = 0; n < (MUTANT(intercept_first_port) ? 1 : size); n++)
		if (port_bit(i, (uint16_t)(port + n)))
			return true;                       /* T16.5.3.b */
	return false;
}

static hv_status install_ports(struct intercepts *i, uint16_t first, uint16_t last, bool on)
{
	if (first > last)
		return HV_STATUS_INVALID_PARAMETER;
	for (uint32_t port = first; port <= last; port++) {
		uint64_t bit = UINT64_C(1) << port % 64;

		if (on)
			atomic_fetch_or(&i->port[port / 64], bit);
		else
			atomic_fetch_and(&i->port[port / 64], ~bit);
	}
	return HV_STATUS_SUCCESS;
}

/* ---- leaves, MSRs by number ---- */

/* Which accesses of @number are listed.  Locks: the partition's lock held. */
static struct intercept_listed *listed_find(GArray *list, uint32_t number)
{
	for (guint n = 0; n < list->len; n++)
		if (g_array_index(list, struct intercept_listed, n).number == number)
			return &g_array_index(list, struct intercept_listed, n);
	return NULL;
}

static hv_status install_listed(struct partition *p, GArray *list, uint32_t number, uint32_t access)
{
	const struct intercept_listed entry = { number, access };
	struct intercept_listed *at;
	hv_status s = HV_STATUS_SUCCESS;

	lock_acquire(&p->lock);
	at = listed_find(list, number);
	if (at && access) {
		at->access = access;
	} else if (at) {
		g_array_remove_index(list, (guint)(at - (struct intercept_listed *)(void *)list->data));
		pool_discharge(&p->pool, sizeof entry);
	} else if (access) {
		if (pool_charge(&p->pool, sizeof entry))
			g_array_append_val(list, entry);
		else
			s = HV_STATUS_INSUFFICIENT_MEMORY; /* T9.3.1.k */
	}
	count_listed(p->intercepts);
	lock_release(&p->lock);
	return s;
}

bool intercepts_has_leaf(struct partition *p, uint32_t leaf)
{
	struct intercepts *i = p->intercepts;
	bool has;

	if (!atomic_load_explicit(&i->listed, memory_order_relaxed))
		return false;
	if (atomic_load(&i->all_leaves))
		return true;
	lock_acquire(&p->lock);
	has = listed_find(i->leaf, leaf);
	lock_release(&p->lock);
	return has;
}

bool intercepts_has_msr(struct partition *p, uint32_t msr, bool write)
{
	enum { MICROCODE_REVISION = 0x8b };
	const uint32_t access = write && !MUTANT(intercept_msr_reads) ? WRITE : READ;
	struct intercepts *i = p->intercepts;
	const struct intercept_listed *at;
	bool has;

	if (msr == MICROCODE_REVISION && !write && atomic_load(&i->microcode))
		return true;
	lock_acquire(&p->lock);
	at = listed_find(i->msr_index, msr);
	has = at && at->access & access;
	lock_release(&p->lock);
	return has;
}

bool intercepts_offers_msrs(const struct intercepts *i)
{
	return i && (i->msr_index->len || atomic_load(&i->microcode));
}

/* Locks: call_lock held, so no VP comes meanwhile that would not know. */
static void offer_msrs(struct partition *p)
{
	bool offered = intercepts_offers_msrs(p->intercepts);

	lock_assert_held(&p->call_lock);
	PARTITION_FOREACH_VP(vp, p)
		atomic_store(&vp->cpu.msr_offered, offered);
}

/* ---- HvInstallIntercept ---- */

static bool access_legal(const struct kind *k, uint32_t access)
{
	return !access || access == k->access || (k->any_of && !(access & ~k->access)) || MUTANT(intercept_any_access);
}

static const struct kind *kind_legal(const struct hv_in_install_intercept *in)
{
	for (const struct kind *k = kinds; k < kinds + G_N_ELEMENTS(kinds); k++)
		if (k->type == in->type)
			return access_legal(k, in->access) && (in->parameter <= k->parameter_max || MUTANT(intercept_any_parameter)) ? k : NULL;
	return NULL;                                       /* T9.3.1.g */
}

static void install_bits(_Atomic uint32_t *set, uint32_t bits, bool on)
{
	if (on)
		atomic_fetch_or(set, bits);
	else
		atomic_fetch_and(set, ~bits);
}

static void install_flag(struct partition *p, const struct kind *k, bool on)
{
	atomic_store(flag_of(p->intercepts, k), on);
	lock_acquire(&p->lock);
	count_listed(p->intercepts);
	lock_release(&p->lock);
}

static hv_status install_intercept(struct hv_ctx *c)
{
	const struct hv_in_install_intercept *in = c->in;
	const struct kind *k = kind_legal(in);
	struct intercepts *i = c->target->intercepts;
	bool on = in->access || MUTANT(intercept_no_remove);   /* T9.3.1.b */
	hv_status s = HV_STATUS_SUCCESS;

	if (!k)
		return HV_STATUS_INVALID_PARAMETER;
	if (k->flag)
		install_flag(c->target, k, on);
	switch (in->type) {
	case HV_INTERCEPT_IO_PORT:
		return install_ports(i, (uint16_t)in->parameter, (uint16_t)in->parameter, on);
	case HV_INTERCEPT_IO_PORT_RANGE:
		return install_ports(i, (uint16_t)in->parameter, (uint16_t)(in->parameter >> 16), on);
	case HV_INTERCEPT_CPUID:
		return install_listed(c->target, i->leaf, (uint32_t)in->parameter, on ? k->access : 0);
	case HV_INTERCEPT_EXCEPTION:
		install_bits(&i->vectors, 1u << in->parameter % VECTORS, on);
		break;
	case HV_INTERCEPT_APIC_WRITE:
		install_bits(&i->apic_writes, (uint32_t)in->parameter, on);
		break;
	case HV_INTERCEPT_MSR_INDEX:
		s = install_listed(c->target, i->msr_index, (uint32_t)in->parameter, in->access);
		offer_msrs(c->target);
		break;
	case HV_INTERCEPT_MICROCODE_MSR:
		offer_msrs(c->target);
		break;
	}
	return s;
}

/* ---- HvCheckForIoIntercept ---- */

static hv_status check_for_io_intercept(struct hv_ctx *c)
{
	const struct hv_in_check_for_io_intercept *in = c->in;
	struct hv_out_check_for_io_intercept *out = c->out;

	if (!partition_vp(c->target, in->vp))
		return HV_STATUS_INVALID_VP_INDEX;
	if (in->vtl & 0xf)
		return HV_STATUS_INVALID_PARAMETER;
	if (in->size != 1 && in->size != 2 && in->size != 4)
		return HV_STATUS_INVALID_PARAMETER;
	out->intercept = parent_has_port(c->target, in->port, in->size);
	return HV_STATUS_SUCCESS;
}

/* ---- registered results ---- */

static bool same_key(const struct intercept_result *a, const struct intercept_result *b)
{
	return a->vp == b->vp && a->type == b->type && a->number == b->number &&
	       a->subleaf_specific == b->subleaf_specific && (!a->subleaf_specific || a->subleaf == b->subleaf) &&
	       (a->type != HV_INTERCEPT_MSR || a->msr_access == b->msr_access);
}

/* Locks: the partition's lock held. */
static int result_find(const struct intercepts *i, const struct intercept_result *key)
{
	for (guint n = 0; n < i->result->len; n++)
		if (same_key(&g_array_index(i->result, struct intercept_result, n), key))
			return (int)n;
	return -1;
}

static hv_status result_add(struct partition *p, const struct intercept_result *r)
{
	struct intercepts *i = p->intercepts;
	hv_status s = HV_STATUS_SUCCESS;
	int at;

	lock_acquire(&p->lock);
	at = result_find(i, r);
	if (at >= 0)
		g_array_index(i->result, struct intercept_result, at) = *r;
	else if (pool_charge(&p->pool, sizeof *r))
		g_array_append_vals(i->result, r, 1);
	else
		s = HV_STATUS_INSUFFICIENT_MEMORY;
	count_listed(i);
	lock_release(&p->lock);
	return s;
}

static hv_status result_remove(struct partition *p, const struct intercept_result *r)
{
	struct intercepts *i = p->intercepts;
	int at;

	lock_acquire(&p->lock);
	at = result_find(i, r);
	if (at >= 0) {
		g_array_remove_index(i->result, (guint)at);
		pool_discharge(&p->pool, sizeof *r);
		count_listed(i);
	}
	lock_release(&p->lock);
	return at >= 0 ? HV_STATUS_SUCCESS : HV_STATUS_INVALID_PARAMETER;
}

static bool msr_access_legal(uint32_t access)
{
	return access && !(access & ~(HV_INTERCEPT_MASK_READ | HV_INTERCEPT_MASK_WRITE));
}

static bool vp_legal(struct partition *p, uint32_t vp)
{
	return vp == HV_ANY_VP || partition_vp(p, vp);
}

static hv_status register_intercept_result(struct hv_ctx *c)
{
	const struct hv_in_register_intercept_result *in = c->in;
	struct intercept_result r = { .vp = in->vp, .type = in->type };

	if (!vp_legal(c->target, in->vp))
		return HV_STATUS_INVALID_VP_INDEX;
	switch (in->type) {
	case HV_INTERCEPT_CPUID:
		r.number = in->cpuid.leaf;
		r.subleaf = in->cpuid.subleaf;
		r.subleaf_specific = in->cpuid.subleaf_specific;
		r.always = in->cpuid.always;
		memcpy(r.cpuid, in->cpuid.result, sizeof r.cpuid);
		break;
	case HV_INTERCEPT_MSR:
		if (!msr_access_legal(in->msr.access) || in->msr.action > HV_MSR_IGNORE)
			return HV_STATUS_INVALID_PARAMETER;
		r.number = in->msr.msr;
		r.msr_access = in->msr.access;
		r.msr_action = in->msr.action;
		break;
	default:
		return HV_STATUS_INVALID_PARAMETER;
	}
	return result_add(c->target, &r);
}

static hv_status unregister_intercept_result(struct hv_ctx *c)
{
	const struct hv_in_unregister_intercept_result *in = c->in;
	struct intercept_result r = { .vp = in->vp, .type = in->type, .number = in->number };

	if (!vp_legal(c->target, in->vp))
		return HV_STATUS_INVALID_VP_INDEX;
	if (in->type == HV_INTERCEPT_CPUID) {
		r.subleaf = in->subleaf;
		r.subleaf_specific = in->subleaf_specific;
	} else if (in->type == HV_INTERCEPT_MSR) {
		r.msr_access = in->subleaf;
	}
	return result_remove(c->target, &r);
}

/* How closely @r names what is asked for; 0: it does not. */
static unsigned closeness(const struct intercept_result *r, uint32_t type, uint32_t vp, uint32_t number, uint32_t subleaf)
{
	if (r->type != type || r->number != number || (r->vp != HV_ANY_VP && r->vp != vp) ||
	    (r->subleaf_specific && r->subleaf != subleaf))
		return 0;
	return 1u + 2 * r->subleaf_specific + (r->vp != HV_ANY_VP);
}

static void result_apply(const struct intercept_result *r, uint32_t regs[4])
{
	if (!r->always && !(regs[0] | regs[1] | regs[2] | regs[3]))
		return;
	for (unsigned n = 0; n < 4; n++)
		regs[n] = (regs[n] & ~r->cpuid[n].mask) | (r->cpuid[n].value & r->cpuid[n].mask);
}

void intercepts_cpuid_result(struct partition *p, uint32_t vp, uint32_t leaf, uint32_t subleaf, uint32_t regs[4])
{
	const struct intercept_result *best = NULL;
	unsigned most = 0;

	if (!p->intercepts || !atomic_load_explicit(&p->intercepts->listed, memory_order_relaxed))
		return;
	lock_acquire(&p->lock);
	for (guint n = 0; n < p->intercepts->result->len; n++) {
		const struct intercept_result *r = &g_array_index(p->intercepts->result, struct intercept_result, n);
		unsigned close = closeness(r, HV_INTERCEPT_CPUID, vp, leaf, subleaf);

		if (close > most) {
			most = close;
			best = r;
		}
	}
	if (best)
		result_apply(best, regs);
	lock_release(&p->lock);
}

int intercepts_msr_action(struct partition *p, uint32_t vp, uint32_t msr, bool write)
{
	uint32_t access = write ? HV_INTERCEPT_MASK_WRITE : HV_INTERCEPT_MASK_READ;
	unsigned most = 0;
	int action = -1;

	if (!atomic_load_explicit(&p->intercepts->listed, memory_order_relaxed))
		return -1;
	lock_acquire(&p->lock);
	for (guint n = 0; n < p->intercepts->result->len; n++) {
		const struct intercept_result *r = &g_array_index(p->intercepts->result, struct intercept_result, n);
		unsigned close = r->msr_access & access ? closeness(r, HV_INTERCEPT_MSR, vp, msr, 0) : 0;

		if (close > most) {
			most = close;
			action = (int)r->msr_action;
		}
	}
	lock_release(&p->lock);
	return action;
}

/* ---- calls ---- */

const struct hv_call intercept_calls[] = {
	{ HV_CALL_INSTALL_INTERCEPT, "HvInstallIntercept", "9.3.1", .in = sizeof(struct hv_in_install_intercept),
	  .privilege = HV_CREATE_PARTITIONS, .on = CALL_ON_CHILD, .run = install_intercept },
	{ HV_CALL_REGISTER_INTERCEPT_RESULT, "HvRegisterInterceptResult", "later revisions",
	  .in = sizeof(struct hv_in_register_intercept_result), .privilege = HV_CREATE_PARTITIONS, .on = CALL_ON_CHILD,
	  .run = register_intercept_result },
	{ HV_CALL_UNREGISTER_INTERCEPT_RESULT, "HvUnregisterInterceptResult", "later revisions",
	  .in = sizeof(struct hv_in_unregister_intercept_result), .privilege = HV_CREATE_PARTITIONS, .on = CALL_ON_CHILD,
	  .run = unregister_intercept_result },
	{ HV_CALL_CHECK_FOR_IO_INTERCEPT, "HvCheckForIoIntercept", "later revisions",
	  .in = sizeof(struct hv_in_check_for_io_intercept), .out = sizeof(struct hv_out_check_for_io_intercept),
	  .privilege = HV_CREATE_PARTITIONS, .on = CALL_ON_CHILD, .run = check_for_io_intercept },
	{ .name = NULL },
};
