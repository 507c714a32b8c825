"""The send API: a request's headers and body in, an answer out.

Joins the dialect, which knows the words, to intake, which knows the rules. The
order in which a request is judged is the specification's (5.6).
"""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from urllib.parse import parse_qs

import msgspec
import trio

from appliance.core.credential import Credential
from appliance.core.refusal import Reason, Refusal
from appliance.core.submission import Submission
from appliance.dialects.limits import Limits
from appliance.dialects.sendpost.answer import (
    JSON_TYPE,
    Answer,
    Result,
    concerns_one_entry,
    render_accepted,
    render_problem,
    render_refusal,
)
from appliance.dialects.sendpost.contract import (
    Contract,
    contract_headers,
    read_contract,
)
from appliance.dialects.sendpost.errors import Fault, Problem, invalid
from appliance.dialects.sendpost.login import KeyKind, read_key, speaks_for
from appliance.dialects.sendpost.request import SendRequest, parse_send, submissions
from appliance.edge.keys import KeyRing
from appliance.flow.dry_run import DryRun
from appliance.flow.dry_run_facts import report_facts
from appliance.flow.intake import Accepted, Intake
from appliance.flow.route import Origin, Question
from appliance.store.errors import StoreUnavailable

Headers = Sequence[tuple[bytes, bytes]]

SMALL_BODY_BYTES = 256 * 1024  # parsed in under 10 ms
LARGE_AT_A_TIME = 2
LARGE_IN_MEMORY = 8
MAX_PARAMETERS = 20
STRANGER_BYTES = 64 * 1024  # read from who has no key: a kept connection is worth it
_WORDS = {
    Fault.NOT_FOUND: "There is nothing at this path",
    Fault.METHOD_NOT_ALLOWED: "This method is not for this path",
}
BAD_KEY = Refusal(Reason.BAD_KEY, detail="The API key is missing or not valid")


