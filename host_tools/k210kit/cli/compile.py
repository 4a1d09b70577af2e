"""`k210 compile`: an ONNX network to a kernel model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from k210kit.cli.tables import show, show_facts
from k210kit.errors import K210Error

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

MOST_PICTURES = 200
REPORTED = 4
"""So many of the pictures are looked at for the report."""


@click.command("compile")
@click.argument("model", metavar="MODEL.onnx")
@click.option("--calibrate", required=True, metavar="PHOTOS|FILE.npy", help="Pictures like those that it will see.")
@click.option("--out", metavar="FILE.kmodel", help="Where to write it (default: beside the model).")
@click.option("--mean", metavar="N[,N,N]", default="0", show_default=True, help="Taken from each byte, by channel.")
@click.option("--std", metavar="N[,N,N]", default="1", show_default=True, help="What the difference is divided by.")
@click.option("--scale", metavar="N", type=float, help="The same as --std 1/N; 0.00392157 for networks that take 0..1.")
@click.option("--swap-rb", is_flag=True, help="The network's first channel is blue.")
@click.option("--ranges", type=click.Choice(("minmax", "percentile", "mse", "kl")), default="minmax", show_default=True)
@click.option("--no-bias-correction", is_flag=True, help="Leave biases as they are.")
@click.option("--equalize", is_flag=True, help="Make channels alike by sharing scales between layers.")
@click.option(
    "--largest-layer",
    metavar="BYTES",
    type=int,
    help="Of weights; larger layers become several, so that a streamed model needs less memory.",
)
@click.option("--report", metavar="FILE.html", help="Write a page about every layer.")
def command(model: str, calibrate: str, out: str | None, report: str | None, **options: Any) -> None:
    """Compile an ONNX network to a kernel model of version 3.

    --calibrate names a folder of pictures (BMP, JPEG, PNG), which are scaled as the board does it, or an
    .npy file of bytes (n, channels, height, width). Needs `pip install k210kit[compiler]`.
    """
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
    except ImportError as error:
        raise K210Error(f"{error.name} is not installed: pip install 'k210kit[compiler]'") from None
    _compile(model, calibrate, Path(out or Path(model).with_suffix(".kmodel")), report, options)


def _compile(source: str, calibrate: str, target: Path, report: str | None, options: dict[str, Any]) -> None:
    from k210kit.compiler import Options, compile_model
    from k210kit.compiler import report as reports
    from k210kit.compiler.compile import load_onnx
    from k210kit.kmodel import describe
    from k210kit.kmodel.read import read

    network = load_onnx(source)
    shape = _input_shape(network, source)
    pictures = _pictures(calibrate, shape)
    if options["scale"] is not None:
        if options["scale"] <= 0 or options["std"] != "1":
            raise K210Error("--scale has to be above 0, and takes the place of --std")
        options["std"] = str(1 / options["scale"])
    chosen = Options(
        _numbers("--mean", options["mean"]), _numbers("--std", options["std"]), options["swap_rb"], options["ranges"],
        not options["no_bias_correction"], options["equalize"],
    )  # fmt: skip
    if options["largest_layer"] is not None:
        chosen = replace(chosen, largest_layer=options["largest_layer"])
    compiled = compile_model(network, pictures, chosen)
    model = read(compiled.data)
    layers = reports.measure(compiled, model, pictures[:REPORTED])
    _write(target, compiled.data)
    show(reports.COLUMNS, [layer.row() for layer in layers], right=(0, 4, 5, 6))
    facts = [*describe.facts(model), ("file", f"{target}, {len(compiled.data):,} bytes")]
    print()
    show_facts(facts)
    if report is not None:
        _write(Path(report), reports.page(Path(source).name, facts, layers).encode())


def _write(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise K210Error(f"cannot write {path}: {error.strerror or error}") from None


def _numbers(name: str, text: str) -> tuple[float, ...]:
    try:
        return tuple(float(number) for number in text.split(","))
    except ValueError:
        raise K210Error(f"{name} {text}: give a number, or one for each channel with commas between") from None


def _input_shape(model: Any, source: str) -> tuple[int, int, int]:
    constants = {tensor.name for tensor in model.graph.initializer}
    for value in model.graph.input:
        if value.name not in constants:
            sizes = [size.dim_value for size in value.type.tensor_type.shape.dim]
            if len(sizes) == 4 and all(size > 0 for size in sizes[1:]):
                return sizes[1], sizes[2], sizes[3]
            raise K210Error(
                f"{source}: its input {value.name} is {sizes}; a fixed (1, channels, height, width) is wanted"
            )
    raise K210Error(f"{source} has no input")


def _pictures(place: str, shape: tuple[int, int, int]) -> npt.NDArray[np.uint8]:
    import numpy as np

    from k210kit.kmodel import dataset, picture

    path = Path(place)
    if path.is_dir():
        files = dataset.pictures_in(path)[:MOST_PICTURES]
        if not files:
            raise K210Error(f"{place} has no pictures (BMP, JPEG or PNG)")
        return np.stack([picture.planes(picture.load(file), shape) for file in files])
    try:
        array = np.load(path, allow_pickle=False)
    except OSError as error:
        raise K210Error(f"cannot read {place}: {error.strerror or error}") from None
    except (ValueError, EOFError) as error:
        raise K210Error(f"cannot read {place} as an array: {error}") from None
    if not isinstance(array, np.ndarray) or array.dtype != np.uint8 or array.ndim != 4:
        raise K210Error(f"{place} is no array of bytes of shape (n, channels, height, width)")
    return array[:MOST_PICTURES]
