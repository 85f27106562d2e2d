/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ELF executables for x86, both classes.  System V ABI, generic and i386/x86-64 supplements. */
#include "boot.h"

#include <elf.h>
#include <string.h>

bool elf_probe(const struct image *i)
{
	return image_has(i, 0, EI_NIDENT) && !memcmp(i->data, ELFMAG, SELFMAG);
}

bool elf_open(struct elf *e, const struct image *i, GError **error)
{
	unsigned class = image_get(i, EI_CLASS, 1), machine;

	*e = (struct elf){ .wide = class == ELFCLASS64 };
	if ((class != ELFCLASS32 && class != ELFCLASS64) || image_get(i, EI_DATA, 1) != ELFDATA2LSB)
		return image_error(i->path, error, "not a little-endian 32- or 64-bit ELF file");
	if (!image_has(i, 0, e->wide ? sizeof(Elf64_Ehdr) : sizeof(Elf32_Ehdr)))
		return image_error(i->path, error, "file is cut off in its ELF header");
	machine = image_get(i, offsetof(Elf64_Ehdr, e_machine), 2);
	if (machine != (e->wide ? EM_X86_64 : EM_386) && machine != EM_X86_64)
		return image_error(i->path, error, "ELF file for another processor (machine %u)", machine);
	if (image_get(i, offsetof(Elf64_Ehdr, e_type), 2) != ET_EXEC && image_get(i, offsetof(Elf64_Ehdr, e_type), 2) != ET_DYN)
		return image_error(i->path, error, "ELF file is not an executable");
#define FIELD(f) (e->wide ? image_get(i, offsetof(Elf64_Ehdr, f), sizeof(((Elf64_Ehdr *)0)->f)) \
			  : image_get(i, offsetof(Elf32_Ehdr, f), sizeof(((Elf32_Ehdr *)0)->f)))
	e->entry = FIELD(e_entry);
	e->phoff = FIELD(e_phoff);
	e->phentsize = FIELD(e_phentsize);
	e->phnum = FIELD(e_phnum);
#undef FIELD
	if (e->phentsize < (e->wide ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr)))
		return image_error(i->path, error, "ELF file has no program headers");
	if (!image_has(i, e->phoff, (uint64_t)e->phentsize * e->phnum))
		return image_error(i->path, error, "file is cut off in its program headers");
	return true;
}

bool elf_segment(const struct elf *e, const struct image *i, unsigned n, struct elf_segment *s)
{
	uint64_t at = e->phoff + (uint64_t)n * e->phentsize;

#define FIELD(f) (e->wide ? image_get(i, at + offsetof(Elf64_Phdr, f), sizeof(((Elf64_Phdr *)0)->f)) \
			  : image_get(i, at + offsetof(Elf32_Phdr, f), sizeof(((Elf32_Phdr *)0)->f)))
	*s = (struct elf_segment){
		.type = FIELD(p_type), .offset = FIELD(p_offset), .paddr = FIELD(p_paddr),
		.filesz = FIELD(p_filesz), .memsz = FIELD(p_memsz), .align = FIELD(p_align),
	};
#undef FIELD
	return image_has(i, s->offset, s->filesz);
}

static bool load_segment(const struct elf_segment *s, const struct image *i, struct boot *b, GError **error)
{
	if (s->filesz > s->memsz)
		return image_error(i->path, error, "bad ELF segment at 0x%llx: more bytes in the file than in memory",
				   (unsigned long long)s->paddr);
	if (s->paddr < BOOT_KERNEL_LOWEST)
		return image_error(i->path, error, "ELF segment wants to be at 0x%llx, below 1 MiB",
				   (unsigned long long)s->paddr);
	if (s->paddr >> 32 || s->memsz >> 32)
		return image_error(i->path, error, "ELF segment wants to be at 0x%llx, above 4 GiB",
				   (unsigned long long)(s->paddr + s->memsz));
	return boot_check_memory(b, s->paddr + s->memsz, 0, error) &&
	       boot_write(b, s->paddr, i->data + s->offset, s->filesz, error) &&
	       boot_zero(b, s->paddr + s->filesz, s->memsz - s->filesz, error);
}

bool elf_load(const struct elf *e, const struct image *i, struct boot *b, uint64_t *end, GError **error)
{
	struct elf_segment s;

	*end = 0;
	for (unsigned n = 0; n < e->phnum; n++) {
		bool whole = elf_segment(e, i, n, &s);

		if (s.type != PT_LOAD || !s.memsz)
			continue;
		if (!whole)
			return image_error(i->path, error, "file is cut off in the segment for 0x%llx",
					   (unsigned long long)s.paddr);
		if (!load_segment(&s, i, b, error))
			return false;
		*end = MAX(*end, s.paddr + s.memsz);
	}
	return *end ? true : image_error(i->path, error, "ELF file has nothing to load");
}
