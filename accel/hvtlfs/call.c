/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The hypercall dispatcher: legal environment, input value, parameter lists,
 * continuation, result; rows T4.* of the conformance list.
 *
 * Order of the checks when several errors hold (free by T4.11.2.a): code, privilege
 * (T4.11.2.b: before anything that would tell more), input value, fast form,
 * alignment, access to the lists, then the handler's own.
 */
#include "call.h"

#include <string.h>

#include "accel/hvtlfs/mutant.h"
#include "hv/cpuid.h"
#include "hv/msr.h"
#include "partition.h"
#include "sync/futex.h"
#include "trace/log.h"

/* One execution of one call. */
struct call {
	struct vp *vp;
	const struct hv_call *row;
	/* Parameters as the registers hold them; control is updated by continuation. */
	uint64_t control, in, out;
	uint64_t result;
	bool again;                     /* gave way: control has the new start index */
	bool fetched;                   /* in_list has the input: it was not refused before */
	bool wait;                      /* the VP has been suspended: nothing has happened, again when it goes on */
	/* What follows from control. */
	uint32_t start, reps, variable; /* variable header, bytes */
	uint32_t in_size, out_size;     /* of the whole lists */
	uint64_t in_list[HV_PAGE_SIZE / 8], out_list[HV_PAGE_SIZE / 8];
};

/* ---- which call ---- */

static const struct hv_call *row_find(const struct hv *hv, uint16_t code)
{
	unsigned low = 0, high = hv->call_count;

	while (low < high) {
		unsigned middle = (low + high) / 2;

		if (hv->calls[middle].code < code)
			low = middle + 1;
		else
			high = middle;
	}
	return low < hv->call_count && hv->calls[low].code == code ? &hv->calls[low] : NULL;
}

/* ---- checks ---- */

static hv_status check_value(struct call *c)
{
	const struct hv_call *row = c->row;
	bool rep = row->flags & CALL_REP;

	if (c->control & (HV_CALL_RESERVED | HV_CALL_NESTED) && !MUTANT(call_reserved_bits))
		return HV_STATUS_INVALID_HYPERCALL_INPUT;  /* T4.11.3.f */
	if (c->variable && !(row->flags & CALL_VARIABLE))
		return HV_STATUS_INVALID_HYPERCALL_INPUT;  /* T4.11.3.f: reserved for this call */
	if (!rep && ((c->reps && !MUTANT(call_simple_reps)) || (c->start && !MUTANT(call_simple_start))))
		return HV_STATUS_INVALID_HYPERCALL_INPUT;  /* T4.11.3.c, T4.11.3.e */
	if (rep && c->start >= c->reps)
		return HV_STATUS_INVALID_HYPERCALL_INPUT;  /* T4.11.3.d, T4.11.3.e, T4.7.b */
	return HV_STATUS_SUCCESS;
}

static hv_status check_fast(const struct call *c)
{
	if ((c->row->flags & CALL_REP) || c->out_size)
		return HV_STATUS_INVALID_HYPERCALL_INPUT;  /* T4.7.j; no fast form: T4.1.e */
	if (c->in_size > HV_CALL_XMM_BYTES)
		return HV_STATUS_INVALID_HYPERCALL_INPUT;  /* T4.7.1.d */
	return HV_STATUS_SUCCESS;
}

static hv_status check_list(const struct call *c, uint64_t gpa, uint32_t size)
{
	if (!size && !MUTANT(call_unused_list))
		return HV_STATUS_SUCCESS;                  /* T4.6.b: not even looked at */
	if (gpa % 8 && !MUTANT(call_alignment))
		return HV_STATUS_INVALID_ALIGNMENT;        /* T4.11.3.g */
	if (size > HV_PAGE_SIZE - gpa_offset((gpa_t){ gpa }))
		return HV_STATUS_INVALID_ALIGNMENT;        /* T4.11.3.h */
	if (gpa_page((gpa_t){ gpa }).v >= c->vp->partition->map.pages && !MUTANT(call_outside))
		return HV_STATUS_INVALID_ALIGNMENT;        /* T4.11.3.i */
	return HV_STATUS_SUCCESS;
}

