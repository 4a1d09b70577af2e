// Where the chip's blocks lie. Source: Kendryte K210 datasheet 0.1.5, address map.
#ifndef K210_PLATFORM_H
#define K210_PLATFORM_H

#define CLINT_BASE_ADDR (0x02000000UL)
#define PLIC_BASE_ADDR (0x0c000000UL)
#define UARTHS_BASE_ADDR (0x38000000UL)
#define FPIOA_BASE_ADDR (0x502b0000UL)
#define SYSCTL_BASE_ADDR (0x50440000UL)

#define PLATFORM_NUM_CORES (2)

#endif // K210_PLATFORM_H
