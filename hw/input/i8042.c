/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Keyboard controller of the PC/AT with a keyboard that nobody types on.
 * Data sheet: Intel 8042 with the IBM PC/AT technical reference, section 4.
 *
 * Enough for firmware and kernels to find it healthy: self-tests, command byte,
 * the keyboard's identity and settings, reset of the machine.  Left out: keys, the
 * mouse (its test fails, so that nobody looks for one), the effect of the A20 gate,
 * scan code translation other than of the identity.
 */
#include "hw/input/i8042.h"

#include <stddef.h>

#include "trace/log.h"

enum { IRQ = 1, QUEUE = 16, RAM = 32 };
enum { STATUS_OUTPUT = 1 << 0, STATUS_SYSTEM = 1 << 2, STATUS_COMMAND = 1 << 3, STATUS_UNLOCKED = 1 << 4 };
enum { MODE_INTERRUPT = 1 << 0, MODE_SYSTEM = 1 << 2, MODE_DISABLED = 1 << 4, MODE_MOUSE_DISABLED = 1 << 5, MODE_TRANSLATE = 1 << 6 };
enum { OUTPUT_NO_RESET = 1 << 0, OUTPUT_A20 = 1 << 1, INPUT_PORT = 0x80 };
enum {
	COMMAND_READ = 0x20, COMMAND_WRITE = 0x60, COMMAND_MOUSE_OFF = 0xa7, COMMAND_MOUSE_ON = 0xa8,
	COMMAND_MOUSE_TEST = 0xa9, COMMAND_SELF_TEST = 0xaa, COMMAND_KEYBOARD_TEST = 0xab,
	COMMAND_KEYBOARD_OFF = 0xad, COMMAND_KEYBOARD_ON = 0xae, COMMAND_READ_INPUT = 0xc0,
	COMMAND_READ_OUTPUT = 0xd0, COMMAND_WRITE_OUTPUT = 0xd1, COMMAND_FAKE_KEYBOARD = 0xd2,
	COMMAND_FAKE_MOUSE = 0xd3, COMMAND_TO_MOUSE = 0xd4, COMMAND_A20_OFF = 0xdd, COMMAND_A20_ON = 0xdf,
	COMMAND_PULSE = 0xf0,
};
enum { SELF_TEST_GOOD = 0x55, PORT_GOOD = 0, PORT_BAD = 1 };
enum {
	KEYBOARD_LEDS = 0xed, KEYBOARD_ECHO = 0xee, KEYBOARD_SCAN_CODES = 0xf0, KEYBOARD_IDENTIFY = 0xf2,
	KEYBOARD_RATE = 0xf3, KEYBOARD_ENABLE = 0xf4, KEYBOARD_DISABLE = 0xf5, KEYBOARD_DEFAULTS = 0xf6,
	KEYBOARD_RESEND = 0xfe, KEYBOARD_RESET = 0xff,
};
enum { ACKNOWLEDGE = 0xfa, KEYBOARD_GOOD = 0xaa, IDENTITY_1 = 0xab, IDENTITY_2 = 0x83, IDENTITY_2_TRANSLATED = 0x41 };

struct queue {
	uint8_t byte[QUEUE], first, held;
};

struct kbc {
	struct device device;     /* machine lock: everything below */
	uint8_t ram[RAM];         /* byte 0: mode */
	uint8_t output_port;
	uint8_t pending;          /* controller command that waits for its byte; 0 */
	bool last_was_command;
	bool full;                /* output buffer holds a byte */
	uint8_t data;
	struct queue controller, keyboard;
	uint8_t keyboard_pending; /* keyboard command that waits for its byte; 0 */
	uint8_t scan_codes, last_sent;
	struct isa_pin irq;
};

/* ---- output buffer ---- */

static void push(struct queue *q, uint8_t v)
{
	if (q->held < QUEUE)
		q->byte[(q->first + q->held++) % QUEUE] = v;
}

static uint8_t pop(struct queue *q)
{
	uint8_t v = q->byte[q->first];

	q->first = (q->first + 1) % QUEUE;
	q->held--;
	return v;
}

/* The next waiting byte becomes visible, the controller's own answers first. */
static void update(struct kbc *k)
{
	if (!k->full && k->controller.held) {
		k->data = pop(&k->controller);
		k->full = true;
	} else if (!k->full && k->keyboard.held && !(k->ram[0] & MODE_DISABLED)) {
		k->data = k->last_sent = pop(&k->keyboard);
		k->full = true;
	}
	isa_pin_set(&k->irq, k->full && (k->ram[0] & MODE_INTERRUPT));
}