static bool allowed(const struct call *c)
{
	const struct hv_features *f = &c->vp->partition->features;

	if (f->enforce && c->row->hint & ~f->hints)
		return false;
	return !(c->row->privilege & ~f->privileges) || MUTANT(call_privilege);
}

static hv_status check(struct call *c)
{
	const struct hv_call *row = c->row = row_find(c->vp->partition->hv, hv_call_code(c->control));
	hv_status s;

	if (!row)
		return MUTANT(call_code_as_input) ? HV_STATUS_INVALID_HYPERCALL_INPUT :
		       HV_STATUS_INVALID_HYPERCALL_CODE;   /* T4.11.3.b */
	if (!allowed(c) && !MUTANT(call_privilege_late))
		return HV_STATUS_ACCESS_DENIED;            /* T25.j */
	c->start = hv_call_start(c->control);
	c->reps = hv_call_reps(c->control);
	c->variable = hv_call_variable(c->control) * 8;
	c->in_size = row->in + c->variable + row->in_elem * c->reps;
	c->out_size = row->out + row->out_elem * c->reps;
	s = check_value(c);
	if (s == HV_STATUS_SUCCESS && (c->control & HV_CALL_FAST))
		return check_fast(c);
	if (s == HV_STATUS_SUCCESS)
		s = check_list(c, c->in, c->in_size);
	if (s == HV_STATUS_SUCCESS)
		s = check_list(c, c->out, c->out_size);
	if (MUTANT(call_privilege_late) && s == HV_STATUS_SUCCESS && !allowed(c))
		s = HV_STATUS_ACCESS_DENIED;
	return s;
}

/* ---- parameters ---- */

static enum x86_result fast_input(struct call *c)
{
	const union x86_vec *ymm = c->vp->cpu.ymm;

	/* T4.7.1.c */
	if (c->in_size > HV_CALL_FAST_BYTES && !(c->vp->partition->features.facilities & HV_FEATURE_XMM_INPUT))
		return X86_FAULT_UD;
	c->in_list[0] = c->in;
	c->in_list[1] = c->out;
	for (unsigned i = 0; i < (HV_CALL_XMM_BYTES - HV_CALL_FAST_BYTES) / 16; i++)
		memcpy(&c->in_list[2 + 2 * i], ymm[MUTANT(call_xmm_order) ? 5 - i : i].b, 16);
	return X86_OK;
}

/* T4.6.e, T4.6.f: before anything of the call happens. */
static enum x86_result fetch_input(struct call *c)
{
	enum x86_result r = X86_OK;

	if (c->control & HV_CALL_FAST)
		return fast_input(c);
	if (c->in_size)
		r = memory_param_check(c->vp, (gpa_t){ c->in }, X86_READ);
	if (r == X86_OK && c->out_size && !MUTANT(call_output_late))
		r = memory_param_check(c->vp, (gpa_t){ c->out }, X86_WRITE);
	if (r == X86_OK && c->in_size)
		r = memory_param_read(c->vp, (gpa_t){ c->in }, c->in_list, c->in_size);
	return r;
}

static enum x86_result store(struct call *c, uint32_t offset, uint32_t size)
{
	if (!size)
		return X86_OK;
	return memory_param_write(c->vp, (gpa_t){ c->out + offset }, (uint8_t *)c->out_list + offset, size);
}

/* ---- running ---- */

static void context(struct call *c, struct hv_ctx *x)
{
	*x = (struct hv_ctx) {
		.vp = c->vp,
		.caller = c->vp->partition,
		.in = c->row->in ? c->in_list : NULL,
		.variable = c->in_list + c->row->in / 8,
		.variable_count = c->variable / 8,
		.out = c->row->out ? c->out_list : NULL,
		.out_room = c->out_list,
	};
}

/* ---- the partition that a call acts on ---- */

