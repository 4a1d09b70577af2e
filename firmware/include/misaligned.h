// Loads and stores that are not aligned. The compiler makes none, but code brought to the chip may
// have them, and the K210's harts trap every one (Rocket has no hardware for them).
#ifndef K210_MISALIGNED_H
#define K210_MISALIGNED_H

#include <stdint.h>

// Does what the instruction at `epc` would have done, byte by byte, for the causes "misaligned load"
// and "misaligned store". Returns the address of the next instruction, or 0 when it is none that this
// knows (integer loads and stores of 2, 4 and 8 bytes, compressed ones too).
uintptr_t misaligned_access(uint64_t cause, uintptr_t epc, uint64_t *x);

#endif // K210_MISALIGNED_H
