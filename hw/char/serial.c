/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * 16550A serial port on a character device.  Data sheet: National PC16550D.
 *
 * Bytes leave at once: the transmitter is empty when the guest looks, and each
 * write is followed by its "transmitter empty" event.  Only when a reader at the
 * other end is far behind does the transmitter stay full, so that nothing is
 * lost.  The cable is a null
 * modem whose other end is always ready.  As on most boards of today the
 * interrupt does not pass through OUT2.
 *
 * Left out: parity and framing errors, DMA mode, sending of breaks.
 */
#include "hw/char/serial.h"

#include <stddef.h>

#include "trace/log.h"

enum { REG_DATA, REG_IER, REG_IIR_FCR, REG_LCR, REG_MCR, REG_LSR, REG_MSR, REG_SCR, REGS };
enum { IER_RX = 1 << 0, IER_THRE = 1 << 1, IER_LINE = 1 << 2, IER_MODEM = 1 << 3, IER_WRITABLE = 0x0f };
enum { IIR_MODEM = 0x00, IIR_NONE = 0x01, IIR_THRE = 0x02, IIR_RX = 0x04, IIR_LINE = 0x06, IIR_TIMEOUT = 0x0c, IIR_FIFOS = 0xc0 };
enum { FCR_ENABLE = 1 << 0, FCR_CLEAR_RX = 1 << 1 };
enum { LCR_LENGTH = 3, LCR_STOP = 1 << 2, LCR_PARITY = 1 << 3, LCR_DLAB = 1 << 7 };
enum { MCR_DTR = 1 << 0, MCR_RTS = 1 << 1, MCR_OUT1 = 1 << 2, MCR_OUT2 = 1 << 3, MCR_LOOP = 1 << 4, MCR_WRITABLE = 0x1f };
enum { LSR_READY = 1 << 0, LSR_OVERRUN = 1 << 1, LSR_BREAK = 1 << 4, LSR_THRE = 1 << 5, LSR_EMPTY = 1 << 6 };
enum { MSR_DCTS = 1 << 0, MSR_DDSR = 1 << 1, MSR_TERI = 1 << 2, MSR_DDCD = 1 << 3, MSR_CTS = 1 << 4, MSR_DSR = 1 << 5, MSR_RI = 1 << 6, MSR_DCD = 1 << 7 };
enum { FIFO_SIZE = 16, PORTS_MAX = 4, BAUD_BASE = 115200, TIMEOUT_CHARACTERS = 4 };
enum { BACKLOG_MAX = 1 << 18, BACKLOG_LOOK_NS = 1000000 };

#define BY_INDEX UINT32_MAX         /* property not given: the standard value of the index */

struct serial {
	struct device device;      /* machine lock: everything below but chardev */
	char *chardev_name;        /* properties */
	uint32_t index, iobase, irq;
	struct chardev *chardev;   /* NULL: nothing connected; set once */
	uint8_t ier, lcr, mcr, msr, scr;
	uint8_t errors;            /* overrun and break bits of the line status */
	uint16_t divisor;
	bool fifos;
	uint8_t trigger;           /* received bytes that raise the interrupt */
	uint8_t fifo[FIFO_SIZE], first, held;
	bool thre_event;           /* the transmitter became empty, not told yet */
	bool busy;                 /* the back end has BACKLOG_MAX bytes waiting */
	bool timeout;              /* bytes wait below the trigger level for too long */
	bool stalled;              /* the back end was told to wait */
	struct isa_pin pin;
	struct clock_timer *timer;      /* receiver's time-out */
	struct clock_timer *line_timer; /* looks at the backlog while busy */
};

static const uint16_t standard_port[PORTS_MAX] = { 0x3f8, 0x2f8, 0x3e8, 0x2e8 };
static const uint8_t standard_irq[PORTS_MAX] = { 4, 3, 4, 3 };

/* ---- interrupts ---- */

static unsigned capacity(const struct serial *s)
{
	return s->fifos ? FIFO_SIZE : 1;
}

/* What IIR shows: the source of highest priority. */
static uint8_t source(const struct serial *s)
{
	if ((s->ier & IER_LINE) && s->errors)
		return IIR_LINE;
	if ((s->ier & IER_RX) && s->held >= (s->fifos ? s->trigger : 1))
		return IIR_RX;
	if ((s->ier & IER_RX) && s->timeout)
		return IIR_TIMEOUT;
	if ((s->ier & IER_THRE) && s->thre_event)
		return IIR_THRE;
	if ((s->ier & IER_MODEM) && (s->msr & (MSR_DCTS | MSR_DDSR | MSR_TERI | MSR_DDCD)))
		return IIR_MODEM;
	return IIR_NONE;
}