void call_continue(struct hv_ctx *c)
{
	bool inside = vp_outside_begin(c->vp);

	/* Outside: who has the lock may be waiting for this very VP. */
	lock_acquire(&c->target->call_lock);
	vp_outside_end(c->vp, inside);
}

void call_pause(struct hv_ctx *c)
{
	lock_release(&c->target->call_lock);
}

static hv_status may_act(const struct hv_call *row, const struct partition *caller, const struct partition *target)
{
	if (target == caller) {
		if (row->on & CALL_ON_SELF || (row->on & CALL_ON_ROOT_SELF && !caller->by_parent) || MUTANT(root_own_parent))
			return HV_STATUS_SUCCESS;
		return HV_STATUS_ACCESS_DENIED;
	}
	/* T5.6.5.d: of all above it only the one that made it. */
	if (!(row->on & CALL_ON_CHILD) || (target->parent != caller && !MUTANT(call_for_any)) || !target->by_parent)
		return HV_STATUS_ACCESS_DENIED;
	if (row->child_privilege & ~caller->features.privileges)
		return HV_STATUS_ACCESS_DENIED;
	return HV_STATUS_SUCCESS;
}

/*
 * Who has the lock may be waiting for this very VP to park, to end or to run a task, as a parent that acts on the
 * VP of a child which acts on itself.  False: the call is to be executed again, behind that.
 */
static bool target_lock(struct hv_ctx *x)
{
	bool inside = vp_outside_begin(x->vp), got;

	do
		got = lock_acquire_within(&x->target->call_lock, 1000);
	while (!got && !vp_is_awaited(x->vp));
	vp_outside_end(x->vp, inside);
	return got;
}

static void target_drop(struct hv_ctx *x)
{
	if (!x->target)
		return;
	call_pause(x);
	partition_unref(x->target);
	x->target = NULL;
}

/* With c->again the status says nothing. */
static hv_status target_find(struct call *c, struct hv_ctx *x)
{
	const struct hv_call *row = c->row;
	uint64_t id = c->in_list[0];
	unsigned states = row->in_state ? row->in_state : CALL_IN_ACTIVE;
	hv_status s;

	if (!row->on || (row->target && !row->target(c->in_list, &id)))
		return HV_STATUS_SUCCESS;
	x->target = hv_partition_by_id(x->caller->hv, id == HV_PARTITION_ID_SELF ? x->caller->id : id);
	if (!x->target)
		return HV_STATUS_INVALID_PARTITION_ID;
	s = may_act(row, x->caller, x->target);
	c->again = s == HV_STATUS_SUCCESS && !target_lock(x);
	if (s != HV_STATUS_SUCCESS || c->again) {
		partition_unref(x->target);
		x->target = NULL;
		return s;
	}
	s = atomic_load(&x->target->life) == LIFE_DELETED ? HV_STATUS_INVALID_PARTITION_ID :
	    states >> atomic_load(&x->target->life) & 1 || MUTANT(call_any_state) ? HV_STATUS_SUCCESS : HV_STATUS_INVALID_PARTITION_STATE;
	if (s != HV_STATUS_SUCCESS)
		target_drop(x);
	return s;
}

static enum x86_result run_simple(struct call *c)
{
	struct hv_ctx x;
	hv_status s;

	context(c, &x);
	s = target_find(c, &x);
	if (c->again)
		return X86_OK;
	if (s == HV_STATUS_SUCCESS)
		s = c->row->run(&x);
	target_drop(&x);
	c->wait = c->again = x.wait;
	if (x.out_bytes && s == HV_STATUS_SUCCESS)
		s = check_list(c, c->out, x.out_bytes);
	c->result = hv_call_result(s, 0);
	if (c->wait)
		return X86_OK;
	return s == HV_STATUS_SUCCESS ? store(c, 0, MAX(c->row->out, x.out_bytes)) : X86_OK;
}

