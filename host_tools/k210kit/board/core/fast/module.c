// The Python type: an engine per hart, memories and devices in, reasons to return out.

#include <dlfcn.h>

#include "core.h"

unicorn_t unicorn;

static int resolve(const char *path) {
    void *library = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
    if (library == NULL) {
        PyErr_Format(PyExc_OSError, "cannot load Unicorn: %s", dlerror());
        return -1;
    }
    unicorn.emu_start = dlsym(library, "uc_emu_start");
    unicorn.emu_stop = dlsym(library, "uc_emu_stop");
    unicorn.reg_read = dlsym(library, "uc_reg_read");
    unicorn.reg_write = dlsym(library, "uc_reg_write");
    unicorn.reg_read_batch = dlsym(library, "uc_reg_read_batch");
    unicorn.reg_write_batch = dlsym(library, "uc_reg_write_batch");
    unicorn.hook_add = dlsym(library, "uc_hook_add");
    unicorn.mmio_map = dlsym(library, "uc_mmio_map");
    unicorn.mem_protect = dlsym(library, "uc_mem_protect");
    unicorn.ctl = dlsym(library, "uc_ctl");
    if (!unicorn.emu_start || !unicorn.emu_stop || !unicorn.reg_read || !unicorn.reg_write || !unicorn.reg_read_batch
        || !unicorn.reg_write_batch || !unicorn.hook_add || !unicorn.mmio_map || !unicorn.mem_protect || !unicorn.ctl) {
        PyErr_SetString(PyExc_OSError, "this Unicorn lacks a function that the board needs");
        return -1;
    }
    return 0;
}

static int check(uc_err error, const char *what) {
    if (error != UC_ERR_OK) {
        PyErr_Format(PyExc_RuntimeError, "Unicorn: %s failed with error %d", what, error);
        return -1;
    }
    return 0;
}

// Ranges outside RAM: Unicorn keeps stores to a page slow while a memory hook covers it.
static const uint64_t outside_ram[][2] = {
    {0, 0x3fffffff},
    {0x40800000, 0x7fffffff},
    {0x80800000, 0xffffffff},
};

static int add_hooks(hart_t *hart) {
    uc_hook hook;
    struct {
        int type;
        void *callback;
    } hooks[] = {
        {UC_HOOK_BLOCK, on_block},
        {UC_HOOK_EDGE_GENERATED, on_translate},
        {UC_HOOK_INTR, on_exception},
        {UC_HOOK_INSN_INVALID, on_invalid},
        {UC_HOOK_TLB_FILL, on_fill},
    };
    for (unsigned i = 0; i < sizeof(hooks) / sizeof(*hooks); i++) {
        if (check(unicorn.hook_add(hart->uc, &hook, hooks[i].type, hooks[i].callback, hart, 1, 0), "hook_add")) {
            return -1;
        }
    }
    int unmapped = UC_HOOK_MEM_READ_UNMAPPED | UC_HOOK_MEM_WRITE_UNMAPPED | UC_HOOK_MEM_FETCH_UNMAPPED;
    int device = UC_HOOK_MEM_READ_PROT | UC_HOOK_MEM_WRITE_PROT | UC_HOOK_MEM_FETCH_PROT;
    for (unsigned i = 0; i < sizeof(outside_ram) / sizeof(*outside_ram); i++) {
        uint64_t low = outside_ram[i][0], high = outside_ram[i][1];
        if (check(unicorn.hook_add(hart->uc, &hook, unmapped, on_unmapped, hart, low, high), "hook_add")
            || check(unicorn.hook_add(hart->uc, &hook, device, on_device_access, hart, low, high), "hook_add")) {
            return -1;
        }
    }
    return check(unicorn.ctl(hart->uc, UC_CTL_WRITE(UC_CTL_TLB_TYPE, 1), UC_TLB_VIRTUAL), "tlb_mode");
}

