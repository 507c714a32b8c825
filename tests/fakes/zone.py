"""A DNS server in the test's own trio process: TXT records, and nothing else."""

from collections.abc import Mapping

import dns.message
import dns.rcode
import dns.rrset
import trio


class FakeZone:
    """Answers over UDP on loopback; what is not in ``texts`` does not exist."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self.texts = dict(texts)
        self.address = ""

    async def run(
        self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Serves until it is cancelled."""
        with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as udp:
            await udp.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{udp.getsockname()[1]}"
            task_status.started()
            while True:
                question, peer = await udp.recvfrom(4096)
                await udp.sendto(self._answer(question), peer)

    def _answer(self, wire: bytes) -> bytes:
        asked = dns.message.from_wire(wire)
        answer = dns.message.make_response(asked)
        name = asked.question[0].name
        text = self.texts.get(name.to_text(omit_final_dot=True))
        if text is None:
            answer.set_rcode(dns.rcode.NXDOMAIN)
            return answer.to_wire()
        strings = (text[at : at + 255] for at in range(0, len(text), 255))
        quoted = " ".join(f'"{one}"' for one in strings)
        answer.answer.append(dns.rrset.from_text(name, 60, "IN", "TXT", quoted))
        return answer.to_wire()