/* From the start index on; *done: the first that was not processed. */
static hv_status run_elements(struct call *c, struct hv_ctx *x, uint32_t *done)
{
	const struct hv_call *row = c->row;
	const uint8_t *in = (uint8_t *)c->in_list + row->in + c->variable;
	uint8_t *out = (uint8_t *)c->out_list + row->out;
	int64_t deadline = monotonic_ns() + x->caller->hv->call_slice_ns;
	uint32_t i = *done = c->start;
	hv_status s;

	x->index = i;
	if (row->list) {
		s = row->list(x, in + i * row->in_elem, c->reps - i);
		*done = s == HV_STATUS_SUCCESS ? c->reps : i;
		return s;
	}
	/* T4.2.e: one element at least. */
	do {
		s = row->element(x, in + i * row->in_elem, out + i * row->out_elem);
		if (s != HV_STATUS_SUCCESS && !MUTANT(call_failure_ignored))
			break;                             /* T4.2.d */
		x->index = ++i;
	} while (i < c->reps && (monotonic_ns() < deadline || MUTANT(call_keeps_vp)));
	*done = i + (s != HV_STATUS_SUCCESS && MUTANT(call_failed_counts));
	return s;
}

static enum x86_result run_rep(struct call *c)
{
	const struct hv_call *row = c->row;
	enum x86_result r;
	struct hv_ctx x;
	hv_status s;
	uint32_t i;

	context(c, &x);
	i = c->start;
	s = target_find(c, &x);
	if (c->again)
		return X86_OK;
	if (s == HV_STATUS_SUCCESS) {
		s = run_elements(c, &x, &i);
		if (row->end)
			row->end(&x);
	}
	target_drop(&x);
	if (x.wait) {
		c->wait = c->again = true;
		return X86_OK;
	}
	c->again = s == HV_STATUS_SUCCESS && i < c->reps;
	/* T4.8.c: from the start of the list */
	c->result = hv_call_result(s, MUTANT(call_reps_relative) ? i - c->start : i);
	if (c->again) {                                    /* T4.2.b */
		c->control &= ~(HV_CALL_START_MASK << HV_CALL_START_SHIFT);
		c->control |= (uint64_t)(i + (MUTANT(call_again_skips) && i + 1 < c->reps)) << HV_CALL_START_SHIFT;
	}
	if (MUTANT(call_output_whole))
		r = store(c, 0, c->out_size);
	else
		r = store(c, row->out + c->start * row->out_elem, (i - c->start) * row->out_elem);
	if (r == X86_OK && s == HV_STATUS_SUCCESS && !c->again)
		r = store(c, 0, row->out);
	return r;
}

static void call_log(const struct call *c)
{
	if (!log_on(LOG_HYPERCALL))
		return;
	log_print(LOG_HYPERCALL, "%s/%u: hypercall %#" PRIx64 " (%s) in %#" PRIx64 " out %#" PRIx64 " -> %#" PRIx64 "%s\n",
		  c->vp->partition->name, c->vp->index, c->control, c->row ? c->row->name : "unknown", c->in, c->out,
		  c->result, c->again ? " (continues)" : "");
}

/* All but X86_OK: nothing to see in registers, as for any instruction that faults or stops. */
static enum x86_result execute(struct call *c)
{
	hv_status s = check(c);
	enum x86_result r;

	c->again = c->wait = false;
	vp_count(c->vp, COUNT_HYPERCALLS);
	vp_count(c->vp, MUTANT(stats_call_class) || !c->row ? COUNT_CALLS_OTHER : (enum vp_count)c->row->counted);
	if (s != HV_STATUS_SUCCESS) {
		c->result = hv_call_result(s, MUTANT(call_result_reps));
		vp_count(c->vp, COUNT_HYPERCALLS_FAILED);
		call_log(c);
		return X86_OK;
	}
	memset(c->out_list, 0, c->out_size);
	r = fetch_input(c);
	c->fetched = r == X86_OK;
	if (r == X86_OK)
		r = c->row->flags & CALL_REP ? run_rep(c) : run_simple(c);
	if (r != X86_OK || hv_result_status(c->result) != HV_STATUS_SUCCESS)
		vp_count(c->vp, COUNT_HYPERCALLS_FAILED);
	call_log(c);
	return r;
}

