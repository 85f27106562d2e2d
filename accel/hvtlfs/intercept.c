/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Intercept messages: made of the VP's state at the boundary, and sent (9.4, 16.2 to 16.5). */
#include "intercept.h"

#include <string.h>

#include "accel/hvtlfs/component.h"
#include "accel/hvtlfs/mutant.h"
#include "flush.h"
#include "hv/intercept.h"
#include "hv/synic.h"
#include "notify.h"
#include "parent.h"
#include "partition.h"
#include "state-page.h"
#include "target/i386/flags.h"
#include "target/i386/mem.h"
#include "trace/log.h"

bool intercept_is_due(const struct vp *vp)
{
	return vp->intercept.type != 0;
}

static bool eoi_is_due(const struct vp *vp)
{
	for (unsigned i = 0; i < G_N_ELEMENTS(vp->eoi_due); i++)
		if (vp->eoi_due[i])
			return true;
	return false;
}

/* ---- the processor's state ---- */

static struct hv_segment_register segment(const struct x86_seg *s)
{
	return (struct hv_segment_register){ s->base, s->limit, s->sel, (uint16_t)s->attr };
}

static uint16_t execution_state(const struct x86_cpu *c)
{
	unsigned state = x86_cpl(c);                       /* T16.2.3.a to T16.2.3.c */

	state |= c->cr0 & CR0_PE && !MUTANT(intercept_state) ? HV_EXECUTION_CR0_PE : 0;
	state |= c->cr0 & CR0_AM ? HV_EXECUTION_CR0_AM : 0;
	state |= c->efer & EFER_LMA ? HV_EXECUTION_EFER_LMA : 0;
	state |= c->dr[7] & 0xff ? HV_EXECUTION_DEBUG_ACTIVE : 0;
	state |= c->held.kind != X86_EV_NONE ? HV_EXECUTION_INTERRUPTION_PENDING : 0;
	state |= c->interrupt_shadow ? HV_EXECUTION_INTERRUPT_SHADOW : 0;
	return (uint16_t)state;
}

static uint8_t tpr_class(struct vp *vp)
{
	return vp_ops.tpr_read(vp) & 0xf;
}

static void fill_header(struct vp *vp, struct hv_intercept_header *h, uint8_t length)
{
	const struct x86_cpu *c = &vp->cpu;

	h->vp = MUTANT(intercept_vp) ? 0 : vp->index;
	h->length_cr8 = (uint8_t)((MUTANT(intercept_length) ? 0 : length) | (partition_is_exo(vp->partition) ? tpr_class(vp) << 4 : 0));
	h->access = vp->intercept.access;
	h->state = execution_state(c);
	h->cs = segment(&c->seg[X86_CS]);
	h->rip = c->rip;
	h->rflags = x86_flags_get(c);
}

/*
 * T16.3.a, T16.3.b: what lies at CS:RIP, as far as it can be read without an effect that the guest sees; none in the
 * middle of an interruption, where CS:RIP is not what is executed (T16.3.c, T16.5.4.g).
 */
static uint8_t fetch_bytes(struct vp *vp, uint8_t bytes[HV_INSTRUCTION_BYTES])
{
	struct x86_cpu *c = &vp->cpu;
	const struct x86_seg *cs = &c->seg[X86_CS];
	uint64_t n = HV_INSTRUCTION_BYTES, lin = c->rip;

	if (c->held.kind != X86_EV_NONE)
		return 0;
	if (!(c->mode & X86_MODE_CS64)) {
		lin = (uint32_t)(cs->base + c->rip);
		if (c->rip > cs->limit)
			return 0;
		n = MIN(n, cs->limit - c->rip + 1);
	}
	return (uint8_t)x86_debug_read(c, lin, bytes, n);
}

/* ---- messages: each gives its payload's size ---- */

/* As the guest's page tables have it: T16.3.d. */
static uint32_t cache_type(struct vp *vp, uint64_t lin)
{
	struct x86_translation t = { .access = 0 };

	x86_translate(&vp->cpu, lin & X86_PAGE_MASK, &t);
	return t.result != X86_TRANSLATED ? HV_CACHE_WRITE_BACK : t.type == X86_TYPE_UC_MINUS ? HV_CACHE_UNCACHED : t.type;
}

