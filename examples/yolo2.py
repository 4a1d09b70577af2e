"""Finds road signs in a picture: loads a YOLOv2 model from the flash, runs it on the KPU, prints what it finds.

Set the lines below to your model and picture, and run it: mpremote run yolo2.py
"""

import time

from maix import KPU

MODEL = (0x300000, 257704)  # offset in the flash and size; or a file: ("/sd/model.kmodel",)
PHOTO = "/sd/photo.png"  # BMP, JPEG or PNG
ANCHORS = (1.688, 1.75, 3.0, 3.125, 5.375, 5.625)
NET = (320, 240)  # the model's input
GRID = (20, 15)  # its output's columns and rows
CLASSES = 9
THRESHOLD = 0.5
NMS = 0.3

start = time.ticks_us()
kpu = KPU()
kpu.load_kmodel(*MODEL)
print("model loaded in", time.ticks_diff(time.ticks_us(), start) // 1000, "ms")

# Boxes in pixels of the model's input, where the picture stands in the upper left corner.
kpu.init_yolo2(
    ANCHORS,
    anchor_num=len(ANCHORS) // 2,
    img_w=NET[0],
    img_h=NET[1],
    net_w=NET[0],
    net_h=NET[1],
    layer_w=GRID[0],
    layer_h=GRID[1],
    threshold=THRESHOLD,
    nms_value=NMS,
    classes=CLASSES,
)

start = time.ticks_us()
kpu.run_with_output(PHOTO)
print("picture read and run in", time.ticks_diff(time.ticks_us(), start) // 1000, "ms")

for x, y, w, h, which, probability in kpu.regionlayer_yolo2():
    print(f"class {which} probability {probability:.4f} at {x} {y} size {w} {h}")

kpu.deinit()