static enum x86_result call_execute(struct call *c)
{
	int64_t from = vp_cost_begin(c->vp);
	enum x86_result r = execute(c);

	vp_cost_end(c->vp, COUNT_HYPERCALLS_NS, from);
	return r;
}

/* ---- the instruction ---- */

/*
 * T4.12.n rules out hypercalls through a disabled page; the bare instruction goes the
 * same way (T4.5.d lets us), so that a guest that probes finds no hypervisor it has not
 * set up.
 */
static bool environment_legal(const struct vp *vp)
{
	const struct x86_cpu *cpu = &vp->cpu;

	if (!(cpu->mode & X86_MODE_PE) && !MUTANT(call_real_mode))
		return false;                              /* T4.5.a */
	if (((cpu->mode & X86_MODE_VM) || x86_cpl(cpu) != 0) && !MUTANT(call_ring_3))
		return false;                              /* T4.5.b */
	return msr_page_enabled(vp->partition->hypercall) || MUTANT(call_page_disabled);  /* T4.12.n */
}

static uint64_t register_pair(const struct x86_cpu *cpu, int high, int low)
{
	if (MUTANT(call_upper_halves))
		return cpu->gpr[high] << 32 | cpu->gpr[low];
	return (MUTANT(call_32_upper) ? 0 : cpu->gpr[high] << 32) | (uint32_t)cpu->gpr[low];
}

static void set_pair(struct x86_cpu *cpu, int high, int low, uint64_t v)
{
	cpu->gpr[high] = v >> 32;
	cpu->gpr[low] = (uint32_t)v;
}

/*
 * T4.7.c: which registers.  Only the result's change, though the text allows more
 * (OP5): guests may rely on the rest without knowing.
 */
static void load_registers(struct call *c)
{
	const struct x86_cpu *cpu = &c->vp->cpu;

	if (cpu->mode & X86_MODE_CS64) {
		c->control = cpu->gpr[X86_RCX];
		c->in = cpu->gpr[X86_RDX];
		c->out = cpu->gpr[X86_R8];
	} else {
		c->control = register_pair(cpu, X86_RDX, X86_RAX);
		c->in = register_pair(cpu, X86_RBX, X86_RCX);
		c->out = register_pair(cpu, X86_RDI, X86_RSI);
	}
}

static void store_control(struct call *c)
{
	struct x86_cpu *cpu = &c->vp->cpu;

	if (cpu->mode & X86_MODE_CS64)
		cpu->gpr[X86_RCX] = c->control;
	else
		set_pair(cpu, X86_RDX, X86_RAX, c->control);
}

static void store_result(struct call *c)
{
	struct x86_cpu *cpu = &c->vp->cpu;

	if (cpu->mode & X86_MODE_CS64)
		cpu->gpr[X86_RAX] = c->result;             /* T4.8.a */
	else
		set_pair(cpu, X86_RDX, X86_RAX, c->result);
}

/* The stack may have an answer where the hypervisor has none. */
static enum x86_result ask_stack(const struct call *c)
{
	const struct partition *p = c->vp->partition;
	hv_status s = hv_result_status(c->result);

	if (c->again || s == HV_STATUS_SUCCESS || !p->stack || !p->stack->hypercall)
		return X86_OK;
	return p->stack->hypercall(p->stack_opaque, c->vp, (uint16_t)c->control, s);
}

/* ---- as lines of qtest ---- */

static void put_hex(GString *to, const void *from, uint32_t n)
{
	const uint8_t *b = from;

	g_string_append(to, "0x");
	for (uint32_t i = 0; i < n; i++)
		g_string_append_printf(to, "%02x", b[i]);
}

/*
 * What makes the call again on a machine that stands, and what came of it.  qtest's memory is the first partition's, so
 * only its calls are told.  One that goes on is told where it began.
 */