static uint8_t read_data(struct kbc *k)
{
	uint8_t v = k->data;

	k->full = false;
	isa_pin_set(&k->irq, false);      /* an edge for each byte */
	update(k);
	return v;
}

/* ---- keyboard ---- */

static void keyboard_defaults(struct kbc *k)
{
	k->scan_codes = 2;
	k->keyboard_pending = 0;
	k->keyboard.held = 0;
}

static void keyboard_argument(struct kbc *k, uint8_t v)
{
	push(&k->keyboard, ACKNOWLEDGE);
	if (k->keyboard_pending == KEYBOARD_SCAN_CODES) {
		if (!v)
			push(&k->keyboard, k->scan_codes);
		else if (v <= 3)
			k->scan_codes = v;
	}
	k->keyboard_pending = 0;
}

static void keyboard_command(struct kbc *k, uint8_t v)
{
	switch (v) {
	case KEYBOARD_LEDS:
	case KEYBOARD_SCAN_CODES:
	case KEYBOARD_RATE:
		k->keyboard_pending = v;
		push(&k->keyboard, ACKNOWLEDGE);
		break;
	case KEYBOARD_ECHO:
		push(&k->keyboard, KEYBOARD_ECHO);
		break;
	case KEYBOARD_IDENTIFY:
		push(&k->keyboard, ACKNOWLEDGE);
		push(&k->keyboard, IDENTITY_1);
		push(&k->keyboard, k->ram[0] & MODE_TRANSLATE ? IDENTITY_2_TRANSLATED : IDENTITY_2);
		break;
	case KEYBOARD_ENABLE:
		push(&k->keyboard, ACKNOWLEDGE);
		break;
	case KEYBOARD_DISABLE:
	case KEYBOARD_DEFAULTS:
		keyboard_defaults(k);
		push(&k->keyboard, ACKNOWLEDGE);
		break;
	case KEYBOARD_RESET:
		keyboard_defaults(k);
		push(&k->keyboard, ACKNOWLEDGE);
		push(&k->keyboard, KEYBOARD_GOOD);
		break;
	case KEYBOARD_RESEND:
		push(&k->keyboard, k->last_sent);
		break;
	default:
		push(&k->keyboard, KEYBOARD_RESEND);
		break;
	}
}

static void to_keyboard(struct kbc *k, uint8_t v)
{
	k->ram[0] &= ~MODE_DISABLED;      /* sending opens the line */
	if (k->keyboard_pending && v < KEYBOARD_LEDS)
		keyboard_argument(k, v);
	else
		keyboard_command(k, v);
}

/* ---- controller ---- */

static void write_output_port(struct kbc *k, uint8_t v)
{
	k->output_port = v;
	if (!(v & OUTPUT_NO_RESET))
		machine_request_reset(k->device.machine);
}

static void set_mode(struct kbc *k, uint8_t set, uint8_t clear)
{
	k->ram[0] = (k->ram[0] & ~clear) | set;
}

static void command(struct kbc *k, uint8_t v)
{
	k->pending = 0;
	switch (v) {
	case COMMAND_READ ... COMMAND_READ + RAM - 1:
		push(&k->controller, k->ram[v - COMMAND_READ]);
		break;
	case COMMAND_WRITE ... COMMAND_WRITE + RAM - 1:
	case COMMAND_WRITE_OUTPUT ... COMMAND_TO_MOUSE:
		k->pending = v;
		break;
	case COMMAND_MOUSE_OFF:
		set_mode(k, MODE_MOUSE_DISABLED, 0);
		break;
	case COMMAND_MOUSE_ON:
		set_mode(k, 0, MODE_MOUSE_DISABLED);
		break;
	case COMMAND_MOUSE_TEST:
		push(&k->controller, PORT_BAD);
		break;
	case COMMAND_SELF_TEST:
		set_mode(k, MODE_SYSTEM, 0);
		push(&k->controller, SELF_TEST_GOOD);
		break;
	case COMMAND_KEYBOARD_TEST:
		push(&k->controller, PORT_GOOD);
		break;
	case COMMAND_KEYBOARD_OFF:
		set_mode(k, MODE_DISABLED, 0);
		break;
	case COMMAND_KEYBOARD_ON:
		set_mode(k, 0, MODE_DISABLED);
		break;
	case COMMAND_READ_INPUT:
		push(&k->controller, INPUT_PORT);
		break;
	case COMMAND_READ_OUTPUT:
		push(&k->controller, k->output_port);
		break;
	case COMMAND_A20_OFF:
		k->output_port &= ~OUTPUT_A20;
		break;
	case COMMAND_A20_ON:
		k->output_port |= OUTPUT_A20;
		break;
	case COMMAND_PULSE ... 0xff:
		/* Bits that are 0 pulse their line low; bit 0 is the processor's reset. */
		if (!(v & OUTPUT_NO_RESET))
			machine_request_reset(k->device.machine);
		break;
	default:
		log_print(LOG_UNIMP, "i8042: command 0x%02x\n", v);
		break;
	}
}

