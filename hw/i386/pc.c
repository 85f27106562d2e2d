/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The PC: machine, partition and devices put together.  It is the *machine* kind of
 * stack: the partition's exits come in through pc_stack and go to the machine's buses.
 */
#include "hw/i386/pc.h"

#include <assert.h>
#include <stdatomic.h>

#include "acpi/build.h"
#include "boot/boot.h"
#include "hw/acpi/pm.h"
#include "hw/char/serial.h"
#include "hw/i386/fw_cfg.h"
#include "hw/intc/apic.h"
#include "hw/intc/i8259.h"
#include "hw/intc/ioapic.h"
#include "hw/timer/mc146818.h"
#include "pc-firmware.h"
#include "ram.h"
#include "trace/log.h"

/* Who is told of the wires into a chip, or out of it. */
struct watch {
	void (*changed)(void *o, int n, int level);   /* NULL: nobody */
	void *opaque;
	uint32_t high;                                /* levels as told */
};

enum { VPS_MAX = 64, PIN_EXTINT = 0, PIN_TIMER = 2, IRQ_TIMER = 0, IRQ_CASCADE = 2 };

struct pc {
	/* Set once. */
	void (*request)(void *o, struct pc *pc, const char *what);
	void *opaque;
	char *name, *kernel, *initrd, *cmdline, *firmware;
	bool first;                     /* has no parent partition */
	bool long_mode;
	uint32_t vps, max_vps;
	struct ram *ram;
	struct machine *machine;
	struct partition *partition;    /* NULL: no processor */
	struct device *pic, *ioapic, *rtc, *pm, *fw_cfg;
	struct irq_line pic_in[ISA_IRQS], ioapic_in[IOAPIC_PINS];
	struct watch pic_watch, ioapic_watch, intr_watch;   /* machine lock */

	_Atomic int exit_code;
	bool started;                   /* the control thread only */
};

static void request(struct pc *pc, const char *what)
{
	if (pc->request)
		pc->request(pc->opaque, pc, what);
}

/* ---- stack ---- */

static enum x86_result stack_io_read(void *o, struct vp *vp, uint16_t port, unsigned size, uint32_t *value)
{
	struct pc *pc = o;

	*value = machine_io_read(pc->machine, port, size);
	return X86_OK;
}

static enum x86_result stack_io_write(void *o, struct vp *vp, uint16_t port, unsigned size, uint32_t value)
{
	struct pc *pc = o;

	machine_io_write(pc->machine, port, size, value);
	return X86_OK;
}

static enum x86_result stack_mmio_read(void *o, struct vp *vp, gpa_t gpa, unsigned size, uint64_t *value)
{
	struct pc *pc = o;

	*value = machine_mmio_read(pc->machine, gpa.v, size);
	return X86_OK;
}

static enum x86_result stack_mmio_write(void *o, struct vp *vp, gpa_t gpa, unsigned size, uint64_t value)
{
	struct pc *pc = o;

	machine_mmio_write(pc->machine, gpa.v, size, value);
	return X86_OK;
}

/* Nobody drives the bus, so all bytes are FF; FF FF is no instruction. */
static enum x86_result stack_bad_fetch(void *o, struct vp *vp, gpa_t gpa)
{
	return X86_FAULT_UD;
}

static void stack_exit(void *o, struct vp *vp, enum exit_reason reason)
{
	struct pc *pc = o;

	switch (reason) {
	case EXIT_SHUTDOWN:
		log_print(LOG_EXITS, "%s: VP %u: triple fault\n", pc->name, vp_index(vp));
		request(pc, pc->first ? "reset" : "crash");        /* T9.1.2.d */
		break;
	case EXIT_RESET_MSR:
		request(pc, "reset");
		break;
	case EXIT_POWER_OFF:
		request(pc, "shutdown");
		break;
	case EXIT_CRASH:
		request(pc, "panic");
		break;
	case EXIT_BROKEN:
		request(pc, "broken");
		break;
	case EXIT_DEBUG:
		request(pc, "debug");
		break;
	case EXIT_INVALID:
		log_print(LOG_EXITS, "%s: VP %u has registers that do not fit together\n", pc->name, vp_index(vp));
		request(pc, pc->first ? "reset" : "crash");        /* T9.1.2.c */
		break;
	case EXIT_BAD_FETCH:
		log_print(LOG_EXITS, "%s: VP %u cannot go on (reason %d)\n", pc->name, vp_index(vp), reason);
		request(pc, "crash");
		break;
	}
}