class SendDoor:
    """Answers send requests."""

    def __init__(
        self,
        intake: Intake,
        keys: KeyRing,
        limits: Limits,
        default: Contract,
        dry_run: DryRun,
    ) -> None:
        self._intake = intake
        self._keys = keys
        self._limits = limits
        self._default = default
        self._dry_run = dry_run
        self._large = trio.CapacityLimiter(LARGE_AT_A_TIME)
        self._room = trio.CapacityLimiter(LARGE_IN_MEMORY)

    def origin(self, headers: Headers) -> Origin | None:
        """On whose behalf these headers speak; None if on nobody's."""
        credential = self._credential(headers)
        if credential is None or credential.sub_account is None:
            return None
        return Origin(credential.sub_account, credential)

    def body_limit(self, headers: Headers) -> int:
        """How much body is read behind these headers: little without a key.

        What announces no more than that is not asked for its key twice.
        """
        length = _header(headers, b"content-length")
        if length is not None and int(length) <= STRANGER_BYTES:
            return STRANGER_BYTES
        if self.origin(headers) is None:
            return STRANGER_BYTES
        return self._limits.body_bytes

    def room_for(self, headers: Headers) -> AbstractAsyncContextManager[object]:
        """To be held while a request is read and answered.

        Few that are large, or do not say how large they are, have room at a
        time: together they would fill the memory.
        """
        length = _header(headers, b"content-length")
        if length is not None and int(length) <= SMALL_BODY_BYTES:
            return nullcontext()
        return self._room

    async def answer(
        self, headers: Headers, body: bytes | None, query: bytes = b""
    ) -> Answer:
        """The whole answer to one send request; a 200 means that it is on disk.

        No body stands for one that was too large to be read. With ``dry_run=true``
        in the query nothing is stored: the answer tells what would become of it.
        """
        contract = self._contract(headers)
        if isinstance(contract, Problem):
            answer, applied = render_problem(contract), self._default
        else:
            answer, applied = await self._judge(headers, body, query), contract
        extra = contract_headers(applied)
        return Answer(answer.status, (*answer.headers, *extra), answer.body)

    def refuse(self, headers: Headers, fault: Fault) -> Answer:
        """What is said to a path or a method that is not there."""
        contract = self._contract(headers)
        applied = self._default if isinstance(contract, Problem) else contract
        answer = render_problem(Problem(fault, _WORDS[fault]))
        extra = contract_headers(applied)
        if fault is Fault.METHOD_NOT_ALLOWED:
            extra = (*extra, ("Allow", "POST"))
        return Answer(answer.status, (*answer.headers, *extra), answer.body)

    async def _judge(
        self, headers: Headers, body: bytes | None, query: bytes
    ) -> Answer:
        origin = self.origin(headers)
        if origin is None:
            return render_refusal(BAD_KEY)
        stored = _is_stored(query)
        if isinstance(stored, Problem):
            return render_problem(stored)
        request = await self._parse(body)
        if isinstance(request, Problem):
            return render_problem(request)
        refusal = self._intake.refuse(_question(origin, request))
        if refusal is not None and not concerns_one_entry(refusal):
            return render_refusal(refusal)
        take = self._take if stored else self._try
        try:
            return await take(origin, request, refusal)
        except StoreUnavailable:
            return render_refusal(Refusal(Reason.STORE_UNAVAILABLE))

    async def _parse(self, body: bytes | None) -> SendRequest | Problem:
        """The request; a large body is read in a thread, few at a time."""
        if body is None:
            return invalid("", f"The body is over {self._limits.body_bytes} bytes")
        if len(body) <= SMALL_BODY_BYTES:
            return parse_send(body, self._limits)
        return await trio.to_thread.run_sync(
            parse_send, body, self._limits, limiter=self._large
        )

    async def _take(
        self, origin: Origin, request: SendRequest, refusal: Refusal | None
    ) -> Answer:
        """Hand in what can be; each entry gets its own result, in order."""
        wanted = [refusal or one for one in submissions(request)]
        fresh = [one for one in wanted if isinstance(one, Submission)]
        taken = await self._intake.take(origin, fresh)
        for verdict in taken:
            if isinstance(verdict, Refusal) and not concerns_one_entry(verdict):
                return render_refusal(verdict)
        verdicts = iter(taken)
        now_ns = self._intake.now_ns()
        results = [
            _result(
                entry.text, one if isinstance(one, Refusal) else next(verdicts), now_ns
            )
            for entry, one in zip(request.entries, wanted, strict=True)
        ]
        return Answer(200, (JSON_TYPE,), render_accepted(results))

    async def _try(
        self, origin: Origin, request: SendRequest, refusal: Refusal | None
    ) -> Answer:
        """Tell what would become of each entry."""
        wanted = [refusal or one for one in submissions(request)]
        fresh = [one for one in wanted if isinstance(one, Submission)]
        reports = iter(await self._dry_run.run(origin, fresh))
        entries = [
            report_facts(entry.text, one if isinstance(one, Refusal) else next(reports))
            for entry, one in zip(request.entries, wanted, strict=True)
        ]
        body = msgspec.json.encode({"dryRun": True, "entries": entries})
        return Answer(200, (JSON_TYPE,), body)

    def _credential(self, headers: Headers) -> Credential | None:
        key = read_key(headers, KeyKind.SUB_ACCOUNT)
        credential = self._keys.find(key) if key is not None else None
        if credential is None or not speaks_for(credential, KeyKind.SUB_ACCOUNT):
            return None
        return credential

    def _contract(self, headers: Headers) -> Contract | Problem:
        return read_contract(headers, self._default)


def _is_stored(query: bytes) -> bool | Problem:
    """False for a dry run. What is unclear about that is not sent for real."""
    if not query:
        return True
    try:
        asked = parse_qs(query.decode("latin-1"), True, max_num_fields=MAX_PARAMETERS)
    except ValueError:
        return invalid("", "There are too many parameters")
    words = asked.get("dry_run", ["false"])
    if words not in (["true"], ["false"]):
        return invalid("dry_run", "dry_run is true or false, and given once")
    return words == ["false"]


def _question(origin: Origin, request: SendRequest) -> Question:
    content = request.content
    sender = None if isinstance(content, Refusal) else content.sender.address
    return Question(origin, sender, request.pool)


def _result(text: str, verdict: Accepted | Refusal, now_ns: int) -> Result:
    if isinstance(verdict, Refusal):
        return Result(text, now_ns, None, verdict)
    return Result(text, verdict.accepted_ns, verdict.message, verdict.refusal)


def _header(headers: Headers, name: bytes) -> str | None:
    for key, value in headers:
        if key == name:
            return value.decode("latin-1")
    return None