static void update(struct serial *s)
{
	isa_pin_set(&s->pin, source(s) != IIR_NONE);
}

/* Four characters' time at the line's speed. */
static int64_t timeout_ns(const struct serial *s)
{
	unsigned bits = 1 + 5 + (s->lcr & LCR_LENGTH) + !!(s->lcr & LCR_PARITY) + (s->lcr & LCR_STOP ? 2 : 1);

	return INT64_C(1000000000) * TIMEOUT_CHARACTERS * bits * (s->divisor ? s->divisor : 1) / BAUD_BASE;
}

/* A byte came or went: the time-out starts anew, if bytes wait. */
static void restart_timeout(struct serial *s)
{
	s->timeout = false;
	if (s->fifos && s->held)
		clock_timer_arm(s->timer, clock_now(s->device.machine->clock) + timeout_ns(s));
	else
		clock_timer_cancel(s->timer);
}

/* Locks: takes the machine's. */
static void timer_fired(void *opaque)
{
	struct serial *s = opaque;

	lock_acquire(&s->device.machine->lock);
	/* Not if the guest read or the timer was armed again while the lock was awaited. */
	if (s->fifos && s->held && clock_timer_deadline(s->timer) == INT64_MAX) {
		s->timeout = true;
		update(s);
	}
	lock_release(&s->device.machine->lock);
}

/* ---- receiver ---- */

static void put(struct serial *s, uint8_t byte)
{
	if (s->held == capacity(s)) {
		s->errors |= LSR_OVERRUN;
		if (s->fifos)
			return;      /* the FIFO keeps the old ones, the single register the new */
		s->held = 0;
	}
	s->fifo[(s->first + s->held) % FIFO_SIZE] = byte;
	s->held++;
}

static uint8_t take(struct serial *s)
{
	uint8_t byte = s->fifo[s->first];

	if (!s->held)
		return 0;
	s->first = (s->first + 1) % FIFO_SIZE;
	s->held--;
	restart_timeout(s);
	return byte;
}

/* There is room again. */
static void wake_backend(struct serial *s)
{
	if (!s->stalled || !s->chardev || (s->mcr & MCR_LOOP) || s->held == capacity(s))
		return;
	s->stalled = false;
	chardev_accept_input(s->chardev);
}

static size_t can_receive(void *opaque)
{
	struct serial *s = opaque;
	size_t room = 0;

	lock_acquire(&s->device.machine->lock);
	/* In loop-back the receiver is cut off from the cable. */
	if (!(s->mcr & MCR_LOOP))
		room = capacity(s) - s->held;
	if (!room)
		s->stalled = true;
	lock_release(&s->device.machine->lock);
	return room;
}

static void receive(void *opaque, const uint8_t *data, size_t n)
{
	struct serial *s = opaque;

	lock_acquire(&s->device.machine->lock);
	for (size_t i = 0; i < n; i++)
		put(s, data[i]);
	restart_timeout(s);
	update(s);
	lock_release(&s->device.machine->lock);
}

static void event(void *opaque, enum chardev_event e)
{
	struct serial *s = opaque;

	if (e != CHARDEV_BREAK)
		return;
	lock_acquire(&s->device.machine->lock);
	put(s, 0);
	s->errors |= LSR_BREAK;
	restart_timeout(s);
	update(s);
	lock_release(&s->device.machine->lock);
}

static const struct chardev_front front = { can_receive, receive, event };

/* ---- modem lines ---- */

/* Inputs of the modem status register. */
static uint8_t modem_inputs(const struct serial *s)
{
	if (!(s->mcr & MCR_LOOP))
		return MSR_CTS | MSR_DSR | MSR_DCD;
	return (s->mcr & MCR_RTS ? MSR_CTS : 0) | (s->mcr & MCR_DTR ? MSR_DSR : 0)
		| (s->mcr & MCR_OUT1 ? MSR_RI : 0) | (s->mcr & MCR_OUT2 ? MSR_DCD : 0);
}

static void write_mcr(struct serial *s, uint8_t v)
{
	uint8_t before = s->msr & 0xf0, after, changed;

	s->mcr = v & MCR_WRITABLE;
	after = modem_inputs(s);
	changed = (before ^ after) & ~MSR_RI;
	/* The ring indicator tells its end only. */
	s->msr = after | (s->msr & 0x0f) | changed >> 4 | (before & ~after & MSR_RI ? MSR_TERI : 0);
}

/* ---- registers ---- */

static void look_at_backlog(struct serial *s)
{
	s->busy = s->chardev && chardev_backlog(s->chardev) > BACKLOG_MAX;
	s->thre_event = !s->busy;
	if (s->busy)
		clock_timer_arm(s->line_timer, clock_now(s->device.machine->clock) + BACKLOG_LOOK_NS);
}