static uint8_t fill_memory(struct vp *vp, struct hv_memory_message *m)
{
	const struct intercept *i = &vp->intercept;
	const struct x86_cpu *c = &vp->cpu;

	fill_header(vp, &m->header, c->stopped.length);
	m->cache_type = HV_CACHE_WRITE_BACK;               /* T16.3.e */
	m->byte_count = fetch_bytes(vp, m->bytes);
	m->gpa = i->memory.gpa;
	if (i->memory.gva != X86_NO_LINEAR || MUTANT(intercept_table_gva)) {              /* T16.3.f */
		m->info = HV_MEMORY_GVA_VALID | HV_MEMORY_GVA_GPA_VALID;
		m->gva = i->memory.gva;
		if (!MUTANT(intercept_cache_type))
			m->cache_type = cache_type(vp, i->memory.gva);
	}
	if (partition_is_exo(vp->partition)) {
		m->tpr_priority = tpr_class(vp);
		return HV_MEMORY_MESSAGE_LATER_SIZE;
	}
	m->ds = segment(&c->seg[X86_DS]);                  /* T16.3.h */
	m->ss = segment(&c->seg[X86_SS]);
	memcpy(m->gpr, c->gpr, sizeof m->gpr);             /* T16.3.i */
	return sizeof *m;
}

static uint8_t fill_io(struct vp *vp, struct hv_io_message *m)
{
	const struct intercept *i = &vp->intercept;
	const struct x86_cpu *c = &vp->cpu;

	fill_header(vp, &m->header, c->stopped.length);
	m->port = i->io.port;
	m->access = i->io.size;
	m->rax = c->gpr[X86_RAX];
	if (!c->stopped.string && !MUTANT(intercept_in_bytes))
		return sizeof *m;                          /* T16.5.3.e */
	m->access |= HV_IO_STRING | (c->stopped.rep && !MUTANT(intercept_no_rep) ? HV_IO_REP : 0);
	m->byte_count = fetch_bytes(vp, m->bytes);
	m->ds = segment(&c->seg[X86_DS]);
	m->es = segment(&c->seg[X86_ES]);
	m->rcx = c->gpr[X86_RCX];
	m->rsi = c->gpr[X86_RSI];
	m->rdi = c->gpr[X86_RDI];
	return sizeof *m;
}

static uint8_t fill_bare(struct vp *vp, struct hv_intercept_header *m, uint8_t length)
{
	fill_header(vp, m, length);
	return sizeof *m;
}

static uint8_t fill_msr(struct vp *vp, struct hv_msr_message *m)
{
	fill_header(vp, &m->header, vp->cpu.stopped.length);
	m->msr = vp->intercept.msr;
	m->rdx = vp->cpu.gpr[X86_RDX];                     /* T16.5.2.c */
	m->rax = vp->cpu.gpr[X86_RAX];
	return sizeof *m;
}

static uint8_t fill_cpuid(struct vp *vp, struct hv_cpuid_message *m)
{
	const uint64_t *gpr = vp->cpu.gpr;
	const uint32_t *answer = vp->intercept.cpuid;

	fill_header(vp, &m->header, vp->cpu.stopped.length);
	m->rax = gpr[X86_RAX];                             /* T16.5.1.b */
	m->rcx = gpr[X86_RCX];
	m->rdx = gpr[X86_RDX];
	m->rbx = gpr[X86_RBX];
	m->default_rax = answer[0];                        /* T16.5.1.c */
	m->default_rbx = answer[MUTANT(intercept_cpuid_order) ? 2 : 1];
	m->default_rcx = answer[MUTANT(intercept_cpuid_order) ? 1 : 2];
	m->default_rdx = answer[3];
	return sizeof *m;
}

static uint64_t exception_parameter(const struct x86_cpu *c, const struct x86_event *e)
{
	switch (e->vector) {
	case X86_PFAULT: return e->cr2;                    /* T16.5.4.d */
	case X86_DB: return c->dr[6] | e->dr6;             /* T16.5.4.e */
	default: return 0;
	}
}

