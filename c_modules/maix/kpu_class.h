// Class maix.KPU.
#ifndef MAIX_KPU_CLASS_H
#define MAIX_KPU_CLASS_H

#include "py/obj.h"

extern const mp_obj_type_t maix_kpu_type;

#endif // MAIX_KPU_CLASS_H
