/* SPDX-License-Identifier: MIT */
/*
 * serial.c - the console: the first serial port, an ARM PL011, polled, as the firmware left it.
 */
#include "aarch64.h"

enum { DATA = 0x00, FLAGS = 0x18, FLAG_NOTHING_RECEIVED = 0x10, FLAG_CANNOT_SEND = 0x20 };

static void wait_while(uint32_t flag)
{
    while ((*aarch64_device(SERIAL_PORT, FLAGS) & flag) != 0)
        port_relax();
}

void arch_console_write(char c)
{
    wait_while(FLAG_CANNOT_SEND);
    *aarch64_device(SERIAL_PORT, DATA) = (uint8_t)c;
}

char arch_console_read(void)
{
    wait_while(FLAG_NOTHING_RECEIVED);
    return (char)*aarch64_device(SERIAL_PORT, DATA);
}
