"""The model card: what was measured, in words."""

from __future__ import annotations

from collections.abc import Mapping

import scenes

from k210kit.kmodel.precision import Precision

TEXT = """# signs.kmodel

A detector of nine road signs for the K210, made by this project from nothing but its own programs: `make train` draws
the pictures, trains, exports, compiles and measures it. [train/README.md](../train/README.md) tells how.

| what | |
|---|---|
| input | {input}: red, green, blue from the camera or a file, {width}x{height}, no scaling |
| output | {output}: YOLO version 2, {columns}x{lines} cells of 16 pixels, {anchors} anchors, {classes} classes |
| network | MobileNet version 1 in small: convolutions 3x3, depthwise 3x3 and 1x1, batch norm, ReLU6 |
| file | {size:,} bytes, weights of 8 bits |
| memory on a board | {memory} |
| time | {time}, modelled |

## Measured

On {count} drawn test pictures that training has not seen, boxes down to a probability of 0.01, suppression at 0.3:

| | mAP@0.5 (VOC) | mAP@0.5:0.95 (COCO) |
|---|---|---|
| float (signs.onnx, onnxruntime) | {float_voc:.4f} | {float_coco:.4f} |
| quantized (signs.kmodel, the KPU's arithmetic) | {voc:.4f} | {coco:.4f} |

Of the quantized model, class by class:

| class | in the pictures | AP@0.5 | AP@0.5:0.95 |
|---|---|---|---|
{rows}

## Data

Everything is drawn: signs as polygons, discs and strokes; backgrounds as skies, streets, fronts, trees, walls and
abstract patterns; then perspective, uneven light, posts, partial cover, blur, movement, noise and, in six of ten
pictures, the colours of RGB565. Things with the shapes or colours of signs that are none stand between them. No
photo, no font, no picture of anybody else's is in it. The training took {minutes:.0f} minutes on {pictures}.

`signs_test/` has six more such pictures that neither training nor these measurements have used, with their boxes.

## Limits

* The numbers above are for drawn pictures. How it does on photos of real streets has not been measured: expect less.
* Signs of European looks, {smallest} to {largest} pixels long, turned up to about 45 degrees, a fifth covered at
  most.
* Traffic lights that stand upright; arrows to the left and the right; any number from 5 to 130 is one class.
* It is an example of a whole chain, and not made for driving anything.
"""


def card(
    floats: Precision, quantized: Precision, seconds: float, pictures: int, count: int, size: int,
    facts: Mapping[str, str],
) -> str:  # fmt: skip
    """The text of MODEL_CARD.md."""
    rows = "\n".join(
        f"| {scenes.LABELS[cls]} | {times} | {voc:.3f} | {coco:.3f} |" for cls, times, voc, coco in quantized.classes
    )
    return TEXT.format(
        input=facts["input"], output=facts["output"], anchors=facts["anchors"], memory=facts["memory on the board"],
        time=facts["time on the KPU"], width=scenes.WIDTH, height=scenes.HEIGHT, columns=scenes.WIDTH // 16,
        lines=scenes.HEIGHT // 16, rows=rows, classes=len(scenes.LABELS), size=size, count=count,
        float_voc=floats.voc, float_coco=floats.coco, voc=quantized.voc, coco=quantized.coco, minutes=seconds / 60,
        pictures=f"{pictures:,} pictures", smallest=scenes.SMALLEST, largest=scenes.LARGEST,
    )  # fmt: skip
