/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Small kernel images of each kind that loaders take: a Linux bzImage, an ELF file, a multiboot file. */
#ifndef TESTS_UNIT_IMAGES_H
#define TESTS_UNIT_IMAGES_H

#include <elf.h>
#include <string.h>

#include "../../hw/i386/boot/boot.h"

enum { MIB = 1 << 20 };

enum { SETUP = 5 * 512, KERNEL = 64 * 1024, IMAGE = SETUP + KERNEL, PREF = 16 * MIB, INIT = 24 * MIB };

static inline void bz_image(uint8_t *k)
{
	memset(k, 0, IMAGE);
	for (unsigned i = 0; i < KERNEL; i++)
		k[SETUP + i] = (uint8_t)(i * 7 + 3);
	k[0x1f1] = 4;
	put_le(k + 0x1f4, KERNEL / 16, 4);
	put_le(k + 0x1fe, 0xaa55, 2);
	k[0x200] = 0xeb;
	k[0x201] = 0x6a;
	memcpy(k + 0x202, "HdrS", 4);
	put_le(k + 0x206, 0x20f, 2);
	k[0x211] = 1;
	put_le(k + 0x214, 0x100000, 4);
	put_le(k + 0x22c, 0x7fffffff, 4);
	put_le(k + 0x230, 2 * MIB, 4);
	k[0x234] = 1;
	put_le(k + 0x236, 0x3f, 2);
	put_le(k + 0x238, 2047, 4);
	put_le(k + 0x258, PREF, 8);
	put_le(k + 0x260, INIT, 4);
}

enum { ELF_SIZE = 0x2100, ELF_AT = 2 * MIB, SEGMENT = 0x1000, SEGMENT_SIZE = 0x1000, BSS = 0x800 };

static inline void elf64(uint8_t *k, bool note)
{
	Elf64_Ehdr h = { .e_type = ET_EXEC, .e_machine = EM_X86_64, .e_version = 1, .e_entry = ELF_AT,
			 .e_phoff = sizeof h, .e_ehsize = sizeof h, .e_phentsize = sizeof(Elf64_Phdr), .e_phnum = 2 };
	Elf64_Phdr p[2] = {
		{ .p_type = PT_LOAD, .p_offset = SEGMENT, .p_vaddr = UINT64_C(0xffffffff80000000), .p_paddr = ELF_AT,
		  .p_filesz = SEGMENT_SIZE, .p_memsz = SEGMENT_SIZE + BSS },
		{ .p_type = PT_NOTE, .p_offset = SEGMENT + 0x100, .p_filesz = 0x40, .p_align = 4 },
	};

	memset(k, 0, ELF_SIZE);
	memcpy(h.e_ident, ELFMAG, SELFMAG);
	h.e_ident[EI_CLASS] = ELFCLASS64;
	h.e_ident[EI_DATA] = ELFDATA2LSB;
	memcpy(k, &h, sizeof h);
	memcpy(k + sizeof h, p, sizeof p);
	memset(k + SEGMENT, 0x5a, SEGMENT_SIZE);
	memset(k + SEGMENT + 0x100, 0, 0x40);
	/* another owner's note first */
	put_le(k + SEGMENT + 0x100, 4, 4);
	put_le(k + SEGMENT + 0x104, 5, 4);
	put_le(k + SEGMENT + 0x108, 18, 4);
	memcpy(k + SEGMENT + 0x10c, "GNU", 4);
	if (!note)
		return;
	put_le(k + SEGMENT + 0x118, 4, 4);
	put_le(k + SEGMENT + 0x11c, 8, 4);
	put_le(k + SEGMENT + 0x120, 18, 4);
	memcpy(k + SEGMENT + 0x124, "Xen", 4);
	put_le(k + SEGMENT + 0x128, ELF_AT + 0x340, 8);
}

enum { MB_SIZE = 0x3000, MB_HEADER = 0x40, MB_AT = MIB };

static inline void multiboot_flat(uint8_t *k, uint32_t flags)
{
	uint8_t *h = k + MB_HEADER;

	memset(k, 0x11, MB_SIZE);
	put_le(h, 0x1badb002, 4);
	put_le(h + 4, flags, 4);
	put_le(h + 8, -(0x1badb002 + flags), 4);
	put_le(h + 12, MB_AT + MB_HEADER, 4);
	put_le(h + 16, MB_AT, 4);
	put_le(h + 20, MB_AT + 0x2000, 4);
	put_le(h + 24, MB_AT + 0x4000, 4);
	put_le(h + 28, MB_AT + 0x80, 4);
}

#endif
