// Delay loops: a few instructions that read the cycle counter until enough cycles have passed.
//
// Nothing but time changes in such a loop, so the run loop may let whole rounds pass at once. The
// same rules stand in core/delay.py.
#ifndef K210KIT_DELAY_H
#define K210KIT_DELAY_H

#include <stdbool.h>
#include <stdint.h>

#define DELAY_MAX_INSNS (12)
#define DELAY_CODE_BYTES (DELAY_MAX_INSNS * 4)

typedef uint64_t (*delay_reg_t)(void *context, unsigned reg);

// Rounds of the loop that starts with the csrr at `code` (address `pc`) that certainly go round
// again, when the first reads `counter` and the loop head is reached before `budget` more cycles.
// `bytes` of code are readable. *length is set to the instructions of a round. 0 when the code is
// not such a loop.
uint64_t delay_rounds(const uint8_t *code, unsigned bytes, uint64_t pc, uint64_t counter, uint64_t budget,
    delay_reg_t reg, void *context, unsigned *length);

#endif // K210KIT_DELAY_H
