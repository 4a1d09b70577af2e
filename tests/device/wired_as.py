# Before one of MicroPython's hardware tests, which is then run as it is: those choose pins by the name of a platform,
# and know a few. They see another platform's name here (PLATFORM), and by its names of pins and numbers of UARTs get
# ours: GPIO0 is pad 10 and GPIO1 pad 11, joined by a wire; any UART is UART1.
import sys

import machine

PADS = {"GPIO0": 10, "GPIO1": 11}


class StandIn:
    def __init__(self, real, **others):
        self.real = real
        for name, value in others.items():
            setattr(self, name, value)

    def __getattr__(self, name):
        return getattr(self.real, name)


class Maker(StandIn):
    def __call__(self, first, *args, **kwargs):
        for name in ("tx", "rx"):
            if name in kwargs:
                kwargs[name] = PADS[kwargs[name]]
        return self.real(PADS.get(first, first), *args, **kwargs)


class UartMaker(Maker):
    def __call__(self, number, *args, **kwargs):
        pads = {"tx": "GPIO0", "rx": "GPIO1"}
        pads.update(kwargs)
        return super().__call__(1, *args, **pads)


sys.modules["machine"] = StandIn(machine, UART=UartMaker(machine.UART), PWM=Maker(machine.PWM), Pin=Maker(machine.Pin))
sys.modules["sys"] = StandIn(sys, platform=PLATFORM)  # noqa: F821
