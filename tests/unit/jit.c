/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The translator's own limits: a code cache that is too small, blocks that do not fit,
 * code that has changed beside a block, and a translation that is wrong under check=N.
 */
#include <stdio.h>
#include <unistd.h>

#include "fakecpu.h"
#include "jit.h"

#define CODE_IS(f, ...)                                         \
	do {                                                    \
		static const uint8_t k_[] = { __VA_ARGS__ };    \
		memcpy((f)->ram + CODE, k_, sizeof k_);         \
	} while (0)

enum { HLT = 0xf4, CHAIN = 0x100000, SPAN = 16 };

static struct fake *start(const struct engine_options *o)
{
	struct fake *f = fake_new();

	f->engine->detach(f->c);
	f->engine = engine_find("jit");
	g_assert_true(f->engine->attach(f->c, o));
	fake_long(f);
	return f;
}

static void run_to_hlt(struct fake *f)
{
	g_assert_cmpint(f->engine->run(f->c), ==, X86_RUN_HALTED);
	f->c->activity = X86_ACTIVE;
}

static void again(struct fake *f)
{
	f->c->rip = CODE;
	f->c->gpr[X86_RAX] = 0;
	run_to_hlt(f);
}

/* mov ecx,1000; xor eax,eax; 1: add eax,ecx; dec ecx; jnz 1b; hlt */
static void load_loop(struct fake *f)
{
	CODE_IS(f, 0xb9, 0xe8, 3, 0, 0, 0x31, 0xc0, 0x01, 0xc8, 0xff, 0xc9, 0x75, 0xfa, HLT);
}

/* What would never fit is interpreted, once for all, and does not empty the cache. */
static void test_too_large(void)
{
	struct fake *f = start(NULL);
	struct jit *j = jit_of(f->c);

	j->block_bytes = 16;
	load_loop(f);
	run_to_hlt(f);
	g_assert_cmpuint(f->c->gpr[X86_RAX], ==, 500500);
	g_assert_cmpuint(j->count.too_large, >, 0);
	g_assert_cmpuint(j->count.too_large, <, 10);
	g_assert_cmpuint(j->count.blocks, ==, 0);
	g_assert_cmpuint(j->count.flushes, ==, 0);
	fake_free(f);
}

/* Only those: what comes behind them is translated. */
static void test_some_too_large(void)
{
	struct fake *f = start(NULL);
	struct jit *j = jit_of(f->c);
	unsigned i;

	/* mov ecx,100; 1: 20 times "add [rdi+rcx*8],rax; inc rax"; jmp 2f; 2: dec ecx; jnz 1b; hlt */
	CODE_IS(f, 0xb9, 100, 0, 0, 0);
	for (i = 0; i < 20; i++)
		memcpy(f->ram + CODE + 5 + i * 7, "\x48\x01\x04\xcf\x48\xff\xc0", 7);
	memcpy(f->ram + CODE + 145, "\xeb\x00\xff\xc9\x0f\x85\x68\xff\xff\xff\xf4", 11);
	j->block_bytes = 600;
	run_to_hlt(f);
	g_assert_cmpuint(f->c->gpr[X86_RAX], ==, 2000);
	g_assert_cmpuint(j->count.too_large, >, 0);
	g_assert_cmpuint(j->count.blocks, >, 0);
	g_assert_cmpuint(j->count.flushes, ==, 0);
	fake_free(f);
}

/* Three times round 60,000 blocks, of which the smallest cache holds a part. */
static void test_overfilled(void)
{
	struct engine_options o = { .cache_mib = ENGINE_CACHE_MIN };
	struct fake *f = start(&o);
	struct jit *j = jit_of(f->c);
	unsigned i, n = 60000;

	for (i = 0; i < n; i++) {
		uint8_t *at = f->ram + CHAIN + i * SPAN;

		/* inc rax; jmp to the next */
		memcpy(at, "\x48\xff\xc0\xeb\x0b", 5);
	}
	f->ram[CHAIN + n * SPAN] = HLT;
	for (i = 0; i < 3; i++) {
		f->c->rip = CHAIN;
		run_to_hlt(f);
	}
	g_assert_cmpuint(f->c->gpr[X86_RAX], ==, 3 * n);
	g_assert_cmpuint(j->count.flushes, >, 2);
	g_assert_cmpuint(j->used, <=, j->size);
	fake_free(f);
}

