/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Serial console, TAP and the few string functions that compilers call. */
#include "guest.h"

enum { COM1 = 0x3f8, FIFO_CONTROL = 2, LINE_STATUS = 5, TRANSMIT_EMPTY = 0x20, FIFO_ENABLE = 1, FIFO_SIZE = 16, EXIT_PORT = 0xf4 };

static unsigned checks, failures;
/* What an empty transmitter takes, and what is left of that. */
static unsigned fifo = 1, room;

void *memset(void *p, int c, size_t n)
{
	void *d = p;

	asm volatile("rep stosb" : "+D"(d), "+c"(n) : "a"(c) : "memory");
	return p;
}

void *memcpy(void *to, const void *from, size_t n)
{
	void *d = to;

	asm volatile("rep movsb" : "+D"(d), "+S"(from), "+c"(n) : : "memory");
	return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const uint8_t *x = a, *y = b;

	for (; n && *x == *y; n--)
		x++, y++;
	return n ? *x - *y : 0;
}

size_t strlen(const char *s)
{
	size_t n = 0;

	while (s[n])
		n++;
	return n;
}

void guest_fifo(void)
{
	outb(COM1 + FIFO_CONTROL, FIFO_ENABLE);
	fifo = FIFO_SIZE;
}

void guest_putc(char c)
{
	while (!room)
		if (inb(COM1 + LINE_STATUS) & TRANSMIT_EMPTY)
			room = fifo;
		else
			pause_cpu();
	room--;
	outb(COM1, c);
}

static void put_number(uint64_t v, unsigned base, int width, char pad, bool negative)
{
	char digit[24];
	int n = 0;

	do {
		/* Decimal numbers are of register size: no 64-bit division in 32-bit code. */
		unsigned d = base == 16 ? v & 15 : (unsigned long)v % 10;

		digit[n++] = "0123456789abcdef"[d];
		v = base == 16 ? v >> 4 : (unsigned long)v / 10;
	} while (v);
	if (negative)
		digit[n++] = '-';
	for (; width > n; width--)
		guest_putc(pad);
	while (n)
		guest_putc(digit[--n]);
}

static const char *put_item(const char *p, va_list *ap)
{
	char pad = *p == '0' ? '0' : ' ';
	int width = 0, longs = 0;
	uint64_t v;

	while (*p >= '0' && *p <= '9')
		width = width * 10 + *p++ - '0';
	for (; *p == 'l'; p++)
		longs++;
	switch (*p) {
	case 'c':
		guest_putc(va_arg(*ap, int));
		break;
	case 's':
		for (const char *s = va_arg(*ap, const char *); *s; s++)
			guest_putc(*s);
		break;
	case 'd': {
		long d = longs ? va_arg(*ap, long) : va_arg(*ap, int);

		put_number(d < 0 ? -(unsigned long)d : (unsigned long)d, 10, width, pad, d < 0);
		break;
	}
	case 'p':
		longs = 1;
		/* fall through */
	case 'u':
	case 'x':
		v = longs == 2 ? va_arg(*ap, unsigned long long) : longs ? va_arg(*ap, unsigned long) : va_arg(*ap, unsigned);
		put_number(v, *p == 'u' ? 10 : 16, width, pad, false);
		break;
	default:
		guest_putc(*p);
	}
	return p + 1;
}

void vprint(const char *fmt, va_list *ap)
{
	while (*fmt) {
		if (*fmt == '%')
			fmt = put_item(fmt + 1, ap);
		else
			guest_putc(*fmt++);
	}
}

void print(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprint(fmt, &ap);
	va_end(ap);
}

static void tap(bool good, const char *fmt, va_list *ap)
{
	failures += !good;
	print("%sok %u - ", good ? "" : "not ", ++checks);
	vprint(fmt, ap);
}

void check(bool good, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	tap(good, fmt, &ap);
	va_end(ap);
	print("\n");
}

void check_eq(uint64_t got, uint64_t want, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	tap(got == want, fmt, &ap);
	va_end(ap);
	print("\n");
	if (got != want)
		print("# got 0x%llx, want 0x%llx\n", (unsigned long long)got, (unsigned long long)want);
}

void check_skip(const char *why, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	tap(true, fmt, &ap);
	va_end(ap);
	print(" # SKIP %s\n", why);
}

#define CHECK_EVENT(good, fmt) do { \
	va_list ap_; \
	bool good_ = (good); \
	va_start(ap_, fmt); \
	tap(good_, fmt, &ap_); \
	va_end(ap_); \
	print("\n"); \
	if (!good_) \
		print("# events %u: vector %u, error 0x%llx, ip 0x%lx (tried 0x%lx), cr2 0x%llx\n", event.count, event.vector, \
		      (unsigned long long)event.error, (unsigned long)event.frame.ip, event.start, \
		      (unsigned long long)event.cr2); \
} while (0)

void check_fault(unsigned vector, uint64_t error, const char *fmt, ...)
{
	CHECK_EVENT(event.count == 1 && event.vector == vector && event.error == error && event.frame.ip == event.start, fmt);
}

void check_page_fault(unsigned long address, uint64_t error, const char *fmt, ...)
{
	CHECK_EVENT(event.count == 1 && event.vector == PF && event.error == error && event.frame.ip == event.start &&
		    event.cr2 == address, fmt);
}

void check_no_fault(const char *fmt, ...)
{
	CHECK_EVENT(!event.count, fmt);
}

void check_user_fault(unsigned vector, uint64_t error, const void *code, long offset, const char *fmt, ...)
{
#ifdef __x86_64__
	unsigned long at = (unsigned long)user_alias(code) + offset;
#else
	unsigned long at = (unsigned long)code + offset;
#endif

	event.start = at;
	CHECK_EVENT(event.count == 1 && event.vector == vector && event.error == error && (offset < 0 || event.frame.ip == at), fmt);
}

void guest_exit(void)
{
	print("1..%u\n", checks);
	for (;;) {
		outb(EXIT_PORT, failures || !checks);
		asm volatile("cli; hlt");
	}
}

void guest_die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	print("Bail out! ");
	vprint(fmt, &ap);
	va_end(ap);
	print("\n");
	failures++;
	guest_exit();
}

const char *guest_cmdline = "";

unsigned long guest_option(const char *name, unsigned long otherwise)
{
	size_t n = strlen(name);
	unsigned long v = 0;

	for (const char *p = guest_cmdline; *p; p++) {
		if ((p != guest_cmdline && p[-1] != ' ') || memcmp(p, name, n) || p[n] != '=')
			continue;
		for (p += n + 1; *p >= '0' && *p <= '9'; p++)
			v = v * 10 + *p - '0';
		return v;
	}
	return otherwise;
}
