#include "fpioa.h"

void fpioa_set_function(unsigned pad, unsigned function) {
    fpioa->io[pad] = FPIOA_CH_SEL(function) | FPIOA_DRIVING(15) | FPIOA_OE_EN | FPIOA_IE_EN | FPIOA_ST;
}