static uint8_t fill_exception(struct vp *vp, struct hv_exception_message *m)
{
	const struct x86_event *e = &vp->intercept.exception;
	const struct x86_cpu *c = &vp->cpu;

	fill_header(vp, &m->header, 0);                    /* T16.5.4.b */
	m->vector = e->vector;
	m->info = e->has_error ? HV_EXCEPTION_ERROR_VALID : 0;   /* T16.2.5.a */
	m->error = e->has_error ? e->error : 0;
	m->parameter = exception_parameter(c, e);
	m->byte_count = fetch_bytes(vp, m->bytes);
	m->ds = segment(&c->seg[X86_DS]);
	m->ss = segment(&c->seg[X86_SS]);
	memcpy(m->gpr, c->gpr, sizeof m->gpr);             /* T16.5.4.h */
	return sizeof *m;
}

static uint8_t fill_hypercall(struct vp *vp, struct hv_hypercall_message *m)
{
	const struct x86_cpu *c = &vp->cpu;

	fill_header(vp, &m->header, c->stopped.length);
	m->rax = c->gpr[X86_RAX];
	m->rbx = c->gpr[X86_RBX];
	m->rcx = c->gpr[X86_RCX];
	m->rdx = c->gpr[X86_RDX];
	m->r8 = c->gpr[X86_R8];
	m->rsi = c->gpr[X86_RSI];
	m->rdi = c->gpr[X86_RDI];
	for (unsigned i = 0; i < G_N_ELEMENTS(m->xmm); i++)
		memcpy(m->xmm[i], c->ymm[i].b, sizeof m->xmm[i]);
	return offsetof(struct hv_hypercall_message, padding);
}

static uint8_t fill_icr(struct vp *vp, struct hv_apic_icr_message *m)
{
	fill_header(vp, &m->header, 0);
	m->icr = vp->intercept.apic.value;
	return sizeof *m;
}

static uint8_t fill_apic_write(struct vp *vp, struct hv_apic_write_message *m)
{
	fill_header(vp, &m->header, 0);
	m->offset = vp->intercept.apic.offset;
	m->value = vp->intercept.apic.value;
	return sizeof *m;
}

static uint8_t fill_deliverable(struct vp *vp, struct hv_deliverable_message *m)
{
	fill_header(vp, &m->header, 0);
	m->type = vp->intercept.deliverable;
	return sizeof *m;
}

static uint8_t fill_sints(struct vp *vp, struct hv_sint_deliverable_message *m)
{
	fill_header(vp, &m->header, 0);
	m->sints = (uint16_t)vp->intercept.deliverable;
	return sizeof *m;
}

static uint8_t fill_plain(struct vp *vp, struct hv_vp_message *m)
{
	m->vp = vp->index;
	return sizeof *m;
}

static uint8_t fill_payload(struct vp *vp, void *payload)
{
	switch ((int32_t)vp->intercept.type) {
	case HV_MESSAGE_UNMAPPED_GPA:
	case HV_MESSAGE_GPA_INTERCEPT:
		return fill_memory(vp, payload);
	case HV_MESSAGE_IO_INTERCEPT:
		return fill_io(vp, payload);
	case HV_MESSAGE_MSR_INTERCEPT:
		return fill_msr(vp, payload);
	case HV_MESSAGE_CPUID_INTERCEPT:
		return fill_cpuid(vp, payload);
	case HV_MESSAGE_EXCEPTION_INTERCEPT:
		return fill_exception(vp, payload);
	case HV_MESSAGE_HYPERCALL_INTERCEPT:
		return fill_hypercall(vp, payload);
	case HV_MESSAGE_APIC_SMI_INTERCEPT:
	case HV_MESSAGE_APIC_INIT_SIPI_INTERCEPT:
		return fill_icr(vp, payload);
	case HV_MESSAGE_APIC_WRITE_INTERCEPT:
		return fill_apic_write(vp, payload);
	case HV_MESSAGE_INTERRUPTION_DELIVERABLE:
		return fill_deliverable(vp, payload);
	case HV_MESSAGE_SINT_DELIVERABLE:
		return fill_sints(vp, payload);
	case HV_MESSAGE_INVALID_REGISTER:
	case HV_MESSAGE_FERR_ASSERTED:
		return fill_plain(vp, payload);
	case HV_MESSAGE_HALT_INTERCEPT:
		return fill_bare(vp, payload, vp->cpu.stopped.length);
	default:
		return fill_bare(vp, payload, 0);          /* T16.5.8.a */
	}
}

/* ---- sending ---- */

