"""A TCP proxy that does harm: put before a real server, it makes a bad network of a good one."""

from __future__ import annotations

import contextlib
import socket
from dataclasses import dataclass
from threading import Thread
from time import sleep
from typing import Literal

from tests.unit.stores.qdrant.faulty import Port, reset

Harm = Literal["reset", "cut request", "cut answer", "none"]


@dataclass(frozen=True)
class Plan:
    """Which connections are harmed: every n-th one, the first of these that fits; 0: none."""

    reset_every: int = 0
    """Broken off before anything is forwarded."""
    cut_request_every: int = 0
    """Broken off when half a packet of the request has been forwarded."""
    cut_answer_every: int = 0
    """Broken off in the answer: the server has done it all, and the client is not told."""
    delay_s: float = 0.0
    """How long every packet of an answer is held back."""

    def harm(self, number: int) -> Harm:
        """Return what happens to the connection of this number, counted from 1."""
        harms: tuple[tuple[Harm, int], ...] = (
            ("reset", self.reset_every),
            ("cut request", self.cut_request_every),
            ("cut answer", self.cut_answer_every),
        )
        return next((harm for harm, every in harms if every and number % every == 0), "none")


class FaultyProxy(Port):
    """A port that leads to another address, by and large."""

    def __init__(self, host: str, port: int, plan: Plan) -> None:
        super().__init__(self._forward)
        self._target, self._plan = (host, port), plan
        self._begun = 0
        self.harmed = 0

    def _forward(self, client: socket.socket) -> None:
        with self._lock:
            self._begun += 1
            harm = self._plan.harm(self._begun)
            self.harmed += harm != "none"
        if harm == "reset":
            reset(client)
            return
        with socket.create_connection(self._target) as server:
            back = Thread(target=self._answer, args=(server, client, harm), daemon=True)
            back.start()
            with contextlib.suppress(OSError):
                while packet := client.recv(65536):
                    if harm == "cut request":
                        server.sendall(packet[: len(packet) // 2])
                        reset(client)
                        break
                    server.sendall(packet)
                server.shutdown(socket.SHUT_WR)
            back.join()

    def _answer(self, server: socket.socket, client: socket.socket, harm: Harm) -> None:
        with contextlib.suppress(OSError):
            while packet := server.recv(65536):
                sleep(self._plan.delay_s)
                if harm == "cut answer":
                    client.sendall(packet[: len(packet) // 2])
                    reset(client)
                    break
                client.sendall(packet)
            client.shutdown(socket.SHUT_WR)
