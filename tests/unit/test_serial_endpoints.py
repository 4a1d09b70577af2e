"""The host's end of the serial line."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest
import serial

from k210kit.board.core.clock import Clock
from k210kit.board.core.serial import Character, SerialPort
from k210kit.board.devices.fpioa import UARTHS_RX, UARTHS_TX, Fpioa
from k210kit.board.parts.rfc2217_endpoint import Rfc2217Endpoint
from k210kit.board.parts.serial_endpoints import MemoryEndpoint, PtyEndpoint, StdioEndpoint
from k210kit.board.parts.serial_line import SerialLine, SerialWiring
from k210kit.errors import K210Error


class Echo:
    """A board that answers every character with itself, at 115200."""

    def __init__(self) -> None:
        self.clock = Clock()
        wiring = SerialWiring(Fpioa("fpioa", self.clock))
        self.port = wiring.connect(SerialPort("echo", UARTHS_TX, UARTHS_RX))
        self.port.baud = 115_200.0
        self.heard: list[Character] = []
        self.port.receive = self._receive
        self.line = SerialLine(self.clock, wiring)

    def _receive(self, character: Character) -> None:
        self.heard.append(character)
        self.port.transmit(bytes([character.byte]))

    def run(self) -> None:
        self.clock.advance(10**11)


@pytest.fixture
def echo() -> Echo:
    return Echo()


def until(condition: Callable[[], object], endpoint: object, echo: Echo, seconds: float = 3.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "nothing happened"
        endpoint.poll()  # type: ignore[attr-defined]
        echo.run()
        time.sleep(0.001)


def test_memory(echo: Echo) -> None:
    endpoint = MemoryEndpoint(echo.line)
    told: list[bytes] = []
    echo.line.listen(told.append)
    endpoint.write(b"abc")
    assert endpoint.read() == b""
    echo.clock.advance(10**8)
    assert endpoint.read() == b"a"
    echo.run()
    assert endpoint.read() == b"bc" and b"".join(told) == b"abc"
    endpoint.poll()
    endpoint.close()


def test_stdio_on_pipes(echo: Echo) -> None:
    in_read, in_write = os.pipe()
    out_read, out_write = os.pipe()
    endpoint = StdioEndpoint(echo.line, in_read, out_write)
    endpoint.poll()
    os.write(in_write, b"hello\x1d")
    endpoint.poll()
    echo.run()
    endpoint.poll()
    assert os.read(out_read, 100) == b"hello\x1d" and not endpoint.quit and not endpoint.eof
    os.close(in_write)
    endpoint.poll()
    assert endpoint.eof
    os.close(out_read)
    echo.line.send(b"x")
    echo.run()
    endpoint.poll()
    endpoint.close()
    endpoint.close()
    os.close(in_read)
    os.close(out_write)


def test_stdio_does_not_wait_for_a_slow_reader(echo: Echo) -> None:
    in_read, in_write = os.pipe()
    out_read, out_write = os.pipe()
    endpoint = StdioEndpoint(echo.line, in_read, out_write)
    data = bytes(300_000)
    echo.line.from_board(data, 115_200.0, echo.port.format)
    endpoint.poll()
    got = 0
    while got < len(data):
        got += len(os.read(out_read, 1 << 16))
        endpoint.poll()
    assert got == len(data)
    for fd in (in_read, in_write, out_read, out_write):
        os.close(fd)


def test_stdio_on_a_terminal(echo: Echo) -> None:
    import termios

    master, slave = os.openpty()
    before = termios.tcgetattr(slave)
    endpoint = StdioEndpoint(echo.line, slave, slave)
    assert not termios.tcgetattr(slave)[3] & (termios.ICANON | termios.ECHO | termios.ISIG)
    os.write(master, b"\x03a\r")
    until(lambda: len(echo.heard) == 3, endpoint, echo)
    assert bytes(c.byte for c in echo.heard) == b"\x03a\r"
    os.write(master, b"b\x1dc")
    until(lambda: endpoint.quit, endpoint, echo)
    echo.run()
    assert len(echo.heard) == 4
    endpoint.close()
    assert termios.tcgetattr(slave) == before
    os.close(master)
    os.close(slave)


def test_pty_survives_its_clients(echo: Echo) -> None:
    endpoint = PtyEndpoint(echo.line)
    for text in (b"one\r\n\x03\x04", b"two"):
        with serial.Serial(endpoint.path, 115_200, timeout=0.01) as client:
            client.write(text)
            got = bytearray()

            def complete(client: serial.Serial = client, got: bytearray = got, text: bytes = text) -> bool:
                got += client.read(100)
                return len(got) >= len(text)

            until(complete, endpoint, echo)
            assert got == text
        endpoint.poll()
    echo.line.send(b"early")
    echo.run()
    endpoint.poll()
    fd = os.open(endpoint.path, os.O_RDWR | os.O_NOCTTY)
    assert os.read(fd, 100) == b"early"
    os.close(fd)
    endpoint.close()
    endpoint.close()
    endpoint.poll()


def test_pty_reads_no_further_ahead_than_it_should(echo: Echo) -> None:
    endpoint = PtyEndpoint(echo.line)
    fd = os.open(endpoint.path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    for _ in range(20):
        with contextlib.suppress(BlockingIOError):
            os.write(fd, bytes(1000))
        endpoint.poll()
    assert 0 < echo.line.pending <= 4096
    os.close(fd)
    endpoint.close()


class Control:
    """Notes what DTR and RTS do."""

    def __init__(self) -> None:
        self.seen: list[tuple[bool, bool]] = []
        self.polls = 0

    def set_lines(self, dtr: bool, rts: bool) -> None:
        self.seen.append((dtr, rts))

    def poll(self) -> None:
        self.polls += 1


class Polling:
    """Runs a client's function in a thread while this thread polls the endpoint."""

    def __init__(self, endpoint: Rfc2217Endpoint, echo: Echo) -> None:
        self.endpoint, self.echo = endpoint, echo

    def __call__(self, function: Callable[[], object], seconds: float = 10.0) -> object:
        result: list[object] = []
        failure: list[BaseException] = []

        def body() -> None:
            try:
                result.append(function())
            except BaseException as error:
                failure.append(error)

        thread = threading.Thread(target=body, daemon=True)
        thread.start()
        end = time.monotonic() + seconds
        while thread.is_alive():
            assert time.monotonic() < end, "the client hangs"
            self.endpoint.poll()
            self.echo.run()
            time.sleep(0.001)
        if failure:
            raise failure[0]
        return result[0]