const char *hv_message_name(uint32_t type)
{
	switch ((int32_t)type) {
#define X(name, number, word) case HV_MESSAGE_##name: return word;
	HV_MESSAGE_LIST(X)
#undef X
	}
	return "guest message";
}

static const char *access_name(uint8_t access)
{
	return access == HV_INTERCEPT_READ ? "read" : access == HV_INTERCEPT_WRITE ? "write" : "execute";
}

static void log_intercept(const struct vp *vp, const struct hv_message *m)
{
	const struct intercept *i = &vp->intercept;
	char what[80] = "";

	switch ((int32_t)m->type) {
	case HV_MESSAGE_UNMAPPED_GPA:
	case HV_MESSAGE_GPA_INTERCEPT:
		g_snprintf(what, sizeof what, " %s gpa %#" PRIx64 " gva %#" PRIx64, access_name(i->access), i->memory.gpa,
			   i->memory.gva);
		break;
	case HV_MESSAGE_IO_INTERCEPT:
		g_snprintf(what, sizeof what, " %s port %#x size %u rax %#" PRIx64, access_name(i->access), i->io.port,
			   i->io.size, vp->cpu.gpr[X86_RAX]);
		break;
	case HV_MESSAGE_MSR_INTERCEPT:
		g_snprintf(what, sizeof what, " %s msr %#x rdx:rax %#" PRIx64 ":%#" PRIx64, access_name(i->access), i->msr,
			   vp->cpu.gpr[X86_RDX], vp->cpu.gpr[X86_RAX]);
		break;
	case HV_MESSAGE_CPUID_INTERCEPT:
		g_snprintf(what, sizeof what, " leaf %#x subleaf %#x", (uint32_t)vp->cpu.gpr[X86_RAX],
			   (uint32_t)vp->cpu.gpr[X86_RCX]);
		break;
	case HV_MESSAGE_EXCEPTION_INTERCEPT:
		g_snprintf(what, sizeof what, " vector %u error %#x parameter %#" PRIx64, i->exception.vector,
			   i->exception.error, exception_parameter(&vp->cpu, &i->exception));
		break;
	case HV_MESSAGE_APIC_SMI_INTERCEPT:
	case HV_MESSAGE_APIC_INIT_SIPI_INTERCEPT:
	case HV_MESSAGE_APIC_WRITE_INTERCEPT:
		g_snprintf(what, sizeof what, " register %#x value %#" PRIx64, i->apic.offset, i->apic.value);
		break;
	case HV_MESSAGE_INTERRUPTION_DELIVERABLE:
	case HV_MESSAGE_SINT_DELIVERABLE:
		g_snprintf(what, sizeof what, " %#x", i->deliverable);
		break;
	case HV_MESSAGE_HYPERCALL_INTERCEPT:
		g_snprintf(what, sizeof what, " rcx %#" PRIx64 " rdx %#" PRIx64 " r8 %#" PRIx64, vp->cpu.gpr[X86_RCX],
			   vp->cpu.gpr[X86_RDX], vp->cpu.gpr[X86_R8]);
		break;
	}
	log_print(LOG_INTERCEPT, "%s/%u: %s at %#x:%#" PRIx64 "%s\n", vp->partition->name, vp->index, hv_message_name(m->type),
		  vp->cpu.seg[X86_CS].sel, vp->cpu.rip, what);
}

/* Later revisions: what the parent maps for a VP, if it has said beforehand that it would.  False: it has none. */
static bool put_in_page(struct vp *vp, const struct hv_message *m)
{
	bool there;

	lock_acquire(&vp->lock);
	there = vp->message_page && vp->partition->create_flags & HV_CREATE_INTERCEPT_MESSAGE_PAGE;
	if (there)
		x86_host_move(vp->message_page, m, sizeof *m);
	lock_release(&vp->lock);
	return there;
}

/* T33.4.e */
static enum vp_count count_of(uint32_t type)
{
	switch ((int32_t)type) {
	case HV_MESSAGE_UNMAPPED_GPA:
	case HV_MESSAGE_GPA_INTERCEPT:
		return COUNT_MEMORY_MESSAGES;
	case HV_MESSAGE_IO_INTERCEPT:
		return COUNT_IO_MESSAGES;
	default:
		return COUNT_OTHER_MESSAGES;
	}
}