/* Locks: takes the machine's. */
static void line_timer_fired(void *opaque)
{
	struct serial *s = opaque;

	lock_acquire(&s->device.machine->lock);
	if (s->busy) {
		look_at_backlog(s);
		update(s);
	}
	lock_release(&s->device.machine->lock);
}

static void transmit(struct serial *s, uint8_t byte)
{
	if (s->mcr & MCR_LOOP) {
		put(s, byte);
		restart_timeout(s);
		s->thre_event = true;
		return;
	}
	if (s->chardev)
		chardev_write(s->chardev, &byte, 1);
	look_at_backlog(s);
}

static void write_ier(struct serial *s, uint8_t v)
{
	/* Enabling it while the transmitter is empty is an event. */
	if ((v & IER_THRE) && !(s->ier & IER_THRE))
		s->thre_event = !s->busy;
	s->ier = v & IER_WRITABLE;
}

static void write_fcr(struct serial *s, uint8_t v)
{
	static const uint8_t levels[4] = { 1, 4, 8, 14 };
	bool enable = v & FCR_ENABLE;

	if (enable != s->fifos || (v & FCR_CLEAR_RX)) {
		s->fifos = enable;
		s->held = s->first = 0;
		restart_timeout(s);
	}
	if (enable)
		s->trigger = levels[v >> 6];
}

static uint8_t read_iir(struct serial *s)
{
	uint8_t v = source(s);

	if (v == IIR_THRE)
		s->thre_event = false;       /* reading tells it */
	return v | (s->fifos ? IIR_FIFOS : 0);
}

static uint8_t read_lsr(struct serial *s)
{
	uint8_t v = s->errors | (s->busy ? 0 : LSR_THRE | LSR_EMPTY) | (s->held ? LSR_READY : 0);

	s->errors = 0;
	return v;
}

static uint8_t read_msr(struct serial *s)
{
	uint8_t v = s->msr;

	s->msr &= 0xf0;
	return v;
}

static uint8_t read_register(struct serial *s, unsigned offset)
{
	bool dlab = s->lcr & LCR_DLAB;

	switch (offset) {
	case REG_DATA:
		return dlab ? s->divisor : take(s);
	case REG_IER:
		return dlab ? s->divisor >> 8 : s->ier;
	case REG_IIR_FCR:
		return read_iir(s);
	case REG_LCR:
		return s->lcr;
	case REG_MCR:
		return s->mcr;
	case REG_LSR:
		return read_lsr(s);
	case REG_MSR:
		return read_msr(s);
	default:
		return s->scr;
	}
}

static void write_register(struct serial *s, unsigned offset, uint8_t v)
{
	bool dlab = s->lcr & LCR_DLAB;

	switch (offset) {
	case REG_DATA:
		if (dlab)
			s->divisor = (s->divisor & 0xff00) | v;
		else
			transmit(s, v);
		break;
	case REG_IER:
		if (dlab)
			s->divisor = (s->divisor & 0xff) | v << 8;
		else
			write_ier(s, v);
		break;
	case REG_IIR_FCR:
		write_fcr(s, v);
		break;
	case REG_LCR:
		s->lcr = v;
		break;
	case REG_MCR:
		write_mcr(s, v);
		break;
	case REG_SCR:
		s->scr = v;
		break;
	}
}

static uint64_t serial_read(void *dev, uint64_t offset, unsigned size)
{
	struct serial *s = dev;
	uint8_t v = read_register(s, offset);

	wake_backend(s);
	update(s);
	return v;
}

static void serial_write(void *dev, uint64_t offset, uint64_t value, unsigned size)
{
	struct serial *s = dev;

	write_register(s, offset, value);
	wake_backend(s);
	update(s);
}

static const struct region_ops serial_ops = { serial_read, serial_write, 1, 1 };

/* ---- type ---- */

static void serial_reset(struct device *d)
{
	struct serial *s = (struct serial *)d;

	s->ier = s->lcr = s->mcr = s->scr = s->errors = 0;
	s->msr = modem_inputs(s);
	s->divisor = 12;                 /* 9600 baud */
	s->fifos = false;
	s->trigger = 1;
	s->first = s->held = 0;
	s->thre_event = s->busy = false;
	restart_timeout(s);
	wake_backend(s);
	update(s);
}

static void serial_loaded(struct device *d)
{
	struct serial *s = (struct serial *)d;
	bool timeout = s->timeout;

	restart_timeout(s);
	s->timeout = timeout;
	if (s->busy)
		look_at_backlog(s);
	update(s);
}

