"""The gateway's plan, reports and questions over REST."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query

from rackhand.doors.api.long_poll import WAIT_MAX_S, LongPolls
from rackhand.doors.api.wire_gateway import AnswerBody, QuestionAnswer, ReportBody
from rackhand.model.network import GatewayPlan
from rackhand.work.address_questions import AddressQuestions
from rackhand.work.gateway import GatewayDesk
from rackhand.work.wire_desk import WireDesk

WaitSeconds = Annotated[float, Query(ge=0, le=WAIT_MAX_S, description="Wait for another.")]


def gateway_routes(gateway: GatewayDesk, wires: WireDesk, questions: AddressQuestions) -> APIRouter:
    """Return the endpoints that a gateway asks and tells."""
    router = APIRouter(prefix="/gateway", tags=["gateway"])
    polls = LongPolls()

    @router.get("/plan")
    async def read_plan(
        in_force: Annotated[str | None, Query(description="The revision being served.")] = None,
        wait_s: WaitSeconds = 0,
    ) -> GatewayPlan:
        """Report which revision is in force, and get the plan that should be."""
        return await polls.run(partial(gateway.wait, in_force, wait_s))

    @router.post("/reports", status_code=204)
    def report(body: ReportBody) -> None:
        """Tell what was noticed on the networks, and on which the gateway listens."""
        wires.hear(body.report())

    @router.get("/questions")
    async def read_questions(wait_s: WaitSeconds = 0) -> list[QuestionAnswer]:
        """Get the questions that want an answer within seconds."""
        asked = await polls.run(partial(questions.wait, wait_s))
        return [QuestionAnswer.of(question) for question in asked]

    @router.post("/answers", status_code=204)
    def answer(body: list[AnswerBody]) -> None:
        """Answer questions; nobody waits longer than some seconds."""
        questions.answer([one.answer() for one in body])

    return router
