/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* 64-bit runtime: PVH entry, way into long mode, exception stubs, ring 3, start of other processors. */

#define SEL_CODE	0x08
#define SEL_DATA	0x10
#define SEL_CODE32	0x28
#define STACK_SIZE	0x10000
#define AP_STACK_SIZE	0x4000
#define EFER		0xc0000080

	.section .note.pvh, "a", @note
	.long 4, 4, 18
	.asciz "Xen"
	.long start

	.text
	.code32
	.globl start
start:
	cli
	cld
	movl %ebx, %ebp
	movl $gdt_first, %esi
	movl $gdt, %edi
	movl $((gdt_first_end - gdt_first) / 4), %ecx
	rep movsl
	lgdt gdt_pointer
	movl $stack_end, %esp
	/* 4 GiB in 2 MiB pages, twice: at 0 for ring 0, at 512 GiB for ring 3. */
	movl $0x83, %eax
	movl $directories, %edi
	movl $2048, %ecx
1:	movl %eax, (%edi)
	movl %eax, 0x4000(%edi)
	orl $4, 0x4000(%edi)
	addl $0x200000, %eax
	addl $8, %edi
	loop 1b
	movl $(directories + 7), %eax
	movl $pointers, %edi
	movl $4, %ecx
2:	movl %eax, (%edi)
	leal 0x4000(%eax), %edx
	movl %edx, 0x1000(%edi)
	addl $0x1000, %eax
	addl $8, %edi
	loop 2b
	movl $(pointers + 7), top
	movl $(pointers + 0x1007), top + 8
	call long_mode
	ljmp $SEL_CODE, $1f
	.code64
1:	movl $SEL_DATA, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %ss
	movl %eax, %fs
	movl %eax, %gs
	movl $stack_end, %esp
	movl %ebp, %edi
	call start_c
	ud2

	/* Paging, long mode and SSE on; changes EAX, ECX, EDX.  Still runs compatibility mode code. */
	.code32
long_mode:
	movl $0x620, %eax		/* PAE, OSFXSR, OSXMMEXCPT */
	movl %eax, %cr4
	movl $top, %eax
	movl %eax, %cr3
	movl $EFER, %ecx
	rdmsr
	orl $0x900, %eax		/* LME, NXE */
	wrmsr
	movl $0x80010033, %eax		/* PG, WP, NE, ET, MP, PE */
	movl %eax, %cr0
	ret

	.code64
	/* One stub of 16 bytes a vector. */
	.globl trap_stubs
	.balign 16
trap_stubs:
	vector = 0
	.rept 256
	.balign 16
	.if (vector == 8) || (vector >= 10 && vector <= 14) || (vector == 17) || (vector == 21) || (vector == 29) || (vector == 30)
	.else
	pushq $0
	.endif
	pushq $vector
	jmp trap_entry
	vector = vector + 1
	.endr

trap_entry:
	pushq %rax
	pushq %rbx
	pushq %rcx
	pushq %rdx
	pushq %rsi
	pushq %rdi
	pushq %rbp
	pushq %r8
	pushq %r9
	pushq %r10
	pushq %r11
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	movq %rsp, %rdi
	movq %rsp, %rbp
	andq $~15, %rsp
	cld
	call trap
	movq %rbp, %rsp
trap_leave:
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %r11
	popq %r10
	popq %r9
	popq %r8
	popq %rbp
	popq %rdi
	popq %rsi
	popq %rdx
	popq %rcx
	popq %rbx
	popq %rax
	addq $16, %rsp
	iretq

	/* user_enter(frame) loads all from the frame; it returns by way of user_return. */
	.globl user_enter, user_return
user_enter:
	pushq %rbx
	pushq %rbp
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	pushfq
	movq %rsp, user_return_sp
	movq %rdi, %rsp
	jmp trap_leave
user_return:
	movq user_return_sp, %rsp
	movq $0, user_return_sp
	movl $SEL_DATA, %eax		/* an interrupt from ring 3 has loaded a null selector */
	movl %eax, %ss
	popfq
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %rbp
	popq %rbx
	ret

	/* Other processors begin here, at 0x8000 (linked there, copied by start_c). */
	.section .low, "awx"
	.code16
	.globl ap_start
ap_start:
	cli
	xorw %ax, %ax
	movw %ax, %ds
	lgdtl gdt_pointer_low
	movl %cr0, %eax
	orb $1, %al
	movl %eax, %cr0
	ljmpl $SEL_CODE32, $1f
	.code32
1:	movl $SEL_DATA, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %ss
	movl $1, %ebp
	lock xaddl %ebp, ap_next
	movl %ebp, %eax
	imull $AP_STACK_SIZE, %eax
	leal ap_stacks(%eax), %esp	/* processor 1 has the first */
	call long_mode
	ljmp $SEL_CODE, $2f
	.code64
2:	lidt idt_pointer
	movl %ebp, %edi
	call ap_c
	ud2
gdt_pointer_low:
	.word 64 * 8 - 1
	.long gdt

	.data
gdt_pointer:
	.word 64 * 8 - 1
	.quad gdt
idt_pointer:
	.word 256 * 16 - 1
	.quad idt
	.globl user_return_sp, ap_next
user_return_sp:
	.quad 0
ap_next:
	.long 1

	.section .rodata
	.balign 8
gdt_first:
	.quad 0
	.quad 0x00af9b000000ffff
	.quad 0x00cf93000000ffff
	.quad 0x00cff3000000ffff
	.quad 0x00affb000000ffff
	.quad 0x00cf9b000000ffff
	.quad 0x00009b000000ffff
	.quad 0x000093000000ffff
	.quad 0, 0
	.quad 0x00cffb000000ffff
gdt_first_end:

	.bss
	.balign 4096
	.globl top
top:
	.skip 4096
pointers:
	.skip 8192
directories:
	.skip 32768
	.skip STACK_SIZE
	.globl stack_end
stack_end:
ap_stacks:
	.skip 8 * AP_STACK_SIZE
	.section .note.GNU-stack, "", @progbits
