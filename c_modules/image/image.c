#include <string.h>

#include "py/runtime.h"

#include "ai_plane.h"
#include "image.h"
#include "picture_file.h"

static size_t pixel_count(const image_obj_t *self) {
    return (size_t)self->width * self->height;
}

static image_obj_t *new_image(mp_int_t width, mp_int_t height) {
    if (width < 1 || height < 1 || width > IMAGE_MOST_PIXELS_A_SIDE || height > IMAGE_MOST_PIXELS_A_SIDE) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("a size of %dx%d is not between 1x1 and %dx%d"),
            (int)width, (int)height, IMAGE_MOST_PIXELS_A_SIDE, IMAGE_MOST_PIXELS_A_SIDE);
    }
    image_obj_t *self = mp_obj_malloc(image_obj_t, &image_type);
    self->width = (uint32_t)width;
    self->height = (uint32_t)height;
    self->ai = (dma_memory_t){0};
    self->pixels = m_new0(uint16_t, pixel_count(self));
    return self;
}

static uint16_t rgb565(unsigned red, unsigned green, unsigned blue) {
    return (uint16_t)(red >> 3 << 11 | green >> 2 << 5 | blue >> 3);
}

static image_obj_t *image_from_file(mp_obj_t path) {
    picture_t picture = picture_read(path, 3);
    image_obj_t *self = new_image(picture.width, picture.height);
    const uint8_t *sample = picture.bytes;
    for (size_t i = 0; i < pixel_count(self); i++, sample += 3) {
        self->pixels[i] = rgb565(sample[0], sample[1], sample[2]);
    }
    picture_free(&picture);
    return self;
}

static void get_pair(mp_obj_t pair, mp_int_t *first, mp_int_t *second) {
    mp_obj_t *items;
    mp_obj_get_array_fixed_n(pair, 2, &items);
    *first = mp_obj_get_int(items[0]);
    *second = mp_obj_get_int(items[1]);
}

// Image(path) or Image(size=(width, height)). `copy_to_fb` is taken for the sake of programs written for other
// firmware: there is no frame buffer to copy to.
static mp_obj_t image_make_new(const mp_obj_type_t *type, size_t n_args, size_t n_kw, const mp_obj_t *all_args) {
    enum { ARG_path, ARG_size, ARG_copy_to_fb };
    static const mp_arg_t allowed_args[] = {
        {MP_QSTR_path, MP_ARG_OBJ, {.u_rom_obj = MP_ROM_NONE}},
        {MP_QSTR_size, MP_ARG_KW_ONLY | MP_ARG_OBJ, {.u_rom_obj = MP_ROM_NONE}},
        {MP_QSTR_copy_to_fb, MP_ARG_KW_ONLY | MP_ARG_OBJ, {.u_rom_obj = MP_ROM_FALSE}},
    };
    (void)type;
    mp_arg_val_t args[MP_ARRAY_SIZE(allowed_args)];
    mp_arg_parse_all_kw_array(n_args, n_kw, all_args, MP_ARRAY_SIZE(allowed_args), allowed_args, args);
    if ((args[ARG_path].u_obj == mp_const_none) == (args[ARG_size].u_obj == mp_const_none)) {
        mp_raise_TypeError(MP_ERROR_TEXT("Image() wants a path, or size=(width, height)"));
    }
    if (args[ARG_size].u_obj == mp_const_none) {
        return MP_OBJ_FROM_PTR(image_from_file(args[ARG_path].u_obj));
    }
    mp_int_t width, height;
    get_pair(args[ARG_size].u_obj, &width, &height);
    return MP_OBJ_FROM_PTR(new_image(width, height));
}

static void image_print(const mp_print_t *print, mp_obj_t self_in, mp_print_kind_t kind) {
    (void)kind;
    image_obj_t *self = MP_OBJ_TO_PTR(self_in);
    mp_printf(print, "Image(size=(%u, %u)%s)", (unsigned)self->width, (unsigned)self->height,
        self->ai.block ? ", AI planes" : "");
}

static mp_obj_t image_width(mp_obj_t self_in) {
    return mp_obj_new_int_from_uint(((image_obj_t *)MP_OBJ_TO_PTR(self_in))->width);
}
static MP_DEFINE_CONST_FUN_OBJ_1(image_width_obj, image_width);

static mp_obj_t image_height(mp_obj_t self_in) {
    return mp_obj_new_int_from_uint(((image_obj_t *)MP_OBJ_TO_PTR(self_in))->height);
}
static MP_DEFINE_CONST_FUN_OBJ_1(image_height_obj, image_height);

static mp_obj_t image_size(mp_obj_t self_in) {
    return mp_obj_new_int_from_uint(pixel_count(MP_OBJ_TO_PTR(self_in)) * sizeof(uint16_t));
}
static MP_DEFINE_CONST_FUN_OBJ_1(image_size_obj, image_size);

static uint16_t *pixel_at(image_obj_t *self, mp_obj_t x_in, mp_obj_t y_in) {
    mp_int_t x = mp_obj_get_int(x_in), y = mp_obj_get_int(y_in);
    if (x < 0 || y < 0 || x >= self->width || y >= self->height) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("(%d, %d) is not within the image of %ux%u"), (int)x,
            (int)y, (unsigned)self->width, (unsigned)self->height);
    }
    return &self->pixels[(size_t)y * self->width + (size_t)x];
}

