// The console of the REPL.
#ifndef K210_CONSOLE_H
#define K210_CONSOLE_H

#include <stdint.h>

// Routes the pads, listens at MICROPY_HW_CONSOLE_BAUD.
void console_init(void);

// Sends what is waiting, then changes to `baud` bits a second; also needed after a change of the
// CPU's frequency.
void console_set_baud(uint32_t baud);

// Waits until the last character has left.
void console_flush(void);

#endif // K210_CONSOLE_H
