// Runs the flash stub's inflate() or deflate() on every record of standard input (u32 length, data) and writes the
// result of each (i32 length or -1 or 0, data). A third argument is how many bytes of a record are a dictionary that
// the rest refers to. Every buffer has just the size it needs, for the address sanitizer.
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deflate.h"
#include "inflate.h"

static void *exactly(uint32_t size) {
    void *memory = malloc(size ? size : 1);
    if (!memory) {
        exit(1);
    }
    return memory;
}

int main(int count, char **arguments) {
    bool packs = count >= 3 && strcmp(arguments[1], "deflate") == 0;
    uint32_t room = count >= 3 ? (uint32_t)strtoul(arguments[2], NULL, 0) : 0, length;
    uint32_t before = count == 4 ? (uint32_t)strtoul(arguments[3], NULL, 0) : 0;
    while (fread(&length, sizeof(length), 1, stdin) == 1) {
        uint8_t *in = exactly(length), *whole = exactly(before + room), *out = whole + before;
        if (length < before || fread(in, 1, length, stdin) != length) {
            return 1;
        }
        memcpy(whole, in, before);
        int32_t result =
            packs ? (int32_t)deflate(in, length, out, room) : inflate(in + before, length - before, out, room, before);
        fwrite(&result, sizeof(result), 1, stdout);
        fwrite(out, 1, result > 0 ? (size_t)result : 0, stdout);
        free(in);
        free(whole);
    }
    return 0;
}