static void log_replay(const struct call *c, uint64_t control)
{
	GString *lines;

	if (!log_on(LOG_REPLAY) || c->vp->partition->parent)
		return;
	/* It has not even begun: it comes again. */
	if (c->again && hv_call_start(c->control) == c->start)
		return;
	lines = g_string_new(NULL);
	if (!c->start) {
		/* A call that was refused before has no input that we had seen: its lists may be too long, or nowhere. */
		uint32_t in = c->fetched ? c->in_size : 0;
		bool fast = control & HV_CALL_FAST;

		if (!fast && in) {
			g_string_append_printf(lines, "write %#" PRIx64 " %#x ", c->in, in);
			put_hex(lines, c->in_list, in);
			g_string_append_c(lines, '\n');
		}
		g_string_append_printf(lines, "hvcall %s %u %#" PRIx64 " %#" PRIx64 " %#" PRIx64, c->vp->partition->name, c->vp->index, control, c->in, c->out);
		if (fast && in > HV_CALL_FAST_BYTES) {
			g_string_append_c(lines, ' ');
			put_hex(lines, c->in_list + HV_CALL_FAST_BYTES / 8, HV_CALL_XMM_BYTES - HV_CALL_FAST_BYTES);
		}
		g_string_append_c(lines, '\n');
	}
	if (!c->again)
		g_string_append_printf(lines, "# %s/%u OK 0x%016" PRIx64 " %s\n", c->vp->partition->name, c->vp->index, c->result,
				       c->row ? c->row->name : "unknown");
	if (lines->len)
		log_print(LOG_REPLAY, "%s", lines->str);
	g_string_free(lines, TRUE);
}

enum x86_result call_instruction(struct vp *vp)
{
	struct call c;
	enum x86_result r;
	uint64_t control;

	if (!environment_legal(vp))
		return X86_FAULT_UD;
	c.vp = vp;
	load_registers(&c);
	control = c.control;
	c.start = c.in_size = 0;
	c.fetched = false;
	r = call_execute(&c);
	if (r == X86_OK)
		log_replay(&c, control);
	if (r == X86_OK)
		r = ask_stack(&c);
	if (r != X86_OK)
		return r;
	if (!c.again) {
		if (MUTANT(call_register_lost))
			vp->cpu.gpr[X86_RBX] = vp->cpu.gpr[X86_R8] = 0;
		store_result(&c);
		return X86_OK;
	}
	/* T4.3.a: RIP stays; interrupts are taken before it runs again. */
	store_control(&c);
	if (MUTANT(call_again_register))
		vp->cpu.gpr[X86_RBP] = c.result;
	vp->stop_exit = EXIT_AGAIN;
	return X86_STOP;
}

/* ---- from outside ---- */

struct outside_call {
	uint64_t control, in, out, result;
	bool once, again;
};

static void outside_task(struct vp *vp, void *o)
{
	struct outside_call *a = o;
	struct call c = { .vp = vp, .control = a->control, .in = a->in, .out = a->out };

	do {
		if (call_execute(&c) != X86_OK || c.wait) {
			/* It has asked from outside, and does not wait. */
			if (c.wait)
				vp_continue(vp, SUSPEND_FLUSH);
			a->result = UINT64_MAX;
			return;
		}
		/* As at the boundary between two executions: who holds what it gave way to may be waiting for this VP. */
		if (c.again)
			vp_serve(vp);
	} while (c.again && !a->once);
	a->control = c.control;
	a->again = c.again;
	a->result = c.result;
}

uint64_t vp_hypercall(struct vp *vp, uint64_t control, uint64_t in, uint64_t out)
{
	struct outside_call a = { .control = control, .in = in, .out = out };

	vp_call(vp, outside_task, &a);
	return a.result;
}

uint64_t vp_hypercall_once(struct vp *vp, uint64_t *control, uint64_t in, uint64_t out, bool *again)
{
	struct outside_call a = { .control = *control, .in = in, .out = out, .once = true };

	vp_call(vp, outside_task, &a);
	*control = a.control;
	*again = a.again;
	return a.result;
}
