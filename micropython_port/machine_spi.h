// Class machine.SPI.
#ifndef K210_MACHINE_SPI_H
#define K210_MACHINE_SPI_H

// At a soft reset: stops both and forgets their settings.
void machine_spi_deinit_all(void);

#endif // K210_MACHINE_SPI_H