@pytest.fixture
def control() -> Control:
    return Control()


@pytest.fixture
def endpoint(echo: Echo, control: Control) -> Iterator[Rfc2217Endpoint]:
    endpoint = Rfc2217Endpoint(echo.line, control=control)
    yield endpoint
    endpoint.close()


def test_rfc2217_with_pyserials_client(echo: Echo, endpoint: Rfc2217Endpoint, control: Control) -> None:
    polling = Polling(endpoint, echo)
    text = bytes(range(256)) * 4 + b"\xff\xff"

    def session() -> bytes:
        with serial.serial_for_url(endpoint.url, baudrate=115_200, timeout=3) as client:
            client.write(text)
            got = client.read(len(text))
            client.rts = False
            client.dtr = False
            assert client.cts
            return got

    assert polling(session) == text
    until(lambda: not endpoint.connected, endpoint, echo)
    assert control.seen[:3] == [(True, True), (True, False), (False, False)]
    assert control.polls > 10
    assert echo.line.baud is None and echo.line.format is None


def test_rfc2217_baud_rate_purge_and_break(echo: Echo, endpoint: Rfc2217Endpoint) -> None:
    polling = Polling(endpoint, echo)
    client = serial.serial_for_url(endpoint.url, do_not_open=True, baudrate=9600, timeout=0.5)
    polling(client.open)
    assert echo.line.baud == 9600

    polling(lambda: client.write(b"U"))
    until(lambda: echo.heard, endpoint, echo)
    assert echo.heard[0].framing_error
    polling(lambda: setattr(client, "baudrate", 115_200))
    assert echo.line.baud == 115_200
    polling(client.reset_input_buffer)
    polling(client.reset_output_buffer)
    echo.heard.clear()
    polling(lambda: client.write(b"U"))
    assert polling(lambda: client.read(1)) == b"U"
    polling(lambda: setattr(client, "break_condition", True))
    polling(lambda: setattr(client, "break_condition", False))
    assert echo.heard[-1].is_break
    polling(lambda: setattr(client, "parity", "E"))
    assert echo.line.format is not None and echo.line.format.parity == "E"
    polling(client.close)


def test_rfc2217_one_client_at_a_time_and_again(echo: Echo, endpoint: Rfc2217Endpoint) -> None:
    first = socket.create_connection(("127.0.0.1", endpoint.port), timeout=3)
    until(lambda: endpoint.connected, endpoint, echo)
    second = socket.create_connection(("127.0.0.1", endpoint.port), timeout=3)
    for _ in range(20):
        endpoint.poll()
        time.sleep(0.001)
    assert second.recv(1) == b""
    second.close()
    first.close()
    until(lambda: not endpoint.connected, endpoint, echo)
    with socket.create_connection(("127.0.0.1", endpoint.port), timeout=3) as third:
        third.sendall(b"raw")
        until(lambda: len(echo.heard) == 3, endpoint, echo)


def test_rfc2217_nonsense_does_not_hurt(echo: Echo, endpoint: Rfc2217Endpoint) -> None:
    for nonsense in (b"\xff\xf0", b"\xff\xfa,\x01\x00\xff\xf0", b"\xff\xfa,\x03\x99\xff\xf0", b"\xff\xfa,\x0b\xff\xf0"):
        with socket.create_connection(("127.0.0.1", endpoint.port), timeout=3) as client:
            client.sendall(nonsense)
            for _ in range(10):
                endpoint.poll()
                time.sleep(0.001)
        until(lambda: not endpoint.connected, endpoint, echo)
    with socket.create_connection(("127.0.0.1", endpoint.port), timeout=3) as client:
        client.sendall(b"still here")
        until(lambda: len(echo.heard) == 10, endpoint, echo)


def test_rfc2217_busy_port(endpoint: Rfc2217Endpoint, echo: Echo) -> None:
    with pytest.raises(K210Error, match=str(endpoint.port)):
        Rfc2217Endpoint(echo.line, endpoint.port)
    with pytest.raises(K210Error, match="70000"):
        Rfc2217Endpoint(echo.line, 70_000)
