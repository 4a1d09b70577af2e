// Names that the port uses without the compiler's seeing them as MP_QSTR_*.
