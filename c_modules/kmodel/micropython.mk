# The runtime of kernel models, for USER_C_MODULES with make: no MicroPython in it, so no qstrs.
KMODEL_MOD_DIR := $(USERMOD_DIR)

SRC_USERMOD_LIB_C += $(addprefix $(KMODEL_MOD_DIR)/, describe.c float_layers.c header.c judge.c kpu_layers.c \
	layer_kinds.c layout.c moving_layers.c pool_layers.c quantized_layers.c run.c walk.c)

CFLAGS_USERMOD += -I$(KMODEL_MOD_DIR)
