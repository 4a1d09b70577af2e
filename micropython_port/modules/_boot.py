# The file systems: /flash, and /sd when a card is in. Nothing here may keep the prompt from coming.


def _flash():
    import k210
    import vfs

    area = k210.Flash()
    options = {"readsize": 256, "progsize": 256, "lookahead": 32}
    try:
        return vfs.VfsLfs2(area, **options)
    except OSError as error:
        if error.errno == 5:  # EIO: the chip fails, not its contents
            raise
    vfs.VfsLfs2.mkfs(area, **options)
    return vfs.VfsLfs2(area, **options)


def _card():
    import machine
    import vfs

    return vfs.VfsFat(machine.SDCard())


def _mount(make, path):
    import os
    import sys
    import vfs

    try:
        vfs.mount(make(), path)
        os.chdir(path)
        sys.path += [path, path + "/lib"]
    except BaseException:
        pass


_mount(_flash, "/flash")
_mount(_card, "/sd")
del _flash, _card, _mount
