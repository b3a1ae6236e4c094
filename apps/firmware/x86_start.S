/* Where the firmware begins, and where the second core does. */
    .text
    .globl image_start
image_start: /* rcx: the image's handle, rdx: the system table; never returns */
    lea stack_end(%rip), %rsp
    push %rcx
    push %rdx
    /* adds the image's address to every pointer in it: R_X86_64_RELATIVE alone */
    lea image_base(%rip), %rax
    lea rela_begin(%rip), %rsi
    lea rela_end(%rip), %rdi
1:  cmp %rdi, %rsi
    jae 2f
    mov (%rsi), %rdx
    mov 16(%rsi), %rcx
    add %rax, %rcx
    mov %rcx, (%rax, %rdx)
    add $24, %rsi
    jmp 1b
2:  pop %rsi
    pop %rdi
    xor %ebp, %ebp
    call machine_start
3:  hlt
    jmp 3b

/* Own tables of segments and interrupts: rdi: the first, rsi: the second. */
    .globl load_tables
load_tables:
    lgdt (%rdi)
    lidt (%rsi)
    mov $0x10, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    pop %rax
    pushq $8
    push %rax
    lretq

/* An exception: its number and where it was. One stub for each of the 32. */
    .globl exceptions
exceptions:
    .set number, 0
    .rept 32
    .balign 16
    .if number == 8 || (number >= 10 && number <= 14) || number == 17 || number == 21
    .else
    pushq $0
    .endif
    pushq $number
    jmp exception
    .set number, number + 1
    .endr
exception:
    pop %rdi     /* number */
    pop %rsi     /* its code */
    mov (%rsp), %rdx
    and $-16, %rsp
    call machine_exception

/* The second core begins here in real mode, copied to a page below 1 MiB, which its segment
 * registers hold. The first core has filled in the words at the end. */
    .globl trampoline, trampoline_end, trampoline_words
    .code16
trampoline:
    cli
    mov %cs, %ax
    mov %ax, %ds
    xor %ebx, %ebx
    mov %cs, %bx
    shl $4, %ebx
    lgdtl trampoline_gdt - trampoline
    mov trampoline_cr4 - trampoline, %eax
    mov %eax, %cr4
    mov trampoline_cr3 - trampoline, %eax
    mov %eax, %cr3
    mov $0xc0000080, %ecx
    mov trampoline_efer - trampoline, %eax
    xor %edx, %edx
    wrmsr
    mov trampoline_cr0 - trampoline, %eax
    mov %eax, %cr0 /* protected, paged and so long mode at once */
    ljmpl *(trampoline_far - trampoline)
    .code64
trampoline_long:
    mov $0x10, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    mov trampoline_stack - trampoline(%rbx), %rsp
    mov trampoline_entry - trampoline(%rbx), %rax
    xor %ebp, %ebp
    call *%rax
1:  hlt
    jmp 1b
    .balign 8
trampoline_words:
trampoline_cr0: .long 0
trampoline_cr3: .long 0
trampoline_cr4: .long 0
trampoline_efer: .long 0
trampoline_stack: .quad 0
trampoline_entry: .quad 0
trampoline_far: .long trampoline_long - trampoline, 8
trampoline_gdt: .short 23
    .long 0
    .short 0
trampoline_end:

    .bss
    .balign 4096
stack_begin: .skip 131072
stack_end:
    .section .note.GNU-stack, "", @progbits
