"""UART1..3: the vendor's way of using them, 16550 interrupts, DMA, errors."""

from __future__ import annotations

import random

import numpy as np
import pytest

from k210kit.board.core.clock import Clock
from k210kit.board.core.clocks import ClockSignal
from k210kit.board.core.dma import DmaRequest, Items
from k210kit.board.core.serial import SerialFormat, SerialPort, Transmitter
from k210kit.board.devices.fpioa import UART_RX, UART_TX, Fpioa
from k210kit.board.devices.uart import ModemLines, Uart
from k210kit.board.parts.serial_line import SerialLine, SerialWiring

RBR, IER, IIR, LCR, MCR, LSR, MSR, SCR = range(0, 0x20, 4)
THR, DLL, DLH, FCR = RBR, RBR, IER, IIR
FAR, TFR, RFW, USR, TFL, RFL, SRR, SRT, STET, DLF = 0x70, 0x74, 0x78, 0x7C, 0x80, 0x84, 0x88, 0x9C, 0xA0, 0xC0
HZ = 200_000_000
BAUD = 115_200
CHARACTER = 10 * (HZ // BAUD) * 10**12 // HZ


class Bench:
    """UART3 on pads 4 and 5."""

    def __init__(self, **options: bool) -> None:
        self.clock = Clock()
        self.fpioa = Fpioa("fpioa", self.clock)
        self.wiring = SerialWiring(self.fpioa)
        self.clk = ClockSignal("apb0", HZ)
        self.rx_dma, self.tx_dma = DmaRequest(8, "rx"), DmaRequest(9, "tx")
        self.modem = ModemLines()
        self.uart = Uart(
            "uart3",
            self.clock,
            clk=self.clk,
            port=self.wiring.connect(SerialPort("uart3", UART_TX[2], UART_RX[2])),
            rx_dma=self.rx_dma,
            tx_dma=self.tx_dma,
            modem=self.modem,
            **options,
        )
        self.line = SerialLine(self.clock, self.wiring)
        self.fpioa.write(4 * 4, 4, UART_RX[2] | 0x0090_0000)
        self.fpioa.write(5 * 4, 4, UART_TX[2] | 0x0000_1F00)

    def start(self, lcr: int = 3, fcr: int = 0x39, baud: int = BAUD) -> Bench:
        """As the SDK's uart_configure does."""
        divisor = HZ // baud
        write = self.uart.write
        write(LCR, 4, self.uart.read(LCR, 4) | 0x80)
        write(DLH, 4, divisor >> 12)
        write(DLL, 4, divisor >> 4 & 0xFF)
        write(DLF, 4, divisor & 15)
        write(LCR, 4, 0)
        write(LCR, 4, lcr)
        write(IER, 4, self.uart.read(IER, 4) | 0x80)
        write(FCR, 4, fcr)
        return self

    def putc(self, byte: int) -> None:
        """As the SDK's uart_channel_putc: waits while "full"."""
        while self.uart.read(LSR, 4) & 0x20:
            due = self.clock.next_time()
            assert due is not None
            self.clock.run_due(due)
        self.uart.write(THR, 4, byte)


@pytest.fixture
def bench() -> Bench:
    return Bench().start()


def test_divisor_gives_the_rate(bench: Bench) -> None:
    assert abs(bench.uart.port.baud - BAUD) < 100
    bench.uart.write(LCR, 4, 0x83)
    assert bench.uart.read(DLL, 4) == HZ // BAUD >> 4 & 0xFF and bench.uart.read(DLH, 4) == 0
    bench.uart.write(LCR, 4, 3)
    assert bench.uart.read(IER, 4) == 0x80


def test_vendors_putc_sends_at_the_rate(bench: Bench) -> None:
    text = bytes(range(200))
    for byte in text:
        bench.putc(byte)
    waited = bench.clock.now
    assert abs(waited - (200 - 17) * CHARACTER) < CHARACTER
    assert not bench.uart.read(LSR, 4) & 0x40
    bench.clock.advance(18 * CHARACTER)
    assert bench.uart.read(LSR, 4) & 0x40
    assert bench.line.take() == text
    assert bench.clock.next_time() is None


def test_fifo_levels_are_exact(bench: Bench) -> None:
    for byte in range(17):
        bench.uart.write(THR, 4, byte)
    assert bench.uart.read(TFL, 4) == 16 and bench.uart.read(LSR, 4) & 0x60 == 0x20
    assert bench.uart.read(USR, 4) & 7 == 1
    for gone in range(1, 17):
        bench.clock.advance(CHARACTER + 10)
        assert bench.uart.read(TFL, 4) == 16 - gone
        assert bench.uart.read(LSR, 4) & 0x60 == 0
    bench.clock.advance(CHARACTER)
    assert bench.uart.read(LSR, 4) & 0x60 == 0x40 and bench.uart.read(USR, 4) & 7 == 6


def test_plain_16550_meaning_of_lsr_bit_5() -> None:
    bench = Bench().start()
    bench.uart.write(IER, 4, 0)
    assert bench.uart.read(LSR, 4) & 0x60 == 0x60
    bench.uart.write(THR, 4, 1)
    bench.uart.write(THR, 4, 2)
    assert bench.uart.read(LSR, 4) & 0x60 == 0
    bench.clock.advance(CHARACTER + 1000)
    assert bench.uart.read(LSR, 4) & 0x60 == 0x20
    bench.clock.advance(CHARACTER)
    assert bench.uart.read(LSR, 4) & 0x60 == 0x60


def test_few_events(bench: Bench) -> None:
    for byte in range(17):
        bench.uart.write(THR, 4, byte)
    count = 0
    while (due := bench.clock.next_time()) is not None:
        bench.clock.run_due(due)
        count += 1
    assert count <= 3 and bench.line.take() == bytes(range(17))


@pytest.mark.parametrize(("lcr", "half_bits"), [(0, 14), (3, 20), (7, 22), (4, 15), (0xB, 22), (0x1B, 22), (0x1F, 24)])
def test_frame_length(lcr: int, half_bits: int) -> None:
    bench = Bench().start(lcr)
    bench.uart.write(THR, 4, 0x15)
    time = half_bits * CHARACTER // 20
    bench.clock.advance(time - 1000)
    assert bench.line.take() == b""
    bench.clock.advance(2000)
    assert bench.line.take() == b"\x15"


def test_transmit_interrupt_at_threshold(bench: Bench) -> None:
    bench.uart.write(IER, 4, 0x82)  # threshold 8 (FCR.TET = 3)
    assert bench.uart.irq.level and bench.uart.read(IIR, 4) == 0xC2
    assert not bench.uart.irq.level and bench.uart.read(IIR, 4) == 0xC1
    for byte in range(12):
        bench.uart.write(THR, 4, byte)
    assert not bench.uart.irq.level  # 11 wait
    bench.clock.advance(2 * CHARACTER + 1000)
    assert not bench.uart.irq.level
    bench.clock.advance(CHARACTER)
    assert bench.uart.irq.level and bench.uart.read(IIR, 4) & 0xF == 2


def test_transmit_interrupt_plain() -> None:
    bench = Bench().start()
    bench.uart.write(IER, 4, 2)
    assert bench.uart.read(IIR, 4) & 0xF == 2
    for byte in range(2):
        bench.uart.write(THR, 4, byte)
    assert not bench.uart.irq.level
    bench.clock.advance(CHARACTER + 1000)
    assert bench.uart.irq.level


def test_receive_interrupt_and_data(bench: Bench) -> None:
    bench.uart.write(IER, 4, 0x81)
    bench.line.send(b"ok")
    bench.clock.advance(CHARACTER + 1000)
    assert bench.uart.irq.level and bench.uart.read(IIR, 4) == 0xC4 and bench.uart.read(RFL, 4) == 1
    assert bench.uart.read(LSR, 4) & 1 and bench.uart.read(RBR, 4) == ord("o")
    assert not bench.uart.irq.level and not bench.uart.read(LSR, 4) & 1
    bench.clock.advance(CHARACTER)
    assert bench.uart.read(0x30, 4) == ord("k")  # the shadow


def test_character_timeout(bench: Bench) -> None:
    bench.uart.write(IER, 4, 0x81)
    bench.uart.write(SRT, 4, 2)  # eight characters
    bench.line.send(b"abc")
    bench.clock.advance(3 * CHARACTER + 1000)
    assert not bench.uart.irq.level
    bench.clock.advance(4 * CHARACTER - 5000)
    assert not bench.uart.irq.level
    bench.clock.advance(10_000)
    assert bench.uart.irq.level and bench.uart.read(IIR, 4) == 0xCC
    assert bench.uart.read(RBR, 4) == ord("a")
    assert not bench.uart.irq.level
    bench.clock.advance(4 * CHARACTER + 1000)
    assert bench.uart.read(IIR, 4) == 0xCC
    assert [bench.uart.read(RBR, 4) for _ in "bc"] == [ord("b"), ord("c")]
    bench.clock.advance(10 * CHARACTER)
    assert not bench.uart.irq.level and bench.clock.next_time() is None


def test_overrun(bench: Bench) -> None:
    bench.uart.write(IER, 4, 0x84)
    bench.line.send(bytes(range(18)))
    bench.clock.advance(16 * CHARACTER + 1000)
    assert not bench.uart.irq.level and bench.uart.read(USR, 4) & 0x10
    bench.clock.advance(2 * CHARACTER)
    assert bench.uart.irq.level and bench.uart.read(IIR, 4) & 0xF == 6
    assert bench.uart.read(LSR, 4) & 2
    assert not bench.uart.irq.level and not bench.uart.read(LSR, 4) & 2
    assert [bench.uart.read(RBR, 4) for _ in range(16)] == list(range(16))
    assert not bench.uart.read(LSR, 4) & 1


def test_without_fifos_the_newest_wins() -> None:
    bench = Bench().start(fcr=0)
    bench.line.send(b"ab")
    bench.clock.advance(2 * CHARACTER + 1000)
    assert bench.uart.read(LSR, 4) & 3 == 3 and bench.uart.read(RBR, 4) == ord("b")


def test_parity_framing_and_break_come_with_their_character() -> None:
    bench = Bench().start(lcr=0x1B)  # 8E1
    bench.line.format = SerialFormat(8, "O", 2)
    bench.line.send(b"x")
    bench.clock.advance(2 * CHARACTER)
    assert bench.uart.read(LSR, 4) & 0x9F == 0x85
    assert bench.uart.read(LSR, 4) & 0x1F == 1
    assert bench.uart.read(RBR, 4) == ord("x")
    bench.line.format = None
    bench.line.send(b"y")
    bench.clock.advance(2 * CHARACTER)
    bench.line.set_break(True)
    assert not bench.fpioa.pads[4].line.level
    bench.line.set_break(False)
    assert bench.uart.read(LSR, 4) & 0x9F == 0x81  # "y" is on top, the flaw is behind it
    assert bench.uart.read(RBR, 4) == ord("y")
    assert bench.uart.read(LSR, 4) & 0x9F == 0x99
    assert bench.uart.read(RBR, 4) == 0
    assert not bench.uart.read(LSR, 4) & 0x9F


def test_busy_detect(bench: Bench) -> None:
    bench.uart.write(THR, 4, 1)
    bench.uart.write(LCR, 4, 0x83)
    assert bench.uart.read(LCR, 4) == 3 and bench.uart.irq.level and bench.uart.read(IIR, 4) & 0xF == 7
    assert bench.uart.read(USR, 4) & 1
    assert not bench.uart.irq.level
    bench.clock.advance(2 * CHARACTER)
    bench.uart.write(LCR, 4, 0x83)
    assert bench.uart.read(LCR, 4) == 0x83
    other = Bench(busy_detect=False).start()
    other.uart.write(THR, 4, 1)
    other.uart.write(LCR, 4, 0x83)
    assert other.uart.read(LCR, 4) == 0x83 and not other.uart.irq.level


def test_loopback_and_modem_signals(bench: Bench) -> None:
    bench.uart.write(MCR, 4, 0x10)
    for byte in range(40):
        bench.putc(byte)
        bench.clock.advance(CHARACTER + 10)
        assert bench.uart.read(RBR, 4) == byte
    assert bench.line.take() == b"" and not bench.uart.read(LSR, 4) & 2
    bench.uart.write(MCR, 4, 0x1F)
    assert bench.uart.read(MSR, 4) & 0xF0 == 0xF0
    assert bench.modem.rts.level  # off outside
    bench.uart.write(MCR, 4, 3)
    assert not bench.modem.rts.level and not bench.modem.dtr.level and bench.modem.out1.level
    bench.uart.read(MSR, 4)
    bench.uart.write(IER, 4, 0x88)
    bench.modem.cts.set(True)
    assert bench.uart.irq.level and bench.uart.read(IIR, 4) & 0xF == 0
    assert bench.uart.read(MSR, 4) & 0x11 == 1
    assert not bench.uart.irq.level and bench.uart.read(MSR, 4) & 1 == 0


def test_cts_holds_the_transmitter_with_auto_flow(bench: Bench) -> None:
    bench.uart.write(MCR, 4, 0x22)
    bench.modem.cts.set(True)
    bench.uart.write(THR, 4, 7)
    bench.clock.advance(5 * CHARACTER)
    assert bench.line.take() == b"" and bench.clock.next_time() is None
    bench.modem.cts.set(False)
    bench.clock.advance(2 * CHARACTER)
    assert bench.line.take() == b"\x07"


def test_break_over_a_jumper_takes_a_frame() -> None:
    bench = Bench()
    bench.wiring.jumper(5, 4)
    bench.start()
    bench.uart.write(LCR, 4, 0x43)
    bench.clock.advance(CHARACTER * 9 // 10)
    assert not bench.uart.read(LSR, 4) & 1
    bench.clock.advance(CHARACTER * 2)
    assert bench.uart.read(LSR, 4) & 0x19 == 0x19 and bench.uart.read(RFL, 4) == 1  # once, however long
    assert bench.uart.read(THR, 4) == 0
    bench.uart.write(LCR, 4, 3)
    bench.clock.advance(CHARACTER)
    assert not bench.uart.read(LSR, 4) & 1
    bench.uart.write(0x90, 4, 1)
    bench.clock.advance(CHARACTER * 4 // 10)  # a start bit and three zeros
    bench.uart.write(0x90, 4, 0)
    bench.clock.advance(CHARACTER)
    assert bench.uart.read(LSR, 4) & 0x1D == 1 and bench.uart.read(THR, 4) == 0xF8


def test_break_pulls_the_pad(bench: Bench) -> None:
    assert bench.fpioa.pads[5].line.level
    bench.uart.write(LCR, 4, 0x43)
    assert not bench.fpioa.pads[5].line.level
    bench.uart.write(0x90, 4, 0)
    assert bench.fpioa.pads[5].line.level and bench.uart.read(LCR, 4) == 3


def test_transmit_dma(bench: Bench) -> None:
    data = bytes(range(256)) * 2
    sent = 0

    def source(count: int) -> Items:
        nonlocal sent
        items = np.frombuffer(data[sent : sent + count], np.uint8).astype(np.uint32)
        sent += len(items)
        if sent == len(data):
            bench.tx_dma.source = None
        return items

    bench.tx_dma.source = source
    bench.tx_dma.on_armed()
    assert 16 <= sent <= 33
    bench.clock.advance(len(data) * CHARACTER - CHARACTER // 2)
    assert not bench.uart.read(LSR, 4) & 0x40
    bench.clock.advance(CHARACTER)
    assert bench.uart.read(LSR, 4) & 0x40 and bench.line.take() == data


def test_transmit_dma_rearmed_while_pulling(bench: Bench) -> None:
    blocks = [list(b"first."), list(b"second"), list(b"third!")]

    def source(count: int) -> Items:
        items = np.array(blocks[0][:count], np.uint32)
        del blocks[0][:count]
        if not blocks[0]:
            del blocks[0]
            if not blocks:
                bench.tx_dma.source = None
            else:
                bench.tx_dma.on_armed()
        return items

    bench.tx_dma.source = source
    bench.tx_dma.on_armed()
    bench.clock.advance(30 * CHARACTER)
    assert bench.line.take() == b"first.secondthird!"


def test_receive_dma(bench: Bench) -> None:
    got: list[int] = []

    def sink(items: Items) -> int:
        took = items[: 5 - len(got)]
        got.extend(int(item) for item in took)
        return len(took)

    bench.line.send(b"he")
    bench.clock.advance(3 * CHARACTER)
    bench.rx_dma.sink = sink
    bench.rx_dma.on_armed()
    assert bytes(got) == b"he"
    bench.line.send(b"llo!")
    bench.clock.advance(5 * CHARACTER)
    assert bytes(got) == b"hello" and bench.uart.read(RBR, 4) == ord("!")


def test_receive_dma_gets_the_rest_at_timeout() -> None:
    bench = Bench().start(fcr=0xB9)  # trigger 8
    got: list[int] = []
    bench.rx_dma.sink = lambda items: got.extend(items.tolist()) or len(items)
    bench.line.send(bytes(10))
    bench.clock.advance(11 * CHARACTER)
    assert len(got) == 8
    bench.clock.advance(5 * CHARACTER)
    assert len(got) == 10


def test_fifo_access_mode_and_resets(bench: Bench) -> None:
    bench.uart.write(FAR, 4, 1)
    bench.uart.write(THR, 4, 0x55)
    assert bench.uart.read(TFL, 4) == 1 and bench.uart.read(TFR, 4) == 0x55 and bench.uart.read(TFL, 4) == 0
    bench.uart.write(RFW, 4, 0x2AA)
    assert bench.uart.read(LSR, 4) & 9 == 9 and bench.uart.read(RBR, 4) == 0xAA
    bench.uart.write(FAR, 4, 0)
    bench.line.send(b"abc")
    bench.clock.advance(4 * CHARACTER)
    bench.uart.write(SRR, 4, 2)
    assert bench.uart.read(RFL, 4) == 0
    bench.uart.write(SRR, 4, 1)
    assert bench.uart.read(LCR, 4) == 0 and bench.uart.read(IER, 4) == 0 and bench.uart.port.baud == 0


def test_identity(bench: Bench) -> None:
    assert bench.uart.read(0xFC, 4) == 0x4457_0110
    bench.uart.write(SCR, 4, 0x1A5)
    assert bench.uart.read(SCR, 4) == 0xA5


def test_no_clock_no_traffic(bench: Bench) -> None:
    bench.clk.set(0)
    bench.uart.write(THR, 4, 1)
    bench.line.send(b"a")
    bench.clock.advance(10 * CHARACTER)
    assert bench.line.take() == b"" and bench.uart.read(RFL, 4) == 0
    bench.clk.set(HZ)
    bench.clock.advance(2 * CHARACTER)
    assert bench.line.take() == b"\x01"


def test_transmitter_against_a_plain_model() -> None:
    """The closed form gives what stepping through every character would."""
    chance = random.Random(6)
    clock = Clock()
    out = bytearray()
    transmitter = Transmitter(clock, 16, out.extend)
    transmitter.set_character_time(100)
    waiting: list[int] = []
    shifting, end, sent = None, 0, bytearray()
    for turn in range(3000):
        clock.advance(chance.choice([0, 1, 99, 100, 101, 350, 2500]))
        while shifting is not None and end <= clock.now:
            sent.append(shifting)
            shifting = waiting.pop(0) if waiting else None
            end += 100
        transmitter.sync()
        assert (len(transmitter.fifo), transmitter.shifting, bytes(out)) == (len(waiting), shifting, bytes(sent))
        data = bytes((turn + i) & 0xFF for i in range(chance.randrange(6)))
        took = 0
        for byte in data:
            if shifting is None:
                shifting, end = byte, clock.now + 100
            elif len(waiting) < 16:
                waiting.append(byte)
            else:
                break
            took += 1
        assert transmitter.put(data) == took
        out.clear()
        sent.clear()
        if shifting is not None:
            assert transmitter.time_of_level(-1) == end + 100 * len(waiting)


def test_fuzz() -> None:
    chance = random.Random(5)
    bench = Bench()
    busiest = 0
    for turn in range(10_000):
        if turn % 100 == 0:
            bench.uart.reset()
            bench.clk.set(HZ)
            bench.start(fcr=chance.getrandbits(8))
        offset = chance.choice([chance.randrange(0x100), 0, 0, chance.randrange(10) * 4])
        size = chance.choice([s for s in (1, 2, 4, 8) if offset % s == 0])
        kind = chance.randrange(9)
        if kind == 0:
            bench.line.send(bytes([chance.randrange(256)]))
        elif kind == 1:
            bench.clk.set(chance.choice([0, 1, 26_000_000, HZ, HZ, HZ, HZ]))
        elif kind == 2:
            bench.modem.cts.set(chance.random() < 0.5)
        elif kind == 3:
            bench.tx_dma.source = chance.choice([None, lambda count: np.arange(count // 2, dtype=np.uint32)])
            bench.rx_dma.sink = chance.choice([None, lambda items: len(items) // 2])
            bench.tx_dma.on_armed()
        elif kind < 6:
            bench.uart.read(offset, size)
        else:
            bench.uart.write(offset, size, chance.getrandbits(8 * size))
        bench.clock.advance(chance.choice([0, 1000, CHARACTER]))
        busiest = max(busiest, bench.uart.read(TFL, 4))
        assert bench.uart.irq.level == (bench.uart.words[IIR >> 2] & 0xF != 1)
        assert bench.uart.words[LSR >> 2] & 1 == (bench.uart.read(RFL, 4) > 0)
    assert busiest == 16
    bench.uart.reset()
    assert not bench.uart.irq.level and bench.uart.read(LSR, 4) == 0x60


def session(seed: int, eager: bool) -> list[tuple[int, str, int]]:
    """What a guest sees that reads and sets registers at random while characters arrive."""
    bench, source = Bench().start(fcr=0xF9), random.Random(seed)
    if eager:
        bench.uart.port.quiet = lambda: 1
    seen: list[tuple[int, str, int]] = []
    bench.uart.irq.listen(lambda level: seen.append((bench.clock.now, "irq", level)))
    bench.uart.write(IER, 4, 0x81)
    for _ in range(120):
        what = source.randrange(12)
        if what < 3:
            bench.line.send(source.randbytes(source.randrange(1, 40)))
        elif what < 7:
            register = source.choice((LSR, LSR, RBR, RBR, RBR, RFL, USR, IIR))
            # As the run loop does: without Python where the flags say so.
            fast = bench.uart.flags[register >> 2] & 1
            value = bench.uart.words[register >> 2] if fast else bench.uart.read(register, 4)
            seen.append((bench.clock.now, f"register {register:#x}", value))
        elif what == 7:
            bench.uart.write(FCR, 4, 1 | source.choice((0x00, 0x40, 0x80, 0xC0)) | source.choice((0, 0, 0, 2)))
        elif what == 8:
            bench.uart.write(IER, 4, 0x80 | source.choice((0, 1, 1, 5)))
        elif what == 9 and source.randrange(4) == 0:
            bench.uart.write(DLF, 4, source.randrange(16))
        elif what == 10 and source.randrange(4) == 0:
            bench.line.purge(to_board=True)
        bench.clock.advance(source.randrange(1, source.choice((2, 5, 40)) * CHARACTER))
    return [*seen, (bench.clock.now, "carried", bench.line.carried_to_board)]


@pytest.mark.parametrize("seed", range(60))
def test_characters_that_come_together_are_seen_one_by_one(seed: int) -> None:
    assert session(seed, eager=False) == session(seed, eager=True)


def test_characters_below_the_trigger_take_one_event() -> None:
    bench = Bench().start(fcr=0x81)  # eight of sixteen
    bench.uart.write(IER, 4, 0x81)
    bench.line.send(bytes(8))
    before = bench.clock.fired.get(id(bench.line), 0)
    bench.clock.advance(8 * CHARACTER + 1000)
    assert bench.uart.irq.level and bench.uart.read(RFL, 4) == 8
    assert bench.clock.fired[id(bench.line)] - before == 1
