"""A bad cable: between an RFC 2217 client and a board, losing, doubling and flipping bytes, or cutting the connection.

Telnet's own commands (after 0xFF) pass untouched, and so does the escaped 0xFF: this is the line, not the network.
"""

from __future__ import annotations

import contextlib
import random
import select
import socket
import threading

IAC, SB, SE = 255, 250, 240


class _Direction:
    """Damages the data of one direction."""

    def __init__(self, chance: random.Random, rate: float) -> None:
        self._chance, self._rate = chance, rate
        self._command = bytearray()

    def pass_on(self, data: bytes) -> bytes:
        if not self._rate:
            return data
        result = bytearray()
        for byte in data:
            if self._command or byte == IAC:
                self._command.append(byte)
                if self._complete():
                    result += self._command
                    self._command.clear()
            elif self._chance.random() < self._rate:
                kind = self._chance.randrange(3)
                if kind == 1:
                    result += bytes((byte, byte))
                elif kind == 2:
                    # Not to 0xFF, which would begin a command.
                    result.append((byte ^ 1 << self._chance.randrange(7)) & 0xFF if byte < 128 else byte & 0x7F)
            else:
                result.append(byte)
        return bytes(result)

    def _complete(self) -> bool:
        command = self._command
        if len(command) < 2:
            return False
        if command[1] == SB:
            return len(command) > 3 and command[-2:] == bytes((IAC, SE)) and command[-3] != IAC
        return command[1] == IAC or len(command) == 3 or (command[1] < SB and command[1] != IAC)


class FaultProxy:
    """Listens in place of the board at `host_port`; `url` is for the flasher.

    `rates` are faults per byte to the board and from it; the connection is cut after `cut_after` bytes to the board.
    """

    def __init__(self, board_port: int, rates: tuple[float, float], cut_after: int | None, seed: int) -> None:
        chance = random.Random(seed)
        self._board_port, self._cut_after = board_port, cut_after
        self._directions = _Direction(chance, rates[0]), _Direction(chance, rates[1])
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"rfc2217://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._listener.close()
        self._thread.join(5)

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            client, _ = self._listener.accept()
            with client, socket.create_connection(("127.0.0.1", self._board_port)) as board:
                for end in (client, board):
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._carry(client, board)

    def _carry(self, client: socket.socket, board: socket.socket) -> None:
        passed = 0
        while True:
            ready, _, _ = select.select([client, board], [], [], 1)
            for source in ready:
                data = source.recv(4096)
                if not data:
                    return
                if source is client:
                    passed += len(data)
                    if self._cut_after is not None and passed > self._cut_after:
                        return
                    board.sendall(self._directions[0].pass_on(data))
                else:
                    client.sendall(self._directions[1].pass_on(data))
