// The real-time clock, from which time.time() and file times come too.
#ifndef K210_MACHINE_RTC_H
#define K210_MACHINE_RTC_H

#include "shared/timeutils/timeutils.h"

// At start: lets a clock that a reset has left running run on; any other one starts at 1 January 2000.
void machine_rtc_start(void);

// Now; `ns` (may be NULL) gets the nanoseconds into the second.
void machine_rtc_get(timeutils_struct_time_t *tm, uint32_t *ns);

#endif // K210_MACHINE_RTC_H
