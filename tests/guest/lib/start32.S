/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* 32-bit runtime: multiboot 1 entry, exception stubs, ring 3 and virtual-8086 mode.  No paging. */

#define SEL_CODE	0x08
#define SEL_DATA	0x10
#define STACK_SIZE	0x10000

	.section .note.pvh, "a"
	.balign 4
	.long 0x1badb002, 0, -0x1badb002

	.text
	.globl start
start:
	cli
	cld
	movl $gdt_first, %esi
	movl $gdt, %edi
	movl $((gdt_first_end - gdt_first) / 4), %ecx
	rep movsl
	lgdt gdt_pointer
	ljmp $SEL_CODE, $1f
1:	movl $SEL_DATA, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %ss
	movl %eax, %fs
	movl %eax, %gs
	movl $stack_end, %esp
	pushl $0
	pushl $0
	pushl $0
	pushl %ebx
	call start_c
	ud2

	.globl trap_stubs
	.balign 16
trap_stubs:
	vector = 0
	.rept 256
	.balign 16
	.if (vector == 8) || (vector >= 10 && vector <= 14) || (vector == 17) || (vector == 21) || (vector == 29) || (vector == 30)
	.else
	pushl $0
	.endif
	pushl $vector
	jmp trap_entry
	vector = vector + 1
	.endr

	.globl trap_leave
trap_entry:
	pushal
	pushl %ds
	pushl %es
	movl $SEL_DATA, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %esp, %ebp
	andl $~15, %esp
	subl $12, %esp
	pushl %ebp
	cld
	call trap
	movl %ebp, %esp
trap_leave:
	popl %es
	popl %ds
	popal
	addl $8, %esp
	cmpl $0, %ss:resume_ip
	jne 1f
	iretl
	/* An IRET to the same ring takes no ESP from the stack: go on where TRY began. */
1:	pushl %eax
	movl $SEL_DATA, %eax
	movl %eax, %ds
	movl %eax, %es
	popl %eax
	movl %eax, resume_ax
	movl $SEL_DATA, %eax
	movl %eax, %ss
	movl event_sp, %esp
	pushl resume_flags
	pushl $SEL_CODE
	pushl resume_ip
	movl $0, resume_ip
	movl resume_ax, %eax
	iretl

	/* user_enter(frame) loads all from the frame; it returns by way of user_return. */
	.globl user_enter, user_return
user_enter:
	movl 4(%esp), %eax
	pushl %ebx
	pushl %ebp
	pushl %esi
	pushl %edi
	pushfl
	movl %esp, user_return_sp
	movl %eax, %esp
	jmp trap_leave
user_return:
	movl user_return_sp, %esp
	movl $0, user_return_sp
	movl $SEL_DATA, %eax
	movl %eax, %fs
	movl %eax, %gs
	popfl
	popl %edi
	popl %esi
	popl %ebp
	popl %ebx
	ret

	.data
gdt_pointer:
	.word 64 * 8 - 1
	.long gdt
	.globl user_return_sp, resume_ip, resume_flags
user_return_sp:
	.long 0
resume_ip:
	.long 0
resume_flags:
	.long 0
resume_ax:
	.long 0

	.section .rodata
	.balign 8
gdt_first:
	.quad 0
	.quad 0x00cf9b000000ffff
	.quad 0x00cf93000000ffff
	.quad 0x00cff3000000ffff
	.quad 0x00cffb000000ffff
	.quad 0x00cf9b000000ffff
	.quad 0x00009b000000ffff
	.quad 0x000093000000ffff
	.quad 0, 0
	.quad 0x00cffb000000ffff
gdt_first_end:

	/* Programs put code for real mode here; it runs at 0x8000. */
	.section .low, "awx"
	.long 0

	.bss
	.balign 4096
	.skip STACK_SIZE
	.globl stack_end
stack_end:
	.section .note.GNU-stack, "", @progbits