// get_pixel(x, y): (red, green, blue), 0..255 each.
static mp_obj_t image_get_pixel(mp_obj_t self_in, mp_obj_t x, mp_obj_t y) {
    uint8_t sample[3];
    ai_plane_from_rgb565(pixel_at(MP_OBJ_TO_PTR(self_in), x, y), 1, sample);
    mp_obj_t items[3];
    for (unsigned i = 0; i < 3; i++) {
        items[i] = MP_OBJ_NEW_SMALL_INT(sample[i]);
    }
    return mp_obj_new_tuple(3, items);
}
static MP_DEFINE_CONST_FUN_OBJ_3(image_get_pixel_obj, image_get_pixel);

// set_pixel(x, y, (red, green, blue))
static mp_obj_t image_set_pixel(size_t n_args, const mp_obj_t *args) {
    (void)n_args;
    mp_obj_t *items;
    unsigned sample[3];
    uint16_t *pixel = pixel_at(MP_OBJ_TO_PTR(args[0]), args[1], args[2]);
    mp_obj_get_array_fixed_n(args[3], 3, &items);
    for (unsigned i = 0; i < 3; i++) {
        mp_int_t value = mp_obj_get_int(items[i]);
        if (value < 0 || value > 255) {
            mp_raise_msg_varg(
                &mp_type_ValueError, MP_ERROR_TEXT("a colour's part of %d is not between 0 and 255"), (int)value);
        }
        sample[i] = (unsigned)value;
    }
    *pixel = rgb565(sample[0], sample[1], sample[2]);
    return args[0];
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(image_set_pixel_obj, 4, 4, image_set_pixel);

// draw_image(image, x, y): the image's pixels with its upper left corner there; what lies outside is left out.
static mp_obj_t image_draw_image(size_t n_args, const mp_obj_t *args) {
    (void)n_args;
    image_obj_t *self = MP_OBJ_TO_PTR(args[0]);
    if (!mp_obj_is_type(args[1], &image_type)) {
        mp_raise_TypeError(MP_ERROR_TEXT("draw_image() wants an Image"));
    }
    image_obj_t *other = MP_OBJ_TO_PTR(args[1]);
    mp_int_t x = mp_obj_get_int(args[2]), y = mp_obj_get_int(args[3]);
    mp_int_t left = x > 0 ? x : 0, right = MIN((mp_int_t)self->width, x + (mp_int_t)other->width);
    mp_int_t bottom = MIN((mp_int_t)self->height, y + (mp_int_t)other->height);
    for (mp_int_t row = y > 0 ? y : 0; row < bottom && left < right; row++) {
        memmove(&self->pixels[row * self->width + left], &other->pixels[(row - y) * other->width + (left - x)],
            (size_t)(right - left) * sizeof(uint16_t));
    }
    return args[0];
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(image_draw_image_obj, 4, 4, image_draw_image);

// pix_to_ai(): fills the AI planes from the pixels.
static mp_obj_t image_pix_to_ai(mp_obj_t self_in) {
    image_obj_t *self = MP_OBJ_TO_PTR(self_in);
    if (self->ai.block == NULL) {
        dma_memory_new_raise(&self->ai, 3 * pixel_count(self), "the AI planes");
    }
    ai_plane_from_rgb565(self->pixels, pixel_count(self), self->ai.bytes);
    return self_in;
}
static MP_DEFINE_CONST_FUN_OBJ_1(image_pix_to_ai_obj, image_pix_to_ai);

// ai_to_pix(): fills the pixels from the AI planes.
static mp_obj_t image_ai_to_pix(mp_obj_t self_in) {
    image_obj_t *self = MP_OBJ_TO_PTR(self_in);
    if (self->ai.block == NULL) {
        mp_raise_ValueError(MP_ERROR_TEXT("the image has no AI planes: pix_to_ai() or the camera makes them"));
    }
    ai_plane_to_rgb565(self->ai.bytes, pixel_count(self), self->pixels);
    return self_in;
}
static MP_DEFINE_CONST_FUN_OBJ_1(image_ai_to_pix_obj, image_ai_to_pix);

// The pixels as bytes.
static mp_int_t image_get_buffer(mp_obj_t self_in, mp_buffer_info_t *buffer, mp_uint_t flags) {
    (void)flags;
    image_obj_t *self = MP_OBJ_TO_PTR(self_in);
    *buffer = (mp_buffer_info_t){self->pixels, pixel_count(self) * sizeof(uint16_t), 'H'};
    return 0;
}

static const mp_rom_map_elem_t image_locals_table[] = {
    {MP_ROM_QSTR(MP_QSTR_width), MP_ROM_PTR(&image_width_obj)},
    {MP_ROM_QSTR(MP_QSTR_height), MP_ROM_PTR(&image_height_obj)},
    {MP_ROM_QSTR(MP_QSTR_size), MP_ROM_PTR(&image_size_obj)},
    {MP_ROM_QSTR(MP_QSTR_get_pixel), MP_ROM_PTR(&image_get_pixel_obj)},
    {MP_ROM_QSTR(MP_QSTR_set_pixel), MP_ROM_PTR(&image_set_pixel_obj)},
    {MP_ROM_QSTR(MP_QSTR_draw_image), MP_ROM_PTR(&image_draw_image_obj)},
    {MP_ROM_QSTR(MP_QSTR_pix_to_ai), MP_ROM_PTR(&image_pix_to_ai_obj)},
    {MP_ROM_QSTR(MP_QSTR_ai_to_pix), MP_ROM_PTR(&image_ai_to_pix_obj)},
};
static MP_DEFINE_CONST_DICT(image_locals, image_locals_table);

MP_DEFINE_CONST_OBJ_TYPE(image_type, MP_QSTR_Image, MP_TYPE_FLAG_NONE, make_new, image_make_new, print, image_print,
    buffer, image_get_buffer, locals_dict, &image_locals);
