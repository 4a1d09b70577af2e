// Device accesses: plain registers from their words, the others through Python.

#include "core.h"

// An error raised inside a callback waits until the engine has returned.
void keep_error(core_t *core) {
    if (core->error_type == NULL) {
        PyErr_Fetch(&core->error_type, &core->error_value, &core->error_trace);
    } else {
        PyErr_Clear();
    }
    core->stop = true;
    end_window(core);
}

// Device pages carry no permission, so Unicorn comes here first, with the exact pc.
bool on_device_access(uc_engine *uc, uc_mem_type type, uint64_t address, int size, int64_t value, void *user) {
    (void)value;
    hart_t *hart = user;
    if (type == UC_MEM_FETCH_PROT) {
        hart->fault_address = address;
        return false;
    }
    unicorn.reg_read(uc, UC_RISCV_REG_PC, &hart->access_pc);
    hart->in_access = true;
    if (hart->core->strict && !strict_access(hart, address, (unsigned)size, type == UC_MEM_WRITE_PROT)) {
        return false;
    }
    hart->accesses++;
    return true;
}

void enter_python(core_t *core) {
    PyEval_RestoreThread(core->thread);
}

void leave_python(core_t *core) {
    core->thread = PyEval_SaveThread();
}

uint64_t on_device_read(uc_engine *uc, uint64_t offset, unsigned size, void *user) {
    (void)uc;
    device_t *device = user;
    core_t *core = device->core;
    uint64_t value = 0;
    core->accesses++;
    if (offset < device->size && (device->flags[offset >> 2] & READ_FAST)) {
        hart_t *hart = &core->hart[core->running];
        value = device->words[offset >> 2] >> (offset & 3) * 8;
        if (hart->accesses != hart->polling.access) { // not the second half of a 64-bit read
            poll_skip(hart);
        }
        return size == 4 ? value : value & ((1ull << 8 * size) - 1);
    }
    core->hart[core->running].polling.valid = false;
    enter_python(core);
    PyObject *result = PyObject_CallFunction(device->read, "KI", (unsigned long long)offset, size);
    if (result != NULL) {
        value = PyLong_AsUnsignedLongLongMask(result);
        Py_DECREF(result);
    }
    if (PyErr_Occurred()) {
        keep_error(core);
    }
    leave_python(core);
    return value;
}

void on_device_write(uc_engine *uc, uint64_t offset, unsigned size, uint64_t value, void *user) {
    (void)uc;
    device_t *device = user;
    core_t *core = device->core;
    core->accesses++;
    core->hart[core->running].polling.valid = false;
    if (size == 4 && offset < device->size && (device->flags[offset >> 2] & WRITE_FAST)) {
        uint32_t *word = &device->words[offset >> 2];
        uint32_t mask = device->masks[offset >> 2];
        *word = (*word & ~mask) | (value & mask);
        return;
    }
    enter_python(core);
    PyObject *result =
        PyObject_CallFunction(device->write, "KIK", (unsigned long long)offset, size, (unsigned long long)value);
    if (result == NULL) {
        keep_error(core);
    }
    Py_XDECREF(result);
    leave_python(core);
}