static int stack_pic_acknowledge(void *o)
{
	struct pc *pc = o;

	return i8259_acknowledge(pc->pic);
}

static void stack_eoi(void *o, struct vp *vp, uint8_t vector)
{
	struct pc *pc = o;

	ioapic_eoi(pc->ioapic, vector);
}

static const struct stack_ops pc_stack = {
	.io_read = stack_io_read, .io_write = stack_io_write,
	.mmio_read = stack_mmio_read, .mmio_write = stack_mmio_write, .bad_fetch = stack_bad_fetch,
	.exit = stack_exit, .pic_acknowledge = stack_pic_acknowledge, .eoi = stack_eoi,
};

/* ---- wires; the machine lock is held ---- */

static void tell(struct watch *w, int n, int level)
{
	uint32_t high = level ? w->high | 1u << n : w->high & ~(1u << n);

	if (!w->changed || high == w->high)
		return;
	w->high = high;
	w->changed(w->opaque, n, level != 0);
}

static void to_ioapic(struct pc *pc, int pin, int level)
{
	tell(&pc->ioapic_watch, pin, level);
	irq_set(&pc->ioapic_in[pin], level);
}

static void isa_irq(void *o, int n, int level)
{
	struct pc *pc = o;

	tell(&pc->pic_watch, n, level);
	irq_set(&pc->pic_in[n], level);
	if (n == IRQ_TIMER)
		to_ioapic(pc, PIN_TIMER, level);
	else if (n != IRQ_CASCADE)
		to_ioapic(pc, n, level);
}

static void pic_output(void *o, int n, int level)
{
	struct pc *pc = o;

	tell(&pc->intr_watch, 0, level);
	to_ioapic(pc, PIN_EXTINT, level);
	if (pc->partition)
		partition_extint(pc->partition, level);
}

static void send_message(void *o, uint64_t address, uint32_t data)
{
	struct pc *pc = o;

	if (pc->partition)
		partition_msi(pc->partition, address, data);
}

static void wire(struct pc *pc)
{
	struct irq_line output = { .set = pic_output, .opaque = pc };

	for (unsigned n = 0; n < ISA_IRQS; n++) {
		pc->pic_in[n] = i8259_input(pc->pic, n);
		pc->ioapic_in[n] = ioapic_input(pc->ioapic, n);
		pc->machine->isa_irq[n] = (struct irq_line){ .set = isa_irq, .opaque = pc, .n = (int)n };
	}
	i8259_connect(pc->pic, &output);
	ioapic_connect(pc->ioapic, send_message, pc);
}

static struct watch *watch_of(struct pc *pc, const struct device *d, enum pc_wires wires)
{
	if (d == pc->pic)
		return wires == PC_WIRES_IN ? &pc->pic_watch : &pc->intr_watch;
	return d == pc->ioapic && wires == PC_WIRES_IN ? &pc->ioapic_watch : NULL;
}

bool pc_watch_wires(struct pc *pc, const struct device *d, enum pc_wires wires,
		    void (*changed)(void *o, int n, int level), void *o)
{
	struct watch *w = watch_of(pc, d, wires);

	if (!w)
		return false;
	lock_acquire(&pc->machine->lock);
	*w = (struct watch){ changed, o, 0 };
	lock_release(&pc->machine->lock);
	return true;
}

/* ---- requests of the guest; the machine lock is held ---- */

static void guest_reset(void *o)
{
	request(o, "reset");
}

static void guest_shutdown(void *o, const char *reason)
{
	request(o, "shutdown");
}

static void guest_exit(void *o, int code)
{
	struct pc *pc = o;

	pc->exit_code = code;
	request(pc, "exit");
}

/* ---- building ---- */

static bool check(const struct pc_config *c, GError **error)
{
	const char *what = NULL;

	if (c->memory < PC_ONE_MIB || c->memory % HV_PAGE_SIZE)
		what = "memory must be at least 1 MiB and a multiple of 4 KiB";
	else if (!c->vps || c->vps > VPS_MAX)
		what = "the number of processors must be from 1 to 64";
	else if (c->hv && !c->kernel && !c->firmware && !c->allow_empty)
		what = "nothing to boot: give -kernel or -bios";
	else if (c->initrd && !c->kernel)
		what = "-initrd needs -kernel";
	else if (c->cmdline && *c->cmdline && !c->kernel)
		what = "-append needs -kernel";
	if (what)
		g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "%s", what);
	return !what;
}

