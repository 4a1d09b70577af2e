// Sleeping for a time; names as in the Kendryte standalone SDK. Interrupts are served meanwhile.
#ifndef K210_SLEEP_H
#define K210_SLEEP_H

#include <stdint.h>

int usleep(uint64_t usec);
int msleep(uint64_t msec);
unsigned int sleep(unsigned int seconds);

#endif // K210_SLEEP_H