/* The next index that no other port has. */
static uint32_t free_index(const struct serial *s)
{
	struct machine *m = s->device.machine;
	uint32_t n = 0;

	for (unsigned i = 0; i < m->devices->len; i++) {
		struct device *d = g_ptr_array_index(m->devices, i);

		if (d->type == s->device.type)
			n = MAX(n, ((struct serial *)d)->index + 1);
	}
	return n;
}

static bool place(struct serial *s, GError **error)
{
	if (s->index == BY_INDEX)
		s->index = free_index(s);
	if (s->index >= PORTS_MAX) {
		g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
			"isa-serial: index %u is not below %d: no more ports are possible", s->index, PORTS_MAX);
		return false;
	}
	if (s->iobase == BY_INDEX)
		s->iobase = standard_port[s->index];
	if (s->irq == BY_INDEX)
		s->irq = standard_irq[s->index];
	if (s->iobase > 0x10000 - REGS || s->irq >= ISA_IRQS) {
		g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
			"isa-serial: iobase 0x%x must be an I/O port, irq %u below %d", s->iobase, s->irq, ISA_IRQS);
		return false;
	}
	return true;
}

static bool connect_chardev(struct serial *s, struct chardev *c, GError **error)
{
	if (!chardev_attach(c, &front, s, error))
		return false;
	s->chardev = c;
	return true;
}

static bool connect_named(struct serial *s, GError **error)
{
	struct chardev *c = machine_chardev(s->device.machine, s->chardev_name);

	if (c)
		return connect_chardev(s, c, error);
	g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
		"Property 'isa-serial.chardev' can't find value '%s'", s->chardev_name);
	return false;
}

static bool serial_init(struct device *d, GError **error)
{
	struct serial *s = (struct serial *)d;

	if (!place(s, error))
		return false;
	isa_pin_init(&s->pin, d->machine, s->irq);
	s->timer = clock_timer_new(d->machine->clock, timer_fired, s);
	s->line_timer = clock_timer_new(d->machine->clock, line_timer_fired, s);
	if (s->chardev_name && !connect_named(s, error)) {
		clock_timer_free(s->line_timer);
		clock_timer_free(s->timer);
		return false;
	}
	machine_add_io(d->machine, s->iobase, REGS, &serial_ops, s, "isa-serial");
	return true;
}

static void serial_fini(struct device *d)
{
	struct serial *s = (struct serial *)d;

	if (s->chardev)
		chardev_detach(s->chardev, s);
	clock_timer_free(s->line_timer);
	clock_timer_free(s->timer);
}

static const struct device_property serial_properties[] = {
	{ "chardev", "character device at the other end of the cable", PROPERTY_STRING, offsetof(struct serial, chardev_name) },
	{ "index", "number of the port, 0 to 3", PROPERTY_UINT32, offsetof(struct serial, index), BY_INDEX },
	{ "iobase", "first I/O port", PROPERTY_UINT32, offsetof(struct serial, iobase), BY_INDEX },
	{ "irq", "ISA IRQ", PROPERTY_UINT32, offsetof(struct serial, irq), BY_INDEX },
	{ NULL }
};

#define FIELD(f) { #f, offsetof(struct serial, f), sizeof(((struct serial *)0)->f), 1 }
static const struct state_field serial_state[] = {
	FIELD(ier), FIELD(lcr), FIELD(mcr), FIELD(msr), FIELD(scr), FIELD(errors), FIELD(divisor), FIELD(fifos),
	FIELD(trigger), FIELD(fifo), FIELD(first), FIELD(held), FIELD(thre_event), FIELD(busy), FIELD(timeout),
	{ "pin", offsetof(struct serial, pin.level), 1, 1 },
	{ NULL }
};

const struct device_type serial_type = {
	.name = "isa-serial",
	.description = "16550A serial port",
	.size = sizeof(struct serial),
	.user_creatable = true,
	.properties = serial_properties,
	.init = serial_init,
	.reset = serial_reset,
	.fini = serial_fini,
	.state = serial_state,
	.loaded = serial_loaded,
};

struct device *serial_new(struct machine *m, unsigned index, struct chardev *chardev, GError **error)
{
	char number[12];
	const char *set[] = { "index", number, NULL };
	struct device *d;

	g_snprintf(number, sizeof(number), "%u", index);
	d = device_new(m, "isa-serial", NULL, set, error);
	if (!d || !chardev)
		return d;
	if (!connect_chardev((struct serial *)d, chardev, error))
		return NULL;         /* the port stays, with nothing connected */
	g_free(((struct serial *)d)->chardev_name);
	((struct serial *)d)->chardev_name = g_strdup(chardev_id(chardev));
	return d;
}