/* The byte of a command that has one. */
static void argument(struct kbc *k, uint8_t v)
{
	uint8_t c = k->pending;

	k->pending = 0;
	switch (c) {
	case COMMAND_WRITE_OUTPUT:
		write_output_port(k, v);
		break;
	case COMMAND_FAKE_KEYBOARD:
	case COMMAND_FAKE_MOUSE:
		/* Without the mark of a mouse's byte, which tells a kernel that there is none. */
		push(&k->controller, v);
		break;
	case COMMAND_TO_MOUSE:
		break;               /* nobody answers */
	default:
		k->ram[c - COMMAND_WRITE] = v;
		break;
	}
}

static uint64_t data_read(void *dev, uint64_t offset, unsigned size)
{
	return read_data(dev);
}

static void data_write(void *dev, uint64_t offset, uint64_t value, unsigned size)
{
	struct kbc *k = dev;

	k->last_was_command = false;
	if (k->pending)
		argument(k, value);
	else
		to_keyboard(k, value);
	update(k);
}

static uint64_t status_read(void *dev, uint64_t offset, unsigned size)
{
	struct kbc *k = dev;

	return STATUS_UNLOCKED | (k->full ? STATUS_OUTPUT : 0) | (k->ram[0] & MODE_SYSTEM ? STATUS_SYSTEM : 0)
		| (k->last_was_command ? STATUS_COMMAND : 0);
}

static void command_write(void *dev, uint64_t offset, uint64_t value, unsigned size)
{
	struct kbc *k = dev;

	k->last_was_command = true;
	command(k, value);
	update(k);
}

static const struct region_ops data_ops = { data_read, data_write, 1, 1 };
static const struct region_ops command_ops = { status_read, command_write, 1, 1 };

/* ---- type ---- */

static void kbc_reset(struct device *d)
{
	struct kbc *k = (struct kbc *)d;

	for (unsigned i = 0; i < RAM; i++)
		k->ram[i] = 0;
	/* As firmware leaves it: kernels may be started without one. */
	k->ram[0] = MODE_TRANSLATE | MODE_MOUSE_DISABLED | MODE_SYSTEM | MODE_INTERRUPT;
	k->output_port = OUTPUT_NO_RESET | OUTPUT_A20 | 0xcc;
	k->pending = 0;
	k->last_was_command = k->full = false;
	k->controller.held = 0;
	k->data = k->last_sent = 0;
	keyboard_defaults(k);
	update(k);
}

static bool kbc_init(struct device *d, GError **error)
{
	isa_pin_init(&((struct kbc *)d)->irq, d->machine, IRQ);
	machine_add_io(d->machine, KEYBOARD_DATA, 1, &data_ops, d, "i8042 data");
	machine_add_io(d->machine, KEYBOARD_COMMAND, 1, &command_ops, d, "i8042 command");
	return true;
}

#define FIELD(f) { #f, offsetof(struct kbc, f), sizeof(((struct kbc *)0)->f), 1 }
static const struct state_field kbc_state[] = {
	FIELD(ram), FIELD(output_port), FIELD(pending), FIELD(last_was_command), FIELD(full), FIELD(data), FIELD(controller),
	FIELD(keyboard), FIELD(keyboard_pending), FIELD(scan_codes), FIELD(last_sent),
	{ "irq", offsetof(struct kbc, irq.level), 1, 1 },
	{ NULL }
};

const struct device_type i8042_type = {
	.name = "i8042",
	.description = "keyboard controller and keyboard",
	.size = sizeof(struct kbc),
	.init = kbc_init,
	.reset = kbc_reset,
	.state = kbc_state,
};
