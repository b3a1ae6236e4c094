/* Where the machine begins, in EL1 with its memory translation off, and where the second core does:
 * vector registers on, one table of translation for both, a stack, then C. */
    .section .text.start, "ax"
    .globl image_start, second_core_entry
image_start:
    bl set_up
    adrp x0, first_stack_end
    mov sp, x0
    bl machine_start
1:  wfi
    b 1b
second_core_entry:
    bl set_up
    adrp x0, second_stack_end
    mov sp, x0
    bl second_core_start
2:  wfi
    b 2b

set_up:
    mov x0, #(3 << 20)
    msr cpacr_el1, x0
    adrp x0, exceptions
    add x0, x0, :lo12:exceptions
    msr vbar_el1, x0
    mov x0, #0xff00          /* kinds of memory: 0 devices, 1 cached both ways */
    msr mair_el1, x0
    ldr x0, =0x280803519     /* addresses of 39 bits, 4 KiB, cached and shared; the lower half */
    msr tcr_el1, x0
    adrp x0, translation
    msr ttbr0_el1, x0
    isb
    mrs x0, sctlr_el1
    mov x1, #0x1005          /* translation, data and instruction caches */
    orr x0, x0, x1
    bic x0, x0, #2           /* unaligned reads are allowed */
    msr sctlr_el1, x0
    isb
    ret

    .balign 2048
exceptions: /* every one of the sixteen */
    .rept 16
    .balign 128
    mrs x0, esr_el1
    mrs x1, elr_el1
    mrs x2, far_el1
    b machine_exception
    .endr

    .section .rodata
    .balign 4096
translation: /* a gigabyte an entry, each address its own */
    .quad 0x0060000000000401 /* devices; nothing there is executed */
    .quad 0x0000000040000705 /* memory, shared by the cores */
    .skip 4096 - 16

    .bss
    .balign 4096
    .skip 131072
first_stack_end:
    .skip 131072
second_stack_end:
    .section .note.GNU-stack, "", @progbits