static bool build_partition(struct pc *pc, const struct pc_config *c, GError **error)
{
	const struct partition_config pc_partition_config = {
		.name = c->name, .parent = c->parent, .vps = c->vps, .topology = c->topology, .model = c->model,
		.features = c->features, .stack = &pc_stack, .stack_opaque = pc,
	};

	if (c->hv) {
		pc->partition = partition_new(c->hv, &pc_partition_config, error);
		if (!pc->partition)
			return false;
	}
	pc->ram = ram_new(pc->partition, c->memory, error);
	if (!pc->ram || (c->firmware && !ram_set_firmware(pc->ram, c->firmware, error)))
		return false;
	pc->machine->memory = ram_memory(pc->ram);
	pc->machine->partition = pc->partition;
	return true;
}

/* Creates @type and stores it where @to points, if it is not NULL. */
static bool add(struct pc *pc, const char *type, struct device **to, GError **error)
{
	const char *const none[] = { NULL };
	struct device *d = device_new(pc->machine, type, NULL, none, error);

	if (d && to)
		*to = d;
	return d;
}

static bool build_devices(struct pc *pc, const struct pc_config *c, GError **error)
{
	struct machine *m = pc->machine;

	if (!add(pc, "isa-i8259", &pc->pic, error) || !add(pc, "ioapic", &pc->ioapic, error))
		return false;
	wire(pc);
	if (!add(pc, "isa-pit", NULL, error) || !add(pc, "mc146818rtc", &pc->rtc, error) ||
	    !add(pc, "i8257", NULL, error) || !add(pc, "acpi-pm", &pc->pm, error) || !add(pc, "i8042", NULL, error) ||
	    !add(pc, "port92", NULL, error) || !add(pc, "pci-host", NULL, error) || !add(pc, "isa-post", NULL, error) ||
	    !add(pc, "fw_cfg", &pc->fw_cfg, error))
		return false;
	for (unsigned n = 0; n < PC_SERIAL_MAX; n++) {
		if (c->serial[n] && !serial_new(m, n, c->serial[n], error))
			return false;
	}
	mc146818_set_memory(pc->rtc, ram_low_end(pc->ram), ram_high_size(pc->ram));
	return true;
}

/* ---- what stands in memory before the first instruction ---- */

static struct acpi_tables *build_acpi(struct pc *pc)
{
	uint32_t id[VPS_MAX];
	struct acpi_config config = {
		.apic_id = id, .processors = pc->vps, .ioapic_base = IOAPIC_BASE, .lapic_base = APIC_DEFAULT_BASE,
	};

	for (uint32_t n = 0; n < pc->vps; n++)
		id[n] = pc->partition ? vp_cpu(partition_vp(pc->partition, n))->apic_id : n;
	return acpi_build(&config);
}

static void add_range(struct boot *b, uint64_t at, uint64_t end, enum e820_type type)
{
	if (at < end)
		b->e820[b->e820_count++] = (struct e820_entry){ at, end - at, type };
}

static void fill_e820(struct pc *pc, struct boot *b)
{
	add_range(b, 0, PC_EBDA, E820_RAM);
	add_range(b, PC_EBDA, PC_VGA_BASE, E820_RESERVED);
	add_range(b, PC_ACPI_BASE, PC_ONE_MIB, E820_RESERVED);
	add_range(b, PC_ONE_MIB, ram_low_end(pc->ram), E820_RAM);
	add_range(b, PC_FOUR_GIB, PC_FOUR_GIB + ram_high_size(pc->ram), E820_RAM);
}

/* RSDP first, tables behind it, in the area that the memory map reserves. */
static bool place_acpi(struct pc *pc, struct boot *b, GError **error)
{
	struct acpi_tables *t = build_acpi(pc);
	bool ok;

	assert(t->tables->len <= PC_ONE_MIB - PC_ACPI_BASE - ACPI_TABLES_ALIGN);
	acpi_place(t, PC_ACPI_BASE + ACPI_TABLES_ALIGN);
	b->rsdp = PC_ACPI_BASE;
	ok = boot_write(b, PC_ACPI_BASE, t->rsdp->data, t->rsdp->len, error) &&
	     boot_write(b, PC_ACPI_BASE + ACPI_TABLES_ALIGN, t->tables->data, t->tables->len, error);
	acpi_free(t);
	return ok;
}