bool intercept_send(struct vp *vp, const struct hv_message *m)
{
	struct hv *hv = vp->partition->hv;

	for (unsigned i = 0; i < hv->component_count; i++)
		if (hv->components[i]->tell_parent)
			return hv->components[i]->tell_parent(vp, vp->component[i], vp->partition->parent, m);
	return false;
}

/* T12.1.4.a, T11.8.k.  Later revisions tell the addresses, so their parents need not look any up. */
static bool inhibits_flushes(const struct vp *vp, uint32_t type)
{
	return !partition_is_exo(vp->partition) && (type == (uint32_t)HV_MESSAGE_UNMAPPED_GPA || type == (uint32_t)HV_MESSAGE_GPA_INTERCEPT) &&
	       !MUTANT(flush_not_inhibited);
}

static void tell(struct vp *vp)
{
	struct hv_message m = { .type = vp->intercept.type,
				.sender = MUTANT(intercept_sender) ? vp->partition->parent_id : vp->partition->id };   /* T14.8.4.c */
	bool in_page;

	if (MUTANT(intercept_behind))
		vp->cpu.rip += vp->cpu.stopped.length;
	vp_count(vp, MUTANT(stats_message_class) ? COUNT_OTHER_MESSAGES : count_of(m.type));
	m.payload_size = fill_payload(vp, m.payload);
	if (log_on(LOG_INTERCEPT))
		log_intercept(vp, &m);
	vp->intercept.type = 0;
	if (inhibits_flushes(vp, m.type))
		flush_inhibit(vp);
	/* All of it stands in the page before anybody is told. */
	in_page = put_in_page(vp, &m);
	if (in_page) {
		m.type = (uint32_t)HV_MESSAGE_OPAQUE_INTERCEPT;
		m.payload_size = sizeof(struct hv_opaque_message);
		*(struct hv_opaque_message *)m.payload = (struct hv_opaque_message){ vp->index };
	}
	register_page_store(vp);
	/* Before the message: who reads it finds the VP suspended (T9.1.b). */
	if (!MUTANT(intercept_runs_on))
		vp_suspend(vp, SUSPEND_INTERCEPT);
	/* The end of its dispatch tells of what is in the page. */
	if (in_page && vp->partition->dispatched && !MUTANT(dispatch_tells_twice))
		return;
	intercept_send(vp, &m);
	if (MUTANT(intercept_twice))
		intercept_send(vp, &m);
}

/*
 * T13.3.4.a, T13.3.4.c: one message a vector.  Who made the partition exo takes it for a message among others and goes on
 * at once; the VP of another waits, as behind each intercept.
 */
static void tell_eois(struct vp *vp)
{
	struct hv_message m = { .type = (uint32_t)HV_MESSAGE_APIC_EOI, .payload_size = sizeof(struct hv_vp_message),
				.sender = vp->partition->id };
	bool waits = !partition_is_exo(vp->partition), any = false;

	if (waits)
		vp_suspend(vp, SUSPEND_INTERCEPT);
	for (unsigned vector = 0; vector < 256; vector++) {
		if (!(vp->eoi_due[vector / 32] >> vector % 32 & 1))
			continue;
		*(struct hv_vp_message *)m.payload = (struct hv_vp_message){ vp->index, vector };
		if (!intercept_send(vp, &m))
			break;                             /* T13.3.4.1.l: later */
		any = true;
		vp->eoi_due[vector / 32] &= ~(1u << vector % 32);
		vp_count(vp, COUNT_OTHER_MESSAGES);
		log_print(LOG_INTERCEPT, "%s/%u: %s vector %#x\n", vp->partition->name, vp->index, hv_message_name(m.type), vector);
	}
	/* Not for what nobody has been told. */
	if (waits && !any)
		vp_continue(vp, SUSPEND_INTERCEPT);
}

void intercept_tell(struct vp *vp)
{
	if (eoi_is_due(vp))
		tell_eois(vp);
	/* One at a time: what waits while the VP stands is told when it goes on, before it executes anything. */
	if (intercept_is_due(vp) || parent_apic_due(vp) || notify_sints(vp))
		tell(vp);
	if (vp->apic_due || atomic_load(&vp->sints_due))
		vp_pend(vp, X86_PEND_STOP);
}
