/* SPDX-License-Identifier: MIT */
/*
 * serial.c - the console: the first serial port, polled, as the firmware left it.
 *
 * Its FIFO stays off: to switch it on would throw away what was typed before.
 */
#include "x86.h"

enum {
    SERIAL_DATA = 0x3f8,
    SERIAL_LINE_STATUS = 0x3fd,
    STATUS_RECEIVED = 0x01,
    STATUS_CAN_SEND = 0x20
};

static void wait_for(uint8_t status)
{
    while ((x86_in8(SERIAL_LINE_STATUS) & status) == 0)
        __asm__ volatile("pause");
}

void arch_console_write(char c)
{
    wait_for(STATUS_CAN_SEND);
    x86_out8(SERIAL_DATA, (uint8_t)c);
}

char arch_console_read(void)
{
    wait_for(STATUS_RECEIVED);
    return (char)x86_in8(SERIAL_DATA);
}
