/* SPDX-License-Identifier: MIT */
/*
 * serial.c - the console: QEMU's serial port, a 16550, polled, as the firmware left it.
 */
#include "riscv.h"

enum {
    SERIAL_PORT = 0x10000000,
    DATA = 0,
    LINE_STATUS = 5,
    STATUS_RECEIVED = 0x01,
    STATUS_CAN_SEND = 0x20
};

static volatile uint8_t *port(uint64_t offset)
{
    return arch_direct(SERIAL_PORT + offset);
}

static void wait_for(uint8_t status)
{
    while ((*port(LINE_STATUS) & status) == 0)
        port_relax();
}

void arch_console_write(char c)
{
    wait_for(STATUS_CAN_SEND);
    *port(DATA) = (uint8_t)c;
}

char arch_console_read(void)
{
    wait_for(STATUS_RECEIVED);
    return (char)*port(DATA);
}