// Core(library, [(engine, state address)] * 2, [(base, size, host address, writable)], state size, turn)
static int core_init(core_t *core, PyObject *args, PyObject *kwargs) {
    (void)kwargs;
    const char *library;
    PyObject *harts, *memories;
    unsigned long long state_size, turn;
    if (!PyArg_ParseTuple(args, "sOOKK", &library, &harts, &memories, &state_size, &turn)) {
        return -1;
    }
    if (state_size != sizeof(hart_state_t)) {
        PyErr_Format(
            PyExc_RuntimeError, "hart state has %llu bytes in Python and %zu in C", state_size, sizeof(hart_state_t));
        return -1;
    }
    if (resolve(library)) {
        return -1;
    }
    core->running = -1;
    core->turn = turn;
    core->memories = (unsigned)PyList_Size(memories);
    if (core->memories > 4 || PyList_Size(harts) != HARTS) {
        PyErr_SetString(PyExc_ValueError, "two harts and at most four memories");
        return -1;
    }
    for (unsigned i = 0; i < core->memories; i++) {
        unsigned long long base, size, host;
        int writable;
        if (!PyArg_ParseTuple(PyList_GetItem(memories, i), "KKKp", &base, &size, &host, &writable)) {
            return -1;
        }
        core->memory[i] = (memory_t){base, size, (uint8_t *)(uintptr_t)host, writable};
    }
    core->code_pages = calloc((core->memory[0].size >> PAGE_SHIFT) + 1, 1);
    core->written = calloc((core->memory[0].size >> PAGE_SHIFT) + 1, 1);
    if (core->code_pages == NULL || core->written == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (unsigned i = 0; i < HARTS; i++) {
        hart_t *hart = &core->hart[i];
        unsigned long long engine, state;
        if (!PyArg_ParseTuple(PyList_GetItem(harts, i), "KK", &engine, &state)) {
            return -1;
        }
        hart->core = core;
        hart->uc = (uc_engine *)(uintptr_t)engine;
        hart->state = (hart_state_t *)(uintptr_t)state;
        hart->blocks = calloc(core->memory[0].size >> 1, sizeof(uint16_t));
        if (hart->blocks == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        if (add_hooks(hart)) {
            return -1;
        }
    }
    return 0;
}

static void release_views(device_t *device) {
    PyBuffer_Release(&device->words_view);
    PyBuffer_Release(&device->flags_view);
    PyBuffer_Release(&device->masks_view);
}

// What it refers to refers to it: the devices' bound methods, by way of the machine.
static int core_traverse(core_t *core, visitproc visit, void *arg) {
    Py_VISIT(core->strict);
    for (unsigned i = 0; i < core->devices; i++) {
        Py_VISIT(core->device[i]->read);
        Py_VISIT(core->device[i]->write);
    }
    return 0;
}

static int core_clear(core_t *core) {
    Py_CLEAR(core->strict);
    for (unsigned i = 0; i < core->devices; i++) {
        Py_CLEAR(core->device[i]->read);
        Py_CLEAR(core->device[i]->write);
    }
    return 0;
}

static void core_dealloc(core_t *core) {
    PyObject_GC_UnTrack(core);
    for (unsigned i = 0; i < HARTS; i++) {
        free(core->hart[i].blocks);
    }
    free(core->code_pages);
    free(core->written);
    core_clear(core);
    for (unsigned i = 0; i < core->devices; i++) {
        device_t *device = core->device[i];
        release_views(device);
        free(device->allowed);
        free(device);
    }
    Py_TYPE(core)->tp_free((PyObject *)core);
}

// map_device(base, size, words, flags, masks, read, write)
static PyObject *core_map_device(core_t *core, PyObject *args) {
    unsigned long long base, size;
    PyObject *words, *flags, *masks, *read, *write;
    if (!PyArg_ParseTuple(args, "KKOOOOO", &base, &size, &words, &flags, &masks, &read, &write)) {
        return NULL;
    }
    device_t *device = calloc(1, sizeof(device_t));
    if (device == NULL || core->devices == 64) {
        free(device);
        return PyErr_NoMemory();
    }
    if (PyObject_GetBuffer(words, &device->words_view, PyBUF_WRITABLE)
        || PyObject_GetBuffer(flags, &device->flags_view, PyBUF_WRITABLE)
        || PyObject_GetBuffer(masks, &device->masks_view, PyBUF_WRITABLE)) {
        release_views(device);
        free(device);
        return NULL;
    }
    device->core = core;
    device->base = base;
    device->span = size;
    device->size = device->words_view.len;
    device->words = device->words_view.buf;
    device->flags = device->flags_view.buf;
    device->masks = device->masks_view.buf;
    device->read = Py_NewRef(read);
    device->write = Py_NewRef(write);
    core->device[core->devices++] = device;
    for (unsigned i = 0; i < HARTS; i++) {
        uc_engine *uc = core->hart[i].uc;
        if (check(unicorn.mmio_map(uc, base, size, on_device_read, device, on_device_write, device), "mmio_map")
            || check(unicorn.mem_protect(uc, base, size, UC_PROT_NONE), "mem_protect")) {
            return NULL;
        }
    }
    Py_RETURN_NONE;
}

// `result`, unless a callback has raised.
static PyObject *finish(core_t *core, PyObject *result) {
    if (core->error_type != NULL) {
        PyErr_Restore(core->error_type, core->error_value, core->error_trace);
        core->error_type = core->error_value = core->error_trace = NULL;
        Py_CLEAR(result);
    }
    return result;
}

static PyObject *core_run(core_t *core, PyObject *args) {
    unsigned long long until;
    if (!PyArg_ParseTuple(args, "K", &until)) {
        return NULL;
    }
    core->until = until;
    leave_python(core);
    int reason = run(core);
    enter_python(core);
    core->stop = false;
    return finish(core, PyLong_FromLong(reason));
}

static PyObject *core_now_method(core_t *core, PyObject *unused) {
    (void)unused;
    return PyLong_FromUnsignedLongLong(core_now(core));
}

static PyObject *core_shorten_method(core_t *core, PyObject *args) {
    unsigned long long cycle;
    if (!PyArg_ParseTuple(args, "K", &cycle)) {
        return NULL;
    }
    shorten_window(core, cycle);
    if (cycle < core->until) {
        core->until = cycle;
    }
    Py_RETURN_NONE;
}

static PyObject *core_end_window_method(core_t *core, PyObject *unused) {
    (void)unused;
    end_window(core);
    Py_RETURN_NONE;
}

static PyObject *core_stop_method(core_t *core, PyObject *unused) {
    (void)unused;
    core->stop = true;
    end_window(core);
    Py_RETURN_NONE;
}

static PyObject *core_running_method(core_t *core, PyObject *unused) {
    (void)unused;
    return PyLong_FromLong(core->running);
}

// drop_code(): forget how long the blocks are, when translated code was dropped as a whole.
static PyObject *core_drop_code(core_t *core, PyObject *unused) {
    (void)unused;
    for (unsigned i = 0; i < HARTS; i++) {
        hart_t *hart = &core->hart[i];
        memset(hart->blocks, 0, (core->memory[0].size >> 1) * sizeof(uint16_t));
        memset(core->code_pages, 0, core->memory[0].size >> PAGE_SHIFT);
        unicorn.ctl(hart->uc, UC_CTL_WRITE(UC_CTL_TB_FLUSH, 0));
    }
    Py_RETURN_NONE;
}

// invalidate(offset, size): drop translated code in that range of SRAM, under both its addresses.
static PyObject *core_invalidate(core_t *core, PyObject *args) {
    unsigned long long offset, size;
    if (!PyArg_ParseTuple(args, "KK", &offset, &size)) {
        return NULL;
    }
    if (size == 0 || offset >= core->memory[0].size || size > core->memory[0].size - offset) {
        Py_RETURN_NONE;
    }
    invalidate(core, offset, size);
    Py_RETURN_NONE;
}

// watch_stores() -> pages of SRAM to which a hart has stored since the last call; all when there was none.
static PyObject *core_watch_stores(core_t *core, PyObject *unused) {
    (void)unused;
    PyObject *pages = PyList_New(0);
    uint64_t count = core->memory[0].size >> PAGE_SHIFT;
    for (uint64_t page = 0; pages != NULL && page < count; page++) {
        if (core->written[page] || !core->watching) {
            PyObject *number = PyLong_FromUnsignedLongLong(page);
            if (number == NULL || PyList_Append(pages, number)) {
                Py_CLEAR(pages);
            }
            Py_XDECREF(number);
        }
    }
    watch_stores(core);
    return pages;
}

static PyObject *core_set_fs(core_t *core, PyObject *args) {
    unsigned number;
    unsigned long long fs;
    if (!PyArg_ParseTuple(args, "IK", &number, &fs)) {
        return NULL;
    }
    set_engine_fs(&core->hart[number & 1], fs & MSTATUS_FS);
    Py_RETURN_NONE;
}

static PyObject *core_counter_reads(core_t *core, PyObject *unused) {
    (void)unused;
    return PyLong_FromUnsignedLongLong(core->counter_reads);
}

// step(hart): execute one instruction of that hart alone.
static PyObject *core_step(core_t *core, PyObject *args) {
    unsigned number;
    if (!PyArg_ParseTuple(args, "I", &number)) {
        return NULL;
    }
    leave_python(core);
    step(core, number & 1);
    enter_python(core);
    return finish(core, Py_NewRef(Py_None));
}

// break_here(): stop before the instruction whose hook calls this, not at the next boundary.
static PyObject *core_break_here(core_t *core, PyObject *unused) {
    (void)unused;
    core->stop = true;
    if (core->running >= 0) {
        end_window(core);
        unicorn.emu_stop(core->hart[core->running].uc);
    }
    Py_RETURN_NONE;
}

static PyObject *core_accesses(core_t *core, PyObject *unused) {
    (void)unused;
    return PyLong_FromUnsignedLongLong(core->accesses);
}

// be_eager(on): execute waiting loops round by round, which gives the same results slower.
static PyObject *core_be_eager(core_t *core, PyObject *args) {
    int on;
    if (!PyArg_ParseTuple(args, "i", &on)) {
        return NULL;
    }
    core->eager = on;
    Py_RETURN_NONE;
}

// be_strict(judge, memory): trap what documentation does not cover, with `memory` also what is not
// aligned; once, after all devices are mapped.
static PyObject *core_be_strict(core_t *core, PyObject *args) {
    PyObject *judge;
    int memory;
    if (!PyArg_ParseTuple(args, "Op", &judge, &memory)) {
        return NULL;
    }
    if (core->strict || be_strict(core, judge, memory)) {
        PyErr_SetString(PyExc_RuntimeError, "strict mode cannot be set up");
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyMethodDef core_methods[] = {
    {"be_strict", (PyCFunction)core_be_strict, METH_VARARGS, "be_strict(judge, memory): ask judge.permits()"},
    {"counter_reads", (PyCFunction)core_counter_reads, METH_NOARGS, "how often a guest read a counter CSR"},
    {"be_eager", (PyCFunction)core_be_eager, METH_VARARGS, "be_eager(on): skip no waiting loop"},
    {"step", (PyCFunction)core_step, METH_VARARGS, "step(hart): one instruction of that hart alone"},
    {"break_here", (PyCFunction)core_break_here, METH_NOARGS, "stop before the present instruction"},
    {"accesses", (PyCFunction)core_accesses, METH_NOARGS, "register accesses served so far"},
    {"map_device", (PyCFunction)core_map_device, METH_VARARGS,
        "map_device(base, size, words, flags, masks, read, write)"},
    {"run", (PyCFunction)core_run, METH_VARARGS, "run(until_cycle) -> reason"},
    {"now", (PyCFunction)core_now_method, METH_NOARGS, "now() -> cycle of the running hart's instruction"},
    {"shorten", (PyCFunction)core_shorten_method, METH_VARARGS, "shorten(cycle): an event is due there"},
    {"end_window", (PyCFunction)core_end_window_method, METH_NOARGS, "end the window at the present instruction"},
    {"stop", (PyCFunction)core_stop_method, METH_NOARGS, "make run() return"},
    {"running", (PyCFunction)core_running_method, METH_NOARGS, "the hart whose turn it is, or -1"},
    {"drop_code", (PyCFunction)core_drop_code, METH_NOARGS, "drop all translated code"},
    {"invalidate", (PyCFunction)core_invalidate, METH_VARARGS, "invalidate(offset, size) of SRAM"},
    {"watch_stores", (PyCFunction)core_watch_stores, METH_NOARGS, "watch_stores() -> pages stored to since the last"},
    {"set_fs", (PyCFunction)core_set_fs, METH_VARARGS, "set_fs(hart, bits): switch the engine's FPU"},
    {NULL, NULL, 0, NULL},
};

static PyTypeObject core_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "k210kit.board.core._fast.Core",
    .tp_basicsize = sizeof(core_t),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_doc = "The run loop of two harts in C; see core/runner.py.",
    .tp_new = PyType_GenericNew,
    .tp_init = (initproc)core_init,
    .tp_dealloc = (destructor)core_dealloc,
    .tp_traverse = (traverseproc)core_traverse,
    .tp_clear = (inquiry)core_clear,
    .tp_methods = core_methods,
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    "_fast",
    "The board's run loop in C.",
    -1,
    NULL,
    NULL,
    NULL,
    NULL,
    NULL,
};

PyMODINIT_FUNC PyInit__fast(void) {
    if (PyType_Ready(&core_type) < 0) {
        return NULL;
    }
    PyObject *m = PyModule_Create(&module);
    if (m == NULL || PyModule_AddObjectRef(m, "Core", (PyObject *)&core_type) < 0) {
        Py_XDECREF(m);
        return NULL;
    }
    return m;
}
