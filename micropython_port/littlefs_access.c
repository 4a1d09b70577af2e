// littlefs leaves it to its caller to read and write files only as they were opened, and MicroPython does not look. The
// linker puts these in the place of its functions.

#include "py/mperrno.h"
#include "lib/littlefs/lfs2.h"

lfs2_ssize_t __real_lfs2_file_read(lfs2_t *lfs2, lfs2_file_t *file, void *buffer, lfs2_size_t size);
lfs2_ssize_t __wrap_lfs2_file_read(lfs2_t *lfs2, lfs2_file_t *file, void *buffer, lfs2_size_t size);
lfs2_ssize_t __real_lfs2_file_write(lfs2_t *lfs2, lfs2_file_t *file, const void *buffer, lfs2_size_t size);
lfs2_ssize_t __wrap_lfs2_file_write(lfs2_t *lfs2, lfs2_file_t *file, const void *buffer, lfs2_size_t size);

static bool opened_for(const lfs2_file_t *file, uint32_t mode) {
    return (file->flags & mode) != 0;
}

lfs2_ssize_t __wrap_lfs2_file_read(lfs2_t *lfs2, lfs2_file_t *file, void *buffer, lfs2_size_t size) {
    return opened_for(file, LFS2_O_RDONLY) ? __real_lfs2_file_read(lfs2, file, buffer, size) : -MP_EBADF;
}

lfs2_ssize_t __wrap_lfs2_file_write(lfs2_t *lfs2, lfs2_file_t *file, const void *buffer, lfs2_size_t size) {
    return opened_for(file, LFS2_O_WRONLY) ? __real_lfs2_file_write(lfs2, file, buffer, size) : -MP_EBADF;
}
