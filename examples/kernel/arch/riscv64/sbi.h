/* SPDX-License-Identifier: MIT */
/*
 * sbi.h - calls of the firmware ("RISC-V Supervisor Binary Interface Specification"): what only
 * M-mode can do.
 */
#ifndef DEMO_SBI_H
#define DEMO_SBI_H

enum sbi_extension { SBI_TIME = 0x54494d45, SBI_RFENCE = 0x52464e43, SBI_HSM = 0x48534d };
enum { SBI_TIME_SET = 0, SBI_RFENCE_SFENCE_VMA = 1, SBI_HSM_START = 0, SBI_SUCCESS = 0 };

/* Returns the error code. All registers but a0 and a1 stay as they are. */
static inline long sbi_call(enum sbi_extension extension, unsigned long function, unsigned long one,
                            unsigned long two, unsigned long three, unsigned long four)
{
    register unsigned long a0 __asm__("a0") = one;
    register unsigned long a1 __asm__("a1") = two;
    register unsigned long a2 __asm__("a2") = three;
    register unsigned long a3 __asm__("a3") = four;
    register unsigned long a6 __asm__("a6") = function;
    register unsigned long a7 __asm__("a7") = extension;
    __asm__ volatile("ecall" : "+r"(a0), "+r"(a1) : "r"(a2), "r"(a3), "r"(a6), "r"(a7) : "memory");
    return (long)a0;
}

#endif
