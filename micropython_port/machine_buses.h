// The classes of the serial buses: what a soft reset does to them.
#ifndef K210_MACHINE_BUSES_H
#define K210_MACHINE_BUSES_H

// Off: no interrupt and no DMA of theirs is left.
void machine_uart_deinit_all(void);
void machine_i2c_deinit_all(void);
void machine_i2s_deinit_all(void);

#endif // K210_MACHINE_BUSES_H