static bool load_kernel(struct pc *pc, GError **error)
{
	struct boot b = {
		.kernel = pc->kernel, .initrd = pc->initrd, .cmdline = pc->cmdline, .memory = &pc->machine->memory,
		.low_end = ram_low_end(pc->ram), .long_mode = pc->long_mode,
	};

	fill_e820(pc, &b);
	if (!place_acpi(pc, &b, error) || !boot_load(&b, error))
		return false;
	if (pc->partition)
		boot_enter(&b.entry, vp_cpu(partition_vp(pc->partition, 0)));
	return true;
}

static bool load(struct pc *pc, GError **error)
{
	if (!ram_reset(pc->ram, error))
		return false;
	/* With firmware the kernel is the firmware's to load, from fw_cfg. */
	return !pc->kernel || pc->firmware || load_kernel(pc, error);
}

static bool tell_firmware(struct pc *pc, GError **error)
{
	struct acpi_tables *t = build_acpi(pc);
	const struct firmware_config config = {
		.fw_cfg = pc->fw_cfg, .processors = pc->vps, .max_processors = pc->max_vps,
		.low_end = ram_low_end(pc->ram), .high_size = ram_high_size(pc->ram), .acpi = t,
		.kernel = pc->firmware ? pc->kernel : NULL, .initrd = pc->initrd, .cmdline = pc->cmdline,
	};
	bool ok = firmware_describe(&config, error);

	acpi_free(t);
	return ok;
}

struct pc *pc_new(const struct pc_config *config, GError **error)
{
	struct pc *pc;

	if (!check(config, error))
		return NULL;
	pc = g_new0(struct pc, 1);
	pc->request = config->request;
	pc->opaque = config->opaque;
	pc->name = g_strdup(config->name);
	pc->kernel = g_strdup(config->kernel);
	pc->initrd = g_strdup(config->initrd);
	pc->cmdline = g_strdup(config->cmdline);
	pc->firmware = g_strdup(config->firmware);
	pc->first = !config->parent;
	pc->long_mode = !config->model || x86_model_has(config->model, F_LM);
	pc->vps = config->vps;
	pc->max_vps = MAX(config->vps, config->max_vps);
	pc->machine = machine_new(pc->name, config->hv ? CLOCK_REAL : CLOCK_STEPPED);
	pc->machine->events = (struct machine_events){ guest_reset, guest_shutdown, guest_exit, pc };
	if (!build_partition(pc, config, error) || !build_devices(pc, config, error) || !tell_firmware(pc, error) ||
	    !load(pc, error)) {
		pc_free(pc);
		return NULL;
	}
	if (pc->partition)
		hvt_object_add_child(partition_object(pc->partition), "machine", pc->machine->object);
	return pc;
}

void pc_free(struct pc *pc)
{
	if (!pc)
		return;
	/* VPs first: they are who enters the machine.  The struct must outlive the machine's timers, which send interrupts. */
	if (pc->partition)
		partition_delete(pc->partition);
	machine_free(pc->machine);
	if (pc->partition)
		partition_unref(pc->partition);
	ram_free(pc->ram);
	g_free(pc->name);
	g_free(pc->kernel);
	g_free(pc->initrd);
	g_free(pc->cmdline);
	g_free(pc->firmware);
	g_free(pc);
}

/* ---- life ---- */

void pc_start(struct pc *pc)
{
	clock_start(pc->machine->clock);
	if (pc->partition && !pc->started)
		partition_start(pc->partition);
	else if (pc->partition)
		partition_resume(pc->partition);
	pc->started = true;
}

void pc_stop(struct pc *pc)
{
	if (pc->partition)
		partition_suspend(pc->partition);
	clock_stop(pc->machine->clock);
}

bool pc_reset(struct pc *pc, GError **error)
{
	if (pc->partition)
		partition_reset(pc->partition);
	machine_reset(pc->machine);
	return load(pc, error);
}

void pc_power_button(struct pc *pc)
{
	acpi_pm_power_button(pc->pm);
}

int pc_exit_code(struct pc *pc)
{
	return pc->exit_code;
}

struct machine *pc_machine(struct pc *pc)
{
	return pc->machine;
}

struct partition *pc_partition(struct pc *pc)
{
	return pc->partition;
}
