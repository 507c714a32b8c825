"""Clients that hand mail in for as long as they live, and what they were answered.

Each recipient is written to once, and never again: a client that got no answer does
not know whether its mail was taken, and neither may happen twice.
"""

import http.client
import json
import smtplib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

DOMAIN = "shop.example"
SEND = "/api/v1/subaccount/email/"
PAUSE_SECONDS = 0.01
AWAY_SECONDS = 0.05
_REFUSALS = (
    smtplib.SMTPDataError,
    smtplib.SMTPSenderRefused,
    smtplib.SMTPRecipientsRefused,
)


@dataclass(frozen=True, slots=True)
class Doors:
    """Where mail is handed in."""

    http_port: int
    smtp_port: int
    key: str
    username: str
    password: str


@dataclass
class Load:
    """What all clients did."""

    doors: Doors
    asked: int = 0
    accepted: set[str] = field(default_factory=set)  # recipients with a 200 or 250
    refused: int = 0
    unanswered: int = 0
    _over: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self, http: int, smtp: int) -> None:
        """Begin with so many clients at each door."""
        for number in range(http):
            self._run(self._post_all, f"h{number}")
        for number in range(smtp):
            self._run(self._submit_all, f"s{number}")

    def stop(self) -> None:
        """No more mail; every answer is known."""
        self._over.set()
        for thread in self._threads:
            thread.join(60)

    def _run(self, client: Callable[[str], None], name: str) -> None:
        thread = threading.Thread(target=client, args=(name,), daemon=True)
        self._threads.append(thread)
        thread.start()

    def _addresses(self, name: str, number: int) -> list[str]:
        count = 1 + number % 3
        return [f"{name}.{number}.{n}@rcpt.example" for n in range(count)]

    def _post_all(self, name: str) -> None:
        number = 0
        while not self._over.is_set():
            connection = http.client.HTTPConnection(
                "127.0.0.1", self.doors.http_port, timeout=20
            )
            try:
                while not self._over.is_set():
                    number += 1
                    self._post(connection, self._addresses(name, number))
            except (OSError, http.client.HTTPException):
                time.sleep(AWAY_SECONDS)
            finally:
                connection.close()

    def _post(self, connection: http.client.HTTPConnection, to: list[str]) -> None:
        if connection.sock is None:
            connection.connect()  # one that fails asks for nothing
        body = {
            "from": {"email": f"orders@{DOMAIN}"},
            "to": [{"email": one} for one in to],
            "subject": "Your order",
            "textBody": "It has shipped. " * 20,
        }
        headers = {
            "X-SubAccount-ApiKey": self.doors.key,
            "Content-Type": "application/json",
        }
        self._ask(to)
        connection.request("POST", SEND, json.dumps(body), headers)
        answer = connection.getresponse()
        answer.read()
        self._answered(to, taken=answer.status == http.client.OK)

    def _submit_all(self, name: str) -> None:
        number = 0
        while not self._over.is_set():
            try:
                with smtplib.SMTP("127.0.0.1", self.doors.smtp_port, timeout=20) as it:
                    it.starttls()
                    it.login(self.doors.username, self.doors.password)
                    while not self._over.is_set():
                        number += 1
                        self._submit(it, self._addresses(name, number))
            except (OSError, smtplib.SMTPException):
                time.sleep(AWAY_SECONDS)

    def _submit(self, client: smtplib.SMTP, to: list[str]) -> None:
        text = (
            f"From: orders@{DOMAIN}\r\nTo: {to[0]}\r\nSubject: Your order\r\n"
            f"\r\n{'It has shipped. ' * 20}\r\n"
        )
        self._ask(to)
        try:
            client.sendmail(f"orders@{DOMAIN}", to, text)
        except _REFUSALS:
            self._answered(to, taken=False)
        else:
            self._answered(to, taken=True)

    def _answered(self, to: list[str], *, taken: bool) -> None:
        with self._lock:
            self.unanswered -= len(to)
            if taken:
                self.accepted.update(to)
            else:
                self.refused += len(to)
        if not taken:
            time.sleep(AWAY_SECONDS)

    def _ask(self, to: list[str]) -> None:
        time.sleep(PAUSE_SECONDS)
        with self._lock:
            self.asked += len(to)
            self.unanswered += len(to)  # until the answer is there