/* A store to code beside a block, in another granule: the block is taken back as it is. */
static void test_beside(void)
{
	struct fake *f = start(NULL);
	struct jit *j = jit_of(f->c);
	uint64_t blocks, decoded;

	/* mov byte [CODE+0x101],bl; jmp CODE+0x100    CODE+0x100: mov al,N; jmp CODE+0x200    CODE+0x200: inc eax; hlt */
	CODE_IS(f, 0x88, 0x1c, 0x25, 1, 1, 1, 0, 0xe9, 0xf4, 0, 0, 0);
	memcpy(f->ram + CODE + 0x100, "\xb0\x05\xe9\xf9\x00\x00\x00", 7);
	memcpy(f->ram + CODE + 0x200, "\xff\xc0\xf4", 3);
	f->c->gpr[X86_RBX] = 7;
	run_to_hlt(f);
	g_assert_cmpuint(f->c->gpr[X86_RAX], ==, 8);
	f->c->gpr[X86_RBX] = 9;
	again(f);
	g_assert_cmpuint(f->c->gpr[X86_RAX], ==, 10);
	blocks = j->count.blocks;
	decoded = f->c->count.decoded;
	f->c->gpr[X86_RBX] = 11;
	again(f);
	g_assert_cmpuint(f->c->gpr[X86_RAX], ==, 12);
	g_assert_cmpuint(j->count.again, >, 0);
	g_assert_cmpuint(f->c->count.again, >, 0);
	/* The one that has changed, and what follows the store in its own block. */
	g_assert_cmpuint(j->count.blocks - blocks, <=, 2);
	g_assert_cmpuint(f->c->count.decoded - decoded, <=, 2);
	fake_free(f);
}

/* The constant of "mov eax,0x12345678" in the code cache becomes another. */
static unsigned plant(struct jit *j)
{
	static const uint8_t constant[4] = { 0x78, 0x56, 0x34, 0x12 };
	unsigned found = 0;

	for (uint32_t at = j->start; at + 4 <= j->used; at++)
		if (!memcmp(j->write + at, constant, 4)) {
			j->write[at] ^= 1;
			found++;
		}
	return found;
}

/* What the engine says on standard error while it runs. */
static char *run_captured(struct fake *f, enum x86_run *why)
{
	char name[] = "/tmp/hvtlfs-unit-jit-XXXXXX", *text;
	int fd = g_mkstemp(name), old = dup(2);

	g_assert_cmpint(fd, >=, 0);
	fflush(stderr);
	dup2(fd, 2);
	*why = f->engine->run(f->c);
	fflush(stderr);
	dup2(old, 2);
	close(old);
	close(fd);
	g_assert_true(g_file_get_contents(name, &text, NULL, NULL));
	unlink(name);
	return text;
}

static void assert_says(const char *text, const char *what)
{
	if (!strstr(text, what))
		g_error("'%s' is not in: %s", what, text);
}

static void test_wrong(void)
{
	struct engine_options o = { .check = 1 };
	struct fake *f = start(&o);
	struct jit *j = jit_of(f->c);
	enum x86_run why;
	char *text;
	unsigned i;

	/* mov eax,0x12345678; mov ebx,eax; jmp CODE+0x40    CODE+0x40: hlt */
	CODE_IS(f, 0xb8, 0x78, 0x56, 0x34, 0x12, 0x89, 0xc3, 0xeb, 0x37);
	f->ram[CODE + 0x40] = HLT;
	for (i = 0; i < 3; i++)
		again(f);
	g_assert_cmpuint(j->count.checked, >, 0);
	g_assert_cmpuint(plant(j), ==, 1);
	f->c->rip = CODE;
	text = run_captured(f, &why);
	g_assert_cmpint(why, ==, X86_RUN_BROKEN);
	assert_says(text, "translated code and interpreter differ: rax");
	assert_says(text, "guest code at 0000000000010000:");
	assert_says(text, "interpreter: rip 0000000000010040");
	assert_says(text, "rax 0000000012345678");
	assert_says(text, "translated: rip 0000000000010040");
	assert_says(text, "rax 0000000012345679");
	g_free(text);
	fake_free(f);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/jit/too-large", test_too_large);
	g_test_add_func("/jit/some-too-large", test_some_too_large);
	g_test_add_func("/jit/overfilled", test_overfilled);
	g_test_add_func("/jit/beside", test_beside);
	g_test_add_func("/jit/wrong", test_wrong);
	return g_test_run();
}
